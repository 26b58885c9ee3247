//! `call_normalize_function`: counts of an ortho-rectified Pleiades bundle to top-of-atmosphere reflectance.

use std::ffi::OsString;
use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use gdal::config::{get_config_option, set_config_option};
use normalize_product::dimap;
use normalize_product::output::Output;
use normalize_product::raster::{BandSummary, Encoding, RasterError, WINDOW, normalize};

/// GDAL's block cache in megabytes unless `GDAL_CACHEMAX` says otherwise; its own default is 5 % of the machine.
const CACHE_MB: &str = "256";

/// Parameters that may also be written with one dash, as OTB's are.
const PARAMETERS: [&str; 5] = ["in_ms", "in_ortho", "out", "type", "scale"];

/// Top-of-atmosphere reflectance of an ortho-rectified Pleiades bundle.
///
/// Exit codes: 0 done, 1 failed (no output is left), 2 wrong usage.
#[derive(Parser)]
#[command(name = "call_normalize_function", version)]
struct Arguments {
    /// The DIM_*.XML of the multispectral product
    #[arg(long = "in_ms", value_name = "DIM.XML")]
    in_ms: PathBuf,
    /// The ortho made of that product, in counts, bands in the product's order
    #[arg(long = "in_ortho", value_name = "FILE")]
    in_ortho: PathBuf,
    /// The GeoTIFF to write; creation options as in `out.tif?&gdal:co:COMPRESS=DEFLATE`
    #[arg(long = "out", value_name = "FILE", value_parser = Output::parse)]
    out: Output,
    /// Pixel type
    #[arg(long = "type", value_enum, default_value = "float32")]
    pixel: PixelType,
    /// Reflectance is multiplied by this [default: 1 for float32, 10000 for uint16]
    #[arg(long, value_parser = scale, allow_negative_numbers = true)]
    scale: Option<f64>,
}

#[derive(Clone, Copy, ValueEnum)]
enum PixelType {
    #[value(alias = "float")]
    Float32,
    Uint16,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Product(#[from] dimap::DimapError),
    #[error(transparent)]
    Raster(#[from] RasterError),
    #[error("GDAL refuses its cache size {CACHE_MB}: {0}")]
    Cache(#[from] gdal::errors::GdalError),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse_from(std::env::args_os().map(two_dashes));
    for option in &arguments.out.ignored {
        eprintln!("warning: {option} in the output's name has no meaning here and is ignored");
    }
    match run(&arguments) {
        Ok(bands) => {
            for band in bands {
                say(&format!("{}: {} pixels, {} of them saturated", band.id, band.valid, band.saturated));
            }
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<Vec<BandSummary>, Failure> {
    if get_config_option("GDAL_CACHEMAX", "")?.is_empty() {
        set_config_option("GDAL_CACHEMAX", CACHE_MB)?;
    }
    let product = dimap::read(&arguments.in_ms)?;
    let (ortho, out) = (&arguments.in_ortho, &arguments.out);
    // The runner's form of progress.
    let progress = |percent| say(&format!("progress: {percent}% normalizing"));
    let encoding = |default| Encoding { scale: arguments.scale.unwrap_or(default), window: WINDOW };
    Ok(match arguments.pixel {
        PixelType::Float32 => normalize::<f32>(&product, ortho, out, encoding(1.0), progress)?,
        PixelType::Uint16 => normalize::<u16>(&product, ortho, out, encoding(10_000.0), progress)?,
    })
}

fn scale(text: &str) -> Result<f64, String> {
    let scale = text.parse().ok().filter(|scale: &f64| scale.is_finite() && *scale > 0.0);
    scale.ok_or_else(|| "it has to be a number above 0, such as 10000".to_owned())
}

fn two_dashes(argument: OsString) -> OsString {
    let name = argument.to_str().and_then(|text| text.strip_prefix('-')).unwrap_or_default();
    let name = name.split('=').next().unwrap_or_default();
    if PARAMETERS.contains(&name) { ["-".into(), argument].into_iter().collect() } else { argument }
}

fn say(line: &str) {
    // A reader that has gone is no reason to fail hours of work.
    let _gone = writeln!(stdout(), "{line}");
}
