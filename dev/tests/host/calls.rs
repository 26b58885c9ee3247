//! The gateway's API as the bridge meets it.

use crate::support::{HTTP, Receiver, Workshop, client, post, submit};
use serde_json::Value;
use zeebe2faas_dev::host::{ASYNC_BODY_BYTES, Credentials, Host, HostOptions, Stack};

#[tokio::test]
async fn an_asynchronous_call_comes_back_as_the_real_queue_brings_it() {
    let workshop = Workshop::with(&[HTTP]);
    let (host, mut receiver) = (workshop.host().await, Receiver::start().await);
    let accepted = client()
        .post(format!("{}/async-function/http/deep%2Fer/path?a=1&b=%20", host.url()))
        .header("x-call-id", "one")
        .header("x-callback-url", format!("{}/done/token?q=1", receiver.url))
        .header("x-zeebe2faas-signature", "signed")
        .body("work")
        .send()
        .await
        .unwrap();
    assert_eq!(accepted.status(), 202);
    assert!(accepted.headers().get("x-call-id").is_none(), "a given id is not echoed");
    assert!(accepted.headers().contains_key("x-start-time"));
    assert!(accepted.bytes().await.unwrap().is_empty());

    let callback = receiver.next().await;
    assert_eq!((callback.method.as_str(), callback.uri.to_string().as_str()), ("POST", "/done/token?q=1"));
    for (name, value) in
        [("x-call-id", "one"), ("x-function-name", "http"), ("x-function-status", "200"), ("x-own", "kept")]
    {
        assert_eq!(callback.header(name), value, "{name}");
    }
    assert!(callback.header("x-duration-seconds").parse::<f64>().unwrap() >= 0.0);
    let seen = callback.json();
    assert_eq!((&seen["method"], &seen["body"]), (&Value::from("POST"), &Value::from("work")));
    assert_eq!(seen["path"], "/deep%2Fer/path?a=1&b=%20");
    let headers = &seen["headers"];
    assert_eq!(headers["x-call-id"], "one");
    assert_eq!(headers["x-zeebe2faas-signature"], "signed");
    assert_eq!(headers["x-callback-url"], format!("{}/done/token?q=1", receiver.url));
    assert_eq!(headers["transfer-encoding"], "chunked");
    assert_eq!(host.deliveries("one"), 1);
    host.shutdown().await;
}

#[tokio::test]
async fn a_call_without_an_id_gets_one_and_the_client_is_told() {
    let workshop = Workshop::with(&[HTTP]);
    let (host, mut receiver) = (workshop.host().await, Receiver::start().await);
    let post = client().post(format!("{}/async-function/http", host.url()));
    let accepted = post.header("x-callback-url", &receiver.url).send().await.unwrap();
    let id = accepted.headers()["x-call-id"].to_str().unwrap().to_owned();
    assert_eq!((id.len(), &id[14..15]), (36, "4"));
    assert_eq!(receiver.next().await.header("x-call-id"), id);
}

#[tokio::test]
async fn a_synchronous_call_passes_method_path_status_and_headers() {
    let workshop = Workshop::with(&[HTTP]);
    let host = workshop.host().await;
    let url = format!("{}/function/http.openfaas-fn/calls/x?only=unknown", host.url());
    let seen: Value = client().delete(url).send().await.unwrap().json().await.unwrap();
    assert_eq!((&seen["method"], &seen["path"]), (&Value::from("DELETE"), &Value::from("/calls/x?only=unknown")));
    assert!(seen["headers"].get("transfer-encoding").is_none(), "there was no body");
    let answer = post(&host, "http/status/418").await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["x-own"]), (418, &"kept".parse().unwrap()));
    assert_eq!(answer.text().await.unwrap(), "as asked");
}

#[tokio::test]
async fn a_functions_own_status_is_in_the_callback() {
    let workshop = Workshop::with(&[HTTP]);
    let (host, mut receiver) = (workshop.host().await, Receiver::start().await);
    for status in ["500", "409", "429"] {
        submit(&host, &format!("http/status/{status}"), status, &receiver.url).await;
        let callback = receiver.next().await;
        assert_eq!((callback.header("x-function-status"), callback.header("x-own")), (status, "kept"));
    }
}

#[tokio::test]
async fn an_unknown_function_is_404_at_once_or_in_the_callback() {
    let workshop = Workshop::with(&[]);
    let (host, mut receiver) = (workshop.host().await, Receiver::start().await);
    let answer = post(&host, "nobody").await;
    assert_eq!(answer.status(), 404);
    assert!(answer.text().await.unwrap().contains("nobody"));
    assert_eq!(submit(&host, "nobody", "one", &receiver.url).await.status(), 202);
    let callback = receiver.next().await;
    assert_eq!((callback.header("x-function-status"), callback.header("x-function-name")), ("404", "nobody"));
}

