#![expect(clippy::unwrap_used, reason = "tests")]

//! An attacker that reads every queue, log and network, speaks to every port, and has one function's own key; but not
//! the keys of the bridge or of other functions. After each attack nothing has changed, and the honest get through.

mod requests;
mod runner;
mod site;
mod spy;

use requests::{Forger, raw, request};
use serde_json::{Value, json};
use site::{KEY_ID, Site};
use spy::{Asked, Passed};
use zeebe2faas::{
    bridge::token::Claims,
    ledger::{Pending, Reply},
};
use zeebe2faas_contract::{CallState, KeyRing, Outcome, Report, SIGNATURE_HEADER, random_key_line, signature::Answer};

/// Two calls that nobody may change: one runs, one has ended and its callback is still on its way.
struct Scene {
    site: Site,
    running: Passed,
    ended: Passed,
    /// What the runner answered for the one that has ended: it failed.
    report: Passed,
    status: u16,
}

impl Scene {
    async fn new() -> Self {
        let site = Site::start().await;
        let running = site.submit(1, "one", 0).await;
        let ended = site.submit(2, "one", 7).await;
        site.let_end(2);
        let (status, report) = site.invoke("one", &ended).await;
        assert_eq!(status, 500, "exit code 7 is a failure");
        let runner = format!("http://{}/", site.runners["one"]);
        let sent = site.http.post(runner).headers(running.headers.clone()).body(running.body.clone()).send();
        // The gateway waits for the answer as long as the test lasts.
        tokio::spawn(sent);
        let scene = Self { site, running, ended, report, status };
        scene.until_it_runs().await;
        scene
    }

