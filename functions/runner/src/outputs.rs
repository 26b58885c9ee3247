//! Output files get their names only when the program has succeeded: until then they stand in a folder beside.

use crate::clock::Deadline;
use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};
use zeebe2faas_contract::{CallId, Invocation};

/// Where OTB's extended file name begins: `out.tif?&gdal:co:TILED=YES`.
const EXTENDED: &str = "?&";
/// In `outputs`: the command's last word, for programs that take their output without a parameter's name.
const LAST: &str = "last";

/// The outputs of one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outputs {
    files: Vec<Output>,
    is_scratch: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Output {
    parameter: String,
    folder: PathBuf,
    name: String,
    temporary: PathBuf,
}

/// Why outputs did not get their names.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The program said that it succeeded, but the file is not there.
    #[error("it ended with exit code 0 but did not write `{path}` (parameter `{parameter}`){instead}")]
    Missing {
        /// The parameter's name.
        parameter: String,
        /// The final path.
        path: String,
        /// What was there instead.
        instead: String,
    },
    /// The deadline passed before all files had their names.
    #[error("the deadline passed before its outputs had their names")]
    Late,
    /// The file system said no.
    #[error("cannot {what} `{path}`: {error}; check that the folder can be written to and has space")]
    Files {
        /// What was to be done.
        what: &'static str,
        /// With what.
        path: String,
        /// Why not.
        error: io::Error,
    },
}

impl Outputs {
    /// Finds the output parameters among the arguments (the first of them names the program, or its application) and
    /// returns the arguments with paths in temporary folders.
    ///
    /// # Errors
    /// One sentence, when a parameter is not there, stands there twice or has no path after it.
    pub fn plan(invocation: &Invocation) -> Result<(Self, Vec<String>), String> {
        let mut args = invocation.args.clone();
        let mut files: Vec<Output> = Vec::new();
        for parameter in &invocation.outputs {
            let index = value_index(&invocation.args, parameter)?;
            let (output, rewritten) = Output::plan(parameter, &invocation.args[index], &invocation.call_id)?;
            if files.iter().any(|file| file.temporary == output.temporary) {
                return Err(format!("two outputs have the same path `{}`", output.path()));
            }
            args[index] = rewritten;
            files.push(output);
        }
        Ok((Self { files, is_scratch: false }, args))
    }

    /// On their way to somewhere else: a power cut may have them.
    #[must_use]
    pub fn on_scratch(self) -> Self {
        Self { is_scratch: true, ..self }
    }

    /// Makes empty temporary folders, and the target folders where they are missing. Blocks.
    pub fn prepare(&self) -> Result<(), OutputError> {
        self.discard()?;
        for folder in self.temporary_folders() {
            fs::create_dir_all(folder).map_err(|error| files_error("make the folder", folder, error))?;
        }
        Ok(())
    }

    /// Gives every file in the temporary folders its final name, side-car files (`.geom`, `.aux.xml`, …) first, and
    /// returns the final names, outputs first. Blocks.
    pub fn publish(&self, deadline: Deadline) -> Result<Vec<String>, OutputError> {
        for file in &self.files {
            file.check_written()?;
        }
        let mut side_cars = Vec::new();
        for folder in self.temporary_folders() {
            for path in entries(folder)? {
                if !self.is_scratch {
                    sync(&path)?;
                }
                if !self.files.iter().any(|file| path == file.temporary) {
                    side_cars.push(path);
                }
            }
        }
        let outputs: Vec<PathBuf> = self.files.iter().map(|file| file.temporary.clone()).collect();
        let mut names = Vec::new();
        for path in side_cars.iter().chain(&outputs) {
            if deadline.passed() {
                return Err(OutputError::Late);
            }
            names.push(give_final_name(path)?);
        }
        names.rotate_left(side_cars.len());
        self.discard()?;
        Ok(names)
    }

