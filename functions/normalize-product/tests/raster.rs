//! Pixels from file to file.
#![expect(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, reason = "each test file uses its part of the support")]
mod support;

use std::path::Path;

use gdal::{Dataset, Metadata};
use normalize_product::dimap::{Product, parse};
use normalize_product::output::Output;
use normalize_product::pixel::Pixel;
use normalize_product::raster::{BandSummary, Encoding, RasterError, WINDOW, normalize};
use normalize_product::reflectance::Reflectance;
use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};
use support::{DIM, GEO_TRANSFORM, read_image, write_image};

const SIZE: (usize, usize) = (300, 270);

/// Counts from 1 to 4095 that differ from band to band, with no data in the upper left corner.
fn count(band: usize, column: usize, row: usize) -> f32 {
    if column + row < 20 { 0.0 } else { ((column * 31 + row * 17 + band * 1009) % 4095 + 1) as f32 }
}

fn run<T: Pixel>(
    directory: &Path,
    name: &str,
    scale: f64,
    window: (usize, usize),
) -> Result<Vec<BandSummary>, RasterError> {
    let output = Output::parse(directory.join(name).to_str().unwrap()).unwrap();
    let product = parse(DIM).unwrap();
    normalize::<T>(&product, &directory.join("ortho.tif"), &output, Encoding { scale, window }, |_| {})
}

fn reflectance(product: &Product, band: usize, count: f32) -> f64 {
    let calibration = product.bands[band].calibration;
    Reflectance::new(calibration, product.sun_elevation_deg, product.date).of(f64::from(count))
}

#[test]
fn each_pixel_is_the_reflectance_of_its_count_in_its_band() {
    let directory = tempfile::tempdir().unwrap();
    write_image(&directory.path().join("ortho.tif"), SIZE, 4, count);
    run::<f32>(directory.path(), "out.tif", 1.0, WINDOW).unwrap();
    let product = parse(DIM).unwrap();
    for (band, pixels) in read_image::<f32>(&directory.path().join("out.tif")).iter().enumerate() {
        for (i, pixel) in pixels.iter().enumerate() {
            let count = count(band, i % SIZE.0, i / SIZE.0);
            let expected = if count == 0.0 { 0.0 } else { reflectance(&product, band, count) as f32 };
            assert_eq!(*pixel, expected, "band {band}, pixel {i}");
        }
    }
}

#[test]
fn place_names_and_no_data_are_written_and_the_file_is_tiled() {
    let directory = tempfile::tempdir().unwrap();
    write_image(&directory.path().join("ortho.tif"), SIZE, 4, count);
    run::<u16>(directory.path(), "out.tif", 10_000.0, WINDOW).unwrap();
    let out = Dataset::open(directory.path().join("out.tif")).unwrap();
    assert_eq!(out.geo_transform().unwrap(), GEO_TRANSFORM);
    assert_eq!(out.spatial_ref().unwrap().auth_code().unwrap(), 32_631);
    assert_eq!(out.metadata_item("REFLECTANCE_SCALE", "").as_deref(), Some("10000"));
    for (band, id) in out.rasterbands().map(Result::unwrap).zip(["B2", "B1", "B0", "B3"]) {
        assert_eq!(
            (band.description().unwrap().as_str(), band.no_data_value(), band.block_size()),
            (id, Some(0.0), (256, 256))
        );
    }
}

#[test]
fn valid_pixels_are_never_no_data_and_saturated_ones_are_counted() {
    let directory = tempfile::tempdir().unwrap();
    let rows = [[0.0, 1.0], [4094.0, 4095.0], [5000.0, -7.0], [f32::NAN, 2.0]];
    write_image(&directory.path().join("ortho.tif"), (2, 4), 4, |_, column, row| rows[row][column]);
    let bands = run::<u16>(directory.path(), "out.tif", 100.0, WINDOW).unwrap();
    assert!(bands.iter().all(|band| (band.valid, band.saturated) == (6, 2)), "{bands:?}");
    for pixels in read_image::<u16>(&directory.path().join("out.tif")) {
        assert_eq!((pixels[0], pixels[1], pixels[5], pixels[6], pixels[7]), (0, 1, 1, 0, 1));
    }
    run::<u16>(directory.path(), "large.tif", 1e9, WINDOW).unwrap();
    assert_eq!(read_image::<u16>(&directory.path().join("large.tif"))[3][2], u16::MAX);
}

#[test]
fn integer_counts_and_an_own_no_data_value_of_the_ortho_are_understood() {
    let directory = tempfile::tempdir().unwrap();
    let ortho = directory.path().join("ortho.tif");
    write_image::<u16>(&ortho, (2, 1), 4, |_, column, _| [65_535, 500][column]);
    let mut image = Dataset::open_ex(
        &ortho,
        gdal::DatasetOptions { open_flags: gdal::GdalOpenFlags::GDAL_OF_UPDATE, ..Default::default() },
    )
    .unwrap();
    image.rasterband(1).unwrap().set_no_data_value(Some(65_535.0)).unwrap();
    image.flush_cache().unwrap();
    image.close().unwrap();
    run::<f32>(directory.path(), "out.tif", 1.0, WINDOW).unwrap();
    let product = parse(DIM).unwrap();
    for (band, pixels) in read_image::<f32>(&directory.path().join("out.tif")).iter().enumerate() {
        assert_eq!(pixels[..], [0.0, reflectance(&product, band, 500.0) as f32]);
    }
}

