//! Why there is no output.

use std::path::PathBuf;

use gdal::errors::GdalError;

/// Why there is no output; each sentence ends with what to do.
#[derive(Debug, thiserror::Error)]
pub enum RasterError {
    /// The ortho cannot be opened.
    #[error("cannot open the ortho {}: {source}; give the file that OrthoRectification wrote", path.display())]
    Open {
        /// The ortho.
        path: PathBuf,
        /// GDAL's reason.
        source: GdalError,
    },
    /// The path is not UTF-8, which GDAL's interface needs.
    #[error("the path {path:?} is not UTF-8: rename the file or its directory")]
    NotUtf8 {
        /// The path.
        path: PathBuf,
    },
    /// Ortho and product do not belong together.
    #[error("the ortho {} has {found} bands, the product has {expected} ({bands}): give the MS product of this ortho", path.display())]
    BandCount {
        /// The ortho.
        path: PathBuf,
        /// Its number of bands.
        found: usize,
        /// The product's number of bands.
        expected: usize,
        /// The product's bands.
        bands: String,
    },
    /// The ortho names its bands, in another order than the product's.
    #[error("the ortho {} names its bands {found}, the product's order is {expected}: make the ortho of the product's bands as they are", path.display())]
    BandOrder {
        /// The ortho.
        path: PathBuf,
        /// Its bands.
        found: String,
        /// The product's bands.
        expected: String,
    },
    /// Complex numbers are no counts.
    #[error("band {band} of the ortho {} holds complex numbers, not counts: give the ortho of a Pleiades product", path.display())]
    PixelType {
        /// The ortho.
        path: PathBuf,
        /// Band, from 1.
        band: usize,
    },
    /// Blocks of the file were never written: whoever wrote it was ended, or left out what is empty.
    #[error("the ortho {} is not complete: its block at column {column}, row {row} was never written; make it again (without SPARSE_OK)", path.display())]
    Unwritten {
        /// The ortho.
        path: PathBuf,
        /// Left column of the first such block, from 0.
        column: usize,
        /// Its upper row, from 0.
        row: usize,
    },
    /// The output would overwrite the ortho.
    #[error("the output {} is the ortho itself: give another file", path.display())]
    SameFile {
        /// The path given twice.
        path: PathBuf,
    },
    /// The output cannot be created.
    #[error("cannot create the output {}: {source}; check its directory, its permissions and the creation options", path.display())]
    Create {
        /// The output.
        path: PathBuf,
        /// GDAL's reason.
        source: GdalError,
    },
    /// The ortho ends early or is damaged.
    #[error("cannot read band {band} of the ortho {} at column {column}, row {row}: {source}; the file is damaged or cut short, make it again", path.display())]
    Read {
        /// The ortho.
        path: PathBuf,
        /// Band, from 1.
        band: usize,
        /// Left column of the window, from 0.
        column: usize,
        /// Upper row of the window, from 0.
        row: usize,
        /// GDAL's reason.
        source: GdalError,
    },
    /// The output could not be written to its end; it is removed.
    #[error("cannot write the output {}: {reason}; check the free space there", path.display())]
    Write {
        /// The output.
        path: PathBuf,
        /// GDAL's reasons.
        reason: String,
    },
    /// The cache could not be set up.
    #[error("GDAL refuses its cache size: {0}")]
    Cache(GdalError),
    /// A thread ended before its work.
    #[error("a thread ended before its work was done; this is a bug of call_normalize_function")]
    Thread,
}
