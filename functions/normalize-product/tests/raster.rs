//! Pixels from file to file.
#![expect(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, reason = "each test file uses its part of the support")]
mod support;

use std::num::NonZeroUsize;
use std::path::Path;

use gdal::raster::{Buffer, RasterCreationOptions};
use gdal::{Dataset, DatasetOptions, DriverManager, GdalOpenFlags, Metadata};
use normalize_product::dimap::{Product, parse};
use normalize_product::error::RasterError;
use normalize_product::output::{Format, Output};
use normalize_product::pixel::Pixel;
use normalize_product::raster::{BandSummary, Encoding, normalize};
use normalize_product::reflectance::Reflectance;
use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};
use support::{DIM, GEO_TRANSFORM, read_image, write_image, write_image_as};

const SIZE: (usize, usize) = (300, 270);

/// Counts from 1 to 4095 that differ from band to band, with no data in the upper left corner.
fn count(band: usize, column: usize, row: usize) -> f32 {
    if column + row < 20 { 0.0 } else { ((column * 31 + row * 17 + band * 1009) % 4095 + 1) as f32 }
}

const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();

fn run<T: Pixel>(directory: &Path, name: &str, scale: f64) -> Result<Vec<BandSummary>, RasterError> {
    run_as::<T>(directory, name, Format::GTiff, Encoding::new(scale, TWO))
}

fn run_as<T: Pixel>(
    directory: &Path,
    name: &str,
    format: Format,
    encoding: Encoding,
) -> Result<Vec<BandSummary>, RasterError> {
    let output = Output { format, ..Output::parse(directory.join(name).to_str().unwrap()).unwrap() };
    normalize::<T>(&parse(DIM).unwrap(), &directory.join("ortho.tif"), &output, encoding, |_| {})
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn reflectance(product: &Product, band: usize, count: f32) -> f64 {
    let calibration = product.bands[band].calibration;
    Reflectance::new(calibration, product.sun_elevation_deg, product.date).of(f64::from(count))
}

#[test]
fn each_pixel_is_the_reflectance_of_its_count_in_its_band() {
    let directory = tempfile::tempdir().unwrap();
    write_image(&directory.path().join("ortho.tif"), SIZE, 4, count);
    run::<f32>(directory.path(), "out.tif", 1.0).unwrap();
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
    run::<u16>(directory.path(), "out.tif", 10_000.0).unwrap();
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
    let bands = run::<u16>(directory.path(), "out.tif", 100.0).unwrap();
    assert!(bands.iter().all(|band| (band.tally.valid, band.tally.saturated) == (6, 2)), "{bands:?}");
    for pixels in read_image::<u16>(&directory.path().join("out.tif")) {
        assert_eq!((pixels[0], pixels[1], pixels[5], pixels[6], pixels[7]), (0, 1, 1, 0, 1));
    }
    run::<u16>(directory.path(), "large.tif", 1e9).unwrap();
    assert_eq!(read_image::<u16>(&directory.path().join("large.tif"))[3][2], u16::MAX);
}

#[test]
fn integer_counts_and_an_own_no_data_value_of_the_ortho_are_understood() {
    let directory = tempfile::tempdir().unwrap();
    let ortho = directory.path().join("ortho.tif");
    write_image::<u16>(&ortho, (2, 1), 4, |_, column, _| [65_535, 500][column]);
    let mut image = Dataset::open_ex(
        &ortho,
        DatasetOptions { open_flags: GdalOpenFlags::GDAL_OF_UPDATE, ..DatasetOptions::default() },
    )
    .unwrap();
    image.rasterband(1).unwrap().set_no_data_value(Some(65_535.0)).unwrap();
    image.flush_cache().unwrap();
    image.close().unwrap();
    run::<f32>(directory.path(), "out.tif", 1.0).unwrap();
    let product = parse(DIM).unwrap();
    for (band, pixels) in read_image::<f32>(&directory.path().join("out.tif")).iter().enumerate() {
        assert_eq!(pixels[..], [0.0, reflectance(&product, band, 500.0) as f32]);
    }
}

#[test]
fn creation_options_of_the_file_name_are_applied() {
    let directory = tempfile::tempdir().unwrap();
    write_image(&directory.path().join("ortho.tif"), SIZE, 4, count);
    run::<f32>(directory.path(), "a.tif", 1.0).unwrap();
    run::<f32>(directory.path(), "b.tif?&gdal:co:COMPRESS=DEFLATE&gdal:co:BLOCKXSIZE=64", 1.0).unwrap();
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
    let encoding = Encoding { window_pixels: NonZeroUsize::MIN, ..Encoding::new(1.0, TWO) };
    normalize::<f32>(&parse(DIM).unwrap(), &ortho, &output.unwrap(), encoding, |percent| told.push(percent)).unwrap();
    assert_eq!(told, (1..=100).collect::<Vec<_>>());
}

#[test]
fn an_ortho_cut_short_is_refused_and_leaves_no_output() {
    let directory = tempfile::tempdir().unwrap();
    let ortho = directory.path().join("ortho.tif");
    for options in [&[][..], &["COMPRESS=DEFLATE"], &["TILED=YES", "BIGTIFF=YES"], &["INTERLEAVE=BAND"]] {
        write_image_as(&ortho, SIZE, 4, options, count);
        let length = ortho.metadata().unwrap().len();
        let cut = std::fs::OpenOptions::new().write(true).open(&ortho).unwrap();
        for kept in [length * 9 / 10, length / 2, 1000, 100, 4, 0] {
            cut.set_len(kept).unwrap();
            let message = run::<f32>(directory.path(), "out.tif", 1.0).unwrap_err().to_string();
            assert!(message.contains("ortho.tif"), "{options:?} {kept}: {message}");
            assert_eq!(names(directory.path()), ["ortho.tif"]);
        }
    }
}

#[test]
fn an_ortho_whose_writer_was_killed_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let ortho = directory.path().join("ortho.tif");
    let driver = DriverManager::get_driver_by_name("GTiff").unwrap();
    let options = RasterCreationOptions::from_iter(["SPARSE_OK=TRUE", "TILED=YES"]);
    let image = driver.create_with_band_type_with_options::<u16, _>(&ortho, 600, 600, 4, &options).unwrap();
    image.rasterband(1).unwrap().write((0, 0), (512, 256), &mut Buffer::new((512, 256), vec![7; 512 * 256])).unwrap();
    image.close().unwrap();
    let message = run::<f32>(directory.path(), "out.tif", 1.0).unwrap_err().to_string();
    assert!(message.contains("its block at column 512, row 0 was never written"), "{message}");
    assert_eq!(names(directory.path()), ["ortho.tif"]);
}