#[test]
fn creation_options_of_the_file_name_are_applied() {
    let directory = tempfile::tempdir().unwrap();
    write_image(&directory.path().join("ortho.tif"), SIZE, 4, count);
    run::<f32>(directory.path(), "a.tif", 1.0, WINDOW).unwrap();
    run::<f32>(directory.path(), "b.tif?&gdal:co:COMPRESS=DEFLATE&gdal:co:BLOCKXSIZE=64", 1.0, WINDOW).unwrap();
    let b = Dataset::open(directory.path().join("b.tif")).unwrap();
    assert_eq!(b.metadata_item("COMPRESSION", "IMAGE_STRUCTURE").as_deref(), Some("DEFLATE"));
    assert_eq!(b.rasterband(1).unwrap().block_size(), (64, 256));
    let pixels = |name: &str| read_image::<f32>(&directory.path().join(name));
    assert_eq!(pixels("a.tif"), pixels("b.tif"));
}

#[test]
fn progress_rises_percent_by_percent_to_a_hundred() {
    let directory = tempfile::tempdir().unwrap();
    let ortho = directory.path().join("ortho.tif");
    write_image(&ortho, (16, 2000), 4, count);
    let output =
        Output::parse(directory.path().join("o.tif?&gdal:co:BLOCKXSIZE=16&gdal:co:BLOCKYSIZE=16").to_str().unwrap());
    let mut told = Vec::new();
    let encoding = Encoding { scale: 1.0, window: (16, 16) };
    normalize::<f32>(&parse(DIM).unwrap(), &ortho, &output.unwrap(), encoding, |percent| told.push(percent)).unwrap();
    assert_eq!(told, (1..=100).collect::<Vec<_>>());
}

#[test]
fn an_ortho_cut_short_is_refused_and_leaves_no_output() {
    let directory = tempfile::tempdir().unwrap();
    let ortho = directory.path().join("ortho.tif");
    write_image(&ortho, SIZE, 4, count);
    let length = ortho.metadata().unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&ortho).unwrap().set_len(length / 2).unwrap();
    let message = run::<f32>(directory.path(), "out.tif", 1.0, WINDOW).unwrap_err().to_string();
    assert!(message.contains("ortho.tif") && message.contains("cut short"), "{message}");
    assert!(!directory.path().join("out.tif").exists());
}

#[test]
fn a_wrong_number_of_bands_a_missing_ortho_and_a_missing_directory_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(run::<f32>(directory.path(), "out.tif", 1.0, WINDOW), Err(RasterError::Open { .. })));
    write_image(&directory.path().join("ortho.tif"), SIZE, 3, count);
    let message = run::<f32>(directory.path(), "out.tif", 1.0, WINDOW).unwrap_err().to_string();
    assert!(message.contains("has 3 bands, the product has 4 (B2 B1 B0 B3)"), "{message}");
    write_image(&directory.path().join("ortho.tif"), SIZE, 4, count);
    let message = run::<f32>(directory.path(), "no/out.tif", 1.0, WINDOW).unwrap_err().to_string();
    assert!(message.contains("no/out.tif") && message.contains("No such file"), "{message}");
}

#[test]
fn the_ortho_is_never_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    write_image(&directory.path().join("ortho.tif"), SIZE, 4, count);
    let before = std::fs::read(directory.path().join("ortho.tif")).unwrap();
    std::os::unix::fs::symlink("ortho.tif", directory.path().join("link.tif")).unwrap();
    assert!(matches!(run::<f32>(directory.path(), "link.tif", 1.0, WINDOW), Err(RasterError::SameFile { .. })));
    assert_eq!(std::fs::read(directory.path().join("ortho.tif")).unwrap(), before);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn pixels_do_not_depend_on_the_window_or_the_tile(columns in 1..400_usize, rows in 1..400_usize, tile in 1..20_usize) {
        let directory = tempfile::tempdir().unwrap();
        write_image(&directory.path().join("ortho.tif"), (130, 90), 4, count);
        let whole = run::<u16>(directory.path(), "whole.tif", 10_000.0, WINDOW).unwrap();
        let side = tile * 16;
        let name = format!("parts.tif?&gdal:co:BLOCKXSIZE={side}&gdal:co:BLOCKYSIZE={side}");
        let parts = run::<u16>(directory.path(), &name, 10_000.0, (columns, rows)).unwrap();
        prop_assert_eq!(whole, parts);
        let pixels = |name: &str| read_image::<u16>(&directory.path().join(name));
        prop_assert_eq!(pixels("whole.tif"), pixels("parts.tif"));
    }
}
