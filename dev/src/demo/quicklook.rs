//! A small picture of a product, for people.

use gdal::{
    Dataset, DriverManager, Metadata,
    errors::Result,
    raster::{Buffer, ColorInterpretation, RasterCreationOptions, ResampleAlg},
};
use std::path::Path;

/// The longer side, in pixels.
const SIDE: usize = 512;
/// Values below and above these parts of all become black and full.
const STRETCH: (f64, f64) = (0.02, 0.98);
/// Red, green and blue of Pleiades.
const RGB: [&str; 3] = ["B2", "B1", "B0"];
/// Full colour, and opaque.
const FULL: u8 = 255;

/// Writes a PNG of a raster whose bands are named by `BAND_ID`, in natural colours; where names are missing its first
/// three bands, or its only one. What has no data in any of the bands is transparent.
pub fn write(raster: &Path, png: &Path) -> Result<()> {
    let raster = Dataset::open(raster)?;
    let (width, height) = raster.raster_size();
    let scale = SIDE as f64 / width.max(height).max(1) as f64;
    let side = |pixels: usize| ((pixels as f64 * scale.min(1.0)).round() as usize).max(1);
    let size = (side(width), side(height));
    let mut bands = Vec::new();
    for index in colours(&raster)? {
        let band = raster.rasterband(index)?;
        let no_data = band.no_data_value().unwrap_or(0.0) as f32;
        let read = band.read_as::<f32>((0, 0), (width, height), size, Some(ResampleAlg::Average))?;
        let values = read.data().iter().map(|value| (value.is_finite() && *value != no_data).then_some(*value));
        bands.push(values.collect::<Vec<_>>());
    }
    let is_valid = |pixel: usize| bands.iter().all(|band| band[pixel].is_some());
    let alpha = (0..size.0 * size.1).map(|pixel| if is_valid(pixel) { FULL } else { 0 }).collect();
    let layers = bands.iter().map(|band| stretched(band)).chain([alpha]).collect();
    save(png, size, layers)
}

/// The indexes of red, green and blue.
fn colours(raster: &Dataset) -> Result<[usize; 3]> {
    let count = raster.raster_count();
    let mut names = Vec::new();
    for index in 1..=count {
        names.push(raster.rasterband(index)?.description()?);
    }
    let mut found = if count < 3 { [1, 1, 1] } else { [1, 2, 3] };
    let named = RGB.map(|wanted| names.iter().position(|name| name == wanted));
    if let [Some(red), Some(green), Some(blue)] = named {
        found = [red + 1, green + 1, blue + 1];
    }
    Ok(found)
}

fn stretched(band: &[Option<f32>]) -> Vec<u8> {
    let mut sorted: Vec<f32> = band.iter().copied().flatten().collect();
    sorted.sort_by(f32::total_cmp);
    let at = |part: f64| sorted.get((sorted.len().saturating_sub(1) as f64 * part).round() as usize).copied();
    let (low, high) = (at(STRETCH.0).unwrap_or_default(), at(STRETCH.1).unwrap_or_default());
    let range = if high > low { high - low } else { 1.0 };
    let stretch = |value: f32| ((value - low) / range * f32::from(FULL)).round().clamp(0.0, f32::from(FULL)) as u8;
    band.iter().map(|value| value.map_or(0, stretch)).collect()
}

/// PNG can only be copied into, so the layers are put together in memory.
fn save(png: &Path, size: (usize, usize), layers: Vec<Vec<u8>>) -> Result<()> {
    use ColorInterpretation::{AlphaBand, BlueBand, GreenBand, RedBand};
    let memory = DriverManager::get_driver_by_name("MEM")?;
    let picture = memory.create_with_band_type::<u8, _>("", size.0, size.1, layers.len())?;
    for ((index, layer), colour) in (1..).zip(layers).zip([RedBand, GreenBand, BlueBand, AlphaBand]) {
        let mut band = picture.rasterband(index)?;
        band.set_color_interpretation(colour)?;
        band.write((0, 0), size, &mut Buffer::new(size, layer))?;
    }
    let format = DriverManager::get_driver_by_name("PNG")?;
    picture.create_copy(&format, png, &RasterCreationOptions::default())?.close()
}
