//! Are the targets where they should be, with the right value?

use std::path::Path;

use gdal::errors::GdalError;
use gdal::spatial_ref::{AxisMappingStrategy, CoordTransform, SpatialRef};
use gdal::{Dataset, GeoTransform};

use super::{PhrError, Target, Truth};

/// Half side of the window around a target, metres.
const WINDOW_M: f64 = 32.0;
/// Half side of the window whose mean is the target's value, metres: well inside the disc.
const CORE_M: f64 = 4.0;
/// A pixel belongs to the target where every band differs less than this part from what it should be.
const TOLERANCE: f64 = 0.12;

/// How well a raster agrees with the truth.
#[derive(Debug, Clone, PartialEq)]
pub struct Accuracy {
    /// Each target, in the order of the truth.
    pub targets: Vec<TargetAccuracy>,
    /// The largest offset, metres.
    pub worst_offset_m: f64,
    /// The largest relative error of a band.
    pub worst_relative_error: f64,
}

/// How well one target agrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TargetAccuracy {
    /// From its true place to its centre in the raster, metres.
    pub offset_m: f64,
    /// Of the band that is farthest off, as a part of the true value.
    pub relative_error: f64,
}

/// Compares a map raster in metres (counts, or with a `scale` reflectance times it) with a couple's `truth.json`.
pub fn verify(truth: &Path, raster: &Path, scale: Option<f64>) -> Result<Accuracy, PhrError> {
    let truth = Truth::read(truth)?;
    let map = Map::open(raster, &truth)?;
    let targets = truth.targets.iter().enumerate().map(|(index, target)| {
        map.accuracy(target, &truth.expected(target, scale))?
            .ok_or_else(|| map.finding(format!("target {index} is not there, or its value is far off")))
    });
    let targets: Vec<_> = targets.collect::<Result<_, PhrError>>()?;
    let worst = |part: fn(&TargetAccuracy) -> f64| targets.iter().map(part).fold(0.0, f64::max);
    let worst_offset_m = worst(|target| target.offset_m);
    let worst_relative_error = worst(|target| target.relative_error);
    Ok(Accuracy { targets, worst_offset_m, worst_relative_error })
}

struct Map<'a> {
    path: &'a Path,
    raster: Dataset,
    origin: (f64, f64),
    /// Metres for one pixel east and south; the latter is negative.
    pixel: (f64, f64),
    to_map: CoordTransform,
}

impl<'a> Map<'a> {
    fn open(path: &'a Path, truth: &Truth) -> Result<Self, PhrError> {
        let open = || -> Result<(Dataset, GeoTransform, CoordTransform), GdalError> {
            let raster = Dataset::open(path)?;
            let geo_transform = raster.geo_transform()?;
            let mut degrees = SpatialRef::from_epsg(4326)?;
            degrees.set_axis_mapping_strategy(AxisMappingStrategy::TraditionalGisOrder);
            let mut map = raster.spatial_ref()?;
            map.set_axis_mapping_strategy(AxisMappingStrategy::TraditionalGisOrder);
            Ok((raster, geo_transform, CoordTransform::new(&degrees, &map)?))
        };
        let (raster, [left, width, _, top, _, height], to_map) =
            open().map_err(|source| PhrError::raster(path, source))?;
        let map = Self { path, raster, origin: (left, top), pixel: (width, height), to_map };
        let (found, expected) = (map.raster.raster_count(), truth.file_order.len());
        if found == expected { Ok(map) } else { Err(map.finding(format!("has {found} bands, not {expected}"))) }
    }

    fn accuracy(&self, target: &Target, expected: &[f64]) -> Result<Option<TargetAccuracy>, PhrError> {
        let (column, row) = self.pixel_of(target)?;
        let Some(around) = self.read(column, row, WINDOW_M)? else { return Ok(None) };
        let Some((found_column, found_row)) = around.centre_of(expected) else { return Ok(None) };
        let Some(core) = self.read(column, row, CORE_M)? else { return Ok(None) };
        let error = |(mean, expected): (f64, &f64)| (mean / expected - 1.0).abs();
        Ok(Some(TargetAccuracy {
            offset_m: ((found_column - column) * self.pixel.0).hypot((found_row - row) * self.pixel.1),
            relative_error: core.means().into_iter().zip(expected).map(error).fold(0.0, f64::max),
        }))
    }

    /// Column and row of a target, from 0 at the upper left pixel's outer corner.
    fn pixel_of(&self, target: &Target) -> Result<(f64, f64), PhrError> {
        let (mut x, mut y) = ([target.lon], [target.lat]);
        self.to_map.transform_coords(&mut x, &mut y, &mut []).map_err(|source| PhrError::raster(self.path, source))?;
        Ok(((x[0] - self.origin.0) / self.pixel.0, (y[0] - self.origin.1) / self.pixel.1))
    }

    /// The pixels up to `half_m` around a place; nothing where a part of them is outside.
    fn read(&self, column: f64, row: f64, half_m: f64) -> Result<Option<Window>, PhrError> {
        let (right, down) = (half_m / self.pixel.0.abs(), half_m / self.pixel.1.abs());
        let (left, top) = ((column - right).floor(), (row - down).floor());
        let size = ((2.0 * right).ceil() as usize, (2.0 * down).ceil() as usize);
        let (columns, rows) = self.raster.raster_size();
        if !(left >= 0.0 && top >= 0.0 && left as usize + size.0 <= columns && top as usize + size.1 <= rows) {
            return Ok(None);
        }
        let read = |band| self.raster.rasterband(band)?.read_as((left as isize, top as isize), size, size, None);
        let bands = (1..=self.raster.raster_count()).map(|band| Ok(read(band)?.data().to_vec()));
        let bands: Result<_, GdalError> = bands.collect();
        let bands = bands.map_err(|source| PhrError::raster(self.path, source))?;
        Ok(Some(Window { corner: (left, top), columns: size.0, bands }))
    }

    fn finding(&self, finding: String) -> PhrError {
        PhrError::Finding { path: self.path.to_owned(), finding }
    }
}

struct Window {
    corner: (f64, f64),
    columns: usize,
    bands: Vec<Vec<f64>>,
}

impl Window {
    /// The centre of the pixels that look like the target.
    fn centre_of(&self, expected: &[f64]) -> Option<(f64, f64)> {
        let alike = |index: &usize| {
            let near = |(band, expected): (&Vec<f64>, &f64)| (band[*index] - expected).abs() < TOLERANCE * expected;
            self.bands.iter().zip(expected).all(near)
        };
        let pixels: Vec<_> = (0..self.bands.first()?.len()).filter(alike).collect();
        let mean = |part: &dyn Fn(usize) -> usize| {
            pixels.iter().map(|index| part(*index) as f64 + 0.5).sum::<f64>() / pixels.len() as f64
        };
        let (column, row) = (mean(&|index| index % self.columns), mean(&|index| index / self.columns));
        (!pixels.is_empty()).then_some((self.corner.0 + column, self.corner.1 + row))
    }

    fn means(&self) -> Vec<f64> {
        self.bands.iter().map(|band| band.iter().sum::<f64>() / band.len() as f64).collect()
    }
}
