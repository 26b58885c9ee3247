//! Turns the counts of an ortho-rectified Pleiades bundle into top-of-atmosphere reflectance.
//!
//! In reading order: [`dimap`] reads calibration, sun and band order from the product's `DIM_*.XML`, [`reflectance`]
//! is the formula, [`pixel`] is how a value is written and [`encode`] how all counts of a band become pixels; [`ortho`]
//! is the file that is read, [`output`] names the one that is written and [`target`] writes it, [`windows`] cuts both,
//! [`gdal_errors`] hears what GDAL reports meanwhile, [`pool`] keeps buffers, and [`raster`] carries the pixels from file to file.

pub mod dimap;
pub mod encode;
pub mod error;
pub mod gdal_errors;
pub mod ortho;
pub mod output;
pub mod pixel;
pub mod pool;
pub mod raster;
pub mod reflectance;
pub mod target;
pub mod windows;
