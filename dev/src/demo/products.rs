//! What the demo works on: the user's products, or synthetic ones made at the first use.

use super::DemoError;
use crate::{
    broker,
    phr::{self, CoupleOptions, View},
};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// One product: couples of the same area, taken from different directions.
#[derive(Debug, Clone)]
pub struct Product {
    /// Its name, and that of its folder.
    pub name: String,
    /// Two for a stereo, three for a tri-stereo.
    pub couples: Vec<Couple>,
}

/// A panchromatic and a multispectral product of one view.
#[derive(Debug, Clone)]
pub struct Couple {
    /// `DIM_*.XML` of the panchromatic product.
    pub p: PathBuf,
    /// `DIM_*.XML` of the multispectral product.
    pub ms: PathBuf,
    /// Folder of the DEM.
    pub dem: PathBuf,
    /// Geoid file.
    pub geoid: PathBuf,
    /// Where the targets of a synthetic couple truly are.
    pub truth: Option<PathBuf>,
}

impl Product {
    /// The folders that its couples' files are in.
    pub fn folders(&self) -> impl Iterator<Item = PathBuf> {
        let files = self.couples.iter().flat_map(|couple| [&couple.p, &couple.ms, &couple.geoid]);
        let folders = files.filter_map(|file| file.parent()).chain(self.couples.iter().map(|couple| &*couple.dem));
        folders.map(Path::to_owned)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    dem: Option<PathBuf>,
    geoid: Option<PathBuf>,
    products: Vec<FileProduct>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileProduct {
    name: String,
    couples: Vec<FileCouple>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileCouple {
    #[serde(rename = "P_")]
    p: PathBuf,
    #[serde(rename = "MS_")]
    ms: PathBuf,
    dem: Option<PathBuf>,
    geoid: Option<PathBuf>,
}

/// Reads the products of `{"dem": DIR, "geoid": FILE, "products": [{"name": …, "couples": [{"P_": …, "MS_": …}]}]}`.
/// Relative paths are relative to the file. Everything that is missing is told at once.
pub fn read(path: &Path) -> Result<Vec<Product>, DemoError> {
    let wrong = |problems: Vec<String>| DemoError::Products { path: path.to_owned(), problems };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(vec![error.to_string()]))?;
    let file: File = serde_json::from_str(&text).map_err(|error| wrong(vec![error.to_string()]))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let folder = std::path::absolute(folder).map_err(|error| wrong(vec![error.to_string()]))?;
    let mut problems = Vec::new();
    let mut products: Vec<Product> = Vec::new();
    for FileProduct { name, couples } in file.products {
        if !is_folder_name(&name) {
            problems.push(format!("product name `{name}`: letters, digits, `-`, `_`, `.` only, as it names a folder"));
        }
        if products.iter().any(|other| other.name == name) {
            problems.push(format!("product name `{name}` stands there twice; each needs its own folder"));
        }
        if couples.is_empty() {
            problems.push(format!("product `{name}` has no couples"));
        }
        let mut found = Vec::new();
        for (index, couple) in couples.into_iter().enumerate() {
            let mut existing = |key: &str, path: Option<PathBuf>| {
                let Some(path) = path else {
                    problems.push(format!("product `{name}`, couple {index}: `{key}` is given neither here nor above"));
                    return PathBuf::new();
                };
                let path = folder.join(path);
                if !path.exists() {
                    problems.push(format!("product `{name}`, couple {index}: {key} {} does not exist", path.display()));
                }
                path
            };
            found.push(Couple {
                p: existing("P_", Some(couple.p)),
                ms: existing("MS_", Some(couple.ms)),
                dem: existing("dem", couple.dem.or_else(|| file.dem.clone())),
                geoid: existing("geoid", couple.geoid.or_else(|| file.geoid.clone())),
                truth: None,
            });
        }
        products.push(Product { name, couples: found });
    }
    if products.is_empty() {
        problems.push("`products` is empty".to_owned());
    }
    if problems.is_empty() { Ok(products) } else { Err(wrong(problems)) }
}

/// One stereo and one tri-stereo, made below the cache folder at the first use.
pub fn synthetic(size: usize) -> Result<Vec<Product>, DemoError> {
    let cache = broker::cache()?.join(format!("phr-{size}"));
    // A satellite on one pass looks forward, down and back.
    let stereo = [(0.16, 0.22), (0.16, -0.18)];
    let tri_stereo = [(-0.10, 0.25), (-0.08, 0.02), (-0.09, -0.24)];
    let product = |name: &str, lon: f64, lat: f64, seed: u64, views: &[(f64, f64)]| {
        let couple = |(index, (across, along)): (usize, &(f64, f64))| {
            let base = CoupleOptions::default();
            let acquired = base.acquired.saturating_add(jiff::Span::new().seconds(20 * index as i64));
            let view = View { across: *across, along: *along, ..base.view };
            let options = CoupleOptions { size, lon, lat, seed, view, acquired, ..base };
            synthetic_couple(&cache.join(name).join(index.to_string()), &options)
        };
        let couples = views.iter().enumerate().map(couple).collect::<Result<_, _>>()?;
        Ok::<_, DemoError>(Product { name: name.to_owned(), couples })
    };
    Ok(vec![product("stereo", 1.4442, 43.6045, 1, &stereo)?, product("tri-stereo", 2.3522, 48.8566, 2, &tri_stereo)?])
}

/// Written beside its place and renamed, so that a half-written couple is never taken for a whole one.
fn synthetic_couple(place: &Path, options: &CoupleOptions) -> Result<Couple, DemoError> {
    let io = |source| DemoError::Io { path: place.to_owned(), source };
    if !place.exists() {
        let parent = place.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(parent).map_err(io)?;
        let beside = tempfile::Builder::new().prefix(".making-").tempdir_in(parent).map_err(io)?;
        phr::write_couple(beside.path(), options)?;
        let beside = beside.keep();
        if let Err(error) = std::fs::rename(&beside, place) {
            std::fs::remove_dir_all(&beside).map_err(io)?;
            // Somebody else may have made it meanwhile.
            if !place.exists() {
                return Err(io(error));
            }
        }
    }
    let files = phr::couple_files(place, options);
    Ok(Couple { p: files.dim_p, ms: files.dim_ms, dem: files.dem, geoid: files.geoid, truth: Some(files.truth) })
}

fn is_folder_name(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && !name.starts_with('.') && name.chars().all(good)
}
