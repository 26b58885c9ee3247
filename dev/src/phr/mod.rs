//! Synthetic Pleiades couples: a P and an MS product (PHR1A, sensor level, DIMAP v2) of an invented ground, with DEM,
//! geoid and the truth about targets of known place and reflectance. The same options give the same files.

mod frame;
mod geometry;
mod images;
mod metadata;
mod radiometry;
mod scene;
mod truth;
mod verify;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::civil::DateTime;

use frame::Frame;
use geometry::Geometry;
pub use geometry::View;
use radiometry::{Light, MS_BANDS};
use scene::{Scene, TARGET_RADIUS_M, geoid_m, terrain_m};
pub use truth::{Target, Truth};
pub use verify::{Accuracy, TargetAccuracy, verify};

/// Columns and rows that a P image may have.
pub const SIZES: std::ops::RangeInclusive<usize> = 400..=40_000;
/// The steepest view, as the tangent of its angle.
pub const MAX_TANGENT: f64 = 0.5;
/// The four outer targets lie this part of the image's side from the centre, east or west and north or south.
const TARGET_DISTANCE: f64 = 0.3;

/// Order of the bands in the MS file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BandOrder {
    /// B2 B1 B0 B3, as in real products.
    Real,
    /// B0 B1 B2 B3.
    Ascending,
}

/// What a couple shows, and how it is taken.
#[derive(Debug, Clone, PartialEq)]
pub struct CoupleOptions {
    /// Columns and rows of the P image, a multiple of 4 in [`SIZES`].
    pub size: usize,
    /// Side of a P pixel on the ground, metres.
    pub gsd_m: f64,
    /// Longitude of the centre, degrees.
    pub lon: f64,
    /// Latitude of the centre, degrees.
    pub lat: f64,
    /// Time of the first P line, UTC.
    pub acquired: DateTime,
    /// Degrees over the horizon, above 0 and at most 90.
    pub sun_elevation_deg: f64,
    /// Degrees from north.
    pub sun_azimuth_deg: f64,
    /// How the satellite looks; couples of one product differ in it.
    pub view: View,
    /// Radiance of the count 0, W/m²/sr/µm, in all bands.
    pub bias: f64,
    /// Order of the bands in the MS file.
    pub band_order: BandOrder,
    /// Chooses the ground; couples of one product share it.
    pub seed: u64,
}

impl Default for CoupleOptions {
    /// A nadir-like view of Toulouse on a summer morning, 1200 P pixels wide.
    fn default() -> Self {
        Self {
            size: 1200,
            gsd_m: 0.7,
            lon: 1.4442,
            lat: 43.6045,
            acquired: DateTime::constant(2013, 7, 15, 10, 51, 3, 200_000_000),
            sun_elevation_deg: 62.3,
            sun_azimuth_deg: 148.9,
            view: View { rotation_deg: 4.0, across: 0.16, along: 0.10 },
            bias: 0.0,
            band_order: BandOrder::Real,
            seed: 1,
        }
    }
}

/// The files of a couple.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Couple {
    /// `DIM_*.XML` of the panchromatic product.
    pub dim_p: PathBuf,
    /// `DIM_*.XML` of the multispectral product.
    pub dim_ms: PathBuf,
    /// Directory of the DEM.
    pub dem: PathBuf,
    /// Geoid file.
    pub geoid: PathBuf,
    /// `truth.json`.
    pub truth: PathBuf,
}

/// Why a couple cannot be written or checked.
#[derive(Debug, thiserror::Error)]
pub enum PhrError {
    /// An option is out of range.
    #[error("the couple's {option} is {value}: it has to be {expected}")]
    Option {
        /// Which option.
        option: &'static str,
        /// Its value.
        value: f64,
        /// Its range.
        expected: &'static str,
    },
    /// A file or directory cannot be written or read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A raster cannot be written or read.
    #[error("{}: {source}", path.display())]
    Raster {
        /// The raster.
        path: PathBuf,
        /// GDAL's reason.
        source: gdal::errors::GdalError,
    },
    /// A raster does not show what it should.
    #[error("{}: {finding}", path.display())]
    Finding {
        /// The raster.
        path: PathBuf,
        /// What is wrong.
        finding: String,
    },
}

impl PhrError {
    fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }

    fn raster(path: &Path, source: gdal::errors::GdalError) -> Self {
        Self::Raster { path: path.to_owned(), source }
    }
}

/// Writes a couple with its DEM, geoid and truth into a directory, which is created where needed.
pub fn write_couple(out: &Path, options: &CoupleOptions) -> Result<Couple, PhrError> {
    check(options)?;
    let acquisition = Acquisition::new(options);
    let couple = couple_files(out, options);
    let [pan, multispectral] = frames(options);
    write_frame(out, &acquisition, &pan)?;
    write_frame(out, &acquisition, &multispectral)?;
    make_directory(&couple.dem)?;
    images::write_dem(&acquisition, &couple.dem.join("srtm_synthetic.tif"))?;
    make_directory(&out.join("geoid"))?;
    images::write_geoid(&acquisition, &couple.geoid)?;
    acquisition.truth(&multispectral).write(&couple.truth)?;
    Ok(couple)
}

