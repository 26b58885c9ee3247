//! The output file: created, described, filled, finished.

use std::fs;
use std::path::{Path, PathBuf};

use gdal::errors::GdalError;
use gdal::raster::{Buffer, RasterCreationOptions};
use gdal::{Dataset, DriverManager, Metadata};

use crate::dimap::Product;
use crate::error::RasterError;
use crate::gdal_errors;
use crate::ortho::Ortho;
use crate::output::{Format, Output};
use crate::pixel::{NODATA, Pixel};
use crate::pool::Pool;
use crate::windows::{Size, Window};

/// An output on its way. Dropped before [`Self::finish`] succeeded, nothing is left of it.
pub struct Target<'a> {
    output: &'a Output,
    /// `None` once it is closed.
    dataset: Option<Dataset>,
    /// The file that is filled: a COG is a copy of it.
    filled: PathBuf,
    is_finished: bool,
}

impl<'a> Target<'a> {
    /// Makes a file like the ortho. It is described before the first pixel: a GeoTIFF's header is written once.
    pub fn create<T: Pixel>(
        ortho: &Ortho,
        product: &Product,
        output: &'a Output,
        scale: f64,
    ) -> Result<Self, RasterError> {
        let filled = output.filled_path();
        let dataset = create::<T>(&filled, ortho, &output.filled_arguments())
            .map_err(|source| RasterError::Create { path: output.path.clone(), source })?;
        let mut target = Self { output, dataset: Some(dataset), filled, is_finished: false };
        gdal_errors::take();
        target.describe(ortho, product, scale).map_err(|error| target.error(&error))?;
        Ok(target)
    }

    /// Columns and rows of what is written to the file at once.
    pub fn block(&self) -> Result<Size, RasterError> {
        let block = |dataset: &Dataset| Ok(dataset.rasterband(1)?.block_size());
        self.open().and_then(block).map_err(|error| self.error(&error))
    }

    /// Writes a window of all bands, and keeps their buffers.
    pub fn write<T: Pixel>(&self, window: Window, bands: Vec<Vec<T>>, used: &Pool<T>) -> Result<(), RasterError> {
        let place = (window.column as isize, window.row as isize);
        let write = |(index, pixels)| {
            let mut pixels = Buffer::new(window.size, pixels);
            self.open()?.rasterband(index + 1)?.write(place, window.size, &mut pixels)?;
            used.give(pixels.into_shape_and_vec().1);
            Ok(())
        };
        bands.into_iter().enumerate().try_for_each(write).map_err(|error: GdalError| self.error(&error))
    }

    /// Closes the file, and makes it a COG where that was asked for. `others` are failures that other threads heard of.
    pub fn finish(mut self, others: Vec<String>) -> Result<(), RasterError> {
        self.close(others)?;
        if self.output.format == Format::Cog {
            let copied = self.copy().map_err(|error| self.error(&error))?;
            self.dataset = Some(copied);
            self.close(Vec::new())?;
            remove(&self.filled);
        }
        self.is_finished = true;
        Ok(())
    }

    fn copy(&self) -> Result<Dataset, GdalError> {
        let arguments = self.output.copy_arguments();
        let options = RasterCreationOptions::from_iter(arguments.iter().map(String::as_str));
        let driver = DriverManager::get_driver_by_name("COG")?;
        Dataset::open(&self.filled)?.create_copy(&driver, &self.output.path, &options)
    }

    /// Blocks reach the disk when GDAL likes, at the latest here: only now is it known whether all did.
    fn close(&mut self, others: Vec<String>) -> Result<(), RasterError> {
        if let Some(dataset) = self.dataset.take() {
            dataset.close().map_err(|error| self.error(&error))?;
        }
        let mut failures = others;
        failures.extend(gdal_errors::take());
        if failures.is_empty() { Ok(()) } else { Err(self.error(&failures.join("; "))) }
    }

    fn describe(&mut self, ortho: &Ortho, product: &Product, scale: f64) -> Result<(), GdalError> {
        let Some(target) = &mut self.dataset else { return Ok(()) };
        let ortho = ortho.dataset();
        if let Ok(geo_transform) = ortho.geo_transform() {
            target.set_geo_transform(&geo_transform)?;
        }
        if let Ok(spatial_ref) = ortho.spatial_ref() {
            target.set_spatial_ref(&spatial_ref)?;
        }
        // An ortho without either is told as a failure, which it is not.
        gdal_errors::take();
        target.set_metadata_item("QUANTITY", "top-of-atmosphere reflectance", "")?;
        target.set_metadata_item("REFLECTANCE_SCALE", &scale.to_string(), "")?;
        for (index, band) in product.bands.iter().enumerate() {
            let mut target = target.rasterband(index + 1)?;
            target.set_no_data_value(Some(NODATA))?;
            target.set_description(&band.id)?;
        }
        Ok(())
    }

    fn open(&self) -> Result<&Dataset, GdalError> {
        self.dataset.as_ref().ok_or_else(|| GdalError::BadArgument("the output is closed".to_owned()))
    }

    fn error(&self, reason: &impl ToString) -> RasterError {
        RasterError::Write { path: self.output.path.clone(), reason: reason.to_string() }
    }
}

impl Drop for Target<'_> {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        // Closing writes what is in the cache, so it comes first; what fails now was told already, or does not matter.
        self.dataset = None;
        gdal_errors::take();
        remove(&self.filled);
        if self.output.format == Format::Cog {
            remove(&self.output.path);
        }
    }
}

fn create<T: Pixel>(path: &Path, ortho: &Ortho, arguments: &[String]) -> Result<Dataset, GdalError> {
    let (width, height) = ortho.size();
    let options = RasterCreationOptions::from_iter(arguments.iter().map(String::as_str));
    let driver = DriverManager::get_driver_by_name("GTiff")?;
    driver.create_with_band_type_with_options::<T, _>(path, width, height, ortho.bands(), &options)
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            eprintln!("warning: the incomplete output {} could not be removed: {error}; remove it", path.display());
        }
        _ => {}
    }
}
