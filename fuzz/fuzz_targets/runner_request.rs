//! Requests to a runner: a signature, an empty line, the body, which is an invocation or its arguments, a line each.
#![no_main]

use clap::Parser;
use libfuzzer_sys::fuzz_target;
use std::{path::Path, sync::LazyLock};
use zeebe2faas_contract::{CallId, Invocation, KeyRing, random_key_line, signature::Request};
use zeebe2faas_runner::{
    outputs::Outputs,
    plan::Plan,
    settings::{Arguments, Settings},
};

static RING: LazyLock<KeyRing> = LazyLock::new(|| KeyRing::parse(&random_key_line("a")).expect("a key"));
static SETTINGS: LazyLock<Settings> =
    LazyLock::new(|| settings(&["--allow-dirs", "/data:/vsis3/bucket,s3://bucket", "--no-paths", "exp"]));
static WITH_S3: LazyLock<Settings> =
    LazyLock::new(|| settings(&["--allow-buckets", "bucket/folder", "--s3-direct", "direct", "--scratch", "/scratch"]));

fn settings(more: &[&str]) -> Settings {
    let words = ["runner", "--function", "f", "--state-dir", "/nowhere", "--program", "p", "--insecure"];
    Arguments::try_parse_from(words.iter().chain(more)).expect("settings").check().expect("settings")
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (signature, body) = text.split_once("\n\n").unwrap_or(("", text));
    let id = CallId::new("c", 1, 1);
    let request = Request { method: "POST", path: "/", function: "f", call_id: &id, body: body.as_bytes() };
    assert_eq!(request.verify(&RING, signature), None, "verified without the key");
    let invocation = serde_json::from_str::<Invocation>(body).unwrap_or_else(|_| {
        let args = body.lines().map(str::to_owned).collect();
        Invocation::new(id, "f".to_owned(), args, vec!["out".to_owned()], 0)
    });
    let _ = Plan::new(&invocation, &SETTINGS);
    if let Ok((_, args)) = Outputs::plan(&invocation) {
        assert_eq!(args.len(), invocation.args.len());
    }
    if let Ok(plan) = Plan::new(&invocation, &WITH_S3) {
        let inputs = plan.transfers.inputs.iter().map(|input| &input.location);
        for location in inputs.chain(plan.transfers.uploads.iter().map(|upload| &upload.location)) {
            assert_eq!(location.bucket, "bucket");
            assert!(location.key.starts_with("folder/") && !location.key.split('/').any(|part| part == ".."));
        }
        assert!(!plan.program.args.iter().any(|argument| argument.contains("s3://")));
    }
    let given = &SETTINGS.given;
    if given.allow_dirs.check(&invocation, 0, &given.no_paths).is_ok() {
        for argument in &invocation.args {
            let name = Path::new(argument.split("?&").next().unwrap_or_default());
            assert!(!name.is_absolute() || name.starts_with("/data") || name.starts_with("/vsis3/bucket"));
            assert!(!argument.contains("://") || argument.contains("s3://bucket"));
            assert!(!argument.contains("../"));
        }
    }
});
