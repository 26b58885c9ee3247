//! The output file: its name, which may carry creation options as OTB's extended file names do, and its format.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// Tiles, so that a reader of a part reads that part only; the large format where 4 GB could be passed.
const DEFAULTS: [(&str, &str); 4] =
    [("TILED", "YES"), ("BLOCKXSIZE", "256"), ("BLOCKYSIZE", "256"), ("BIGTIFF", "IF_SAFER")];

/// What the file that a COG is copied from needs: it is read once, from the same disk.
const FILLED: [&str; 4] = ["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "BIGTIFF=IF_SAFER"];

/// The kind of GeoTIFF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Tiles, no overviews.
    #[default]
    GTiff,
    /// A Cloud Optimized GeoTIFF: GDAL's driver makes it, with overviews, of a file that is complete.
    Cog,
}

/// An output file and how to make it: `out.tif?&gdal:co:COMPRESS=DEFLATE&gdal:co:PREDICTOR=2`.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// The file itself.
    pub path: PathBuf,
    /// Its format.
    pub format: Format,
    /// Creation options of the format's driver given with the name, in their order.
    pub creation_options: Vec<(String, String)>,
    /// Other options of the extended file name, which have no meaning here.
    pub ignored: Vec<String>,
}

impl Output {
    /// Takes a file name apart; the error names the option that is not `gdal:co:KEY=VALUE`.
    pub fn parse(name: &str) -> Result<Self, String> {
        let (path, options) = name.split_once("?&").unwrap_or((name, ""));
        if path.is_empty() {
            return Err("the output has no file name before its options".to_owned());
        }
        let mut output =
            Self { path: path.into(), format: Format::default(), creation_options: Vec::new(), ignored: Vec::new() };
        for option in options.split('&').filter(|option| !option.is_empty()) {
            match option.strip_prefix("gdal:co:").map(|option| (option, option.split_once('='))) {
                Some((_, Some((key, value)))) if !key.is_empty() && !value.is_empty() => {
                    output.creation_options.push((key.to_owned(), value.to_owned()));
                }
                Some((option, _)) => return Err(format!("the creation option {option:?} is not KEY=VALUE")),
                None => output.ignored.push(option.to_owned()),
            }
        }
        Ok(output)
    }

    /// The file that the pixels are written to: for a COG another one beside it.
    pub fn filled_path(&self) -> PathBuf {
        match self.format {
            Format::GTiff => self.path.clone(),
            Format::Cog => [self.path.as_os_str(), OsStr::new(".filling.tif")].into_iter().collect::<OsString>().into(),
        }
    }

    /// Creation options of that file, as `KEY=VALUE`.
    pub fn filled_arguments(&self) -> Vec<String> {
        match self.format {
            Format::GTiff => self.creation_arguments(),
            Format::Cog => FILLED.map(str::to_owned).to_vec(),
        }
    }

    /// Creation options of the COG that is copied from it.
    pub fn copy_arguments(&self) -> Vec<String> {
        let bigtiff = ("BIGTIFF".to_owned(), "IF_SAFER".to_owned());
        let given = self.creation_options.iter();
        let is_given = given.clone().any(|(key, _)| key.eq_ignore_ascii_case(&bigtiff.0));
        let defaults = (!is_given).then_some(&bigtiff);
        defaults.into_iter().chain(given).map(|(key, value)| format!("{key}={value}")).collect()
    }

    /// All creation options as `KEY=VALUE`: the given ones, and the defaults where they say nothing.
    fn creation_arguments(&self) -> Vec<String> {
        let given = |key: &str| self.creation_options.iter().any(|(name, _)| name.eq_ignore_ascii_case(key));
        let has_own_layout = given("TILED");
        let replaced = |key: &str| given(key) || (has_own_layout && key.starts_with("BLOCK"));
        let defaults = DEFAULTS.iter().filter(|(key, _)| !replaced(key)).map(|(key, value)| format!("{key}={value}"));
        defaults.chain(self.creation_options.iter().map(|(key, value)| format!("{key}={value}"))).collect()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::Output;

    #[test]
    fn a_plain_name_has_the_default_options() {
        let output = Output::parse("/data/out.tif").unwrap();
        assert_eq!(output.path.to_str(), Some("/data/out.tif"));
        assert_eq!(output.creation_arguments(), ["TILED=YES", "BLOCKXSIZE=256", "BLOCKYSIZE=256", "BIGTIFF=IF_SAFER"]);
    }

    #[test]
    fn given_options_replace_the_defaults_of_the_same_key() {
        let output = Output::parse("o.tif?&gdal:co:bigtiff=YES&gdal:co:COMPRESS=DEFLATE").unwrap();
        assert_eq!(
            output.creation_arguments(),
            ["TILED=YES", "BLOCKXSIZE=256", "BLOCKYSIZE=256", "bigtiff=YES", "COMPRESS=DEFLATE"]
        );
        let striped = Output::parse("o.tif?&gdal:co:TILED=NO").unwrap();
        assert_eq!(striped.creation_arguments(), ["BIGTIFF=IF_SAFER", "TILED=NO"]);
    }

    #[test]
    fn options_of_otb_only_are_told_apart() {
        let output = Output::parse("o.tif?&nodata=0&gdal:co:COMPRESS=LZW").unwrap();
        assert_eq!(output.ignored, ["nodata=0"]);
        assert_eq!(output.creation_options, [("COMPRESS".to_owned(), "LZW".to_owned())]);
    }

    #[test]
    fn a_creation_option_without_a_value_is_named() {
        assert!(Output::parse("o.tif?&gdal:co:COMPRESS").unwrap_err().contains("COMPRESS"));
        assert!(Output::parse("?&gdal:co:COMPRESS=LZW").is_err());
    }

    #[test]
    fn a_question_mark_in_a_name_is_part_of_it() {
        assert_eq!(Output::parse("what?.tif").unwrap().path.to_str(), Some("what?.tif"));
    }
}
