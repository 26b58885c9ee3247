//! Synthetic couples without OTB: they open, they say the truth, and they are the same each time.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::f64::consts::PI;
use std::path::Path;

use gdal::Dataset;
use jiff::civil::date;
use zeebe2faas_dev::phr::{BandOrder, Couple, CoupleOptions, Truth, View, verify, write_couple};

fn small() -> CoupleOptions {
    CoupleOptions { size: 400, ..CoupleOptions::default() }
}

fn image(dim: &Path) -> Dataset {
    let name = dim.file_name().unwrap().to_str().unwrap().replace("DIM_", "IMG_").replace(".XML", "_R1C1.TIF");
    Dataset::open(dim.with_file_name(name)).unwrap()
}

fn files(couple: &Couple) -> Vec<(String, Vec<u8>)> {
    let mut directories = vec![couple.truth.parent().unwrap().to_owned()];
    let mut files = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                files.push((path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

/// Reflectance at the targets' centres from the MS image's counts, by the definition of reflectance.
fn worst_error_of_counts(couple: &Couple) -> f64 {
    let truth = Truth::read(&couple.truth).unwrap();
    let ms = image(&couple.dim_ms);
    let mu = (90.0 - truth.sun_elevation).to_radians().cos();
    let mut worst = 0.0_f64;
    for target in &truth.targets {
        let place = (target.ms_pixel.0.round() as isize, target.ms_pixel.1.round() as isize);
        for (index, id) in truth.file_order.iter().enumerate() {
            let count =
                ms.rasterband(index + 1).unwrap().read_as::<f64>(place, (1, 1), (1, 1), None).unwrap().data()[0];
            let radiance = count / truth.gain[id] + truth.bias;
            let reflectance = PI * radiance * truth.earth_sun_distance.powi(2) / (truth.e0[id] * mu);
            worst = worst.max((reflectance / target.reflectance[id] - 1.0).abs());
        }
    }
    worst
}

#[test]
fn the_images_open_as_dimap_with_their_sizes_and_rpcs() {
    let directory = tempfile::tempdir().unwrap();
    let couple = write_couple(directory.path(), &small()).unwrap();
    for (dim, size, bands) in [(&couple.dim_p, 400, 1), (&couple.dim_ms, 100, 4)] {
        let product = Dataset::open(dim).unwrap();
        assert_eq!(product.driver().short_name(), "DIMAP");
        assert_eq!((product.raster_size(), product.raster_count()), ((size, size), bands));
        assert!(gdal::Metadata::metadata_domain(&product, "RPC").is_some_and(|rpc| rpc.len() > 10));
    }
    assert_eq!(Dataset::open(&couple.geoid).unwrap().raster_count(), 1);
    assert_eq!(std::fs::read_dir(&couple.dem).unwrap().count(), 1);
}

#[test]
fn the_counts_over_a_target_are_its_reflectance() {
    let directory = tempfile::tempdir().unwrap();
    let winter = CoupleOptions {
        acquired: date(2020, 1, 5).at(10, 40, 0, 0),
        sun_elevation_deg: 31.0,
        bias: 0.4,
        band_order: BandOrder::Ascending,
        lat: -33.9,
        lon: 18.4,
        ..small()
    };
    for (name, options) in [("summer", small()), ("winter", winter)] {
        let couple = write_couple(&directory.path().join(name), &options).unwrap();
        let worst = worst_error_of_counts(&couple);
        assert!(worst < 0.005, "{name}: {worst}");
    }
}

#[test]
fn the_file_order_of_the_bands_is_the_one_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let order = |name: &str, band_order| {
        let couple = write_couple(&directory.path().join(name), &CoupleOptions { band_order, ..small() }).unwrap();
        Truth::read(&couple.truth).unwrap().file_order
    };
    assert_eq!(order("real", BandOrder::Real), ["B2", "B1", "B0", "B3"]);
    assert_eq!(order("ascending", BandOrder::Ascending), ["B0", "B1", "B2", "B3"]);
}

#[test]
fn the_same_options_give_the_same_bytes_and_another_seed_another_ground() {
    let directory = tempfile::tempdir().unwrap();
    let write =
        |name: &str, seed| write_couple(&directory.path().join(name), &CoupleOptions { seed, ..small() }).unwrap();
    let (first, again, other) = (write("a", 1), write("b", 1), write("c", 2));
    assert!(files(&first) == files(&again));
    assert!(files(&first) != files(&other));
}

#[test]
fn another_view_moves_the_image_and_not_the_targets() {
    let directory = tempfile::tempdir().unwrap();
    let backward = View { rotation_deg: 4.0, across: 0.1, along: -0.2 };
    let forward = write_couple(&directory.path().join("forward"), &small()).unwrap();
    let backward =
        write_couple(&directory.path().join("backward"), &CoupleOptions { view: backward, ..small() }).unwrap();
    let targets = |couple: &Couple| Truth::read(&couple.truth).unwrap().targets;
    for (a, b) in targets(&forward).iter().zip(targets(&backward)) {
        assert_eq!((a.lon, a.lat), (b.lon, b.lat));
        assert!((a.ms_pixel.1 - b.ms_pixel.1).abs() > 0.5);
    }
}

#[test]
fn options_out_of_range_are_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let refusal = |options: &CoupleOptions| write_couple(directory.path(), options).unwrap_err().to_string();
    assert!(refusal(&CoupleOptions { size: 402, ..small() }).contains("size is 402: it has to be a multiple of 4"));
    assert!(refusal(&CoupleOptions { size: 40, ..small() }).contains("from 400 to 40000"));
    assert!(refusal(&CoupleOptions { lat: f64::NAN, ..small() }).contains("latitude is NaN"));
    assert!(std::fs::read_dir(directory.path()).unwrap().next().is_none());
}

#[test]
fn a_raster_without_the_targets_does_not_pass() {
    let directory = tempfile::tempdir().unwrap();
    let couple = write_couple(directory.path(), &small()).unwrap();
    let dem = couple.dem.join("srtm_synthetic.tif");
    assert!(verify(&couple.truth, &dem, None).unwrap_err().to_string().contains("has 1 bands, not 4"));
    assert!(verify(&couple.truth, &directory.path().join("none.tif"), None).is_err());
    assert!(verify(&directory.path().join("none.json"), &dem, None).unwrap_err().to_string().contains("none.json"));
}
