//! Carries the pixels from the ortho to the output: one thread reads, some compute, one writes, all at the same time and
//! window by window, so that memory does not grow with the image.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use gdal::config::{get_config_option, set_config_option};

use crate::dimap::Product;
use crate::encode::{Counts, Encoder, Tally, Used};
use crate::error::RasterError;
use crate::gdal_errors;
use crate::ortho::{Ortho, refuse_other_than_utf8};
use crate::output::Output;
use crate::pixel::Pixel;
use crate::pool::Pool;
use crate::target::Target;
use crate::windows::{Size, Window, kept_pixels, window_size, windows};

/// Pixels of a window, if the output's blocks are not larger: 4 MB of counts in four bands.
pub const WINDOW_PIXELS: NonZeroUsize = NonZeroUsize::new(2048 * 256).expect("not zero");
/// Windows that wait for a computing thread, and for the writer behind it.
const QUEUED: usize = 1;
/// One computes faster than a disk writes; more only occupy memory.
const MAX_COMPUTING: usize = 4;
/// Windows of the output that GDAL keeps until they are written.
const KEPT_WINDOWS: usize = 4;
/// What GDAL's cache has beyond what must stay in it.
const SPARE_BYTES: usize = 16 << 20;

/// How the output is computed; the pixels depend on `scale` only.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Encoding {
    /// The output is reflectance times this; above 0.
    pub scale: f64,
    /// Size of a window aimed at.
    pub window_pixels: NonZeroUsize,
    /// Threads that compute.
    pub threads: NonZeroUsize,
}

impl Encoding {
    /// The usual windows, and as many threads as help.
    pub const fn new(scale: f64, threads: NonZeroUsize) -> Self {
        Self { scale, window_pixels: WINDOW_PIXELS, threads }
    }
}

/// What was done to one band.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BandSummary {
    /// `BAND_ID`.
    pub id: String,
    /// Its pixels.
    pub tally: Tally,
}

/// Writes the reflectance of `ortho` to `output` and tells the progress in whole percents; on failure no output is left.
pub fn normalize<T: Pixel>(
    product: &Product,
    ortho: &Path,
    output: &Output,
    encoding: Encoding,
    progress: impl FnMut(usize),
) -> Result<Vec<BandSummary>, RasterError> {
    gdal_errors::listen();
    let source = Ortho::open(ortho, product)?;
    refuse_same_file(ortho, &output.path)?;
    let encoder = |(index, band)| Ok(Encoder::new(product, band, encoding.scale, source.no_data(index + 1)?));
    let encoders = product.bands.iter().enumerate().map(encoder).collect::<Result<Vec<Encoder<T>>, RasterError>>()?;
    let target = Target::create::<T>(&source, product, output, encoding.scale)?;
    let window = window_size(encoding.window_pixels.get(), source.size(), source.block()?, target.block()?);
    limit_cache::<T>(&source, window)?;
    let windows = windows(source.size(), window);
    let work = Work { encoders: &encoders, windows: &windows, counts: Used::default(), pixels: Pool::default() };
    let (tallies, failures) = work.carry(source, &target, encoding.threads, progress)?;
    target.finish(failures)?;
    let ids = product.bands.iter().map(|band| band.id.clone());
    Ok(ids.zip(tallies).map(|(id, tally)| BandSummary { id, tally }).collect())
}

fn refuse_same_file(ortho: &Path, output: &Path) -> Result<(), RasterError> {
    refuse_other_than_utf8(output)?;
    match (ortho.canonicalize(), output.canonicalize()) {
        (Ok(ortho), Ok(output)) if ortho == output => Err(RasterError::SameFile { path: output }),
        _ => Ok(()),
    }
}

