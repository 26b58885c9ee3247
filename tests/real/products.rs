//! `phr-products` on a real broker; the functions' programs are stand-ins that only hand their input on.

use serde_json::{Value, json};
use std::{collections::HashSet, fs, path::Path};
use zeebe2faas_tests::{
    crash::{Setup, Site, guarded, shipped, stack},
    soon,
};

/// Writes its command and its input to its output; an empty input is an error.
const PROGRAM: &str = r#"#!/bin/sh
command="$*"
while [ $# -gt 1 ]; do
    case "$1" in
        -inp | -io.in | --in_ortho) input=${2%%\?*} ;;
        -out | -io.out) output=$2 ;;
    esac
    shift
done
[ -s "$input" ] || { echo "ERROR 4: $input is empty" >&2; exit 1; }
{ echo "$command"; cat "$input"; } > "$output"
"#;

async fn site(name: &'static str) -> Site {
    let templates = concat!(env!("CARGO_MANIFEST_DIR"), "/../templates");
    let configuration = format!(
        r#"templates = "{templates}"
vars = {{ DEM = "/site/dem", GEOID = "/site/geoid" }}
functions.otbcli.run_once = true
functions.normalize-product.run_once = true"#
    );
    let stand_in = [("RUNNER_PROGRAM", "stand-in")];
    let otb = guarded("otbcli", "BundleToPerfectSensor,OrthoRectification", &stand_in);
    let normalization = guarded("normalize-product", "call_normalize_function", &stand_in);
    let setup = Setup {
        stack: stack(&[otb, normalization]),
        programs: &[("stand-in", PROGRAM)],
        configuration: &configuration,
        processes: vec![shipped("phr-pair", name), shipped("phr-products", name)],
    };
    Site::with(name, setup).await
}

fn couple(folder: &Path, name: &str, content: &str) -> Value {
    let pan = folder.join(format!("P_{name}"));
    fs::write(&pan, content).unwrap();
    json!({ "P_": pan, "MS_": folder.join(format!("MS_{name}")), "S3PATH": folder.join("out").join(name) })
}

fn is_explained(couple: &Value, folder: &Path, name: &str) {
    assert_eq!(couple["S3PATH"], json!(folder.join("out").join(name)), "{couple:#}");
    assert_eq!((&couple["status"], &couple["step"]), (&json!("failed"), &json!("bundle")), "{couple:#}");
    let message = couple["message"].as_str().unwrap();
    assert!(message.contains(&format!("P_{name} is empty")), "{message}");
    let steps = couple["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 1, "{couple:#}");
    let (step, expected) = (&steps[0], json!({ "step": "bundle", "status": "failed", "exitCode": 1, "file": null }));
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(step[key], *value, "{step:#}");
    }
    assert_eq!((&step["message"], &step["function"]), (&couple["message"], &json!("otbcli")), "{step:#}");
}

/// Gives the ids of its calls.
fn is_done(couple: &Value, folder: &Path, name: &str) -> Vec<String> {
    assert_eq!((&couple["status"], &couple["message"]), (&json!("succeeded"), &json!("")), "{couple:#}");
    let steps = couple["steps"].as_array().unwrap();
    let files = [("bundle", "bundle.tif"), ("ortho", "ortho.tif"), ("normalized", "normalized_ortho.tif")];
    assert_eq!(steps.len(), files.len(), "{couple:#}");
    for (step, (id, file)) in steps.iter().zip(files) {
        let file = folder.join("out").join(name).join(file);
        assert_eq!((&step["step"], &step["file"]), (&json!(id), &json!(file)), "{couple:#}");
        assert_eq!((&step["exitCode"], &step["outOfMemory"]), (&json!(0), &json!(false)), "{couple:#}");
        for figure in ["durationSeconds", "cpuSeconds", "peakMemoryBytes"] {
            assert!(step[figure].is_number(), "{figure} of {step:#}");
        }
        assert_eq!(step.get("logTail"), None, "{step:#}");
        let text = fs::read_to_string(file).unwrap();
        assert!(text.ends_with(&format!("pixels of {name}\n")), "{name} was overwritten: {text}");
    }
    steps.iter().map(|step| step["callId"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_couples_of_all_products_are_in_the_result_in_order_four_done_and_the_one_with_a_bad_input_explained() {
    let site = site("products").await;
    let _bridge = site.bridge().await;
    let folder = site.folder();
    let mut couples = ["a", "b", "c", "d", "e"].map(|name| couple(folder, name, &format!("pixels of {name}\n")));
    fs::write(folder.join("P_d"), "").unwrap();
    couples[1]["DEM"] = Value::Null;
    couples[4]["DEM"] = json!("/own/dem");
    let (stereo, tri_stereo) = couples.split_at(2);
    let products = json!([{ "name": "stereo", "couples": stereo }, { "name": "tri", "couples": tri_stereo }]);

    let variables = soon(site.start("products-phr-products", json!({ "products": products }))).await.unwrap();

    let results = variables["results"].as_array().unwrap();
    assert_eq!([&results[0]["name"], &results[1]["name"]], [&json!("stereo"), &json!("tri")], "{variables:#}");
    let couples: Vec<&Value> = results.iter().flat_map(|product| product["couples"].as_array().unwrap()).collect();
    assert_eq!(couples.len(), 5, "{variables:#}");
    let mut calls = HashSet::new();
    for (couple, name) in couples.into_iter().zip(["a", "b", "c", "d", "e"]) {
        if name == "d" {
            is_explained(couple, folder, name);
        } else {
            calls.extend(is_done(couple, folder, name));
        }
    }
    assert_eq!(calls.len(), 4 * 3, "each result names its own calls");
    for (name, dem) in [("a", "/site/dem"), ("b", "/site/dem"), ("e", "/own/dem")] {
        let text = fs::read_to_string(folder.join("out").join(name).join("ortho.tif")).unwrap();
        assert!(text.contains(&format!("-elev.dem {dem} -elev.geoid /site/geoid")), "{text}");
    }
    let own: Vec<&String> = variables.as_object().unwrap().keys().collect();
    assert_eq!(own, ["products", "results"], "nothing of the couples is left in the process");
}

#[tokio::test]
async fn no_products_and_products_without_couples_have_results_without_couples() {
    let site = site("no-products").await;
    let process = "no-products-phr-products";
    let variables = soon(site.start(process, json!({ "products": [] }))).await.unwrap();
    assert_eq!(variables["results"], json!([]));
    let products = json!([{ "name": "none", "couples": [] }]);
    let variables = soon(site.start(process, json!({ "products": products }))).await.unwrap();
    assert_eq!(variables["results"], products);
}
