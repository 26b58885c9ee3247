//! `zeebe2faas doctor` against the function host and a Zeebe that does as it is told.
#![expect(clippy::unwrap_used, reason = "tests")]

use tonic::Code;
use zeebe2faas_contract::random_key_line;
use zeebe2faas_tests::{
    callback_ack::CallbackAck,
    doctor::Site,
    fake_gateway::{Answer, FakeGateway},
};

const EVERY_CHECK: [&str; 14] = [
    "configuration",
    "bridge",
    "zeebe",
    "zeebe version",
    "zeebe partitions",
    "gateway",
    "gateway edition",
    "clocks",
    "function count",
    "key of count",
    "callback URL",
    "time-outs of count",
    "ledger",
    "ledger's disk",
];

/// A disk that is busy with other tests may be slow or nearly full, which is a warning.
fn all_but_the_disk<'a>(checks: &[&'a str]) -> Vec<&'a str> {
    checks.iter().copied().filter(|check| !check.starts_with("ledger's")).collect()
}

/// How many calls the runner has written anything of, in its folder.
fn calls_known(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { calls_known(&path) } else { 1 }).sum()
}

#[tokio::test]
async fn a_healthy_site_is_healthy_without_a_bridge_and_beside_one() {
    let zeebe = FakeGateway::start();
    let site = Site::new(&zeebe.address()).await;

    let without = site.examine("60s").await;
    assert_eq!((without.code, without.checks("failed")), (Some(0), vec![]), "{:#?}", without.findings);
    assert_eq!(without.checks("skipped"), ["bridge"]);
    assert!(without.words("callback URL").contains("where no bridge runs"), "{}", without.words("callback URL"));

    let _bridge = site.bridge().await;
    let beside = site.examine("60s").await;
    assert_eq!((beside.code, beside.checks("failed")), (Some(0), vec![]), "{:#?}", beside.findings);
    assert_eq!(all_but_the_disk(&beside.checks("ok")), all_but_the_disk(&EVERY_CHECK));
    assert!(beside.words("callback URL").contains("arrived at the bridge"), "{}", beside.words("callback URL"));
    assert_eq!(calls_known(&site.folder.path().join("state/count")), 0, "a probe leaves nothing with the runner");
}

#[tokio::test]
async fn another_runner_key_is_named_with_what_to_do_and_nothing_is_invoked() {
    let zeebe = FakeGateway::start();
    let site = Site::new(&zeebe.address()).await;
    std::fs::write(site.folder.path().join("runner.key"), random_key_line("a")).unwrap();
    let found = site.examine("60s").await;
    assert_eq!((found.code, found.checks("failed")), (Some(1), vec!["key of count"]), "{:#?}", found.findings);
    assert!(found.words("key of count").contains("zeebe2faas key function count"), "{}", found.words("key of count"));
    assert!(found.checks("skipped").contains(&"callback URL"));
}

#[tokio::test]
async fn a_missing_function_is_named_whether_a_template_or_the_configuration_names_it() {
    let zeebe = FakeGateway::start();
    let site = Site::new(&zeebe.address()).await;
    site.spoil("functions.count.run_once = true", "functions.count.run_once = true\nfunctions.other.run_once = true");
    let template = "function = \"third\"\ncommand = \"echo\"\n";
    std::fs::write(site.folder.path().join("templates/a.toml"), template).unwrap();
    let found = site.examine("60s").await;
    let failed = found.checks("failed");
    assert_eq!((found.code, failed), (Some(1), vec!["function other", "function third"]), "{:#?}", found.findings);
    assert!(found.words("function other").contains("deploy it"));
}

#[tokio::test]
async fn a_callback_url_that_leads_elsewhere_is_named() {
    let zeebe = FakeGateway::start();
    let site = Site::new(&zeebe.address()).await;
    site.spoil(&format!("url = \"{}\"", site.callback_url()), "url = \"http://127.0.0.1:1\"");
    let found = site.examine("300ms").await;
    assert_eq!((found.code, found.checks("failed")), (Some(1), vec!["callback URL"]), "{:#?}", found.findings);
    let words = found.words("callback URL");
    assert!(words.contains("http://127.0.0.1:1 within 300ms") && words.contains("nor does it answer from here"));
}

#[tokio::test]
async fn a_callback_that_arrives_at_callback_ack_has_arrived() {
    let zeebe = FakeGateway::start();
    let site = Site::new(&zeebe.address()).await;
    let ack = CallbackAck::start(site.folder.path(), &[("ZEEBE2FAAS_CONFIG", "zeebe2faas.toml")]).await;
    site.spoil(&format!("url = \"{}\"", site.callback_url()), &format!("url = \"{}\"", ack.url()));
    let _bridge = site.bridge().await;
    let found = site.examine("60s").await;
    assert_eq!((found.code, found.checks("failed")), (Some(0), vec![]), "{:#?}", found.findings);
    assert!(found.words("callback URL").contains("arrived there"), "{}", found.words("callback URL"));
}

#[tokio::test]
async fn what_cannot_be_reached_is_named_and_the_rest_is_checked_all_the_same() {
    let mut zeebe = FakeGateway::start();
    let site = Site::new(&zeebe.address()).await;
    zeebe.script("Topology", Answer::Status(Code::PermissionDenied));
    let denied = site.examine("60s").await;
    assert_eq!((denied.code, denied.checks("failed")), (Some(1), vec!["zeebe"]), "{:#?}", denied.findings);
    assert!(denied.words("zeebe").contains("credentials"), "{}", denied.words("zeebe"));
    assert!(denied.checks("ok").contains(&"callback URL"));

    zeebe.crash();
    site.spoil(site.host.url(), "http://127.0.0.1:1");
    let away = site.examine("60s").await;
    assert_eq!(away.checks("failed"), ["zeebe", "gateway", "key of count"], "{:#?}", away.findings);
    assert!(away.words("gateway").contains("openfaas.gateway"));
}

#[tokio::test]
async fn a_wrong_configuration_is_told_and_nothing_else_is_tried() {
    let zeebe = FakeGateway::start();
    let site = Site::new(&zeebe.address()).await;
    site.spoil("admin.listen", "admin.lisen");
    let found = site.examine("60s").await;
    assert_eq!((found.code, found.checks("failed")), (Some(1), vec!["configuration"]));
    assert!(found.words("configuration").contains("lisen"));
    assert!(zeebe.seen().is_empty());
}
