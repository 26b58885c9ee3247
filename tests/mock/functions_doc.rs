#![expect(clippy::unwrap_used, reason = "tests")]

//! `docs/functions.md`, done as it says: its entry of `stack.yml` and its template, natively.

use serde_json::json;
use std::{fs, time::Duration};
use tempfile::TempDir;
use zeebe2faas::{
    app::App,
    config::{self, Environment},
};
use zeebe2faas_contract::KeyRing;
use zeebe2faas_dev::{
    host::{Host, HostOptions, Stack},
    phr::{CoupleOptions, write_couple},
};
use zeebe2faas_tests::{
    binaries,
    fake_gateway::{FakeGateway, Seen},
    live::{calling, configure},
    soon,
};

const MANUAL: &str = include_str!("../../docs/functions.md");

/// The text of the manual's only block in this language.
fn block(language: &str) -> &'static str {
    let (_, rest) = MANUAL.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0
}

#[test]
fn an_image_of_ones_own_is_three_lines() {
    assert_eq!(block("dockerfile").lines().count(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_of_ones_own_runs_its_program() {
    let (zeebe, folder) = (FakeGateway::start(), TempDir::new().unwrap());
    let data = folder.path().join("data");
    let couple = write_couple(&data, &CoupleOptions { size: 400, ..CoupleOptions::default() }).unwrap();
    let image = fs::read_dir(couple.dim_ms.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let image = image.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "TIF")).unwrap();

    let entry = block("yaml").replace("RUNNER_ALLOW_DIRS: /data", &format!("RUNNER_ALLOW_DIRS: {}", data.display()));
    let stack = Stack::parse("stack.yml", &format!("provider: {{name: openfaas}}\nfunctions:\n{entry}")).unwrap();
    configure(folder.path(), &zeebe.address(), "http://127.0.0.1:1", "functions.quicklook.run_once = true");
    let secret = fs::read_to_string(folder.path().join("runner.key")).unwrap();
    let mut options = HostOptions::new(stack, folder.path().join("state"));
    (options.key_ring, options.path_dirs) = (Some(KeyRing::parse(&secret).unwrap()), vec![binaries()]);
    let host = Host::start(options).await.unwrap();
    fs::write(folder.path().join("templates/quicklook.toml"), block("toml")).unwrap();
    let callback = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let environment = Environment::from_iter([
        ("ZEEBE2FAAS_OPENFAAS_GATEWAY".to_owned(), host.url().to_owned()),
        ("ZEEBE2FAAS_CALLBACK_LISTEN".to_owned(), callback.to_string()),
        ("ZEEBE2FAAS_CALLBACK_URL".to_owned(), format!("http://{callback}")),
    ]);
    let settings = config::load(Some(&folder.path().join(config::DEFAULT_FILE)), &environment).unwrap();
    let app = App::build(settings).await.unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let bridge = tokio::spawn(app.run(stop.clone()));

    let mut job = calling(1, "quicklook");
    job.custom_headers = json!({ "template": "quicklook" }).to_string();
    job.variables = json!({ "image": image, "folder": data }).to_string();
    zeebe.add_to_backlog([job]);
    let message = soon(async {
        loop {
            let message =
                zeebe.seen().into_iter().find_map(|seen| if let Seen::Publish(m) = seen { Some(m) } else { None });
            match message {
                Some(message) => return message,
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    })
    .await;
    assert!(message.variables.contains(r#""status":"succeeded""#), "{}", message.variables);
    assert!(data.join("quicklook.png").exists());
    stop.cancel();
    bridge.await.unwrap().unwrap();
    host.shutdown().await;
}
