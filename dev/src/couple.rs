//! `zeebe2faas-dev couple`: a synthetic couple to try the chain with.

use crate::phr::{Couple, CoupleOptions, PhrError, write_couple};
use clap::Args;
use serde_json::json;
use std::{io, path::PathBuf};

/// Where, and how large.
#[derive(Args, Debug)]
pub struct CoupleArgs {
    /// The folder to make; its results go beside its products
    pub out: PathBuf,
    /// Width and height of the multispectral image, in pixels
    #[arg(long, default_value_t = 1200)]
    pub size: usize,
}

/// Why there is no couple.
#[derive(Debug, thiserror::Error)]
pub enum CoupleError {
    /// It cannot be written.
    #[error(transparent)]
    Phr(#[from] PhrError),
    /// The folder has no absolute name.
    #[error("{}: {source}", path.display())]
    Path {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Writes a couple, and prints the variables with which `phr-pair` is started on it, as JSON.
pub fn run(args: &CoupleArgs) -> Result<bool, CoupleError> {
    let out = std::path::absolute(&args.out);
    let out = out.map_err(|source| CoupleError::Path { path: args.out.clone(), source })?;
    let options = CoupleOptions { size: args.size, ..CoupleOptions::default() };
    let Couple { dim_p, dim_ms, dem, geoid, .. } = write_couple(&out, &options)?;
    println!("{}", json!({ "P_": dim_p, "MS_": dim_ms, "S3PATH": out, "DEM": dem, "GEOID": geoid }));
    Ok(true)
}
