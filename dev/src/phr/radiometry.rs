//! The detector of a synthetic couple: reflectance to counts.

use std::f64::consts::PI;

use jiff::civil::Date;

/// The saturated count of the 12-bit detector.
pub(super) const SATURATED: u16 = 4095;

/// The multispectral bands, blue to near infrared, as reflectances are listed here.
pub(super) const MS_BANDS: [Band; 4] = [
    Band { id: "B0", gain: 9.40, irradiance: 1915.01, range_um: (0.43, 0.55), pan_weight: 0.10 },
    Band { id: "B1", gain: 9.47, irradiance: 1830.57, range_um: (0.50, 0.62), pan_weight: 0.35 },
    Band { id: "B2", gain: 10.44, irradiance: 1594.06, range_um: (0.59, 0.71), pan_weight: 0.35 },
    Band { id: "B3", gain: 15.62, irradiance: 1060.01, range_um: (0.74, 0.94), pan_weight: 0.20 },
];

/// The panchromatic band.
pub(super) const PAN: Band =
    Band { id: "P", gain: 11.70, irradiance: 1548.71, range_um: (0.47, 0.84), pan_weight: 1.0 };

/// One band; the values are near those of PHR1A.
#[derive(Debug, Clone, Copy)]
pub(super) struct Band {
    /// `BAND_ID`.
    pub(super) id: &'static str,
    /// Counts for one W/m²/sr/µm.
    pub(super) gain: f64,
    /// Solar irradiance, W/m²/µm.
    pub(super) irradiance: f64,
    /// Limits of the band, µm.
    pub(super) range_um: (f64, f64),
    /// Part of this band in the panchromatic one.
    pub(super) pan_weight: f64,
}

/// What turns reflectance into radiance on one day.
#[derive(Debug, Clone, Copy)]
pub(super) struct Light {
    pub(super) sun_elevation_deg: f64,
    pub(super) distance_au: f64,
    /// Radiance of the count 0, W/m²/sr/µm, in all bands.
    pub(super) bias: f64,
}

impl Light {
    pub(super) fn new(sun_elevation_deg: f64, date: Date, bias: f64) -> Self {
        let anomaly = (0.9856 * f64::from(date.day_of_year() - 4)).to_radians();
        Self { sun_elevation_deg, distance_au: 1.0 - 0.01673 * anomaly.cos(), bias }
    }

    /// The count that a band delivers for a reflectance, before rounding.
    pub(super) fn exact_count(&self, band: &Band, reflectance: f64) -> f64 {
        let cos_zenith = (90.0 - self.sun_elevation_deg).to_radians().cos();
        let radiance = reflectance * band.irradiance * cos_zenith / (PI * self.distance_au.powi(2));
        (radiance - self.bias) * band.gain
    }

    /// The count in the file: never 0, which means no data.
    pub(super) fn count(&self, band: &Band, reflectance: f64) -> u16 {
        self.exact_count(band, reflectance).round().clamp(1.0, f64::from(SATURATED)) as u16
    }
}

/// The panchromatic reflectance of a spectrum in the order of [`MS_BANDS`].
pub(super) fn panchromatic(reflectance: [f64; 4]) -> f64 {
    MS_BANDS.iter().zip(reflectance).map(|(band, reflectance)| band.pan_weight * reflectance).sum()
}
