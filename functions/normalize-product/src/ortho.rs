//! The ortho: opened, checked against its product, read window by window.

use std::path::{Path, PathBuf};

use gdal::errors::GdalError;
use gdal::raster::{GdalDataType, GdalType, RasterBand};
use gdal::{Dataset, DatasetOptions, Metadata};

use crate::dimap::Product;
use crate::encode::{Counts, Used};
use crate::error::RasterError;
use crate::windows::{Size, Window};

/// The open file.
pub struct Ortho {
    dataset: Dataset,
    path: PathBuf,
}

impl Ortho {
    /// Opens the file and makes sure, as far as can be told without reading it, that it is whole and the product's.
    pub fn open(path: &Path, product: &Product) -> Result<Self, RasterError> {
        refuse_other_than_utf8(path)?;
        let failed = |source| RasterError::Open { path: path.to_owned(), source };
        let ortho = Self { dataset: open(path).map_err(failed)?, path: path.to_owned() };
        ortho.refuse_other_bands(product)?;
        for band in 1..=ortho.bands() {
            ortho.refuse_other_than_counts(band)?;
            ortho.refuse_unwritten_blocks(band)?;
        }
        Ok(ortho)
    }

    /// GDAL's handle.
    pub const fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// Columns and rows.
    pub fn size(&self) -> Size {
        self.dataset.raster_size()
    }

    /// Number of bands.
    pub fn bands(&self) -> usize {
        self.dataset.raster_count()
    }

    /// Columns and rows of what is read from the file at once.
    pub fn block(&self) -> Result<Size, RasterError> {
        Ok(self.band(1)?.block_size())
    }

    /// Bytes of a pixel with all its bands.
    pub fn pixel_bytes(&self) -> Result<usize, RasterError> {
        Ok(self.bands() * usize::from(self.band(1)?.band_type().bytes()))
    }

    /// The band's own value for "no data"; bands count from 1.
    pub fn no_data(&self, band: usize) -> Result<Option<f64>, RasterError> {
        Ok(self.band(band)?.no_data_value())
    }

    /// The counts of all bands in a window, in used buffers.
    pub fn read(&self, window: Window, used: &Used) -> Result<Vec<Counts>, RasterError> {
        (1..=self.bands()).map(|band| self.read_band(band, window, used)).collect()
    }

    fn read_band(&self, number: usize, window: Window, used: &Used) -> Result<Counts, RasterError> {
        let band = self.band(number)?;
        let counts = if matches!(band.band_type(), GdalDataType::UInt8 | GdalDataType::UInt16) {
            read(&band, window, used.table.take()).map(Counts::Table)
        } else {
            read(&band, window, used.computed.take()).map(Counts::Computed)
        };
        let Window { column, row, .. } = window;
        let path = || self.path.clone();
        counts.map_err(|source| RasterError::Read { path: path(), band: number, column, row, source })
    }

    fn band(&self, number: usize) -> Result<RasterBand<'_>, RasterError> {
        self.dataset.rasterband(number).map_err(|source| RasterError::Open { path: self.path.clone(), source })
    }

    fn refuse_other_bands(&self, product: &Product) -> Result<(), RasterError> {
        let ids: Vec<&str> = product.bands.iter().map(|band| band.id.as_str()).collect();
        let (found, expected) = (self.bands(), ids.len());
        let path = || self.path.clone();
        if found != expected {
            return Err(RasterError::BandCount { path: path(), found, expected, bands: ids.join(" ") });
        }
        let names = (1..=found).map(|band| Ok(self.band(band)?.description().unwrap_or_default()));
        let names = names.collect::<Result<Vec<String>, RasterError>>()?;
        // Names of another kind, such as a program's own, say nothing of the order.
        if names != ids && names.iter().all(|name| ids.contains(&name.as_str())) {
            return Err(RasterError::BandOrder { path: path(), found: names.join(" "), expected: ids.join(" ") });
        }
        Ok(())
    }

    fn refuse_other_than_counts(&self, band: usize) -> Result<(), RasterError> {
        match self.band(band)?.band_type() {
            GdalDataType::Unknown => Err(RasterError::PixelType { path: self.path.clone(), band }),
            _ => Ok(()),
        }
    }

    /// A program that is killed while it writes a TIFF leaves one that reads as 0 where nothing was written.
    fn refuse_unwritten_blocks(&self, number: usize) -> Result<(), RasterError> {
        let band = self.band(number)?;
        if self.dataset.driver().short_name() != "GTiff" {
            return Ok(());
        }
        let (size, block) = (self.size(), band.block_size());
        for (y, row) in (0..size.1).step_by(block.1).enumerate() {
            for (x, column) in (0..size.0).step_by(block.0).enumerate() {
                if band.metadata_item(&format!("BLOCK_OFFSET_{x}_{y}"), "TIFF").is_none() {
                    return Err(RasterError::Unwritten { path: self.path.clone(), column, row });
                }
            }
        }
        Ok(())
    }
}

fn read<T: GdalType + Copy + Default>(
    band: &RasterBand<'_>,
    window: Window,
    mut counts: Vec<T>,
) -> Result<Vec<T>, GdalError> {
    counts.resize(window.pixels(), T::default());
    band.read_into_slice((window.column as isize, window.row as isize), window.size, window.size, &mut counts, None)?;
    Ok(counts)
}

/// GDAL's threads (`GDAL_NUM_THREADS`) help where tiles are decompressed; anything else they read slower.
fn open(path: &Path) -> Result<Dataset, GdalError> {
    let dataset = Dataset::open(path)?;
    let is_compressed = dataset.metadata_item("COMPRESSION", "IMAGE_STRUCTURE").is_some();
    let is_tiled = dataset.rasterband(1).is_ok_and(|band| band.block_size().0 < dataset.raster_size().0);
    if dataset.driver().short_name() != "GTiff" || (is_compressed && is_tiled) {
        return Ok(dataset);
    }
    let options = DatasetOptions { open_options: Some(&["NUM_THREADS=1"]), ..DatasetOptions::default() };
    Dataset::open_ex(path, options)
}

/// GDAL's interface takes no other paths.
pub fn refuse_other_than_utf8(path: &Path) -> Result<(), RasterError> {
    path.to_str().map(|_| ()).ok_or_else(|| RasterError::NotUtf8 { path: path.to_owned() })
}
