//! `phr-pair` through this program on a real Zeebe broker, and on the embedded engine, with real OTB. Run by
//! `make test-real`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};
use tokio::process::{Child, Command};
use zeebe2faas::zeebe::{Client, NewInstance, Retry, Settings};
use zeebe2faas_contract::{KeyRing, random_key_line};
use zeebe2faas_dev::{
    broker::{Broker, BrokerOptions},
    engine::serve::{Clock, Engine},
    host::{Host, HostOptions, Stack},
    phr::{self, CoupleOptions},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_zeebe2faas-zeebe-rs");
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
const LONGEST: Duration = Duration::from_secs(240);

/// Where the workspace's programs are: beside this crate's own, or in the workspace's default place.
fn programs() -> PathBuf {
    let places = [Path::new(PROGRAM).parent().unwrap().to_owned(), Path::new(ROOT).join("target/debug")];
    let has_all = |place: &&PathBuf| {
        ["zeebe2faas-runner", "call_normalize_function"].iter().all(|program| place.join(program).is_file())
    };
    places.iter().find(has_all).cloned().unwrap_or_else(|| {
        panic!(
            "the functions' programs are neither in {} nor in {}: run `cargo build --workspace --bins` first",
            places[0].display(),
            places[1].display()
        )
    })
}

async fn functions(folder: &Path, secret: &str) -> Host {
    let mut stack = Stack::read(format!("{ROOT}/stack.yml")).unwrap();
    // Functions reach this program's own listener.
    stack.functions.remove("callback-ack");
    let mut options = HostOptions::new(stack, folder.join("state"));
    options.key_ring = Some(KeyRing::parse(secret).unwrap());
    options.path_dirs.push(programs());
    // The couples lie anywhere.
    options.env.insert("RUNNER_ALLOW_DIRS".to_owned(), String::new());
    Host::start(options).await.unwrap()
}

/// Starts the program with a configuration as the bridge reads it, too.
fn start(folder: &Path, secret: &str, zeebe: &str, functions: &Host) -> Child {
    let callback = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    fs::write(folder.join("token.key"), random_key_line("test")).unwrap();
    fs::write(folder.join("runner.key"), secret).unwrap();
    let config = format!(
        r#"cluster = "zeebe-rs"
templates = "{ROOT}/templates"
zeebe.address = "{}"
openfaas.gateway = "{}"
callback = {{ listen = "{callback}", url = "http://{callback}" }}
keys = {{ token_file = "token.key", runner_file = "runner.key" }}
functions = {{ otbcli = {{ run_once = true }}, normalize-product = {{ run_once = true }} }}
"#,
        zeebe,
        functions.url()
    );
    let file = folder.join("zeebe2faas.toml");
    fs::write(&file, config).unwrap();
    Command::new(PROGRAM).arg(file).kill_on_drop(true).spawn().unwrap()
}

/// Runs `phr-pair` to its end, and gives the instance's variables.
async fn phr_pair(zeebe: &Client, variables: Value) -> Value {
    let bpmn = fs::read(Path::new(ROOT).join("bpmn/phr-pair.bpmn")).unwrap();
    let files = vec![("phr-pair.bpmn".to_owned(), bpmn)];
    zeebe.deploy_resource(files, "", Retry::within(LONGEST)).await.unwrap();
    let instance = NewInstance { bpmn_process_id: "phr-pair".to_owned(), variables, ..NewInstance::default() };
    let ended = zeebe.create_process_instance_with_result(&instance, &[], LONGEST, Retry::Never).await.unwrap();
    serde_json::from_str(&ended.variables).unwrap()
}

/// Ends the program as an operator would.
async fn stop(mut program: Child) -> ExitStatus {
    let pid = Pid::from_raw(program.id().unwrap().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    tokio::time::timeout(LONGEST, program.wait()).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_zeebe_rs_worker_brings_a_couple_through_the_chain() {
    let mut broker = Broker::start(BrokerOptions::default()).await.unwrap();
    brings_a_couple_through(&broker.grpc_address()).await;
    broker.stop().await;
}

#[tokio::test]
async fn it_brings_one_through_on_the_embedded_engine_too() {
    let engine = Engine::start(([127, 0, 0, 1], 0).into(), Clock::system()).await.unwrap();
    brings_a_couple_through(&engine.grpc_address()).await;
    engine.stop().await;
}

async fn brings_a_couple_through(address: &str) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let couple = phr::write_couple(&folder.join("couple"), &CoupleOptions { size: 400, ..Default::default() }).unwrap();
    let output = folder.join("output");
    fs::create_dir(&output).unwrap();
    let secret = random_key_line("test");
    let functions = functions(folder, &secret).await;
    let zeebe = Client::new(&Settings::new(address)).unwrap();
    let mut program = start(folder, &secret, address, &functions);

    let variables = json!({
        "P_": couple.dim_p, "MS_": couple.dim_ms, "S3PATH": output, "DEM": couple.dem, "GEOID": couple.geoid,
    });
    let variables = tokio::select! {
        variables = phr_pair(&zeebe, variables) => variables,
        ended = program.wait() => panic!("the program ended: {ended:?}"),
    };

    assert_eq!(variables["outcome"]["status"], "succeeded", "{variables:#}");
    for step in ["bundle", "ortho", "normalized"] {
        assert_eq!(variables[step]["status"], "succeeded", "{variables:#}");
        assert_eq!(functions.deliveries(variables[step]["callId"].as_str().unwrap()), 1, "{step}");
    }
    let accuracy = phr::verify(&couple.truth, &output.join("normalized_ortho.tif"), Some(1.0)).unwrap();
    assert!(accuracy.worst_offset_m < 1.0, "{accuracy:?}");
    assert!(accuracy.worst_relative_error < 0.005, "{accuracy:?}");

    assert!(stop(program).await.success());
    functions.shutdown().await;
}
