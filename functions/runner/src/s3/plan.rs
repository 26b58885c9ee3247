//! Which of a command's words name objects, and what the program gets in their place.

use super::{
    S3Settings,
    location::{Location, SCHEME},
};
use std::path::{Path, PathBuf};
use zeebe2faas_contract::Invocation;

/// Objects in one command.
const MAX_LOCATIONS: usize = 64;
/// What a location in a command ends at.
const ENDS: &str = ",;|&?\"'`()<>[]{}";
/// What may stand right before one, besides blanks, and right behind: OTB's options, the next of a list, a quote.
const BEFORE: &str = "=:,;\"'([{@";
const BEHIND: [&str; 4] = ["?&", ",", "\"", "'"];
const VSIS3: &str = "/vsis3/";
/// In place of a location where paths are checked.
const NO_PATH: &str = "_";

/// An object that is copied to scratch before the program starts, or only looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Where it is.
    pub location: Location,
    /// The folder that it is copied to; `None`: the program reads it itself.
    pub folder: Option<PathBuf>,
    /// Without what belongs to it.
    pub alone: bool,
}

/// A file of the program that becomes an object, with all that stands beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// What it becomes.
    pub location: Location,
    /// The folder that holds it under its own name.
    pub folder: PathBuf,
}

/// What a call moves from S3 and to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transfers {
    /// Before the program.
    pub inputs: Vec<Input>,
    /// After it.
    pub uploads: Vec<Upload>,
    /// The call's own folder; nothing of it is there yet.
    pub scratch: PathBuf,
}

/// A command without its locations.
#[derive(Debug)]
pub struct Rewritten {
    /// With files in their place; only outputs that are in S3 are outputs.
    pub remote: Invocation,
    /// The parameters of the other outputs.
    pub local_outputs: Vec<String>,
    /// With nothing in their place, for the check of paths.
    pub to_check: Invocation,
}

impl Transfers {
    /// Whether there is nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.inputs.is_empty() && self.uploads.is_empty()
    }

    /// Whether the program reads objects itself.
    pub fn any_direct(&self) -> bool {
        self.inputs.iter().any(|input| input.folder.is_none())
    }

    /// What a file in scratch was to become.
    pub fn location_of(&self, path: &str) -> Option<String> {
        let file = |upload: &&Upload| upload.folder.join(upload.location.name()) == Path::new(path);
        self.uploads.iter().find(file).map(|upload| upload.location.to_string())
    }

    /// Takes the locations out of a command.
    ///
    /// # Errors
    /// One sentence: which argument, and why not.
    pub fn plan(invocation: &Invocation, settings: &S3Settings) -> Result<(Self, Rewritten), String> {
        let scratch = settings.call_folder(&invocation.call_id);
        let mut plan = Planner { settings, transfers: Self { scratch, ..Self::default() } };
        let (mut files, mut to_check) = (Vec::new(), Vec::new());
        let mut remote_outputs = Vec::new();
        let mut parameter = None;
        for (index, argument) in invocation.args.iter().enumerate() {
            let refuse = |why: String| format!("argument {index} `{argument}` {why}");
            let is_output = parameter.is_some_and(|name| invocation.outputs.iter().any(|output| output == name));
            let (file, rest) = plan.argument(argument, parameter, is_output).map_err(refuse)?;
            if let (true, Some(name)) = (is_output && file != *argument, parameter) {
                remote_outputs.push(name.to_owned());
            }
            files.push(file);
            to_check.push(rest);
            parameter = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-'));
        }
        let is_remote = |output: &String| remote_outputs.contains(output);
        let local_outputs: Vec<String> = invocation.outputs.iter().filter(|o| !is_remote(o)).cloned().collect();
        let to_check = Invocation { args: to_check, outputs: local_outputs.clone(), ..invocation.clone() };
        let remote = Invocation { args: files, outputs: remote_outputs, ..invocation.clone() };
        Ok((plan.transfers, Rewritten { remote, local_outputs, to_check }))
    }
}

struct Planner<'a> {
    settings: &'a S3Settings,
    transfers: Transfers,
}

