//! The Pleiades chain: real broker, real OTB, five synthetic couples side by side, as `make demo` runs it.

use serde_json::{Value, json};
use std::{fs, path::Path};
use zeebe2faas_dev::demo::{self, DemoArgs};

/// Runs the demo; whether all is well, and its report.
async fn run(products: Option<&Path>, output: &Path) -> (bool, Value) {
    let args = DemoArgs {
        products: products.map(Path::to_owned),
        output: output.to_owned(),
        zeebe: None,
        start_zeebe: true,
        gateway: None,
        runner_secret: None,
        callback: "127.0.0.1:0".parse().unwrap(),
        parallel: 2,
    };
    let good = demo::run(&args).await.unwrap();
    (good, serde_json::from_slice(&fs::read(output.join("report.json")).unwrap()).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_couples_end_with_their_targets_within_a_metre_and_half_a_percent_of_the_truth() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out");
    let (good, report) = run(None, &output).await;
    assert!(good, "see the table above");
    let couples = report["couples"].as_array().unwrap();
    assert_eq!(couples.len(), 5);
    for couple in couples {
        assert_eq!(couple["status"], "succeeded", "{couple:#}");
        assert!(couple["worstOffsetM"].as_f64().unwrap() <= 1.0, "{couple:#}");
        assert!(couple["worstRelativeError"].as_f64().unwrap() <= 0.005, "{couple:#}");
        assert_eq!(couple["steps"].as_array().unwrap().len(), 3, "{couple:#}");
        let folder = output.join(couple["product"].as_str().unwrap()).join(couple["couple"].to_string());
        assert!(folder.join("normalized_ortho.tif").exists());
    }
    let page = fs::read_to_string(output.join("report.html")).unwrap();
    assert_eq!(page.matches("<title>stereo/").count() + page.matches("<title>tri-stereo/").count(), 15, "{page}");
    for product in ["stereo", "tri-stereo"] {
        let quicklook = gdal::Dataset::open(output.join(product).join("quicklook.png")).unwrap();
        assert_eq!((quicklook.raster_count(), quicklook.raster_size().0.max(quicklook.raster_size().1)), (4, 512));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_couple_is_explained_and_the_other_four_are_done() {
    let folder = tempfile::tempdir().unwrap();
    let products = folder.path().join("products.json");
    fs::write(&products, with_one_damaged(&folder.path().join("damaged")).to_string()).unwrap();
    let output = folder.path().join("out");
    let (good, report) = run(Some(&products), &output).await;
    assert!(!good);
    for couple in report["couples"].as_array().unwrap() {
        let folder = output.join(couple["product"].as_str().unwrap()).join(couple["couple"].to_string());
        let is_damaged = couple["product"] == "tri-stereo" && couple["couple"] == 1;
        assert_eq!(folder.join("normalized_ortho.tif").exists(), !is_damaged, "{couple:#}");
        if is_damaged {
            assert_eq!((&couple["status"], &couple["step"]), (&json!("failed"), &json!("bundle")), "{couple:#}");
            assert!(couple["message"].as_str().unwrap().contains("TIFF"), "{couple:#}");
            assert_eq!(couple["steps"].as_array().unwrap().len(), 1, "{couple:#}");
        } else {
            assert_eq!(couple["status"], "succeeded", "{couple:#}");
        }
    }
    assert!(fs::read_to_string(output.join("report.html")).unwrap().contains("✕ failed"));
}

/// The demo's products, small; the second couple of the tri-stereo has a panchromatic image that was cut short.
fn with_one_damaged(place: &Path) -> Value {
    let mut products = demo::synthetic(400).unwrap();
    let damaged = &mut products[1].couples[1];
    fs::create_dir(place).unwrap();
    for entry in fs::read_dir(damaged.p.parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        let copy = place.join(path.file_name().unwrap());
        if fs::metadata(&path).unwrap().is_file() {
            fs::copy(&path, &copy).unwrap();
        }
        if copy.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("tif")) {
            let image = fs::File::options().write(true).open(&copy).unwrap();
            image.set_len(image.metadata().unwrap().len() / 2).unwrap();
        }
    }
    damaged.p = place.join(damaged.p.file_name().unwrap());
    let couple =
        |couple: &demo::Couple| json!({"P_": couple.p, "MS_": couple.ms, "dem": couple.dem, "geoid": couple.geoid});
    let product = |product: &demo::Product| json!({"name": product.name, "couples": product.couples.iter().map(couple).collect::<Vec<_>>()});
    json!({ "products": products.iter().map(product).collect::<Vec<_>>() })
}