    /// Removes the temporary folders and what is in them. Blocks.
    pub fn discard(&self) -> Result<(), OutputError> {
        for folder in self.temporary_folders() {
            match fs::remove_dir_all(folder) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(files_error("remove the temporary folder", folder, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn temporary_folders(&self) -> Vec<&Path> {
        let mut folders: Vec<&Path> = self.files.iter().filter_map(|file| file.temporary.parent()).collect();
        folders.sort_unstable();
        folders.dedup();
        folders
    }
}

impl Output {
    fn plan(parameter: &str, value: &str, call_id: &CallId) -> Result<(Self, String), String> {
        let path_length = value.find(EXTENDED).unwrap_or(value.len());
        let (path, extension) = value.split_at(path_length);
        let refuse = |why: &str| format!("the output parameter `{parameter}` has the value `{value}`: {why}");
        if path.is_empty() || path.starts_with('-') {
            return Err(refuse("a path is expected after it"));
        }
        if path.starts_with("/vsi") || path.contains("://") {
            let why = "an output is a file in a mounted folder, since it is renamed when it is complete, or s3://BUCKET/KEY \
                       in a bucket of the function's RUNNER_ALLOW_BUCKETS";
            return Err(refuse(why));
        }
        let full = Path::new(path);
        let (Some(name), false) = (full.file_name().and_then(OsStr::to_str), path.ends_with('/')) else {
            return Err(refuse("it names no file"));
        };
        let folder = full.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf();
        let temporary = folder.join(format!(".zeebe2faas-{call_id}")).join(name);
        let rewritten = format!("{}{extension}", temporary.display());
        Ok((Self { parameter: parameter.into(), name: name.into(), folder, temporary }, rewritten))
    }

    fn path(&self) -> String {
        self.folder.join(&self.name).display().to_string()
    }

    fn check_written(&self) -> Result<(), OutputError> {
        if self.temporary.is_file() {
            return Ok(());
        }
        let there: Vec<String> = self
            .temporary
            .parent()
            .map(entries)
            .transpose()?
            .unwrap_or_default()
            .iter()
            .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .take(5)
            .collect();
        let instead = if there.is_empty() { String::new() } else { format!("; it wrote {}", there.join(", ")) };
        Err(OutputError::Missing { parameter: self.parameter.clone(), path: self.path(), instead })
    }
}

/// Where the value of `-parameter` or `--parameter` stands; the last word for [`LAST`], unless a parameter has that name.
fn value_index(args: &[String], parameter: &str) -> Result<usize, String> {
    let is_it = |arg: &String| arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')) == Some(parameter);
    let mut found = args.iter().enumerate().skip(1).filter(|(_, arg)| is_it(arg));
    match (found.next(), found.next()) {
        (None, _) if parameter == LAST && args.len() > 1 => Ok(args.len() - 1),
        (None, _) => Err(format!(
            "the output parameter `{parameter}` is not in the command: add `-{parameter} PATH`, as two arguments, or \
             take it out of the task's `outputs`"
        )),
        (Some(_), Some(_)) => Err(format!("the output parameter `{parameter}` stands in the command twice")),
        (Some((index, _)), None) if index + 1 < args.len() => Ok(index + 1),
        _ => Err(format!("the output parameter `{parameter}` is the command's last word: a path must follow it")),
    }
}

/// Renames `FOLDER/.zeebe2faas-ID/NAME` to `FOLDER/NAME`.
fn give_final_name(path: &Path) -> Result<String, OutputError> {
    let folder = path.parent().and_then(Path::parent).unwrap_or(Path::new("."));
    let target = folder.join(path.file_name().unwrap_or_default());
    fs::rename(path, &target).map_err(|error| files_error("give an output its name", &target, error))?;
    Ok(target.display().to_string())
}

/// A report of success must not outlive the data in a power cut.
fn sync(path: &Path) -> Result<(), OutputError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|error| files_error("write to disk", path, error))
}

/// The folder's entries, in the order of their names.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, OutputError> {
    let read = || fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
    let mut paths = read().map_err(|error| files_error("read the temporary folder", folder, error))?;
    paths.sort_unstable();
    Ok(paths)
}

fn files_error(what: &'static str, path: &Path, error: io::Error) -> OutputError {
    OutputError::Files { what, path: path.display().to_string(), error }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn invocation(args: &[&str], outputs: &[&str]) -> Invocation {
        let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        let call_id = CallId::new("c", 1, 1);
        Invocation::new(call_id, "f".into(), owned(args), owned(outputs), 0)
    }

    #[test]
    fn an_extended_file_name_stays_behind_the_temporary_path() {
        let (_, args) = Outputs::plan(&invocation(&["App", "-out", "/d/o.tif?&x=1", "uint16"], &["out"])).unwrap();
        let id = CallId::new("c", 1, 1);
        assert_eq!(args[2], format!("/d/.zeebe2faas-{id}/o.tif?&x=1"));
        assert_eq!(args[3], "uint16");
    }

    #[test]
    fn the_last_word_is_an_output_where_a_program_names_none() {
        let (outputs, args) =
            Outputs::plan(&invocation(&["gdal_translate", "/d/a.tif", "/d/o.png"], &["last"])).unwrap();
        let id = &invocation(&[], &[]).call_id;
        assert_eq!(args[1..], ["/d/a.tif".to_owned(), format!("/d/.zeebe2faas-{id}/o.png")]);
        assert_eq!(outputs.files[0].path(), "/d/o.png");
        let (_, args) = Outputs::plan(&invocation(&["App", "-last", "/d/o", "x"], &["last"])).unwrap();
        assert_eq!(args[3], "x", "a parameter of that name wins");
        assert!(Outputs::plan(&invocation(&["App"], &["last"])).is_err());
    }

    #[test]
    fn what_is_no_output_path_is_refused_by_its_parameter() {
        for args in [
            &["App"][..],
            &["App", "-out"],
            &["App", "-out", "-ram"],
            &["App", "-out", "/d/"],
            &["App", "-out", ".."],
            &["App", "-out", "/vsis3/b/o.tif"],
            &["App", "-out", "a", "--out", "b"],
            &["-out", "a"],
        ] {
            let why = Outputs::plan(&invocation(args, &["out"])).unwrap_err();
            assert!(why.contains("`out`"), "{args:?}: {why}");
        }
        assert!(Outputs::plan(&invocation(&["App", "-a", "o", "-b", "./o"], &["a", "b"])).is_err());
    }

    proptest! {
        #[test]
        fn only_output_values_change(words in proptest::collection::vec("[a-z./?& -]{1,12}", 0..6), name in "[a-z]{1,8}") {
            let path = format!("/target/{name}");
            let mut all: Vec<&str> = vec!["App", "-result", &path];
            all.extend(words.iter().map(String::as_str).filter(|w| !w.trim_start_matches('-').starts_with("result")));
            let (_, args) = Outputs::plan(&invocation(&all, &["result"])).unwrap();
            prop_assert_eq!(args.len(), all.len());
            prop_assert_eq!(&args[3..], &all[3..]);
            prop_assert!(args[2].starts_with("/target/.zeebe2faas-") && args[2].ends_with(&name));
        }
    }
}
