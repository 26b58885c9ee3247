//! A function's process: of-watchdog's modes, its end, its environment.

use crate::support::{HTTP, Workshop, client, eventually, post};
use serde_json::Value;
use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path};
use zeebe2faas_contract::{KeyRing, random_key_line};
use zeebe2faas_dev::host::{Host, HostError, HostOptions};

#[tokio::test]
async fn a_fork_mode_process_gets_body_and_request_and_its_exit_code_counts_in_one_mode_only() {
    let modes = ["streaming", "serializing"];
    let lines =
        modes.map(|mode| format!("{mode}: {{environment: {{mode: {mode}, fprocess: show, content_type: a/b}}}}"));
    let workshop = Workshop::with(&lines.each_ref().map(String::as_str));
    workshop.program(
        "show",
        "#!/bin/sh\ncat\necho \" $Http_Method $Http_Path $Http_Query $Http_X_Call_Id\"\n[ \"$Http_Query\" = fail ] && exit 3\nexit 0\n",
    );
    let host = workshop.host().await;
    for mode in modes {
        let post = |query: &str| {
            let url = format!("{}/function/{mode}/a%20b?{query}", host.url());
            client().post(url).header("x-call-id", "one").body("work").send()
        };
        let good = post("fine").await.unwrap();
        assert_eq!((good.status().as_u16(), &good.headers()["content-type"]), (200, &"a/b".parse().unwrap()));
        assert_eq!(good.text().await.unwrap(), "work POST /a b fine one\n");
        let bad = post("fail").await.unwrap();
        let expected = if mode == "streaming" { (200, "work POST /a b fail one\n") } else { (500, "exit status 3") };
        assert_eq!((bad.status().as_u16(), bad.text().await.unwrap().as_str()), expected);
    }
}

#[tokio::test]
async fn past_exec_timeout_a_forked_process_is_killed() {
    let function =
        |mode| format!("{mode}: {{environment: {{mode: {mode}, fprocess: sleep 1000, exec_timeout: 50ms}}}}");
    let lines = ["streaming", "serializing"].map(function);
    let workshop = Workshop::with(&lines.each_ref().map(String::as_str));
    let host = workshop.host().await;
    assert_eq!(post(&host, "streaming").await.status(), 200);
    let killed = post(&host, "serializing").await;
    assert_eq!((killed.status().as_u16(), killed.text().await.unwrap().as_str()), (500, "signal: killed"));
}

#[tokio::test]
async fn past_exec_timeout_or_the_shorter_one_asked_for_http_mode_answers_504() {
    let workshop = Workshop::with(&[&HTTP.replace("mode: http", "mode: http, exec_timeout: 1h, max_inflight: 1")]);
    let host = workshop.host().await;
    let url = format!("{}/function/http/wait?go", host.url());
    let late = client().post(&url).header("x-timeout", "50ms").send().await.unwrap();
    assert_eq!(
        (late.status().as_u16(), &late.headers()["x-openfaas-internal"]),
        (504, &"of-watchdog".parse().unwrap())
    );
    assert!(late.headers().contains_key("x-duration-seconds"));

    let waiting = tokio::spawn(client().post(&url).header("x-timeout", "2h").send());
    eventually("the one slot is taken", async || post(&host, "http").await.status() == 429).await;
    workshop.release("http", "go");
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn a_process_that_dies_is_502_then_503_and_then_started_again() {
    let workshop = Workshop::with(&[HTTP]);
    let host = workshop.host().await;
    let died = post(&host, "http/die").await;
    assert_eq!((died.status().as_u16(), died.content_length()), (502, Some(0)));
    let down = post(&host, "http").await;
    assert!([503, 200].contains(&down.status().as_u16()), "{}", down.status());
    eventually("it answers again", async || post(&host, "http").await.status() == 200).await;
}

#[tokio::test]
async fn a_program_that_announces_nothing_is_reached_at_its_upstream_url() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = format!("http://{}", gone.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(gone, axum::Router::new().fallback(|| async { "upstream" })).await });
    let line = format!("f: {{environment: {{mode: http, fprocess: sleep 1000, upstream_url: '{upstream}/'}}}}");
    let workshop = Workshop::with(&[&line]);
    let host = workshop.host().await;
    assert_eq!(post(&host, "f/any").await.text().await.unwrap(), "upstream");
    host.shutdown().await;
}

