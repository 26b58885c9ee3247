//! Carries the pixels from the ortho to the output, window by window, so that memory does not grow with the image.

use std::fs;
use std::path::{Path, PathBuf};

use gdal::errors::GdalError;
use gdal::raster::{Buffer, RasterBand, RasterCreationOptions};
use gdal::{Dataset, DriverManager, Metadata};

use crate::dimap::{Band, Product};
use crate::gdal_errors;
use crate::output::Output;
use crate::pixel::{NODATA, Pixel};
use crate::reflectance::Reflectance;

/// Largest window in pixels (columns, rows) where the output's blocks are not larger: 4 MB of counts.
pub const WINDOW: (usize, usize) = (4096, 256);

/// How the output is computed and written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Encoding {
    /// The output is reflectance times this; above 0.
    pub scale: f64,
    /// Window size aimed at, in pixels (columns, rows); the pixels do not depend on it.
    pub window: (usize, usize),
}

/// What was done to one band.
#[derive(Debug, Clone, PartialEq)]
pub struct BandSummary {
    /// `BAND_ID`.
    pub id: String,
    /// Pixels with a reflectance.
    pub valid: u64,
    /// Of these, pixels at or over the saturated count: their reflectance is a lower bound.
    pub saturated: u64,
}

/// Why there is no output.
#[derive(Debug, thiserror::Error)]
pub enum RasterError {
    /// The ortho cannot be opened.
    #[error("cannot open the ortho {}: {source}; give the file that OrthoRectification wrote", path.display())]
    Open {
        /// The ortho.
        path: PathBuf,
        /// GDAL's reason.
        source: GdalError,
    },
    /// The path is not UTF-8, which GDAL's interface needs.
    #[error("the path {path:?} is not UTF-8: rename the file or its directory")]
    NotUtf8 {
        /// The path.
        path: PathBuf,
    },
    /// Ortho and product do not belong together.
    #[error("the ortho {} has {found} bands, the product has {expected} ({bands}): give the MS product of this ortho", path.display())]
    BandCount {
        /// The ortho.
        path: PathBuf,
        /// Its number of bands.
        found: usize,
        /// The product's number of bands.
        expected: usize,
        /// The product's bands.
        bands: String,
    },
    /// The output would overwrite the ortho.
    #[error("the output {} is the ortho itself: give another file", path.display())]
    SameFile {
        /// The path given twice.
        path: PathBuf,
    },
    /// The output cannot be created.
    #[error("cannot create the output {}: {source}; check its directory, its permissions and the creation options", path.display())]
    Create {
        /// The output.
        path: PathBuf,
        /// GDAL's reason.
        source: GdalError,
    },
    /// The ortho ends early or is damaged.
    #[error("cannot read band {band} of the ortho {} at column {column}, row {row}: {source}; the file is damaged or cut short, make it again", path.display())]
    Read {
        /// The ortho.
        path: PathBuf,
        /// Band, from 1.
        band: usize,
        /// Left column of the window, from 0.
        column: usize,
        /// Upper row of the window, from 0.
        row: usize,
        /// GDAL's reason.
        source: GdalError,
    },
    /// The output could not be written to its end; it is removed.
    #[error("cannot write the output {}: {reason}; check the free space there", path.display())]
    Write {
        /// The output.
        path: PathBuf,
        /// GDAL's reasons.
        reason: String,
    },
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
    let source = open_ortho(ortho, product)?;
    refuse_same_file(ortho, &output.path)?;
    let target = create::<T>(&source, output)?;
    let written = Job { product, ortho, output: &output.path, encoding }.fill::<T>(&source, target, progress);
    if written.is_err() {
        remove(&output.path);
    }
    written
}

