//! Objects in place of files, on a real S3 server.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{fs, path::Path, process::Command};
use support::{Function, Runner, lines, now_ms, outcome, s3::S3Server, shell, until};
use zeebe2faas_contract::{CallState, Invocation, Outcome};

/// More than one part of 8 MiB.
const LARGE: usize = 20_000_000;

async fn server() -> S3Server {
    S3Server::start(&["products", "results", "secret"]).await
}

/// A runner with scratch and the server's buckets.
fn runner(function: &Function, s3: &S3Server, more: &[(&str, &str)]) -> Runner {
    let (settings, scratch) = (s3.settings(), function.text("scratch"));
    let mut settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    settings.push(("RUNNER_SCRATCH", &scratch));
    settings.extend(more);
    function.runner(&settings)
}

/// Folders of calls that stand in scratch.
fn in_scratch(function: &Function) -> usize {
    let entries = fs::read_dir(function.path("scratch/otbcli")).unwrap().map(|entry| entry.unwrap().file_name());
    entries.filter(|name| name != ".lock").count()
}

fn writing(number: i64, script: &str, location: &str) -> Invocation {
    Invocation { outputs: vec!["out".into()], ..shell(number, script, &["-out", location]) }
}

/// Neither an object nor a part of one was made.
fn nothing_was_written(s3: &S3Server) -> bool {
    s3.seen("PUT ") == 0 && s3.seen("POST ") == 0
}

#[tokio::test]
async fn a_product_is_fetched_whole_and_another_file_with_what_belongs_to_it() {
    let (function, s3) = (Function::new(), server().await);
    let runner = runner(&function, &s3, &[("RUNNER_S3_ALONE", "alone")]);
    s3.put("products/p/DIM_1.XML", b"dim");
    s3.put("products/p/IMG_1.TIF", &vec![7; LARGE]);
    s3.put("products/p/MASKS/m.gml", b"mask");
    s3.put("products/other/o.tif", b"ortho");
    s3.put("products/other/o.tif.aux.xml", b"aux");
    s3.put("products/other/o.geom", b"geom");
    s3.put("products/other/o2.tif", b"not ours");
    let script = "cd \"$(dirname \"$2\")\" && find . -type f | sort && cat DIM_1.XML && wc -c < IMG_1.TIF && \
                  cd \"$(dirname \"$4\")\" && find . -type f | sort && find \"$(dirname \"$6\")\" -type f | wc -l; \
                  find \"$8\" -type f | wc -l";
    let args = [
        "-inp",
        "s3://products/p/DIM_1.XML",
        "-in",
        "s3://products/other/o.tif",
        "-alone",
        "s3://products/p/DIM_1.XML",
        "-dir",
        "s3://products/p/",
    ];
    let report = runner.post(&shell(1, script, &args)).await;
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    let expected = "./DIM_1.XML\n./IMG_1.TIF\n./MASKS/m.gml\ndim20000000\n./o.geom\n./o.tif\n./o.tif.aux.xml\n1\n3\n";
    assert_eq!(report.log_tail, expected);
    assert_eq!(in_scratch(&function), 0);
}

#[tokio::test]
async fn a_program_that_can_reads_an_object_itself_through_vsis3() {
    let (function, s3) = (Function::new(), server().await);
    let direct = [("RUNNER_ALLOW", "gdalinfo"), ("RUNNER_S3_DIRECT", "*")];
    let runner = runner(&function, &s3, &direct);
    s3.put("products/grid.asc", b"ncols 2\nnrows 1\nxllcorner 0\nyllcorner 0\ncellsize 1\n5 6\n");
    let mut call = shell(1, "", &[]);
    call.args = vec!["gdalinfo".into(), "-stats".into(), "s3://products/grid.asc".into()];
    let report = runner.post(&call).await;
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    assert!(report.log_tail.contains("Maximum=6.000"), "{}", report.log_tail);
    call.args[2] = "s3://products/none.asc".into();
    let report = runner.post(&Invocation { call_id: shell(2, "", &[]).call_id, ..call }).await;
    assert_eq!(report.outcome, Outcome::Refused);
    assert!(report.message.contains("s3://products/none.asc`: it does not exist"), "{}", report.message);
}

