//! What is known about a synthetic couple: `truth.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::PhrError;

/// The known facts of a couple.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// Discs of known place and reflectance.
    pub targets: Vec<Target>,
    /// Radius of each, metres.
    pub target_radius_m: f64,
    /// `BAND_ID`s in the order of the MS file.
    pub file_order: Vec<String>,
    /// Counts for one W/m²/sr/µm, by `BAND_ID`.
    pub gain: BTreeMap<String, f64>,
    /// Radiance of the count 0, W/m²/sr/µm.
    pub bias: f64,
    /// Solar irradiance, W/m²/µm, by `BAND_ID`.
    pub e0: BTreeMap<String, f64>,
    /// Degrees over the horizon.
    pub sun_elevation: f64,
    /// Astronomical units.
    pub earth_sun_distance: f64,
    /// Columns and rows of the P image.
    pub size: usize,
}

/// A disc of known place and reflectance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Longitude, degrees (WGS 84).
    pub lon: f64,
    /// Latitude, degrees (WGS 84).
    pub lat: f64,
    /// Column and row of its centre in the MS image, from 0 at the first pixel's centre.
    pub ms_pixel: (f64, f64),
    /// Top-of-atmosphere reflectance by `BAND_ID`.
    pub reflectance: BTreeMap<String, f64>,
}

impl Truth {
    /// Reads `truth.json`.
    pub fn read(path: &Path) -> Result<Self, PhrError> {
        let text = std::fs::read(path).map_err(|source| PhrError::file(path, source))?;
        let truth: Self = serde_json::from_slice(&text).map_err(|source| PhrError::file(path, source.into()))?;
        match truth.file_order.iter().find(|band| !truth.knows(band)) {
            Some(band) => Err(PhrError::Finding { path: path.to_owned(), finding: format!("lacks values of {band}") }),
            None => Ok(truth),
        }
    }

    fn knows(&self, band: &str) -> bool {
        let in_targets = self.targets.iter().all(|target| target.reflectance.contains_key(band));
        in_targets && self.gain.contains_key(band) && self.e0.contains_key(band)
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), PhrError> {
        let text = serde_json::to_vec_pretty(self).map_err(|source| PhrError::file(path, source.into()))?;
        std::fs::write(path, text).map_err(|source| PhrError::file(path, source))
    }

    /// What the bands hold over a target: reflectance times `scale`, or counts; in the order of the MS file.
    pub fn expected(&self, target: &Target, scale: Option<f64>) -> Vec<f64> {
        let cos_zenith = (90.0 - self.sun_elevation).to_radians().cos();
        let per_reflectance = cos_zenith / (std::f64::consts::PI * self.earth_sun_distance.powi(2));
        let value = |band: &String| {
            let reflectance = target.reflectance[band];
            let count = (reflectance * self.e0[band] * per_reflectance - self.bias) * self.gain[band];
            scale.map_or(count, |scale| reflectance * scale)
        };
        self.file_order.iter().map(value).collect()
    }
}
