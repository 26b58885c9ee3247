//! `call_normalize_function`: counts of an ortho-rectified Pleiades bundle to top-of-atmosphere reflectance.

use std::ffi::OsString;
use std::io::{Write, stdout};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::available_parallelism;

use clap::{Parser, ValueEnum};
use gdal::config::{get_config_option, set_config_option};
use gdal::errors::GdalError;
use normalize_product::dimap;
use normalize_product::error::RasterError;
use normalize_product::output::{Format, Output};
use normalize_product::raster::{BandSummary, Encoding, normalize};

/// Parameters that may also be written with one dash, as OTB's are.
const PARAMETERS: [&str; 7] = ["in_ms", "in_ortho", "out", "type", "format", "scale", "threads"];
/// Where GDAL looks for the number of its own threads.
const THREADS: &str = "GDAL_NUM_THREADS";

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
    /// A tiled GeoTIFF, or a Cloud Optimized one with overviews, whose creation options are those of GDAL's COG driver
    #[arg(long, value_enum, default_value = "gtiff")]
    format: FileFormat,
    /// Reflectance is multiplied by this [default: 1 for float32, 10000 for uint16]
    #[arg(long, value_parser = scale, allow_negative_numbers = true)]
    scale: Option<f64>,
    /// Threads that compute, and that compress [default: GDAL_NUM_THREADS, else one for each core]
    #[arg(long)]
    threads: Option<NonZeroUsize>,
}

#[derive(Clone, Copy, ValueEnum)]
enum PixelType {
    #[value(alias = "float")]
    Float32,
    Uint16,
}

#[derive(Clone, Copy, ValueEnum)]
enum FileFormat {
    Gtiff,
    Cog,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Product(#[from] dimap::DimapError),
    #[error(transparent)]
    Raster(#[from] RasterError),
    #[error("GDAL refuses its number of threads: {0}")]
    Threads(#[from] GdalError),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse_from(std::env::args_os().map(two_dashes));
    for option in &arguments.out.ignored {
        eprintln!("warning: {option} in the output's name has no meaning here and is ignored");
    }
    match run(&arguments) {
        Ok(bands) => {
            for band in bands {
                let tally = band.tally;
                say(&format!("{}: {} pixels, {} of them saturated", band.id, tally.valid, tally.saturated));
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
    let threads = threads(arguments)?;
    set_config_option(THREADS, &threads.to_string())?;
    let product = dimap::read(&arguments.in_ms)?;
    let format = match arguments.format {
        FileFormat::Gtiff => Format::GTiff,
        FileFormat::Cog => Format::Cog,
    };
    let (ortho, out) = (&arguments.in_ortho, &Output { format, ..arguments.out.clone() });
    // The runner's form of progress.
    let progress = |percent| say(&format!("progress: {percent}% normalizing"));
    let encoding = |default| Encoding::new(arguments.scale.unwrap_or(default), threads);
    Ok(match arguments.pixel {
        PixelType::Float32 => normalize::<f32>(&product, ortho, out, encoding(1.0), progress)?,
        PixelType::Uint16 => normalize::<u16>(&product, ortho, out, encoding(10_000.0), progress)?,
    })
}

fn threads(arguments: &Arguments) -> Result<NonZeroUsize, GdalError> {
    let configured = get_config_option(THREADS, "")?.parse().ok();
    let cores = || available_parallelism().unwrap_or(NonZeroUsize::MIN);
    Ok(arguments.threads.or(configured).unwrap_or_else(cores))
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
