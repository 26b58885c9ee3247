#![expect(clippy::unwrap_used, reason = "tests")]

//! The bridge's own binary between a Zeebe and a gateway that do as they are told: stopped, and on a full disk.

use axum::{Router, http::HeaderMap, http::StatusCode, routing::post};
use serde_json::Value;
use std::{fs, path::PathBuf, time::Duration};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tonic::Code;
use zeebe2faas::zeebe::proto::ActivatedJob;
use zeebe2faas_contract::random_key_line;
use zeebe2faas_tests::{
    crash::{Bridge, Point, Proxy},
    fake_gateway::{Answer, FakeGateway, Seen, job},
    http, soon,
};

struct Scene {
    folder: TempDir,
    zeebe: FakeGateway,
    openfaas: Proxy,
    callbacks: Proxy,
    submissions: mpsc::UnboundedReceiver<String>,
}

impl Scene {
    /// Everything but the bridge. OpenFaaS says 202 to all, and remembers callback URLs.
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let (send, submissions) = mpsc::unbounded_channel();
        let submit = move |headers: HeaderMap| {
            let url = headers["x-callback-url"].to_str().unwrap().to_owned();
            let _ = send.send(url);
            std::future::ready(StatusCode::ACCEPTED)
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (openfaas, callbacks) = (Proxy::http().await, Proxy::http().await);
        openfaas.aim(&format!("http://{}", listener.local_addr().unwrap()));
        let routes = Router::new().route("/async-function/{name}", post(submit));
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { folder, zeebe: FakeGateway::start(), openfaas, callbacks, submissions }
    }

    fn configuration(&self) -> PathBuf {
        let path = self.folder.path().join("zeebe2faas.toml");
        fs::create_dir_all(self.folder.path().join("templates")).unwrap();
        fs::write(self.folder.path().join("token.key"), random_key_line("a")).unwrap();
        let (zeebe, openfaas, callbacks) = (self.zeebe.address(), self.openfaas.url(), self.callbacks.url());
        let text = format!(
            r#"cluster = "mock"
drain_timeout = "1s"
zeebe.address = "{zeebe}"
openfaas.gateway = "{openfaas}"
callback = {{ listen = "127.0.0.1:0", url = "{callbacks}" }}
admin.listen = "127.0.0.1:0"
keys.token_file = "token.key"
[[worker]]
type = "faas"
lock = "60s"
"#
        );
        fs::write(&path, text).unwrap();
        path
    }

    async fn bridge(&self) -> Bridge {
        let bridge = Bridge::start(&self.configuration(), &[], &self.callbacks).await;
        soon(self.zeebe.until_streams_are(1)).await;
        bridge
    }

    async fn submitted(&mut self) -> String {
        soon(self.submissions.recv()).await.unwrap()
    }
}

fn call(key: i64) -> ActivatedJob {
    let custom_headers = r#"{"function":"plain","cmdline":"echo"}"#.to_owned();
    ActivatedJob { custom_headers, element_id: "task".into(), ..job(key, Duration::from_secs(60)) }
}

async fn call_back(url: &str) -> u16 {
    let sent = http().post(url).header("x-function-status", "200").body("42").send();
    soon(sent).await.unwrap().status().as_u16()
}

fn published(seen: &[Seen]) -> usize {
    seen.iter().filter(|seen| matches!(seen, Seen::Publish(_))).count()
}

fn has_ended(calls: &[Value], count: usize) -> bool {
    calls.len() == count && calls.iter().all(|call| call["status"] == "succeeded" && call["delivered"] == true)
}

#[tokio::test]
async fn a_stop_ends_in_time_though_a_step_hangs_and_names_what_is_in_flight() {
    let scene = Scene::new().await;
    let mut bridge = scene.bridge().await;
    let post = scene.openfaas.hold("/async-function/", Point::Request);
    scene.zeebe.push([call(1)]);
    post.reached().await;
    let id = bridge.calls(|calls| calls.len() == 1).await[0]["callId"].as_str().unwrap().to_owned();

    bridge.terminate();

    assert_eq!(bridge.ended().await.code(), Some(0), "{}", bridge.log());
    let log = bridge.log();
    let stopped = log.lines().find(|line| line.contains("stopped; calls in flight")).unwrap();
    assert!(stopped.contains(r#""in_flight":1"#) && stopped.contains(&id), "{stopped}");
    assert!(log.contains("steps were still under way"), "{log}");
}

#[tokio::test]
async fn on_a_full_disk_outcomes_reach_zeebe_before_the_answer_and_the_ledger_when_there_is_space() {
    let mut scene = Scene::new().await;
    let bridge = scene.bridge().await;
    scene.zeebe.push([call(1), call(2)]);
    let (one, other) = (scene.submitted().await, scene.submitted().await);

    bridge.fill_disk(true);
    assert_eq!(call_back(&one).await, 200);
    assert_eq!(published(&scene.zeebe.seen()), 1, "Zeebe has it when the answer is here");

    // Nor may the answer say so where Zeebe does not take it either.
    scene.zeebe.script("PublishMessage", Answer::Status(Code::InvalidArgument));
    assert_eq!(call_back(&other).await, 503);

    // Nothing is submitted that is not written down.
    scene.zeebe.push([call(3)]);
    soon(async {
        while !bridge.log().contains("the call could not be written down") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(scene.openfaas.seen("/async-function/"), 2);
    let calls = bridge.calls(|_| true).await;
    assert!(calls.len() == 2 && calls.iter().all(|call| call["state"] != "ended"), "{calls:?}");

    bridge.fill_disk(false);
    bridge.calls(|calls| calls.iter().filter(|call| call["delivered"] == true).count() == 1).await;
    scene.zeebe.push([call(3)]);
    let third = scene.submitted().await;
    assert_eq!((call_back(&other).await, call_back(&third).await), (200, 200));
    bridge.calls(|calls| has_ended(calls, 3)).await;
}
