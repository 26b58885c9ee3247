//! The name of the output file, which may carry creation options as OTB's extended file names do.

use std::path::PathBuf;

/// Tiles, so that a reader of a part reads that part only; the large format where 4 GB could be passed.
const DEFAULTS: [(&str, &str); 4] =
    [("TILED", "YES"), ("BLOCKXSIZE", "256"), ("BLOCKYSIZE", "256"), ("BIGTIFF", "IF_SAFER")];

/// An output file and how to make it: `out.tif?&gdal:co:COMPRESS=DEFLATE&gdal:co:PREDICTOR=2`.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// The file itself.
    pub path: PathBuf,
    /// GTiff creation options given with the name, in their order.
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
        let mut output = Self { path: path.into(), creation_options: Vec::new(), ignored: Vec::new() };
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

    /// All creation options as `KEY=VALUE`: the given ones, and the defaults where they say nothing.
    pub fn creation_arguments(&self) -> Vec<String> {
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
