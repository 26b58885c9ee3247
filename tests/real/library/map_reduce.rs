use super::{run, site_with_otb};
use gdal::{Dataset, raster::Buffer};
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
};
use zeebe2faas_dev::phr::{CoupleOptions, write_couple};

/// Its multispectral image has 100² pixels.
const COUPLE: usize = 400;

/// The multispectral image of a small synthetic couple.
fn image(folder: &Path) -> PathBuf {
    let couple = write_couple(folder, &CoupleOptions { size: COUPLE, ..CoupleOptions::default() }).unwrap();
    let files = fs::read_dir(couple.dim_ms.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    files.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "TIF")).unwrap()
}

fn band(image: &Dataset, number: usize) -> Buffer<f64> {
    image.rasterband(number).unwrap().read_band_as().unwrap()
}

#[tokio::test]
async fn the_mosaic_of_the_tiles_is_what_the_whole_image_would_have_become() {
    let site = site_with_otb("tiles", "map-reduce").await;
    let _bridge = site.bridge().await;
    let (image, folder) = (image(&site.folder().join("couple")), site.folder().join("out"));
    let variables = json!({ "image": image, "folder": folder, "width": 100, "height": 100, "tileSize": 64 });
    let variables = run(&site, "tiles-map-reduce", variables).await;

    let file = folder.join("vegetation.tif");
    let expected = json!({ "status": "succeeded", "step": "mosaic", "message": "", "file": file });
    assert_eq!(variables["outcome"], expected, "{variables:#}");
    let tiles: Vec<_> = variables["results"].as_array().unwrap().iter().map(|result| result["tile"].clone()).collect();
    assert_eq!(tiles, ["tile-1-1", "tile-1-2", "tile-2-1", "tile-2-2"]);

    let (image, mosaic) = (Dataset::open(image).unwrap(), Dataset::open(file).unwrap());
    assert_eq!(mosaic.raster_size(), image.raster_size());
    let (red, infrared, index) = (band(&image, 1), band(&image, 4), band(&mosaic, 1));
    let mut greatest = 0.0_f64;
    for ((red, infrared), index) in red.data().iter().zip(infrared.data()).zip(index.data()) {
        let sum = infrared + red;
        let expected = if sum > 0.0 { (infrared - red) / sum } else { 0.0 };
        greatest = greatest.max((index - expected).abs());
    }
    assert!(greatest < 1e-6, "off by {greatest}");
    assert!(index.data().iter().any(|index| index.abs() > 0.1), "it is not empty");
}

#[tokio::test]
async fn tiles_outside_of_the_image_are_explained_the_others_are_made_and_nothing_is_joined() {
    let site = site_with_otb("tiles-lost", "map-reduce").await;
    let _bridge = site.bridge().await;
    let (image, folder) = (image(&site.folder().join("couple")), site.folder().join("out"));
    let variables =
        json!({ "image": image, "folder": folder, "width": 200, "height": 100, "tileSize": 100, "tries": 1 });
    let variables = run(&site, "tiles-lost-map-reduce", variables).await;

    assert_eq!((&variables["outcome"]["status"], &variables["outcome"]["step"]), (&json!("failed"), &json!("tiles")));
    let message = variables["outcome"]["message"].as_str().unwrap();
    assert!(message.starts_with("1 of 2 tiles failed; the first: otbcli: ExtractROI "), "{message}");
    let results = variables["results"].as_array().unwrap();
    let statuses: Vec<_> = results.iter().map(|result| result["status"].clone()).collect();
    assert_eq!(statuses, ["succeeded", "failed"], "{results:#?}");
    assert_eq!(results[0]["file"], json!(folder.join("tiles/tile-1-1-vegetation.tif")));
    assert!(!folder.join("vegetation.tif").exists());
}