#[test]
fn bands_that_are_named_in_another_order_are_refused_and_other_names_mean_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let ortho = directory.path().join("ortho.tif");
    let name_bands = |names: [&str; 4]| {
        write_image(&ortho, (20, 20), 4, count);
        let options = DatasetOptions { open_flags: GdalOpenFlags::GDAL_OF_UPDATE, ..DatasetOptions::default() };
        let image = Dataset::open_ex(&ortho, options).unwrap();
        for (band, name) in image.rasterbands().zip(names) {
            band.unwrap().set_description(name).unwrap();
        }
        image.close().unwrap();
        run::<u16>(directory.path(), "out.tif", 10_000.0)
    };
    let message = name_bands(["B0", "B1", "B2", "B3"]).unwrap_err().to_string();
    assert!(message.contains("B0 B1 B2 B3, the product's order is B2 B1 B0 B3"), "{message}");
    name_bands(["B2", "B1", "B0", "B3"]).unwrap();
    name_bands(["red", "green", "blue", "B3"]).unwrap();
}

#[test]
fn complex_numbers_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let bands: String = (1..=4).map(|band| format!("<VRTRasterBand dataType=\"CFloat32\" band=\"{band}\"/>")).collect();
    let vrt = format!("<VRTDataset rasterXSize=\"9\" rasterYSize=\"9\">{bands}</VRTDataset>");
    std::fs::write(directory.path().join("ortho.tif"), vrt).unwrap();
    let message = run::<f32>(directory.path(), "out.tif", 1.0).unwrap_err().to_string();
    assert!(message.contains("band 1") && message.contains("complex numbers"), "{message}");
}