#[tokio::test]
async fn outputs_become_objects_whole_and_only_when_the_program_has_succeeded() {
    let (function, s3) = (Function::new(), server().await);
    let runner = runner(&function, &s3, &[]);
    s3.gate.send_replace(false);
    let script = "head -c 20000000 /dev/zero > \"$2\"; echo g > \"$2.geom\"";
    let call = writing(1, script, "s3://results/a/o.tif");
    let look = async {
        until("parts are on their way", || s3.seen("partNumber=") > 0).await;
        assert!(!s3.path("results/a/o.tif").exists() && !s3.path("results/a/o.tif.geom").exists());
        s3.gate.send_replace(true);
    };
    let (report, ()) = tokio::join!(runner.post(&call), look);
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    assert_eq!(report.outputs, ["s3://results/a/o.tif", "s3://results/a/o.tif.geom"]);
    assert_eq!(fs::read(s3.path("results/a/o.tif")).unwrap(), vec![0; LARGE]);
    assert_eq!(fs::read(s3.path("results/a/o.tif.geom")).unwrap(), b"g\n");
    assert_eq!((s3.seen("partNumber="), in_scratch(&function)), (3, 0));
}

#[tokio::test]
async fn a_program_that_fails_or_is_late_leaves_nothing() {
    let (function, s3) = (Function::new(), server().await);
    let runner = runner(&function, &s3, &[]);
    let report = runner.post(&writing(1, "echo half > \"$2\"; exit 3", "s3://results/o.tif")).await;
    assert_eq!((report.outcome, report.exit_code), (Outcome::Failed, Some(3)));
    let late = writing(2, "echo half > \"$2\"; sleep 600", "s3://results/o.tif");
    let report = runner.post(&Invocation { deadline_ms: now_ms() + 1000, ..late }).await;
    assert_eq!(report.outcome, Outcome::TimedOut);
    let report = runner.post(&writing(3, "true", "s3://results/o.tif")).await;
    assert!(report.message.contains("did not write `s3://results/o.tif`"), "{}", report.message);
    assert!(nothing_was_written(&s3) && !s3.path("results/o.tif").exists());
    assert_eq!(in_scratch(&function), 0);
}

#[tokio::test]
async fn a_call_that_is_cancelled_while_it_uploads_takes_its_parts_back() {
    let (function, s3) = (Function::new(), server().await);
    let runner = runner(&function, &s3, &[]);
    s3.gate.send_replace(false);
    let call = writing(1, "head -c 20000000 /dev/zero > \"$2\"", "s3://results/o.tif");
    let cancel = async {
        until("parts are on their way", || s3.seen("partNumber=") > 0).await;
        runner.cancel(&call.call_id).await
    };
    let (report, state) = tokio::join!(runner.post(&call), cancel);
    assert_eq!((report.outcome, outcome(state)), (Outcome::Cancelled, Outcome::Cancelled));
    assert!(s3.seen("DELETE /results/o.tif?uploadId=") > 0 && !s3.path("results/o.tif").exists());
    assert_eq!(in_scratch(&function), 0);
}

#[tokio::test]
async fn what_is_not_allowed_is_refused_before_anything_is_asked() {
    let (function, s3) = (Function::new(), server().await);
    let data = function.text("data");
    let runner = runner(&function, &s3, &[("RUNNER_ALLOW_DIRS", &data)]);
    for (number, location, why) in [
        (1, "s3://secret/k", "RUNNER_ALLOW_BUCKETS has: products, results"),
        (2, "s3://results/../secret/k", "leads elsewhere"),
        (3, "s3://results/%2e%2e/secret/k", "encoded"),
        (4, "/vsis3/secret/k", "no file of a mounted folder"),
        (5, "s3://products/k?&geom=/etc/passwd", "lies outside"),
    ] {
        let report = runner.post(&shell(number, "true", &["-in", location])).await;
        assert_eq!(report.outcome, Outcome::Refused, "{location}");
        assert!(report.message.contains(why), "{}", report.message);
    }
    let out = runner.post(&writing(6, "echo x > \"$2\"", "s3://secret/o.tif")).await;
    assert_eq!(out.outcome, Outcome::Refused);
    assert_eq!(s3.seen(""), 0);
    s3.put("products/k", b"k");
    let report = runner.post(&shell(7, "cat \"$2\"", &["-in", "s3://products/k"])).await;
    assert_eq!(report.log_tail, "k", "{report:?}");
}

#[tokio::test]
async fn wrong_credentials_are_told() {
    let (function, s3) = (Function::new(), server().await);
    let runner = runner(&function, &s3, &[("AWS_SECRET_ACCESS_KEY", "wrong")]);
    s3.put("products/k", b"k");
    let report = runner.post(&shell(1, "true", &["-in", "s3://products/k"])).await;
    assert_eq!(report.outcome, Outcome::Refused);
    assert!(report.message.contains("`s3://products/k`: S3 refuses the credentials"), "{}", report.message);
    let report = runner.post(&writing(2, "echo x > \"$2\"", "s3://results/o.tif")).await;
    assert_eq!(report.outcome, Outcome::Failed);
    assert!(report.message.contains("S3 refuses the credentials"), "{}", report.message);
    assert!(!s3.path("results/o.tif").exists());
}

