use super::{run, site_with_otb, write_image};
use serde_json::json;
use std::path::{Path, PathBuf};

const EDGE: usize = 128;

/// An image of 8 bits with structure that compression does not keep.
fn image(folder: &Path) -> PathBuf {
    let path = folder.join("image.tif");
    write_image(&path, (EDGE, EDGE), 1, |at| {
        let (x, y) = (at % EDGE, at / EDGE);
        (x + y / 2 + (x * 7 + y * 13) % 31) as u8
    });
    path
}

#[tokio::test]
async fn copies_are_made_until_one_is_near_enough_to_the_image_and_it_is_the_first_that_is() {
    let site = site_with_otb("quality", "quality-loop").await;
    let bridge = site.bridge().await;
    let image = image(site.folder());
    let copies = |rmse: f64| {
        let variables = json!({ "image": image, "folder": site.folder().join("out"), "rmse": rmse, "quality": 20 });
        run(&site, "quality-quality-loop", variables)
    };
    let first = copies(255.0).await["outcome"].take();
    assert_eq!((&first["status"], &first["quality"], &first["rounds"]), (&json!("succeeded"), &json!(20), &json!(1)));
    let rmse = first["rmse"].as_f64().unwrap();

    let wanted = rmse - 0.1;
    let better = copies(wanted).await["outcome"].take();
    assert_eq!((&better["status"], &better["file"]), (&json!("succeeded"), &json!(site.folder().join("out/copy.tif"))));
    assert!(better["rmse"].as_f64().unwrap() <= wanted, "{better:#}");
    let rounds = better["rounds"].as_u64().unwrap();
    assert!(rounds > 1, "{better:#}");
    assert_eq!(better["quality"], json!(20 + 10 * (rounds - 1)));
    assert_eq!(bridge.calls(|_| true).await.len() as u64, 2 * (1 + rounds), "two calls a round");
}

#[tokio::test]
async fn what_no_copy_can_reach_is_said_and_an_image_that_is_not_there_too() {
    let site = site_with_otb("quality-none", "quality-loop").await;
    let _bridge = site.bridge().await;
    let folder = site.folder().join("out");
    let variables = json!({ "image": image(site.folder()), "folder": folder, "rmse": 0, "quality": 95 });
    let outcome = run(&site, "quality-none-quality-loop", variables).await["outcome"].take();
    assert_eq!((&outcome["status"], &outcome["step"]), (&json!("failed"), &json!("quality")), "{outcome:#}");
    assert_eq!((&outcome["quality"], &outcome["rounds"]), (&json!(100), &json!(2)), "{outcome:#}");

    let variables = json!({ "image": site.folder().join("none.tif"), "folder": folder, "tries": 1 });
    let outcome = run(&site, "quality-none-quality-loop", variables).await["outcome"].take();
    assert_eq!((&outcome["status"], &outcome["step"]), (&json!("failed"), &json!("copy")), "{outcome:#}");
}
