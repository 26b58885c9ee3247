//! What Camunda Modeler's own library makes of our element templates: `tests/browser/modeler` applies them in Chromium;
//! here its diagrams are deployed on the real broker, and some of them run, with real OTB.

use gdal::{Dataset, DriverManager, raster::Buffer};
use serde_json::{Value, json};
use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::process::Command;
use zeebe2faas_tests::{
    binaries,
    crash::{Setup, Site, broker, shipped},
    soon,
};

const STACK: &str = include_str!("../../stack.yml");
const NAME: &str = "modeler";
/// For all applications of OTB, and their templates in Chromium, on a busy machine; it only ends a test that fails.
const PATIENCE: Duration = Duration::from_secs(900);
/// What the samples cut out.
const SIZE: (usize, usize) = (4, 3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diagrams_that_the_modeler_makes_of_our_templates_deploy_and_run() {
    let folder = tempfile::tempdir().unwrap();
    let exports = exported(folder.path()).await;
    assert!(exports.len() >= 11, "{exports:?}");

    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut deploy = Command::new(binaries().join("zeebe2faas"));
    deploy.arg("deploy").args(&exports).args(files(&repository.join("bpmn"))).current_dir(&repository);
    ended_well(deploy.env("ZEEBE_ADDRESS", broker().await.grpc_address())).await;

    let site = site(&exports).await;
    let _bridge = site.bridge().await;
    let image = folder.path().join("image.tif");
    write_image(&image);
    for (process, result) in [
        ("call-function", "call"),
        ("call-function-and-wait", "call"),
        ("faas-call", "extracted"),
        ("otb-ExtractROI", "call"),
    ] {
        let target = folder.path().join(format!("{process}.tif"));
        let variables = json!({
            "image": image, "target": target, "otb_in": image, "otb_out": target,
            "otb_startx": 1, "otb_starty": 1, "otb_sizex": SIZE.0, "otb_sizey": SIZE.1,
        });
        // Those that say all by themselves must not find it in the process.
        let variables = match process {
            "call-function" => variables,
            _ => json!({ "image": image, "target": target }),
        };
        let ended: Value = soon(site.start(&format!("{NAME}-{process}"), variables)).await.unwrap();
        assert_eq!(ended[result]["status"], "succeeded", "{process}: {ended:#}");
        assert_eq!(Dataset::open(&target).unwrap().raster_size(), SIZE, "{process}");
    }
}

/// Has the templates of every application of OTB made, and the browser apply ours; gives its diagrams.
async fn exported(folder: &Path) -> Vec<PathBuf> {
    let (generated, exports) = (folder.join("generated"), folder.join("exports"));
    fs::create_dir(&exports).unwrap();
    let mut make = Command::new(binaries().join("zeebe2faas"));
    make.args(["templates", "otb", "--all", "--templates"]).arg(folder.join("templates"));
    ended_well(make.arg("--element-templates").arg(&generated).current_dir(folder)).await;
    assert!(fs::read_dir(&generated).unwrap().count() > 90, "all of OTB's");
    let mut browse = Command::new("node");
    browse.args(["--test", "modeler/modeler.test.js"]).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/browser"));
    ended_well(browse.env("GENERATED", &generated).env("EXPORTS", &exports)).await;
    files(&exports)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "bpmn")).collect()
}

async fn ended_well(command: &mut Command) {
    let output = tokio::time::timeout(PATIENCE, command.kill_on_drop(true).output()).await.unwrap();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}; run `make setup`"));
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    assert!(output.status.success(), "{command:?}\n{}\n{}", said[0], said[1]);
}

/// With the diagrams as they are, but for the names that the shared broker asks for.
async fn site(exports: &[PathBuf]) -> Site {
    let renamed = exports.iter().map(|path| {
        let text = fs::read_to_string(path).unwrap();
        let text =
            text.replace("\"sample-", &format!("\"{NAME}-")).replace("type=\"openfaas\"", &format!("type=\"{NAME}\""));
        let text = text.replace("processId=\"faas-call\"", &format!("processId=\"{NAME}-faas-calls\""));
        (format!("{NAME}-{}", path.file_name().unwrap().display()), text)
    });
    let (file, text) = shipped("faas-call", NAME);
    // The sample that calls it has its name already.
    let called = (file, text.replace(&format!("\"{NAME}-faas-call\""), &format!("\"{NAME}-faas-calls\"")));
    let stack = STACK.replace("RUNNER_ALLOW_DIRS: /data", &format!("RUNNER_ALLOW_DIRS: {}", env::temp_dir().display()));
    let templates = concat!(env!("CARGO_MANIFEST_DIR"), "/../templates");
    let setup = Setup {
        stack,
        programs: &[],
        configuration: &format!("templates = \"{templates}\"\nfunctions.otbcli.run_once = true"),
        processes: renamed.chain([called]).collect(),
    };
    Site::with(NAME, setup).await
}

fn write_image(path: &Path) {
    let driver = DriverManager::get_driver_by_name("GTiff").unwrap();
    let image = driver.create_with_band_type::<u16, _>(path, 10, 8, 1).unwrap();
    let mut pixels = Buffer::new((10, 8), (0..80).collect::<Vec<u16>>());
    image.rasterband(1).unwrap().write((0, 0), (10, 8), &mut pixels).unwrap();
}
