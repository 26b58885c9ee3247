//! The ground under a synthetic couple: fields, roads, a river, targets of known place and reflectance, and heights.

use std::f64::consts::TAU;

/// Radius of a target, metres.
pub(super) const TARGET_RADIUS_M: f64 = 16.0;

/// Around each target the ground is even out to this radius, metres, so that its edge is the same on all sides.
const APRON_RADIUS_M: f64 = 34.0;

const FIELD_M: f64 = 45.0;
const ROAD_EVERY_M: (f64, f64) = (180.0, 225.0);
const ROAD_WIDTH_M: f64 = 6.0;
const RIVER_HALF_WIDTH_M: f64 = 14.0;

/// Reflectance in B0 B1 B2 B3.
pub(super) type Spectrum = [f64; 4];

const ASPHALT: Spectrum = [0.10, 0.11, 0.12, 0.13];
const CONCRETE: Spectrum = [0.13, 0.14, 0.15, 0.16];
const WATER: Spectrum = [0.09, 0.08, 0.05, 0.03];
const FIELDS: [Spectrum; 6] = [
    [0.08, 0.09, 0.07, 0.38],
    [0.11, 0.13, 0.16, 0.22],
    [0.07, 0.10, 0.06, 0.45],
    [0.14, 0.16, 0.18, 0.20],
    [0.17, 0.20, 0.24, 0.30],
    [0.10, 0.12, 0.10, 0.30],
];
/// White, blue, green, red and near infrared.
const TARGETS: [Spectrum; 5] = [
    [0.55, 0.55, 0.55, 0.55],
    [0.60, 0.20, 0.15, 0.10],
    [0.10, 0.55, 0.15, 0.12],
    [0.12, 0.15, 0.60, 0.20],
    [0.08, 0.08, 0.08, 0.65],
];

/// A disc of one reflectance.
#[derive(Debug, Clone, Copy)]
pub(super) struct Disc {
    /// Metres east and north of the scene's centre.
    pub(super) place: (f64, f64),
    pub(super) reflectance: Spectrum,
}

/// The ground, in metres east and north of its centre.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) targets: Vec<Disc>,
    seed: u64,
}

impl Scene {
    /// One target in the centre, four around it at `distance_m` east or west and north or south.
    pub(super) fn new(distance_m: f64, seed: u64) -> Self {
        let corners = [(0.0, 0.0), (-1.0, 1.0), (1.0, 1.0), (1.0, -1.0), (-1.0, -1.0)];
        let disc = |((x, y), reflectance): ((f64, f64), Spectrum)| Disc {
            place: (x * distance_m, y * distance_m),
            reflectance,
        };
        Self { targets: corners.into_iter().zip(TARGETS).map(disc).collect(), seed }
    }

    /// Top-of-atmosphere reflectance of a place.
    pub(super) fn reflectance(&self, (x, y): (f64, f64)) -> Spectrum {
        for target in &self.targets {
            let square = (x - target.place.0).powi(2) + (y - target.place.1).powi(2);
            if square <= TARGET_RADIUS_M.powi(2) {
                return target.reflectance;
            }
            if square <= APRON_RADIUS_M.powi(2) {
                return CONCRETE;
            }
        }
        if x.rem_euclid(ROAD_EVERY_M.0) < ROAD_WIDTH_M || y.rem_euclid(ROAD_EVERY_M.1) < ROAD_WIDTH_M {
            return ASPHALT;
        }
        if (x - 55.0 - 40.0 * (y * TAU / 600.0).sin()).abs() < RIVER_HALF_WIDTH_M {
            return WATER;
        }
        let furrows = 1.0 + 0.06 * (x * TAU / 9.0).sin() * (y * TAU / 11.0).sin();
        self.field(x, y).map(|reflectance| reflectance * furrows)
    }

    fn field(&self, x: f64, y: f64) -> Spectrum {
        let (column, row) = ((x / FIELD_M).floor() as i64, (y / FIELD_M).floor() as i64);
        FIELDS[(scramble(self.seed, column, row) % FIELDS.len() as u64) as usize]
    }
}

/// SplitMix64's output step over the seed and a cell.
fn scramble(seed: u64, column: i64, row: i64) -> u64 {
    let mut state = seed ^ (column as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (row as u64).rotate_left(32);
    state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}

/// Height over the geoid, metres: a hill on a gentle slope, smooth enough for a DEM of one arc second.
pub(super) fn terrain_m((x, y): (f64, f64)) -> f64 {
    150.0 + 60.0 * (-((x - 100.0).powi(2) + (y + 75.0).powi(2)) / (2.0 * 250.0 * 250.0)).exp() + 0.01 * x
}

/// Height of the geoid over the ellipsoid, metres, `degrees` east and north of the scene's centre.
pub(super) fn geoid_m(degrees: (f64, f64)) -> f64 {
    49.5 + 0.8 * degrees.0 - 0.6 * degrees.1
}