    async fn until_it_runs(&self) {
        let looking = async {
            while self.site.runs() != ["2", "1"] {
                tokio::time::sleep(site::LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(site::PATIENCE, looking).await.unwrap();
    }

    /// Ledger, Zeebe and runs are as they were before any attack.
    async fn unchanged(&self, after: &str) {
        assert_eq!(self.site.published(), [], "{after}");
        assert_eq!(self.site.runs(), ["2", "1"], "{after}");
        let calls = self.site.calls().await;
        assert_eq!(calls.len(), 2, "{after}");
        for (id, call) in calls {
            assert_eq!((&call["state"], &call["delivered"]), (&json!("submitted"), &json!(false)), "{after}: {id}");
        }
    }

    /// Both calls end as they truly did, each once, whatever is repeated.
    async fn the_honest_get_through(self) {
        let Self { site, running, ended, report, status } = self;
        let (running_id, ended_id) = (running.call_id().to_string(), ended.call_id().to_string());
        assert_eq!(site.call_back(&ended.callback_path(), status, &report).await, 200);
        site.let_end(1);
        // The runner gives a second request for a call the first one's result.
        let (good, success) = site.invoke("one", &running).await;
        assert_eq!(good, 200);
        assert_eq!(site.call_back(&running.callback_path(), good, &success).await, 200);
        site.until_calls(|calls| calls.values().all(|call| call["delivered"] == true)).await;
        let calls = site.calls().await;
        assert_eq!(
            (&calls[&running_id]["status"], &calls[&ended_id]["status"]),
            (&json!("succeeded"), &json!("failed"))
        );
        let published = site.published();
        assert_eq!(published.len(), 2);
        for (path, status, answer) in [
            (running.callback_path(), good, &success),
            (running.callback_path(), status, &report),
            (ended.callback_path(), status, &report),
            (ended.callback_path(), good, &success),
        ] {
            assert_eq!(site.call_back(&path, status, answer).await, 200);
        }
        assert_eq!(site.calls().await, calls);
        assert_eq!(site.published(), published);
        assert_eq!(site.runs(), ["2", "1"]);
        site.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_token_opens_but_the_bridges_own_unexpired_one() {
    let scene = Scene::new().await;
    let site = &scene.site;
    for (what, token) in forged_tokens(&scene) {
        let status = site.call_back(&format!("/callback/{token}"), scene.status, &scene.report).await;
        assert!(status == 401 || status == 404, "{what}: {status}");
        scene.unchanged(&what).await;
    }
    scene.the_honest_get_through().await;
}

fn forged_tokens(scene: &Scene) -> Vec<(String, String)> {
    let (running, ended) = (scene.running.token(), scene.ended.token());
    let forger = Forger::new(&running);
    let own = KeyRing::parse(&random_key_line(KEY_ID)).unwrap();
    let function_key = scene.site.runner_secret.for_function("two");
    let (claims, mac) = ended.split_once('.').unwrap();
    let (running_claims, running_mac) = running.split_once('.').unwrap();
    let code = mac.split_once('.').unwrap().1;
    let mut tokens = vec![
        ("signed with a key of its own".to_owned(), forger.sign(&forger.claims, &own)),
        ("signed with a function's key".into(), forger.sign(&forger.claims, &function_key)),
        ("one call's claims, another's signature".into(), format!("{claims}.{running_mac}")),
        ("the other way round".into(), format!("{running_claims}.{mac}")),
        ("another key's id".into(), format!("{claims}.k2.{code}")),
        ("no key's id".into(), format!("{claims}..{code}")),
        ("no signature".into(), claims.to_owned()),
        ("an empty signature".into(), format!("{claims}.{KEY_ID}.")),
        ("padded".into(), format!("{ended}=")),
        ("twice".into(), format!("{ended}.{ended}")),
        ("a runner's signature".into(), format!("{claims}.{}", scene.report.header(SIGNATURE_HEADER))),
        ("the invocation's signature".into(), format!("{claims}.{}", scene.ended.header(SIGNATURE_HEADER))),
        ("nothing".into(), String::new()),
        ("ten thousand characters".into(), "x".repeat(10_000)),
        ("expired".into(), expired(scene)),
    ];
    for (field, value) in
        [("s", json!(false)), ("f", json!("two")), ("e", json!(u64::MAX)), ("c", json!("a")), ("m", json!("x"))]
    {
        let changed = forger.changed(field, value);
        tokens.push((format!("`{field}` changed"), format!("{changed}.{running_mac}")));
        tokens.push((format!("`{field}` changed and signed anew"), forger.sign(&changed, &own)));
    }
    tokens.extend((1..ended.len()).step_by(7).map(|cut| (format!("{cut} characters left"), ended[..cut].to_owned())));
    tokens
}

/// Genuine once: the test has the key that the attacker has not.
fn expired(scene: &Scene) -> String {
    let pending = Pending {
        id: scene.running.call_id(),
        function: "one".into(),
        run_once: false,
        as_job: false,
        reply: Reply::Message("faas-done".into()),
        result: "call".into(),
        tenant: String::new(),
        deadline_ms: 1,
        process_instance_key: 1,
        element_id: "task".into(),
    };
    Claims::new(pending, 1, "bridge-0".into(), 2).seal(&scene.site.token_ring).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_leaked_callback_url_nothing_ends_a_guarded_call_but_its_own_runners_report() {
    let scene = Scene::new().await;
    let (site, path) = (&scene.site, scene.running.callback_path());
    for (what, status, signature, body) in forged_reports(&scene).await {
        let mut headers = vec![("x-function-status", status.as_str())];
        headers.extend(signature.as_deref().map(|signature| (SIGNATURE_HEADER, signature)));
        let status = raw(site.callback, &request("POST", &path, &headers, &body)).await;
        // A genuine token is told that its callback was taken, but it only makes the bridge ask.
        assert!(matches!(status, Some(200 | 400)), "{what}: {status:?}");
        scene.unchanged(&what).await;
    }
    site.until_asked(3).await;
    scene.unchanged("the bridge has asked").await;
    scene.the_honest_get_through().await;
}

/// What, X-Function-Status, signature, body.
async fn forged_reports(scene: &Scene) -> Vec<(String, String, Option<String>, Vec<u8>)> {
    let site = &scene.site;
    let id = scene.running.call_id();
    let theirs = scene.report.header(SIGNATURE_HEADER);
    let report: Report = serde_json::from_slice(&scene.report.body).unwrap();
    let success = Report { call_id: id.clone(), outcome: Outcome::Succeeded, exit_code: Some(0), ..report.clone() };
    let success = serde_json::to_vec(&success).unwrap();
    let renamed = serde_json::to_vec(&Report { call_id: id.clone(), ..report }).unwrap();
    let other = site.runner_secret.for_function("two");
    let sign = |function: &str, question: &str, ring: &KeyRing| {
        Answer { function, call_id: &id, status: 200, question, body: &success }.sign(ring)
    };
    let own = KeyRing::parse(&random_key_line(KEY_ID)).unwrap();
    let asked = question_about(scene).await;
    let answered = asked.answer.header(SIGNATURE_HEADER);
    let failed = scene.report.body.to_vec();
    let mut reports = vec![
        ("another call's report".to_owned(), "500".to_owned(), Some(theirs.clone()), failed),
        ("another call's report, renamed".into(), "500".into(), Some(theirs.clone()), renamed),
        ("another call's signature".into(), "200".into(), Some(theirs), success.clone()),
        ("no signature".into(), "200".into(), None, success.clone()),
        ("its own key".into(), "200".into(), Some(sign("one", "", &own)), success.clone()),
        ("another function's key".into(), "200".into(), Some(sign("one", "", &other)), success.clone()),
        ("another function".into(), "200".into(), Some(sign("two", "", &other)), success.clone()),
        ("the answer to a question".into(), "200".into(), Some(answered), asked.answer.body.to_vec()),
        (
            "the invocation's signature".into(),
            "200".into(),
            Some(scene.running.header(SIGNATURE_HEADER)),
            success.clone(),
        ),
        ("nothing".into(), "200".into(), None, Vec::new()),
        ("a megabyte".into(), "200".into(), None, vec![b'x'; 1 << 20]),
    ];
    for status in ["404", "429", "500", "502", "504", "+200", " 200", "2 00", "0200", "99999", "-1", "", "\u{b2}00"] {
        reports.push((format!("status `{status}`"), status.to_owned(), None, success.clone()));
    }
    reports
}

/// The bridge asks about the running call; the gateway's owner keeps question and answer.
async fn question_about(scene: &Scene) -> Asked {
    let Scene { site, running, .. } = scene;
    assert_eq!(site.call_back(&running.callback_path(), 502, &nothing()).await, 200);
    site.until_asked(1).await;
    site.asked().pop().unwrap()
}

fn nothing() -> Passed {
    Passed { headers: Default::default(), body: Default::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_lies_to_the_bridges_questions_is_not_believed() {
    let scene = Scene::new().await;
    let asked = question_about(&scene).await;
    let id = scene.running.call_id();
    let report: Report = serde_json::from_slice(&scene.report.body).unwrap();
    let ended = CallState::Ended { report: Box::new(Report { call_id: id.clone(), ..report }) };
    let ended = serde_json::to_vec(&ended).unwrap();
    let unknown = serde_json::to_vec(&CallState::Unknown).unwrap();
    let sign = |body: &[u8], question: &str, ring: &KeyRing| {
        Some(Answer { function: "one", call_id: &id, status: 200, question, body }.sign(ring))
    };
    let other = scene.site.runner_secret.for_function("two");
    let old = Some(asked.answer.header(SIGNATURE_HEADER));
    let lies = vec![
        (200, None, ended.clone()),
        (200, None, unknown.clone()),
        (200, old.clone(), ended.clone()),
        (200, old, asked.answer.body.to_vec()),
        (200, sign(&ended, &asked.question, &other), ended.clone()),
        (200, sign(&unknown, &asked.question, &other), unknown),
        (200, Some(scene.report.header(SIGNATURE_HEADER)), scene.report.body.to_vec()),
        (500, Some(scene.report.header(SIGNATURE_HEADER)), scene.report.body.to_vec()),
        (404, None, Vec::new()),
        (200, None, vec![b'x'; 4 << 20]),
    ];
    scene.site.spy.lie(lies).await;
    scene.unchanged("lies").await;
    scene.the_honest_get_through().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leaked_url_of_a_call_that_still_waits_can_have_it_refused_but_neither_succeed_nor_run() {
    let site = Site::start().await;
    let queued = site.submit(3, "one", 0).await;
    let id = queued.call_id().to_string();
    assert_eq!(site.call_back(&queued.callback_path(), 200, &nothing()).await, 200);
    site.until_calls(|calls| calls[&id]["delivered"] == true).await;
    let published = site.published();
    assert_eq!(published.len(), 1);
    let (told, outcome) = &published[0];
    assert_eq!(
        (told, &outcome["call"]["status"], &outcome["call"]["retryable"]),
        (&id, &json!("refused"), &json!(true))
    );
    // OpenFaaS comes to it at last.
    let (status, answer) = site.invoke("one", &queued).await;
    let report: Report = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((status, report.outcome), (500, Outcome::Cancelled));
    assert!(site.runs().is_empty());
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn smuggled_headers_and_crooked_paths_reach_nothing_on_either_listener() {
    let scene = Scene::new().await;
    let (token, id) = (scene.running.token(), scene.running.call_id().to_string());
    let Site { callback, admin, .. } = scene.site;
    for bytes in requests::smuggled(&scene.running.callback_path(), &scene.report, scene.status) {
        let what = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
        let status = raw(callback, &bytes).await;
        assert!(!matches!(status, Some(500..)), "{what}: {status:?}");
        scene.unchanged(&what).await;
    }
    for (listener, method, path) in requests::crooked(callback, admin, &token, &id) {
        let what = format!("{method} {path} at {}", if listener == admin { "admin" } else { "callback" });
        let status = raw(listener, &request(method, &path, &[("x-function-status", "200")], b"{}")).await;
        assert!(matches!(status, None | Some(400..500)), "{what}: {status:?}");
        scene.unchanged(&what).await;
    }
    scene.the_honest_get_through().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_holds_the_url_of_a_function_without_a_runner_speaks_for_it_once() {
    let site = Site::start().await;
    let call = site.submit(5, "plain", 0).await;
    let forged = Passed { body: "forged".into(), ..nothing() };
    assert_eq!(site.call_back(&call.callback_path(), 200, &forged).await, 200);
    let id = call.call_id().to_string();
    site.until_calls(|calls| calls[&id]["delivered"] == true).await;
    assert_eq!(site.call_back(&call.callback_path(), 500, &nothing()).await, 200);
    let published: Vec<(String, Value)> = site.published();
    assert_eq!((published.len(), &published[0].1["call"]["result"]), (1, &json!("forged")));
    site.stop().await;
}