fn open_ortho(path: &Path, product: &Product) -> Result<Dataset, RasterError> {
    refuse_other_than_utf8(path)?;
    let ortho = Dataset::open(path).map_err(|source| RasterError::Open { path: path.to_owned(), source })?;
    let (found, expected) = (ortho.raster_count(), product.bands.len());
    if found == expected {
        return Ok(ortho);
    }
    let bands = product.bands.iter().map(|band| band.id.as_str()).collect::<Vec<_>>().join(" ");
    Err(RasterError::BandCount { path: path.to_owned(), found, expected, bands })
}

fn refuse_same_file(ortho: &Path, output: &Path) -> Result<(), RasterError> {
    refuse_other_than_utf8(output)?;
    match (ortho.canonicalize(), output.canonicalize()) {
        (Ok(ortho), Ok(output)) if ortho == output => Err(RasterError::SameFile { path: output }),
        _ => Ok(()),
    }
}

fn refuse_other_than_utf8(path: &Path) -> Result<(), RasterError> {
    path.to_str().map(|_| ()).ok_or_else(|| RasterError::NotUtf8 { path: path.to_owned() })
}

fn create<T: Pixel>(ortho: &Dataset, output: &Output) -> Result<Dataset, RasterError> {
    let (width, height) = ortho.raster_size();
    let arguments = output.creation_arguments();
    let options = RasterCreationOptions::from_iter(arguments.iter().map(String::as_str));
    DriverManager::get_driver_by_name("GTiff")
        .and_then(|driver| {
            let path = &output.path;
            driver.create_with_band_type_with_options::<T, _>(path, width, height, ortho.raster_count(), &options)
        })
        .map_err(|source| RasterError::Create { path: output.path.clone(), source })
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        eprintln!("warning: the incomplete output {} could not be removed: {error}; remove it", path.display());
    }
}

struct Job<'a> {
    product: &'a Product,
    ortho: &'a Path,
    output: &'a Path,
    encoding: Encoding,
}

impl Job<'_> {
    fn fill<T: Pixel>(
        &self,
        ortho: &Dataset,
        mut output: Dataset,
        mut progress: impl FnMut(usize),
    ) -> Result<Vec<BandSummary>, RasterError> {
        gdal_errors::take();
        self.describe(ortho, &mut output).map_err(|error| self.write_error(&error))?;
        let block = output.rasterband(1).map_err(|error| self.write_error(&error))?.block_size();
        let windows = windows(output.raster_size(), aligned(self.encoding.window, block));
        let mut summaries: Vec<_> = self.product.bands.iter().map(empty_summary).collect();
        let mut told = 0;
        for (done, window) in windows.iter().enumerate() {
            for (index, summary) in summaries.iter_mut().enumerate() {
                self.carry::<T>(ortho, &output, index, *window, summary)?;
            }
            let percent = (done + 1) * 100 / windows.len();
            if percent > told {
                told = percent;
                progress(told);
            }
        }
        output.close().map_err(|error| self.write_error(&error))?;
        // Blocks reach the disk when GDAL likes, at the latest on close: only now is it known whether all did.
        match gdal_errors::take() {
            failures if failures.is_empty() => Ok(summaries),
            failures => Err(self.write_error(&failures.join("; "))),
        }
    }

    /// Place, names and meaning of the pixels, before the first of them: a GeoTIFF's header is written once.
    fn describe(&self, ortho: &Dataset, output: &mut Dataset) -> Result<(), GdalError> {
        if let Ok(geo_transform) = ortho.geo_transform() {
            output.set_geo_transform(&geo_transform)?;
        }
        if let Ok(spatial_ref) = ortho.spatial_ref() {
            output.set_spatial_ref(&spatial_ref)?;
        }
        // An ortho without either is told as a failure, which it is not.
        gdal_errors::take();
        output.set_metadata_item("QUANTITY", "top-of-atmosphere reflectance", "")?;
        output.set_metadata_item("REFLECTANCE_SCALE", &self.encoding.scale.to_string(), "")?;
        for (index, band) in self.product.bands.iter().enumerate() {
            let mut target = output.rasterband(index + 1)?;
            target.set_no_data_value(Some(NODATA))?;
            target.set_description(&band.id)?;
        }
        Ok(())
    }

    fn carry<T: Pixel>(
        &self,
        ortho: &Dataset,
        output: &Dataset,
        index: usize,
        window: Window,
        summary: &mut BandSummary,
    ) -> Result<(), RasterError> {
        let Window { column, row, size } = window;
        let place = (column as isize, row as isize);
        let read = ortho.rasterband(index + 1).and_then(|source| {
            let no_data = [Some(self.product.nodata), source.no_data_value()];
            Ok((source.read_as::<f32>(place, size, size, None)?, no_data))
        });
        let (counts, no_data) = read.map_err(|source| RasterError::Read {
            path: self.ortho.to_owned(),
            band: index + 1,
            column,
            row,
            source,
        })?;
        let mut pixels = self.encode::<T>(&counts, &self.product.bands[index], no_data, summary);
        let write = |mut target: RasterBand| target.write(place, size, &mut pixels);
        output.rasterband(index + 1).and_then(write).map_err(|error| self.write_error(&error))
    }

    fn encode<T: Pixel>(
        &self,
        counts: &Buffer<f32>,
        band: &Band,
        no_data: [Option<f64>; 2],
        summary: &mut BandSummary,
    ) -> Buffer<T> {
        let reflectance = Reflectance::new(band.calibration, self.product.sun_elevation_deg, self.product.date);
        let saturated = self.product.saturated.unwrap_or(f64::INFINITY);
        let mut encode = |count: f32| {
            let count = f64::from(count);
            if !count.is_finite() || no_data.contains(&Some(count)) {
                return T::NODATA;
            }
            summary.valid += 1;
            summary.saturated += u64::from(count >= saturated);
            T::encode(reflectance.of(count) * self.encoding.scale)
        };
        Buffer::new(counts.shape(), counts.data().iter().map(|count| encode(*count)).collect())
    }

    fn write_error(&self, reason: &impl ToString) -> RasterError {
        RasterError::Write { path: self.output.to_owned(), reason: reason.to_string() }
    }
}