impl Planner<'_> {
    /// The argument with files, and with nothing, in place of its locations.
    fn argument(
        &mut self,
        argument: &str,
        parameter: Option<&str>,
        is_output: bool,
    ) -> Result<(String, String), String> {
        let (mut files, mut nothing, mut rest) = (String::new(), String::new(), argument);
        while let Some(start) = rest.find(SCHEME) {
            let (before, found) = rest.split_at(start);
            if before.chars().next_back().is_some_and(|c| !c.is_whitespace() && !BEFORE.contains(c)) {
                return Err("has an s3:// in the middle of a word".to_owned());
            }
            if is_output && !before.is_empty() {
                return Err("is an output with words before its s3://".to_owned());
            }
            let is_end = |c: char| c.is_whitespace() || ENDS.contains(c);
            let (text, behind) = found.split_at(found.find(is_end).unwrap_or(found.len()));
            if !behind.is_empty()
                && !behind.starts_with(char::is_whitespace)
                && !BEHIND.iter().any(|b| behind.starts_with(b))
            {
                return Err(format!("has a key with one of {ENDS}, which cannot be told from what follows a key"));
            }
            let location: Location = text.parse().map_err(|why| format!("names `{text}`: {why}"))?;
            self.settings.allow_buckets.check(&location).map_err(|why| format!("names `{text}`, which {why}"))?;
            // `--in=s3://…` names its parameter itself.
            let own = before.strip_suffix('=').map(|name| name.trim_start_matches('-'));
            let file = if is_output { self.output(location)? } else { self.input(location, own.or(parameter))? };
            for (text, place) in [(&mut files, file.as_str()), (&mut nothing, NO_PATH)] {
                text.push_str(before);
                text.push_str(place);
            }
            rest = behind;
        }
        files.push_str(rest);
        nothing.push_str(rest);
        Ok((files, nothing))
    }

    fn input(&mut self, location: Location, parameter: Option<&str>) -> Result<String, String> {
        let is_one_of = |names: &[String]| names.iter().any(|name| name == "*" || Some(name.as_str()) == parameter);
        let (direct, alone) = (is_one_of(&self.settings.direct), is_one_of(&self.settings.alone));
        let folder = (!direct).then(|| self.transfers.scratch.join("in").join(self.next()));
        let path = match &folder {
            None => format!("{VSIS3}{}/{}", location.bucket, location.key),
            Some(folder) => folder.join(location.name()).display().to_string(),
        };
        // The same object twice is one file.
        let same = |input: &&Input| {
            input.location == location && input.alone == alone && input.folder.is_some() == folder.is_some()
        };
        if let Some(earlier) = self.transfers.inputs.iter().find(same) {
            let folder = earlier.folder.as_ref();
            return Ok(folder.map_or(path, |folder| folder.join(location.name()).display().to_string()));
        }
        self.transfers.inputs.push(Input { location, folder, alone });
        self.limit().map(|()| path)
    }

    fn output(&mut self, location: Location) -> Result<String, String> {
        if location.is_folder() {
            return Err(format!("names the output `{location}`, a folder: an object's key is needed"));
        }
        // Outputs beside each other stay so: what a program writes beside one may belong to the other.
        let beside = |upload: &&Upload| {
            (&upload.location.bucket, upload.location.folder()) == (&location.bucket, location.folder())
        };
        let folder = match self.transfers.uploads.iter().find(beside) {
            Some(upload) => upload.folder.clone(),
            None => self.transfers.scratch.join("out").join(self.next()),
        };
        let path = folder.join(location.name()).display().to_string();
        self.transfers.uploads.push(Upload { location, folder });
        self.limit().map(|()| path)
    }

    fn next(&self) -> String {
        (self.transfers.inputs.len() + self.transfers.uploads.len()).to_string()
    }

    fn limit(&self) -> Result<(), String> {
        let found = self.transfers.inputs.len() + self.transfers.uploads.len();
        if found > MAX_LOCATIONS {
            Err(format!("is the command's {found}th in S3, of {MAX_LOCATIONS}"))
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::{Rewritten, Transfers};
    use crate::s3::S3Settings;
    use zeebe2faas_contract::{CallId, Invocation};

    fn plan(args: &[&str]) -> Result<(Transfers, Rewritten), String> {
        let settings = S3Settings {
            allow_buckets: "products,results".parse().unwrap(),
            direct: vec!["in_ortho".into()],
            alone: vec!["in_ms".into()],
            scratch: Some("/scratch/f".into()),
            scratch_limit_bytes: 1,
        };
        let args = args.iter().map(ToString::to_string).collect();
        let id = CallId::new("test", 1, 1);
        Transfers::plan(&Invocation::new(id, "f".into(), args, vec!["out".into(), "other".into()], 0), &settings)
    }

    fn scratch(rest: &str) -> String {
        format!("/scratch/f/zeebe2faas-{}/{rest}", CallId::new("test", 1, 1))
    }

    #[test]
    fn inputs_become_files_or_vsis3_and_outputs_files() {
        let command = [
            "App",
            "-in",
            "s3://products/p/DIM.XML?&skipcarto=true",
            "-in_ortho",
            "s3://products/o.tif",
            "-out",
            "s3://results/a/n.tif?&gdal:co:TILED=YES",
            "-other",
            "/data/x.tif",
            "-again=s3://products/p/DIM.XML",
        ];
        let (transfers, rewritten) = plan(&command).unwrap();
        let expected = [
            "App".to_owned(),
            "-in".to_owned(),
            format!("{}?&skipcarto=true", scratch("in/0/DIM.XML")),
            "-in_ortho".to_owned(),
            "/vsis3/products/o.tif".to_owned(),
            "-out".to_owned(),
            format!("{}?&gdal:co:TILED=YES", scratch("out/2/n.tif")),
            "-other".to_owned(),
            "/data/x.tif".to_owned(),
            format!("-again={}", scratch("in/0/DIM.XML")),
        ];
        assert_eq!(rewritten.remote.args, expected);
        assert_eq!((rewritten.remote.outputs, rewritten.local_outputs), (vec!["out".into()], vec!["other".into()]));
        assert_eq!(rewritten.to_check.args[2], "_?&skipcarto=true");
        assert_eq!(transfers.inputs.len(), 2);
        assert_eq!(transfers.uploads[0].location.to_string(), "s3://results/a/n.tif");
    }

    #[test]
    fn outputs_beside_each_other_stay_so() {
        let (transfers, _) = plan(&["App", "-out", "s3://results/a/1.tif", "-other", "s3://results/a/2.tif"]).unwrap();
        assert_eq!(transfers.uploads[0].folder, transfers.uploads[1].folder);
    }

    #[test]
    fn what_is_not_allowed_or_not_clear_is_refused_with_its_argument() {
        for (argument, why) in [
            ("s3://elsewhere/k", "RUNNER_ALLOW_BUCKETS has: products, results"),
            ("s3://products/../elsewhere/k", "leads elsewhere"),
            ("s3://products/a(1).tif", "cannot be told"),
            ("xs3://products/k", "middle of a word"),
            ("s3://products/a?x", "cannot be told"),
        ] {
            let told = plan(&["App", "-in", argument]).unwrap_err();
            assert!(told.contains("argument 2") && told.contains(why), "{told}");
        }
        assert!(plan(&["App", "-out", "s3://results/a/"]).unwrap_err().contains("a folder"));
        let many: Vec<String> = (0..70).map(|n| format!("s3://products/{n}")).collect();
        assert!(plan(&many.iter().map(String::as_str).collect::<Vec<_>>()).unwrap_err().contains("of 64"));
    }

    #[test]
    fn a_list_and_a_quoted_name_keep_what_is_around_them() {
        let (_, rewritten) = plan(&["App", "s3://products/a,s3://products/b", "NETCDF:\"s3://products/c\":x"]).unwrap();
        assert_eq!(rewritten.remote.args[1], format!("{},{}", scratch("in/0/a"), scratch("in/1/b")));
        assert_eq!(rewritten.remote.args[2], format!("NETCDF:\"{}\":x", scratch("in/2/c")));
        assert_eq!(rewritten.to_check.args[1], "_,_");
    }
}