#[tokio::test]
async fn a_bad_callback_url_a_long_body_and_another_method_are_refused() {
    let workshop = Workshop::with(&[HTTP]);
    let (host, mut receiver) = (workshop.host().await, Receiver::start().await);
    assert_eq!(submit(&host, "http", "bad", "http://a/%zz").await.status(), 400);
    let url = format!("{}/async-function/http", host.url());
    assert_eq!(client().get(&url).send().await.unwrap().status(), 405);
    let sized = |size: usize| client().post(&url).header("x-callback-url", &receiver.url).body("x".repeat(size)).send();
    let refused = sized(ASYNC_BODY_BYTES + 1).await.unwrap();
    assert_eq!(refused.status(), 500);
    assert!(refused.text().await.unwrap().contains("256000"));
    assert_eq!(sized(ASYNC_BODY_BYTES).await.unwrap().status(), 202);
    assert_eq!(receiver.next().await.json()["body"].as_str().unwrap().len(), ASYNC_BODY_BYTES);
    assert_eq!(host.deliveries("bad"), 0);
}

#[tokio::test]
async fn redirects_are_followed_with_get_by_the_worker_and_in_the_callback() {
    let workshop = Workshop::with(&[HTTP]);
    let (host, mut receiver) = (workshop.host().await, Receiver::start().await);
    let callback = format!("{}/moved", receiver.url.replace("http://", "http://user:password@"));
    submit(&host, "http/redirect?/function/http/landed", "one", &callback).await;
    let first = receiver.next().await;
    assert_eq!((first.method.as_str(), first.header("x-function-status")), ("POST", "200"));
    assert_eq!((&first.json()["method"], &first.json()["body"]), (&Value::from("GET"), &Value::from("")));
    assert_eq!(first.header("authorization"), "", "user info is lost");
    let second = receiver.next().await;
    assert_eq!((second.method.as_str(), second.uri.path(), second.body.len()), ("GET", "/landed", 0));
    let sync = post(&host, "http/redirect?/elsewhere").await;
    assert_eq!((sync.status().as_u16(), &sync.headers()["location"]), (302, &"/elsewhere".parse().unwrap()));
}

#[tokio::test]
async fn only_the_system_paths_ask_for_the_password() {
    let workshop = Workshop::with(&[HTTP, "forked: {image: 'an/image', fprocess: cat -, labels: {a: b}}"]);
    let credentials = Some(Credentials { user: "admin".into(), password: "secret".into() });
    let host = Host::start(HostOptions { credentials, ..workshop.options() }).await.unwrap();
    let url = |path: &str| format!("{}{path}", host.url());
    for path in ["/system/functions", "/system/info"] {
        let refused = client().get(url(path)).send().await.unwrap();
        assert_eq!(refused.status(), 401, "{path}");
        assert_eq!(refused.headers()["www-authenticate"], "Basic realm=\"Restricted\"");
    }
    let wrong = client().get(url("/system/info")).basic_auth("admin", Some("guess")).send().await.unwrap();
    assert_eq!(wrong.status(), 401);
    assert_eq!(client().get(url("/healthz")).send().await.unwrap().status(), 200);
    assert_eq!(post(&host, "forked").await.text().await.unwrap(), "work");

    let get = |path: &str| client().get(url(path)).basic_auth("admin", Some("secret")).send();
    let functions: Value = get("/system/functions").await.unwrap().json().await.unwrap();
    let forked = &functions[0];
    assert_eq!((&forked["name"], &forked["image"]), (&Value::from("forked"), &Value::from("an/image")));
    assert_eq!((&forked["envProcess"], &forked["invocationCount"]), (&Value::from("cat -"), &Value::from(1)));
    assert_eq!((&forked["labels"]["a"], &forked["availableReplicas"]), (&Value::from("b"), &Value::from(1)));
    assert_eq!(functions[1]["name"], "http");
    let info: Value = get("/system/info").await.unwrap().json().await.unwrap();
    assert!(info["provider"]["orchestration"].is_string() && info["version"]["release"].is_string());
}

#[test]
fn the_projects_own_stack_file_is_understood() {
    let stack = Stack::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../stack.yml")).unwrap();
    assert_eq!(stack.functions.keys().collect::<Vec<_>>(), ["callback-ack", "normalize-product", "otbcli"]);
    assert_eq!(stack.functions["callback-ack"].process, ["zeebe2faas", "callback"]);
    for (name, function) in stack.functions.iter().filter(|(name, _)| *name != "callback-ack") {
        assert_eq!(&function.environment["RUNNER_FUNCTION"], name);
        assert_eq!(function.process, ["zeebe2faas-runner"]);
        assert_eq!(function.max_inflight, 0);
        assert_eq!(function.exec_timeout.unwrap().as_secs(), 12 * 3600);
    }
    let allowed = &stack.functions["otbcli"].environment["RUNNER_ALLOW"];
    assert!(allowed.split(',').all(|name| name.bytes().all(|b| b.is_ascii_alphanumeric())), "{allowed}");
    assert!(allowed.split(',').any(|name| name == "OrthoRectification"));
}
