//! What is seen of a real ortho-rectification while it runs.

use serde_json::{Value, json};
use std::{env, path::Path};
use zeebe2faas_dev::phr::{Couple, CoupleOptions, write_couple};
use zeebe2faas_tests::{
    crash::{Calling, Setup, Site},
    soon,
};

const STACK: &str = include_str!("../../stack.yml");
/// Long enough for OTB to write it in many strips.
const SIZE: usize = 2000;

async fn site(name: &'static str) -> Site {
    let templates = concat!(env!("CARGO_MANIFEST_DIR"), "/../templates");
    // OTB tells more often than once a second, and on a fast machine it is done in one.
    let often = "RUNNER_FUNCTION: otbcli\n      RUNNER_PROGRESS_EVERY: 20ms";
    let stack = STACK.replace("RUNNER_FUNCTION: otbcli", often);
    let stack = stack.replace("RUNNER_ALLOW_DIRS: /data", &format!("RUNNER_ALLOW_DIRS: {}", env::temp_dir().display()));
    let setup = Setup {
        stack,
        programs: &[],
        configuration: &format!("templates = \"{templates}\"\nfunctions.otbcli.run_once = true"),
        processes: vec![Calling::with(name, &[("from", "request")]).file()],
    };
    Site::with(name, setup).await
}

/// One step of the chain, to its end.
async fn run(site: &Site, name: &str, template: &str, couple: &Couple, folder: &Path) -> Value {
    let Couple { dim_p, dim_ms, dem, geoid, .. } = couple;
    let variables = json!({ "P_": dim_p, "MS_": dim_ms, "S3PATH": folder, "DEM": dem, "GEOID": geoid });
    let request = json!({ "template": template, "variables": variables });
    let mut variables = soon(site.start(name, json!({ "request": request }))).await.unwrap();
    assert_eq!(variables["call"]["status"], "succeeded", "{variables:#}");
    variables["call"].take()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ortho_rectification_is_seen_to_go_on_with_its_memory_and_cpu() {
    let name = "progress";
    let site = site(name).await;
    let bridge = site.bridge().await;
    let folder = site.folder().join("couple");
    let couple = write_couple(&folder, &CoupleOptions { size: SIZE, ..CoupleOptions::default() }).unwrap();
    run(&site, name, "bundle-to-perfect-sensor", &couple, &folder).await;

    let mut listener = bridge.listen().await;
    let ortho = run(&site, name, "ortho-rectification", &couple, &folder);
    let (mut told, mut listed) = (Vec::new(), Vec::new());
    let watch = async {
        loop {
            let change = listener.until(|_| true).await;
            if change["state"] == "ended" {
                return change["callId"].clone();
            }
            if change["progress"].is_object() {
                told.push(change["progress"].clone());
                let calls = bridge.calls(|_| true).await;
                let running = calls.iter().find(|call| call["callId"] == change["callId"]).unwrap();
                listed.extend(Some(running["progress"].clone()).filter(Value::is_object));
            }
        }
    };
    let (outcome, id) = tokio::join!(ortho, watch);

    assert_eq!(outcome["callId"], id);
    for seen in [&told, &listed] {
        let mut percents: Vec<f64> = seen.iter().filter_map(|progress| progress["percent"].as_f64()).collect();
        assert!(percents.is_sorted(), "{percents:?}");
        percents.dedup();
        assert!(percents.len() >= 3 && *percents.last().unwrap() > 50.0, "{percents:?}");
        assert!(seen.iter().any(|progress| progress["step"].as_str().is_some_and(|step| step.starts_with("Writing"))));
    }
    let last = told.last().unwrap();
    for figure in [&last["cpuSeconds"], &last["peakMemoryBytes"], &outcome["cpuSeconds"], &outcome["peakMemoryBytes"]] {
        assert!(figure.as_f64().unwrap() > 0.0, "{last:#} {outcome:#}");
    }
}