#[test]
fn a_cog_has_overviews_and_the_same_pixels_and_nothing_stays_beside_it() {
    let directory = tempfile::tempdir().unwrap();
    write_image(&directory.path().join("ortho.tif"), (700, 600), 4, count);
    run::<u16>(directory.path(), "plain.tif", 10_000.0).unwrap();
    let encoding = Encoding::new(10_000.0, TWO);
    run_as::<u16>(directory.path(), "cog.tif?&gdal:co:COMPRESS=ZSTD", Format::Cog, encoding).unwrap();
    let cog = Dataset::open(directory.path().join("cog.tif")).unwrap();
    assert_eq!(cog.metadata_item("LAYOUT", "IMAGE_STRUCTURE").as_deref(), Some("COG"));
    assert_eq!(cog.metadata_item("COMPRESSION", "IMAGE_STRUCTURE").as_deref(), Some("ZSTD"));
    let band = cog.rasterband(4).unwrap();
    assert_eq!((band.overview_count().unwrap(), band.description().unwrap().as_str()), (1, "B3"));
    let pixels = |name: &str| read_image::<u16>(&directory.path().join(name));
    assert!(pixels("plain.tif") == pixels("cog.tif"));
    assert_eq!(names(directory.path()), ["cog.tif", "ortho.tif", "plain.tif"]);
}

#[test]
fn a_cog_that_cannot_be_made_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    write_image(&directory.path().join("ortho.tif"), (20, 20), 4, count);
    std::fs::create_dir(directory.path().join("cog.tif")).unwrap();
    let encoding = Encoding::new(1.0, TWO);
    let message = run_as::<f32>(directory.path(), "cog.tif", Format::Cog, encoding).unwrap_err().to_string();
    assert!(message.contains("cannot write the output") && message.contains("cog.tif"), "{message}");
    assert_eq!(names(directory.path()), ["cog.tif", "ortho.tif"]);
}

#[test]
fn the_large_format_can_be_chosen() {
    let directory = tempfile::tempdir().unwrap();
    write_image(&directory.path().join("ortho.tif"), (20, 20), 4, count);
    run::<u16>(directory.path(), "out.tif?&gdal:co:BIGTIFF=YES", 10_000.0).unwrap();
    // 42 is TIFF, 43 is BigTIFF.
    assert_eq!(std::fs::read(directory.path().join("out.tif")).unwrap()[..3], *b"II\x2b");
}

#[test]
fn a_wrong_number_of_bands_a_missing_ortho_and_a_missing_directory_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(run::<f32>(directory.path(), "out.tif", 1.0), Err(RasterError::Open { .. })));
    write_image(&directory.path().join("ortho.tif"), SIZE, 3, count);
    let message = run::<f32>(directory.path(), "out.tif", 1.0).unwrap_err().to_string();
    assert!(message.contains("has 3 bands, the product has 4 (B2 B1 B0 B3)"), "{message}");
    write_image(&directory.path().join("ortho.tif"), SIZE, 4, count);
    let message = run::<f32>(directory.path(), "no/out.tif", 1.0).unwrap_err().to_string();
    assert!(message.contains("no/out.tif") && message.contains("No such file"), "{message}");
}

#[test]
fn the_ortho_is_never_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    write_image(&directory.path().join("ortho.tif"), SIZE, 4, count);
    let before = std::fs::read(directory.path().join("ortho.tif")).unwrap();
    std::os::unix::fs::symlink("ortho.tif", directory.path().join("link.tif")).unwrap();
    assert!(matches!(run::<f32>(directory.path(), "link.tif", 1.0), Err(RasterError::SameFile { .. })));
    assert_eq!(std::fs::read(directory.path().join("ortho.tif")).unwrap(), before);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn pixels_depend_neither_on_windows_nor_on_blocks_nor_on_threads(
        window_pixels in 1..40_000_usize, threads in 1..7_usize, tile in 1..20_usize, ortho_tile in 0..6_usize,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let ortho = directory.path().join("ortho.tif");
        write_image(&ortho, (130, 90), 4, count);
        let whole = run::<u16>(directory.path(), "whole.tif", 10_000.0).unwrap();
        if ortho_tile > 0 {
            let side = ortho_tile * 16;
            let sides = [format!("BLOCKXSIZE={side}"), format!("BLOCKYSIZE={side}")];
            write_image_as(&ortho, (130, 90), 4, &["TILED=YES", "COMPRESS=LZW", &sides[0], &sides[1]], count);
        }
        let side = tile * 16;
        let name = format!("parts.tif?&gdal:co:BLOCKXSIZE={side}&gdal:co:BLOCKYSIZE={side}");
        let of = |number| NonZeroUsize::new(number).unwrap();
        let encoding = Encoding { window_pixels: of(window_pixels), ..Encoding::new(10_000.0, of(threads)) };
        let parts = run_as::<u16>(directory.path(), &name, Format::GTiff, encoding).unwrap();
        prop_assert_eq!(whole, parts);
        let pixels = |name: &str| read_image::<u16>(&directory.path().join(name));
        prop_assert_eq!(pixels("whole.tif"), pixels("parts.tif"));
    }
}
