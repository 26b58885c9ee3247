//! From counts to top-of-atmosphere reflectance: the formula and nothing else.
//!
//! `ρ = π · (DN / GAIN + BIAS) · d² / (E0 · sin(sun elevation))`
//!
//! Sources: `L = DN / GAIN + BIAS` is the DIMAP v2 definition of `GAIN` and `BIAS` (Pléiades Imagery User Guide,
//! radiometric calibration); the reflectance is the usual definition `ρ = π · L · d² / (E0 · cos θs)`; the distance
//! `d = 1 - 0.01673 · cos(0.9856° · (day - 4))` is the one of the 6S code (Vermote et al. 1997), which OTB uses too.

use std::f64::consts::PI;

use jiff::civil::Date;

/// Absolute calibration of one band.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    /// Counts for one W/m²/sr/µm.
    pub gain: f64,
    /// Radiance of the count 0, W/m²/sr/µm.
    pub bias: f64,
    /// Solar irradiance over the band outside the atmosphere at one astronomical unit, W/m²/µm.
    pub irradiance: f64,
}

/// Distance from the earth to the sun in astronomical units; `date` counts as its calendar day of the year.
pub fn earth_sun_distance(date: Date) -> f64 {
    let day = f64::from(date.day_of_year());
    1.0 - 0.01673 * (0.9856 * (day - 4.0)).to_radians().cos()
}

/// The straight line `ρ = slope · DN + offset` of one band in one scene.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reflectance {
    /// Reflectance for one count.
    pub slope: f64,
    /// Reflectance of the count 0.
    pub offset: f64,
}

impl Reflectance {
    /// Of a band under a sun `sun_elevation_deg` degrees over the horizon (above 0, at most 90) on a day.
    pub fn new(calibration: Calibration, sun_elevation_deg: f64, date: Date) -> Self {
        let distance = earth_sun_distance(date);
        let of_radiance = PI * distance * distance / (calibration.irradiance * sun_elevation_deg.to_radians().sin());
        Self { slope: of_radiance / calibration.gain, offset: of_radiance * calibration.bias }
    }

    /// Reflectance (0 to about 1, no unit) of a count.
    pub fn of(&self, count: f64) -> f64 {
        self.slope * count + self.offset
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::{Date, date};
    use proptest::prelude::{Strategy, prop_assert, proptest};

    use super::{Calibration, PI, Reflectance, earth_sun_distance};

    fn calibrations() -> impl Strategy<Value = Calibration> {
        (1.0..20.0_f64, -5.0..5.0_f64, 500.0..2500.0_f64).prop_map(|(gain, bias, irradiance)| Calibration {
            gain,
            bias,
            irradiance,
        })
    }

    fn days() -> impl Strategy<Value = Date> {
        (2012..2030_i16, 1..=12_i8, 1..=28_i8).prop_map(|(year, month, day)| date(year, month, day))
    }

    #[test]
    fn the_sun_is_nearest_in_january_and_farthest_in_july() {
        assert!((earth_sun_distance(date(2013, 1, 4)) - 0.98327).abs() < 1e-5);
        assert!((earth_sun_distance(date(2013, 7, 5)) - 1.01673).abs() < 1e-5);
    }

    #[test]
    fn a_count_of_a_known_scene_has_the_reflectance_worked_out_by_hand() {
        // L = 1000 / 10 = 100; d = 0.98327 on 4 January; E0 sin(30°) = 785.398 = 250 π; so ρ = 100 d² / 250.
        let calibration = Calibration { gain: 10.0, bias: 0.0, irradiance: 500.0 * PI };
        let rho = Reflectance::new(calibration, 30.0, date(2013, 1, 4)).of(1000.0);
        assert!((rho - 0.4 * 0.98327_f64.powi(2)).abs() < 1e-9, "{rho}");
    }

    proptest! {
        #[test]
        fn the_radiance_of_a_reflectance_gives_its_count_back(
            calibration in calibrations(), elevation in 5.0..90.0_f64, day in days(), count in 1.0..4095.0_f64,
        ) {
            let rho = Reflectance::new(calibration, elevation, day).of(count);
            let distance = earth_sun_distance(day);
            let zenith = (90.0 - elevation).to_radians();
            let radiance = rho * calibration.irradiance * zenith.cos() / (PI * distance.powi(2));
            prop_assert!(((radiance - calibration.bias) * calibration.gain - count).abs() < 1e-6);
        }

        #[test]
        fn a_lower_sun_means_a_brighter_ground(
            calibration in calibrations(), low in 5.0..40.0_f64, higher in 1.0..50.0_f64, day in days(),
        ) {
            let slope = |elevation| Reflectance::new(calibration, elevation, day).slope;
            prop_assert!(slope(low) > slope(low + higher));
        }
    }
}
