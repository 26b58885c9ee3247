//! `normalize-product` beside `gdal_translate`, which only copies, and numpy, which holds the whole image.

use super::{
    BenchError, io_error,
    report::{Figure, Unit},
};
use crate::phr::{CoupleOptions, PhrError, write_couple};
use gdal::{
    Dataset, DriverManager,
    errors::GdalError,
    raster::{Buffer, RasterCreationOptions},
};
use std::{
    ffi::OsString,
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Sides of the orthos, in pixels, with the bound on memory and the number of paired runs.
pub const SIZES: [(usize, f64, u32); 3] = [(4000, 256e6, 5), (14_000, 384e6, 3), (30_000, 512e6, 1)];
/// With numpy, larger images do not fit the memory of the machine that this was written on (24 GiB).
const NUMPY_UP_TO: usize = 14_000;
const TIME_BOUND: f64 = 1.25;
const BANDS: usize = 4;
/// Of an ortho and of an output, uncompressed.
const PIXEL_BYTES: u64 = 2 * BANDS as u64;
/// Disk that is left to others.
const SPARE_BYTES: u64 = 10_000_000_000;
const ROWS: usize = 256;
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// The defaults of `normalize-product`, for `gdal_translate`.
const LAYOUT: [&str; 4] = ["TILED=YES", "BLOCKXSIZE=256", "BLOCKYSIZE=256", "BIGTIFF=IF_SAFER"];
const COMPRESSION: [&str; 2] = ["COMPRESS=DEFLATE", "PREDICTOR=2"];
const NUMPY: &str = include_str!("normalize.py");
/// Debian's, which sees Debian's numpy and GDAL.
const PYTHON: &str = "/usr/bin/python3";

/// What one run took.
struct Spent {
    seconds: f64,
    peak_bytes: f64,
}

/// Measures sides up to `largest`; what is left out, and why, comes along.
pub fn measure(largest: usize) -> Result<(Vec<Figure>, Vec<String>), BenchError> {
    let (mut figures, mut skipped) = (Vec::new(), Vec::new());
    for (side, memory_bound, runs) in SIZES {
        let folder = TempDir::new().map_err(io_error(&std::env::temp_dir()))?;
        let (free, needed) = (free_bytes(folder.path())?, 2 * PIXEL_BYTES * (side * side) as u64 + SPARE_BYTES);
        if side > largest {
            skipped.push(format!("{side}²: not asked for."));
        } else if free < needed {
            let gigabytes = |bytes: u64| bytes as f64 / 1e9;
            let (free, needed) = (gigabytes(free), gigabytes(needed));
            skipped.push(format!("{side}²: it needs {needed:.0} GB of disk, {free:.0} are free."));
        } else {
            eprintln!("normalisation: {side}², {runs} runs");
            figures.extend(Size { side, memory_bound, runs, folder }.measure(&mut skipped)?);
        }
    }
    Ok((figures, skipped))
}

struct Size {
    side: usize,
    memory_bound: f64,
    runs: u32,
    folder: TempDir,
}

impl Size {
    fn measure(&self, skipped: &mut Vec<String>) -> Result<Vec<Figure>, BenchError> {
        let dim = write_couple(self.folder.path(), &CoupleOptions { size: 400, ..CoupleOptions::default() });
        let dim = dim.map_err(|error| BenchError::Demo(error.into()))?.dim_ms;
        write_ortho(&self.path("ortho.tif"), self.side)?;
        let mut figures = self.paired(&dim, "uncompressed", &[])?;
        if self.side <= NUMPY_UP_TO {
            figures.extend(self.paired(&dim, "DEFLATE", &COMPRESSION)?);
            figures.extend(self.numpy(skipped)?);
        }
        Ok(figures)
    }

    /// `gdal_translate` and ours in turn, so that both meet the same load.
    fn paired(&self, dim: &Path, what: &str, options: &[&str]) -> Result<Vec<Figure>, BenchError> {
        let side = self.side;
        let name = |figure: &str| format!("Normalisation of {side}², {what}: {figure}");
        let mut peak = Figure::bounded(name("peak memory"), Unit::Megabytes, self.memory_bound);
        let mut ours = Figure::new("… time", Unit::Seconds);
        let mut copy = Figure::new("… gdal_translate's time", Unit::Seconds);
        let mut ratio = Figure::bounded("… time over gdal_translate's, medians", Unit::Ratio, TIME_BOUND);
        for _ in 0..self.runs {
            copy.add(self.translate(options)?.seconds);
            let spent = self.normalize(dim, options)?;
            ours.add(spent.seconds);
            peak.add(spent.peak_bytes);
        }
        if let (Some(ours), Some(copy)) = (ours.median(), copy.median()) {
            ratio.add(ours / copy);
        }
        Ok(vec![peak, ours, copy, ratio])
    }

    fn translate(&self, options: &[&str]) -> Result<Spent, BenchError> {
        let mut command = Command::new("gdal_translate");
        command.args(["-q", "-ot", "UInt16", "-co", "NUM_THREADS=ALL_CPUS"]);
        for option in LAYOUT.iter().chain(options) {
            command.args(["-co", option]);
        }
        self.run(command.arg(self.path("ortho.tif")).arg(self.path("copy.tif")), "copy.tif")
    }

    fn normalize(&self, dim: &Path, options: &[&str]) -> Result<Spent, BenchError> {
        let our = std::env::current_exe().map_err(io_error(Path::new("this program")))?;
        let options: String = options.iter().map(|option| format!("&gdal:co:{option}")).collect();
        let mut out: OsString = self.path("out.tif").into();
        if !options.is_empty() {
            out.push(format!("?{options}"));
        }
        let mut command = Command::new(our.with_file_name("call_normalize_function"));
        command.arg("--in_ms").arg(dim).arg("--in_ortho").arg(self.path("ortho.tif"));
        self.run(command.args(["--type", "uint16"]).arg("-out").arg(out), "out.tif")
    }

    fn numpy(&self, skipped: &mut Vec<String>) -> Result<Vec<Figure>, BenchError> {
        let has_numpy =
            Command::new(PYTHON).args(["-c", "import numpy, osgeo.gdal_array"]).stderr(Stdio::null()).status();
        if !has_numpy.is_ok_and(|status| status.success()) {
            skipped.push(format!("numpy at {}²: {PYTHON} has no numpy and GDAL (Debian: python3-gdal).", self.side));
            return Ok(Vec::new());
        }
        let mut time = Figure::new(format!("numpy on {}², uncompressed: time", self.side), Unit::Seconds);
        let mut peak = Figure::new("… peak memory", Unit::Megabytes);
        let mut command = Command::new(PYTHON);
        command.args(["-c", NUMPY]).arg(self.path("ortho.tif")).arg(self.path("numpy.tif")).args(LAYOUT);
        let spent = self.run(&mut command, "numpy.tif")?;
        time.add(spent.seconds);
        peak.add(spent.peak_bytes);
        Ok(vec![time, peak])
    }

    /// Runs a program that writes the named file, which is then removed. What earlier runs left to be written to disk is
    /// written before.
    fn run(&self, command: &mut Command, written: &str) -> Result<Spent, BenchError> {
        let program = PathBuf::from(command.get_program());
        rustix::fs::sync();
        let begun = Instant::now();
        let mut child = command.stdout(Stdio::null()).spawn().map_err(io_error(&program))?;
        let status = PathBuf::from(format!("/proc/{}/status", child.id()));
        let (stop, stopped) = channel();
        let watching = thread::spawn(move || watch(&status, &stopped));
        let ended = child.wait().map_err(io_error(&program))?;
        let seconds = begun.elapsed().as_secs_f64();
        drop(stop);
        let peak_bytes = watching.join().ok().flatten().ok_or_else(|| super::no_figure(&program, "VmHWM"))?;
        if !ended.success() {
            return Err(super::no_figure(&program, &format!("a success ({ended})")));
        }
        let written = self.path(written);
        std::fs::remove_file(&written).map_err(io_error(&written))?;
        Ok(Spent { seconds, peak_bytes })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// The kernel's peak of resident memory, as it was when the process was last seen. What `wait4` tells has our own in it.
fn watch(status: &Path, stopped: &Receiver<()>) -> Option<f64> {
    let mut peak = None;
    while stopped.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
        let text = std::fs::read_to_string(status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        peak = line.and_then(|kib| kib.parse::<f64>().ok()).map(|kib| kib * 1024.0).or(peak);
    }
    peak
}

/// As OTB writes one: strips, pixel by pixel, uncompressed. The ground is a wave with noise, so that it compresses about
/// as an image does; a corner is empty.
fn write_ortho(path: &Path, side: usize) -> Result<(), BenchError> {
    let failed = |source| BenchError::Demo(PhrError::Raster { path: path.to_owned(), source }.into());
    let ortho = create(path, side).map_err(failed)?;
    let mut noise = 1_u32;
    let mut count = |band: usize, column: usize, row: usize| {
        noise ^= noise << 13;
        noise ^= noise >> 17;
        noise ^= noise << 5;
        let wave = ((column / 8) % 400).abs_diff(200) + ((row / 8) % 300).abs_diff(150);
        let is_empty = column + row < side / 5;
        if is_empty { 0 } else { 600 + 100 * band as u16 + wave as u16 + (noise % 48) as u16 }
    };
    for row in (0..side).step_by(ROWS) {
        let rows = ROWS.min(side - row);
        for band in 0..BANDS {
            let counts = (0..rows * side).map(|i| count(band, i % side, row + i / side)).collect();
            let mut counts = Buffer::new((side, rows), counts);
            let written =
                ortho.rasterband(band + 1).and_then(|mut b| b.write((0, row as isize), (side, rows), &mut counts));
            written.map_err(failed)?;
        }
    }
    ortho.close().map_err(failed)?;
    // On disk before anything is measured.
    File::open(path).and_then(|file| file.sync_all()).map_err(io_error(path))
}

fn create(path: &Path, side: usize) -> Result<Dataset, GdalError> {
    let options = RasterCreationOptions::from_iter(["BIGTIFF=IF_SAFER"]);
    let driver = DriverManager::get_driver_by_name("GTiff")?;
    let mut ortho = driver.create_with_band_type_with_options::<u16, _>(path, side, side, BANDS, &options)?;
    ortho.set_geo_transform(&[374_291.75, 0.7, 0.0, 4_829_269.0, 0.0, -0.7])?;
    Ok(ortho)
}

fn free_bytes(folder: &Path) -> Result<u64, BenchError> {
    let disk = rustix::fs::statvfs(folder).map_err(|error| io_error(folder)(error.into()))?;
    Ok(disk.f_bavail * disk.f_frsize)
}