#[tokio::test]
async fn credentials_and_endpoint_may_stand_in_a_profile() {
    let (function, s3) = (Function::new(), server().await);
    let [credentials, config] = ["credentials", "config"].map(|name| function.text(name));
    let keys =
        format!("[site]\naws_access_key_id={}\naws_secret_access_key={}\n", support::s3::KEY, support::s3::SECRET);
    fs::write(&credentials, keys).unwrap();
    fs::write(&config, format!("[profile site]\nendpoint_url = {}\nregion = eu-west-3\n", s3.url)).unwrap();
    let scratch = function.text("scratch");
    let runner = function.runner(&[
        ("AWS_PROFILE", "site"),
        ("AWS_SHARED_CREDENTIALS_FILE", &credentials),
        ("AWS_CONFIG_FILE", &config),
        ("RUNNER_ALLOW_BUCKETS", "products"),
        ("RUNNER_SCRATCH", &scratch),
    ]);
    s3.put("products/k", b"k");
    assert_eq!(runner.post(&shell(1, "cat \"$2\"", &["-in", "s3://products/k"])).await.log_tail, "k");
}

#[tokio::test]
async fn scratch_that_is_full_refuses_inputs_and_ends_a_program() {
    let (function, s3) = (Function::new(), server().await);
    let runner = runner(&function, &s3, &[("RUNNER_SCRATCH_LIMIT_BYTES", "10000000")]);
    s3.put("products/large", &vec![1; LARGE]);
    let report = runner.post(&shell(1, "true", &["-in", "s3://products/large"])).await;
    assert_eq!(report.outcome, Outcome::Refused);
    assert!(report.message.contains("scratch is full: 20000000 bytes are needed"), "{}", report.message);
    let script = "head -c 20000000 /dev/urandom > \"$2\"; sleep 600";
    let report = runner.post(&writing(2, script, "s3://results/o.tif")).await;
    assert_eq!(report.outcome, Outcome::Failed);
    assert!(report.message.contains("scratch is full"), "{}", report.message);
    assert!(nothing_was_written(&s3));
    assert_eq!(in_scratch(&function), 0);
}

#[tokio::test]
async fn an_object_that_is_missing_is_named_and_the_call_may_come_again() {
    let (function, s3) = (Function::new(), server().await);
    let runner = runner(&function, &s3, &[]);
    let call = shell(1, "cat \"$2\"", &["-in", "s3://products/k"]);
    let report = runner.post(&call).await;
    assert!(report.message.contains("cannot read `s3://products/k`: it does not exist"), "{}", report.message);
    assert_eq!(runner.state(&call.call_id).await, CallState::Unknown);
    s3.put("products/k", b"k");
    assert_eq!(runner.post(&call).await.log_tail, "k");
    let report = runner.post(&shell(2, "true", &["-in", "s3://products/empty/"])).await;
    assert!(report.message.contains("there is nothing below it"), "{}", report.message);
}

#[tokio::test]
async fn scratch_is_one_runners_and_empty_after_a_crash() {
    let (function, s3) = (Function::new(), server().await);
    let mut first = runner(&function, &s3, &[]);
    s3.put("products/k", b"k");
    let started = function.text("started");
    let call =
        shell(1, "echo x > \"$3\"; while [ -e \"$2\" ]; do sleep 0.1; done", &["-in", "s3://products/k", &started]);
    let crash = async {
        until("it runs", || lines(Path::new(&started)) > 0).await;
        assert_eq!(in_scratch(&function), 1);
        let told = refuses_to_start(&function, &s3);
        assert!(told.contains("RUNNER_SCRATCH") && told.contains("another runner uses it"), "{told}");
        first.signal("KILL");
    };
    // The answer never comes.
    tokio::join!(crash, async { drop(first.try_send(&call).await) });
    first.process.wait().unwrap();
    let _second = runner(&function, &s3, &[]);
    assert_eq!(in_scratch(&function), 0);
}

/// What a second runner says that may not start.
fn refuses_to_start(function: &Function, s3: &S3Server) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zeebe2faas-runner"));
    command
        .envs(s3.settings())
        .env("RUNNER_LISTEN", "127.0.0.1:0")
        .env("RUNNER_FUNCTION", support::FUNCTION)
        .env("RUNNER_INSECURE", "true")
        .env("RUNNER_ALLOW", "true")
        .env("RUNNER_STATE_DIR", function.path("state"))
        .env("RUNNER_SCRATCH", function.path("scratch"));
    let output = command.output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}