/// As small as it can be without reading or writing anything twice, unless `GDAL_CACHEMAX` says otherwise. GDAL asks for
/// it once in a process, when it first keeps a block.
fn limit_cache<T>(ortho: &Ortho, window: Size) -> Result<(), RasterError> {
    if !get_config_option("GDAL_CACHEMAX", "").map_err(RasterError::Cache)?.is_empty() {
        return Ok(());
    }
    let kept = kept_pixels(window, ortho.size(), ortho.block()?) * ortho.pixel_bytes()?;
    let written = KEPT_WINDOWS * window.0 * window.1 * ortho.bands() * size_of::<T>();
    // GDAL takes a number below 100,000 for megabytes.
    set_config_option("GDAL_CACHEMAX", &(kept + written + SPARE_BYTES).to_string()).map_err(RasterError::Cache)
}

/// The pixels of a window, band by band.
type Encoded<T> = Vec<(Vec<T>, Tally)>;

struct Work<'a, T> {
    encoders: &'a [Encoder<T>],
    windows: &'a [Window],
    counts: Used,
    pixels: Pool<T>,
}

impl<T: Pixel> Work<'_, T> {
    /// What was seen in each band, and what GDAL reported to the thread that read: it also writes blocks when the cache
    /// is full.
    fn carry(
        &self,
        ortho: Ortho,
        target: &Target<'_>,
        threads: NonZeroUsize,
        progress: impl FnMut(usize),
    ) -> Result<(Vec<Tally>, Vec<String>), RasterError> {
        thread::scope(|scope| {
            // Window after window goes to computing thread after computing thread, so the writer gets them in order.
            let lanes = (0..threads.get().min(MAX_COMPUTING)).map(|_| {
                let (counts, to_compute) = sync_channel(QUEUED);
                let (encoded, to_write) = sync_channel(QUEUED);
                scope.spawn(move || self.compute(&to_compute, &encoded));
                (counts, to_write)
            });
            let (counts, to_write): (Vec<_>, Vec<_>) = lanes.unzip();
            let reading = scope.spawn(move || self.read(&ortho, &counts));
            let written = self.write(target, &to_write, progress);
            // Nobody waits for a writer that has failed.
            drop(to_write);
            let failures = reading.join().map_err(|_| RasterError::Thread)??;
            Ok((written?, failures))
        })
    }

    /// A lane that is gone says that the work has ended early: the others know why.
    fn read(&self, ortho: &Ortho, lanes: &[SyncSender<Vec<Counts>>]) -> Result<Vec<String>, RasterError> {
        for (window, lane) in self.windows.iter().zip(lanes.iter().cycle()) {
            if lane.send(ortho.read(*window, &self.counts)?).is_err() {
                break;
            }
        }
        Ok(gdal_errors::take())
    }

    fn compute(&self, counts: &Receiver<Vec<Counts>>, encoded: &SyncSender<Encoded<T>>) {
        let encode = |(counts, encoder): (Counts, &Encoder<T>)| {
            let mut pixels = self.pixels.take();
            let tally = encoder.encode(&counts, &mut pixels);
            self.counts.give(counts);
            (pixels, tally)
        };
        for bands in counts {
            if encoded.send(bands.into_iter().zip(self.encoders).map(encode).collect()).is_err() {
                return;
            }
        }
    }

    fn write(
        &self,
        target: &Target<'_>,
        lanes: &[Receiver<Encoded<T>>],
        mut progress: impl FnMut(usize),
    ) -> Result<Vec<Tally>, RasterError> {
        let mut tallies = vec![Tally::default(); self.encoders.len()];
        let mut told = 0;
        for (done, (window, lane)) in self.windows.iter().zip(lanes.iter().cycle()).enumerate() {
            let (pixels, seen): (Vec<_>, Vec<_>) = lane.recv().map_err(|_| RasterError::Thread)?.into_iter().unzip();
            tallies.iter_mut().zip(seen).for_each(|(tally, seen)| tally.add(seen));
            target.write(*window, pixels, &self.pixels)?;
            let percent = (done + 1) * 100 / self.windows.len();
            if percent > told {
                told = percent;
                progress(told);
            }
        }
        Ok(tallies)
    }
}