#[tokio::test]
async fn the_runner_finds_its_key_its_state_and_its_programs() {
    let workshop = Workshop::with(&[HTTP]);
    let ring = KeyRing::parse(&random_key_line("a")).unwrap();
    let env = BTreeMap::from([("RUNNER_MAX_RUNS".to_owned(), "7".to_owned())]);
    let options = HostOptions { key_ring: Some(ring.clone()), env, ..workshop.options() };
    let host = Host::start(options).await.unwrap();
    let seen: Value = post(&host, "http").await.json().await.unwrap();
    let environment = |name: &str| seen["environment"][name].as_str().unwrap_or_default().to_owned();
    assert_eq!(environment("RUNNER_LISTEN"), "127.0.0.1:0");
    assert_eq!(environment("RUNNER_FUNCTION"), "http");
    assert_eq!(environment("RUNNER_MAX_RUNS"), "7");
    let state = environment("RUNNER_STATE_DIR");
    assert!(Path::new(&state).is_dir() && Path::new(&state).starts_with(workshop.dir.path()));
    assert!(environment("PATH").contains(workshop.dir.path().join("bin:").to_str().unwrap()));
    let key_file = environment("RUNNER_KEY_FILE");
    assert_eq!(fs::read_to_string(&key_file).unwrap(), ring.for_function("http").to_file_text());
    assert_eq!(fs::metadata(&key_file).unwrap().permissions().mode() & 0o777, 0o600);
    host.shutdown().await;
    assert!(!Path::new(&key_file).exists());
}

#[tokio::test]
async fn a_host_that_ends_leaves_no_process_behind() {
    for shut_down in [true, false] {
        let workshop = Workshop::with(&["f: {environment: {mode: serializing, fprocess: family}}"]);
        let pids = workshop.dir.path().join("pids");
        // The second child is in a session of its own, as a runner's program is in a group of its own.
        let family = format!(
            "#!/bin/sh\nsleep 1000 & echo $! >> {0}\nsetsid sleep 1000 & echo $! >> {0}\necho $$ >> {0}\nwait\n",
            pids.display()
        );
        workshop.program("family", &family);
        let host = workshop.host().await;
        let request = tokio::spawn(client().post(format!("{}/function/f", host.url())).send());
        eventually("the family lives", async || fs::read_to_string(&pids).is_ok_and(|text| text.lines().count() == 3))
            .await;
        if shut_down {
            host.shutdown().await;
        } else {
            drop(host);
        }
        let all = fs::read_to_string(&pids).unwrap();
        eventually("all are dead", async || all.lines().all(is_dead)).await;
        assert!(!request.await.unwrap().is_ok_and(|answer| answer.status().is_success()));
    }
}

/// Gone, or a zombie.
fn is_dead(pid: &str) -> bool {
    let state = |stat: String| stat.rsplit_once(") ").map(|(_, rest)| rest.starts_with('Z'));
    fs::read_to_string(format!("/proc/{pid}/stat")).ok().and_then(state).unwrap_or(true)
}

#[tokio::test]
async fn a_function_that_cannot_start_is_named_with_what_to_do() {
    for (process, told) in [("no-such-program", "add its folder to the path"), ("true", "ended before it printed")] {
        let workshop = Workshop::with(&[&HTTP.replace("function.py", process)]);
        let Err(error) = Host::start(workshop.options()).await else { panic!("`{process}` was started") };
        assert!(matches!(&error, HostError::Function { function, .. } if function == "http"));
        assert!(error.to_string().contains(told), "{error}");
    }
}

#[tokio::test]
async fn a_taken_port_is_told() {
    let workshop = Workshop::with(&[]);
    let host = workshop.host().await;
    let listen = host.url().trim_start_matches("http://").parse().unwrap();
    let Err(error) = Host::start(HostOptions { listen, ..workshop.options() }).await else { panic!("shared a port") };
    assert!(error.to_string().contains("choose another port"), "{error}");
}

#[tokio::test]
async fn after_a_shutdown_a_kept_connection_accepts_nothing() {
    let workshop = Workshop::with(&[HTTP]);
    let host = workshop.host().await;
    let (client, url) = (client(), format!("{}/async-function/http", host.url()));
    assert_eq!(client.post(&url).send().await.unwrap().status(), 202);
    host.shutdown().await;
    assert!(client.post(&url).send().await.is_err());
}
