//! The Pleiades chain, each of its three calls a Job of the shipped templates, on real OTB.

use crate::site::Site;
use serde_json::{Value, json};
use std::fs;
use zeebe2faas::zeebe::{Client, NewInstance, Retry, Settings};
use zeebe2faas_dev::{
    engine::serve::{Clock, Engine},
    phr::{CoupleOptions, verify, write_couple},
};
use zeebe2faas_tests::PATIENCE;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pleiades_chain_runs_as_three_jobs() {
    let engine = Engine::start("127.0.0.1:0".parse().expect("an address"), Clock::system()).await.expect("an engine");
    let zeebe = engine.grpc_address();
    let site = Site::beside(&zeebe, "").await;
    // Where the claim of the shipped templates is mounted.
    let data = site.folder.path().join("claims/eo-data");
    let couple = write_couple(&data.join("couple"), &CoupleOptions { size: 400, ..CoupleOptions::default() });
    let couple = couple.expect("a couple");
    let client = Client::new(&Settings::new(zeebe)).expect("a client");
    let process = concat!(env!("CARGO_MANIFEST_DIR"), "/../bpmn/phr-pair.bpmn");
    let files = vec![("phr-pair.bpmn".to_owned(), fs::read(process).expect("the process"))];
    client.deploy_resource(files, "", Retry::within(PATIENCE)).await.expect("it is deployed");
    let variables = json!({
        "P_": couple.dim_p, "MS_": couple.dim_ms, "DEM": couple.dem, "GEOID": couple.geoid, "S3PATH": data.join("out"),
    });
    fs::create_dir(data.join("out")).expect("a folder");
    let instance = NewInstance { bpmn_process_id: "phr-pair".to_owned(), variables, ..NewInstance::default() };
    let ended = client.create_process_instance_with_result(&instance, &[], PATIENCE, Retry::Never).await;
    let variables: Value = serde_json::from_str(&ended.expect("it ends").variables).expect("variables");
    for result in ["bundle", "ortho", "normalized"] {
        assert_eq!(variables[result]["status"], "succeeded", "{variables}");
    }
    let accuracy =
        verify(&couple.truth, &data.join("out/normalized_ortho.tif"), Some(1.0)).expect("the targets are there");
    assert!(accuracy.worst_offset_m <= 1.0 && accuracy.worst_relative_error <= 0.005, "{accuracy:?}");
    let calls = site.bridge.calls(|calls| calls.len() == 3 && calls.iter().all(|call| call["delivered"] == true)).await;
    for call in calls {
        let id = call["callId"].as_str().expect("an id").parse().expect("an id");
        site.until_gone(&id).await;
    }
}
