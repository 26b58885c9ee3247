//! One image of a couple: its name, its grid over the P image, its bands.

use super::BandOrder;
use super::radiometry::{Band, MS_BANDS, PAN};

/// Where the first MS pixel's centre lies in the P image, columns and rows.
const MS_LAG: (f64, f64) = (1.0, 2.0);
/// First detector column of the MS image; the P image's follows from it and the lag.
const MS_FIRST_COLUMN: usize = 3577;

/// The P or the MS image.
#[derive(Debug)]
pub(super) struct Frame {
    /// `P` or `MS`.
    pub(super) mode: &'static str,
    /// `BAND_MODE` of its strip.
    pub(super) band_mode: &'static str,
    /// Directory below the couple's.
    pub(super) directory: &'static str,
    /// Name of the product, and part of its file names.
    pub(super) id: String,
    /// `JOB_ID`.
    pub(super) job: &'static str,
    /// Columns and rows.
    pub(super) size: usize,
    /// P pixels for one pixel.
    pub(super) step: f64,
    /// The P pixel under the first pixel's centre.
    pub(super) lag: (f64, f64),
    /// Bands in the order of the calibration lists.
    pub(super) calibrated: Vec<Band>,
    /// Bands in the order of the file.
    pub(super) in_file: Vec<Band>,
    /// First detector column.
    pub(super) first_column: usize,
    /// Places within a pixel that are averaged, in P pixels from its centre.
    pub(super) samples: &'static [f64],
}

impl Frame {
    pub(super) fn pan(size: usize, stamp: &str) -> Self {
        Self {
            mode: "P",
            band_mode: "PA",
            directory: "IMG_PHR1A_P_001",
            id: format!("PHR1A_P_{stamp}_SEN_559102101-001"),
            job: "559102101-001",
            size,
            step: 1.0,
            lag: (0.0, 0.0),
            calibrated: vec![PAN],
            in_file: vec![PAN],
            first_column: (MS_FIRST_COLUMN - 1) * 4 + 1 - MS_LAG.0 as usize,
            samples: &[0.0],
        }
    }

    pub(super) fn multispectral(size: usize, stamp: &str, order: BandOrder) -> Self {
        let [b0, b1, b2, b3] = MS_BANDS;
        Self {
            mode: "MS",
            band_mode: "PX",
            directory: "IMG_PHR1A_MS_002",
            id: format!("PHR1A_MS_{stamp}_SEN_559102101-002"),
            job: "559102101-002",
            size: size / 4,
            step: 4.0,
            lag: MS_LAG,
            calibrated: MS_BANDS.to_vec(),
            in_file: match order {
                BandOrder::Real => vec![b2, b1, b0, b3],
                BandOrder::Ascending => vec![b0, b1, b2, b3],
            },
            first_column: MS_FIRST_COLUMN,
            samples: &[-1.5, -0.5, 0.5, 1.5],
        }
    }

    /// Column and row in this image of a P pixel.
    pub(super) fn pixel(&self, (column, row): (f64, f64)) -> (f64, f64) {
        ((column - self.lag.0) / self.step, (row - self.lag.1) / self.step)
    }
}