fn empty_summary(band: &Band) -> BandSummary {
    BandSummary { id: band.id.clone(), valid: 0, saturated: 0 }
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Window {
    column: usize,
    row: usize,
    size: (usize, usize),
}

/// The largest multiple of a block that is not above the size aimed at, at least one block.
fn aligned(aim: (usize, usize), block: (usize, usize)) -> (usize, usize) {
    let side = |aim: usize, block: usize| block * (aim / block).max(1);
    (side(aim.0, block.0), side(aim.1, block.1))
}

/// Windows over a whole image, row of windows after row of windows.
fn windows(image: (usize, usize), window: (usize, usize)) -> Vec<Window> {
    let columns = |row| {
        (0..image.0).step_by(window.0).map(move |column| Window {
            column,
            row,
            size: (window.0.min(image.0 - column), window.1.min(image.1 - row)),
        })
    };
    (0..image.1).step_by(window.1).flat_map(columns).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::{aligned, windows};

    #[test]
    fn a_window_is_made_of_whole_blocks() {
        assert_eq!(aligned((4096, 256), (256, 256)), (4096, 256));
        assert_eq!(aligned((4096, 256), (512, 512)), (4096, 512));
        assert_eq!(aligned((4096, 256), (5000, 1)), (5000, 256));
        assert_eq!(aligned((1, 1), (256, 128)), (256, 128));
    }

    proptest! {
        #[test]
        fn windows_cover_each_pixel_once(width in 1..40_usize, height in 1..40_usize, w in 1..50_usize, h in 1..50_usize) {
            let mut seen = vec![0_u8; width * height];
            for window in windows((width, height), (w, h)) {
                for row in window.row..window.row + window.size.1 {
                    for column in window.column..window.column + window.size.0 {
                        seen[row * width + column] += 1;
                    }
                }
            }
            assert!(seen.iter().all(|count| *count == 1));
        }
    }
}