/// The files that [`write_couple`] writes, or has written, for these options.
pub fn couple_files(out: &Path, options: &CoupleOptions) -> Couple {
    let dim = |frame: &Frame| out.join(frame.directory).join(format!("DIM_{}.XML", frame.id));
    let [pan, multispectral] = frames(options);
    Couple {
        dim_p: dim(&pan),
        dim_ms: dim(&multispectral),
        dem: out.join("dem"),
        geoid: out.join("geoid").join("geoid.tif"),
        truth: out.join("truth.json"),
    }
}

fn frames(options: &CoupleOptions) -> [Frame; 2] {
    let stamp = options.acquired.strftime("%Y%m%d%H%M%S0").to_string();
    [Frame::pan(options.size, &stamp), Frame::multispectral(options.size, &stamp, options.band_order)]
}

fn check(options: &CoupleOptions) -> Result<(), PhrError> {
    let checks = [
        ("size", options.size as f64, SIZES.contains(&options.size), "from 400 to 40000"),
        ("size", options.size as f64, options.size.is_multiple_of(4), "a multiple of 4"),
        ("ground sample distance", options.gsd_m, (0.5..=2.0).contains(&options.gsd_m), "from 0.5 to 2 m"),
        ("longitude", options.lon, (-178.0..=178.0).contains(&options.lon), "from -178 to 178 degrees"),
        ("latitude", options.lat, (-75.0..=75.0).contains(&options.lat), "from -75 to 75 degrees"),
        (
            "sun elevation",
            options.sun_elevation_deg,
            (5.0..=90.0).contains(&options.sun_elevation_deg),
            "5 to 90 degrees",
        ),
        ("view across", options.view.across, options.view.across.abs() <= MAX_TANGENT, "from -0.5 to 0.5"),
        ("view along", options.view.along, options.view.along.abs() <= MAX_TANGENT, "from -0.5 to 0.5"),
        ("bias", options.bias, options.bias.abs() <= 5.0, "from -5 to 5 W/m²/sr/µm"),
    ];
    match checks.into_iter().find(|(_, _, good, _)| !good) {
        Some((option, value, _, expected)) => Err(PhrError::Option { option, value, expected }),
        None => Ok(()),
    }
}

fn write_frame(out: &Path, acquisition: &Acquisition, frame: &Frame) -> Result<(), PhrError> {
    let directory = out.join(frame.directory);
    make_directory(&directory)?;
    let write = |name: String, text: String| {
        let path = directory.join(name);
        fs::write(&path, text).map_err(|source| PhrError::file(&path, source))
    };
    images::write_image(acquisition, frame, &directory.join(format!("IMG_{}_R1C1.TIF", frame.id)))?;
    write(format!("RPC_{}.XML", frame.id), metadata::rational_functions(acquisition, frame))?;
    write(format!("DIM_{}.XML", frame.id), metadata::product(acquisition, frame))
}

fn make_directory(path: &Path) -> Result<(), PhrError> {
    fs::create_dir_all(path).map_err(|source| PhrError::file(path, source))
}

/// All that one couple is computed from.
struct Acquisition {
    options: CoupleOptions,
    geometry: Geometry,
    light: Light,
    scene: Scene,
}

impl Acquisition {
    fn new(options: &CoupleOptions) -> Self {
        Self {
            options: options.clone(),
            geometry: Geometry::new(options.size, options.gsd_m, (options.lon, options.lat), options.view),
            light: Light::new(options.sun_elevation_deg, options.acquired.date(), options.bias),
            scene: Scene::new(TARGET_DISTANCE * options.size as f64 * options.gsd_m, options.seed),
        }
    }

    /// Height of the ground over the ellipsoid, metres.
    fn height_m(&self, place: (f64, f64)) -> f64 {
        let (east, north) = self.geometry.metres_per_degree;
        terrain_m(place) + geoid_m((place.0 / east, place.1 / north))
    }

    /// The places that the P pixels of a row see.
    fn places<'a>(
        &'a self,
        row: f64,
        columns: impl Iterator<Item = f64> + 'a,
    ) -> impl Iterator<Item = (f64, f64)> + 'a {
        self.geometry.places(row, columns, |place| self.height_m(place))
    }

    /// Longitude and latitude that a P pixel sees.
    fn lon_lat(&self, (column, row): (f64, f64)) -> (f64, f64) {
        let place = self.places(row, std::iter::once(column)).next().unwrap_or_default();
        self.geometry.lon_lat(place)
    }

    fn truth(&self, multispectral: &Frame) -> Truth {
        let by_id = |value: &dyn Fn(usize) -> f64| -> BTreeMap<String, f64> {
            MS_BANDS.iter().enumerate().map(|(index, band)| (band.id.to_owned(), value(index))).collect()
        };
        let target = |disc: &scene::Disc| {
            let (lon, lat) = self.geometry.lon_lat(disc.place);
            let ms_pixel = multispectral.pixel(self.geometry.pixel(disc.place, self.height_m(disc.place)));
            Target { lon, lat, ms_pixel, reflectance: by_id(&|index| disc.reflectance[index]) }
        };
        Truth {
            targets: self.scene.targets.iter().map(target).collect(),
            target_radius_m: TARGET_RADIUS_M,
            file_order: multispectral.in_file.iter().map(|band| band.id.to_owned()).collect(),
            gain: by_id(&|index| MS_BANDS[index].gain),
            bias: self.options.bias,
            e0: by_id(&|index| MS_BANDS[index].irradiance),
            sun_elevation: self.light.sun_elevation_deg,
            earth_sun_distance: self.light.distance_au,
            size: self.options.size,
        }
    }
}
