//! The rasters of a couple: its two images, the DEM and the geoid.

use std::path::Path;

use gdal::errors::GdalError;
use gdal::raster::{Buffer, GdalType, RasterCreationOptions};
use gdal::spatial_ref::SpatialRef;
use gdal::{Dataset, DriverManager};

use super::frame::Frame;
use super::radiometry::{Band, MS_BANDS, panchromatic};
use super::scene::{Spectrum, geoid_m, terrain_m};
use super::{Acquisition, PhrError};

/// Rows computed and written at once.
const STRIP_ROWS: usize = 256;
const ARC_SECOND_DEG: f64 = 1.0 / 3600.0;
/// The DEM reaches this far past the ground that the sensor model covers, in arc seconds.
const DEM_MARGIN: usize = 20;
const GEOID_STEP_DEG: f64 = 0.25;
const GEOID_HALF: usize = 8;

/// Writes the image of a frame.
pub(super) fn write_image(acquisition: &Acquisition, frame: &Frame, path: &Path) -> Result<(), PhrError> {
    let options = ["TILED=YES", "BLOCKXSIZE=256", "BLOCKYSIZE=256", "PHOTOMETRIC=MINISBLACK"];
    let size = (frame.size, frame.size);
    let mut image = create::<u16>(path, size, frame.in_file.len(), &options)?;
    for first in (0..frame.size).step_by(STRIP_ROWS) {
        let rows = STRIP_ROWS.min(frame.size - first);
        let spectra: Vec<_> = (first..first + rows).flat_map(|row| spectra(acquisition, frame, row)).collect();
        for (index, band) in frame.in_file.iter().enumerate() {
            let count = |spectrum: &Spectrum| acquisition.light.count(band, in_band(band, *spectrum));
            let mut counts = Buffer::new((frame.size, rows), spectra.iter().map(count).collect());
            image
                .rasterband(index + 1)
                .and_then(|mut band| band.write((0, first as isize), (frame.size, rows), &mut counts))
                .map_err(|source| PhrError::raster(path, source))?;
        }
    }
    close(&mut image, path)
}

/// The mean reflectance of each pixel in a row.
fn spectra(acquisition: &Acquisition, frame: &Frame, row: usize) -> Vec<Spectrum> {
    let mut sums = vec![[0.0; 4]; frame.size];
    let share = 1.0 / frame.samples.len().pow(2) as f64;
    let pan = |pixel: usize, lag: f64, sample: f64| frame.step * pixel as f64 + lag + sample;
    for down in frame.samples {
        let columns = (0..frame.size).flat_map(|pixel| frame.samples.iter().map(move |right| (pixel, *right)));
        let columns = columns.map(|(pixel, right)| pan(pixel, frame.lag.0, right));
        let row = pan(row, frame.lag.1, *down);
        for (sample, place) in acquisition.places(row, columns).enumerate() {
            let sum = &mut sums[sample / frame.samples.len()];
            let spectrum = acquisition.scene.reflectance(place);
            for band in 0..sum.len() {
                sum[band] += share * spectrum[band];
            }
        }
    }
    sums
}

fn in_band(band: &Band, spectrum: Spectrum) -> f64 {
    let place = MS_BANDS.iter().position(|candidate| candidate.id == band.id);
    place.map_or_else(|| panchromatic(spectrum), |place| spectrum[place])
}

/// Writes heights over the geoid, one arc second apart.
pub(super) fn write_dem(acquisition: &Acquisition, path: &Path) -> Result<(), PhrError> {
    let (east, _) = acquisition.geometry.metres_per_degree;
    let half = (1.3 * acquisition.geometry.half_m / east / ARC_SECOND_DEG).ceil() as usize + DEM_MARGIN;
    let centre = (acquisition.options.lon, acquisition.options.lat);
    let height = |lon_lat| terrain_m(acquisition.geometry.place(lon_lat)) as f32;
    write_grid(path, centre, half, ARC_SECOND_DEG, height)
}

/// Writes heights of the geoid over the ellipsoid around the scene.
pub(super) fn write_geoid(acquisition: &Acquisition, path: &Path) -> Result<(), PhrError> {
    let (lon, lat) = (acquisition.options.lon, acquisition.options.lat);
    let height = |(east, north)| geoid_m((east - lon, north - lat)) as f32;
    write_grid(path, (lon, lat), GEOID_HALF, GEOID_STEP_DEG, height)
}

/// A square grid of heights in geographic coordinates; the middle pixel's centre is `centre`.
fn write_grid(
    path: &Path,
    centre: (f64, f64),
    half: usize,
    step: f64,
    height: impl Fn((f64, f64)) -> f32,
) -> Result<(), PhrError> {
    let side = 2 * half + 1;
    let mut grid = create::<f32>(path, (side, side), 1, &["COMPRESS=DEFLATE"])?;
    let offset = |pixel: usize| (pixel as f64 - half as f64) * step;
    let heights = (0..side * side).map(|i| height((centre.0 + offset(i % side), centre.1 - offset(i / side))));
    let mut heights = Buffer::new((side, side), heights.collect());
    let edge = (half as f64 + 0.5) * step;
    let mut write = || -> Result<(), GdalError> {
        grid.set_geo_transform(&[centre.0 - edge, step, 0.0, centre.1 + edge, 0.0, -step])?;
        grid.set_spatial_ref(&SpatialRef::from_epsg(4326)?)?;
        let mut band = grid.rasterband(1)?;
        band.set_no_data_value(Some(-32_768.0))?;
        band.write((0, 0), (side, side), &mut heights)
    };
    write().map_err(|source| PhrError::raster(path, source))?;
    close(&mut grid, path)
}

fn create<T: GdalType>(
    path: &Path,
    (columns, rows): (usize, usize),
    bands: usize,
    options: &[&str],
) -> Result<Dataset, PhrError> {
    let options = RasterCreationOptions::from_iter(options.iter().copied());
    DriverManager::get_driver_by_name("GTiff")
        .and_then(|driver| driver.create_with_band_type_with_options::<T, _>(path, columns, rows, bands, &options))
        .map_err(|source| PhrError::raster(path, source))
}

fn close(raster: &mut Dataset, path: &Path) -> Result<(), PhrError> {
    raster.flush_cache().map_err(|source| PhrError::raster(path, source))
}
