//! Attacks on runners: requests for a run, and questions.

use super::{
    Scene, question_about,
    requests::{raw, request},
    site::{KEY_ID, Site},
};
use reqwest::Method;
use std::net::SocketAddr;
use zeebe2faas_contract::{
    CALL_ID_HEADER, CallId, Invocation, KeyRing, ONLY_UNKNOWN, SIGNATURE_HEADER, call_path, random_key_line,
    signature::Request,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runner_takes_no_request_but_the_bridges_own_for_itself() {
    let site = Site::start().await;
    let honest = site.submit(4, "one", 0).await;
    let genuine = honest.header(SIGNATURE_HEADER);
    let invocation: Invocation = serde_json::from_slice(&honest.body).unwrap();
    let id = honest.call_id();
    let (own, other) = (KeyRing::parse(&random_key_line(KEY_ID)).unwrap(), site.runner_secret.for_function("two"));
    let resigned = |function: &str, ring: &KeyRing| {
        let request = Request { method: "POST", path: "/", function, call_id: &id, body: &honest.body };
        request.sign(ring, invocation.deadline_ms)
    };
    let with = |changed: Invocation| serde_json::to_vec(&changed).unwrap();
    let body = honest.body.to_vec();
    let elsewhere = CallId::new("attacked", 99, 1);
    let later = genuine.replacen(&invocation.deadline_ms.to_string(), &(invocation.deadline_ms + 1).to_string(), 1);
    let [one, two] = ["one", "two"].map(|function| site.runners[function]);
    let post = |signature: &str, id: &CallId, body: &[u8]| {
        request("POST", "/", &[(CALL_ID_HEADER, id.as_str()), (SIGNATURE_HEADER, signature)], body)
    };
    let mut args = invocation.args.clone();
    args.push("more".into());
    let query = request("POST", "/?x", &[(CALL_ID_HEADER, id.as_str()), (SIGNATURE_HEADER, "")], &body);
    let twice = [(CALL_ID_HEADER, id.as_str()), (SIGNATURE_HEADER, "x"), (SIGNATURE_HEADER, genuine.as_str())];
    let other_first =
        [(CALL_ID_HEADER, elsewhere.as_str()), (CALL_ID_HEADER, id.as_str()), (SIGNATURE_HEADER, &genuine)];
    let attacks: Vec<(&str, SocketAddr, Vec<u8>)> = vec![
        ("unsigned", one, request("POST", "/", &[(CALL_ID_HEADER, id.as_str())], &body)),
        ("its own key", one, post(&resigned("one", &own), &id, &body)),
        ("another function's key", one, post(&resigned("one", &other), &id, &body)),
        ("for another function", one, post(&resigned("two", &other), &id, &body)),
        ("at another function's runner", two, post(&genuine, &id, &body)),
        ("another call", one, post(&genuine, &elsewhere, &body)),
        ("a changed command", one, post(&genuine, &id, &with(Invocation { args, ..invocation.clone() }))),
        (
            "a changed deadline",
            one,
            post(&genuine, &id, &with(Invocation { deadline_ms: u64::MAX, ..invocation.clone() })),
        ),
        ("a later expiry", one, post(&later, &id, &body)),
        ("a cut signature", one, post(&genuine[..genuine.len() - 1], &id, &body)),
        ("another path", one, query),
        ("two signatures", one, request("POST", "/", &twice, &body)),
        ("two call ids", one, request("POST", "/", &other_first, &body)),
        ("another method", one, request("PUT", "/", &twice, &body)),
        ("a report's path", one, request("POST", &call_path(&id), &twice[..1], &body)),
    ];
    for (what, runner, bytes) in attacks {
        let status = raw(runner, &bytes).await;
        assert!(matches!(status, Some(401 | 405)), "{what}: {status:?}");
        assert!(site.runs().is_empty(), "{what}");
    }
    site.let_end(4);
    assert_eq!(site.invoke("one", &honest).await.0, 200);
    // The same again, from the attacker: the same result, no second run.
    assert_eq!(site.invoke("one", &honest).await.0, 200);
    assert_eq!(site.runs(), ["4"]);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_question_tells_no_more_and_ends_nothing() {
    let scene = Scene::new().await;
    let asked = question_about(&scene).await;
    let (running, ended) = (scene.running.call_id(), scene.ended.call_id());
    assert_eq!((&asked.method, &asked.path, asked.status), (&Method::GET, &call_path(&running), 200));
    let runner = scene.site.runners["one"];
    let forbid = format!("{}?{ONLY_UNKNOWN}", asked.path);
    let unheard_of = CallId::new("attacked", 98, 1);
    for (method, path) in [
        ("DELETE", asked.path.clone()),
        ("DELETE", forbid.clone()),
        ("GET", forbid),
        ("GET", call_path(&ended)),
        ("DELETE", call_path(&unheard_of)),
        ("GET", format!("/{}", asked.path)),
        ("GET", asked.path.replace("/calls/", "/calls/%2e%2e/calls/")),
        ("HEAD", asked.path.clone()),
    ] {
        let status = raw(runner, &request(method, &path, &[(SIGNATURE_HEADER, &asked.question)], b"")).await;
        assert!(matches!(status, Some(401 | 404 | 405)), "{method} {path}: {status:?}");
    }
    let stale = Request { method: "DELETE", path: &asked.path, function: "one", call_id: &running, body: b"" };
    let stale = stale.sign(&scene.site.runner_secret.for_function("one"), 1);
    assert_eq!(raw(runner, &request("DELETE", &asked.path, &[(SIGNATURE_HEADER, &stale)], b"")).await, Some(401));
    scene.unchanged("old questions").await;
    scene.the_honest_get_through().await;
}
