//! Turns the counts of an ortho-rectified Pleiades bundle into top-of-atmosphere reflectance.
//!
//! In reading order: [`dimap`] reads calibration, sun and band order from the product's `DIM_*.XML`, [`reflectance`]
//! is the formula, [`output`] names the output file and its creation options,
//! [`pixel`] is how a value is written, [`gdal_errors`] hears what GDAL reports
//! while it writes, and [`raster`] carries the pixels from file to file.

pub mod dimap;
pub mod gdal_errors;
pub mod output;
pub mod pixel;
pub mod raster;
pub mod reflectance;
