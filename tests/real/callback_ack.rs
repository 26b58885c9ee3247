//! The chain whose functions answer to another function, `callback-ack` of the shipped `stack.yml`, which publishes the
//! messages that its receive tasks wait for. The bridge's own listener is not reached.

use serde_json::{Value, json};
use std::env;
use zeebe2faas_dev::phr::{Couple, CoupleOptions, write_couple};
use zeebe2faas_tests::{
    crash::{Setup, Site, shipped},
    soon,
};

const STACK: &str = include_str!("../../stack.yml");
const NAME: &str = "callback-ack";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_couple_goes_through_the_chain_with_callback_ack_in_the_bridges_place() {
    let templates = concat!(env!("CARGO_MANIFEST_DIR"), "/../templates");
    let stack = STACK.replace("RUNNER_ALLOW_DIRS: /data", &format!("RUNNER_ALLOW_DIRS: {}", env::temp_dir().display()));
    let setup = Setup {
        stack,
        programs: &[],
        configuration: &format!(
            "templates = \"{templates}\"\nfunctions.otbcli.run_once = true\nfunctions.normalize-product.run_once = true"
        ),
        processes: vec![shipped("phr-pair", NAME)],
    };
    let site = Site::with(NAME, setup).await;
    let url = format!("{}/function/callback-ack", site.host.url());
    let bridge = site.bridge_with(&[("ZEEBE2FAAS_CALLBACK_URL", &url)]).await;
    let folder = site.folder().join("couple");
    let Couple { dim_p, dim_ms, dem, geoid, .. } =
        write_couple(&folder, &CoupleOptions { size: 400, ..CoupleOptions::default() }).unwrap();
    let variables = json!({ "P_": dim_p, "MS_": dim_ms, "S3PATH": folder, "DEM": dem, "GEOID": geoid });

    let variables: Value = soon(site.start(&format!("{NAME}-phr-pair"), variables)).await.unwrap();

    assert!(folder.join("normalized_ortho.tif").exists(), "{variables:#}");
    assert_eq!(site.callbacks.seen("/callback/"), 0, "the bridge's listener is not reached");
    // Without a word from anybody the bridge asks, and finds the same end.
    let calls = bridge.calls(|calls| calls.len() == 3).await;
    assert!(
        calls.iter().all(|call| call["outcome"].is_null() || call["outcome"]["status"] == "succeeded"),
        "{calls:#?}"
    );
}
