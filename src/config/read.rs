//! Which keys there are, with their defaults and bounds.

use super::{
    BodyFormat, Calls, Function, OnUnknown, Settings, Worker,
    files::keys,
    kubernetes,
    peers::{openfaas, traces, zeebe},
    replicas,
    section::Section,
    sockets::{admin, admin_token, callback, limits},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

pub(super) const MILLISECOND: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);

/// Everything. `None` stands beside at least one remembered mistake.
pub fn settings(root: &Section<'_>, folder: &Path) -> Option<Settings> {
    let cluster = root.parsed("cluster", name);
    if cluster.is_none() {
        root.missing("cluster", "a name for this installation, such as \"toulouse-1\"");
    }
    let replica = root.parsed("replica", name).map_or_else(|| "bridge-0".to_owned(), |found| found.value);
    let zeebe = zeebe(&root.section("zeebe"), folder);
    let openfaas = openfaas(&root.section("openfaas"), folder);
    let callback = callback(&root.section("callback"), folder, true);
    let traces = traces(&root.section("traces"), folder);
    let functions = functions(&root.section("functions"));
    let keys = keys(&root.section("keys"), folder, functions.values().any(|function| function.run_once));
    let (admin, token_file) = admin(root);
    let admin_token = admin_token(root, token_file.as_ref(), folder);
    let templates = templates(root, folder);
    let settings = Settings {
        kubernetes: kubernetes::read(&root.section("kubernetes"), folder, &templates),
        templates,
        vars: root.section("vars").json(),
        admin,
        admin_token: admin_token?,
        limits: limits(&root.section("listeners")),
        replicas: replicas::read(&root.section("replicas")),
        ledger: ledger(root, folder),
        calls: calls(&root.section("calls")),
        workers: workers(root),
        drain_timeout: root.duration("drain_timeout", 30 * SECOND, SECOND..=HOUR),
        cluster: cluster?.value,
        replica,
        zeebe: zeebe?,
        openfaas: openfaas?,
        callback: callback?,
        keys: keys?,
        traces: traces?,
        functions,
    };
    root.check_unknown();
    Some(settings)
}

pub fn ledger(root: &Section<'_>, folder: &Path) -> PathBuf {
    let section = root.section("ledger");
    let path = section.text("path").map_or_else(|| "zeebe2faas.ledger".to_owned(), |found| found.value);
    section.check_unknown();
    folder.join(path)
}

pub fn templates(root: &Section<'_>, folder: &Path) -> PathBuf {
    folder.join(root.text("templates").map_or_else(|| "templates".to_owned(), |found| found.value))
}

pub fn calls(section: &Section<'_>) -> Calls {
    let calls = Calls {
        timeout: section.duration("timeout", 4 * HOUR, SECOND..=30 * DAY),
        grace: section.duration("grace", 30 * SECOND, Duration::ZERO..=HOUR),
        token_grace: section.duration("token_grace", DAY, SECOND..=90 * DAY),
        forget_interval: section.duration("forget_interval", 10 * MINUTE, SECOND..=DAY),
        message_ttl: section.duration("message_ttl", 7 * DAY, SECOND..=90 * DAY),
        ask_interval: section.duration("ask_interval", 30 * SECOND, 10 * MILLISECOND..=HOUR),
        heartbeat_timeout: section.duration("heartbeat_timeout", 45 * SECOND, 100 * MILLISECOND..=HOUR),
        command_limit_bytes: section.size("command_limit_bytes", 200_000, 256..=16 << 20),
        max_deliveries: section.size("max_deliveries", 64, 1..=4_096),
        retry_backoff: section.duration("retry_backoff", 30 * SECOND, Duration::ZERO..=HOUR),
        job_lock: section.duration("job_lock", 10 * MINUTE, SECOND..=DAY),
    };
    section.check_unknown();
    calls
}

pub fn workers(root: &Section<'_>) -> Vec<Worker> {
    let mut workers: Vec<Worker> = Vec::new();
    for section in root.sections("worker") {
        let job_type = section.text("type");
        let worker = worker(&section, job_type.as_ref().map_or("openfaas", |found| &found.value));
        if let Some(found) = &job_type
            && workers.iter().any(|other| other.job_type == worker.job_type)
        {
            section.reject(found, "this job type has a [[worker]] already");
        }
        workers.push(worker);
    }
    if workers.is_empty() {
        workers.push(worker(&root.absent(), "openfaas"));
    }
    workers
}

fn worker(section: &Section<'_>, job_type: &str) -> Worker {
    let worker = Worker {
        job_type: job_type.to_owned(),
        max_in_flight: section.size("max_in_flight", 64, 1..=10_000_000),
        lock: section.duration("lock", MINUTE, 500 * MILLISECOND..=10 * MINUTE),
        stream: section.boolean("stream", true),
        poll_interval: section.duration("poll_interval", 10 * SECOND, 100 * MILLISECOND..=10 * MINUTE),
    };
    section.check_unknown();
    worker
}

pub fn functions(section: &Section<'_>) -> BTreeMap<String, Function> {
    let mut functions = BTreeMap::new();
    for name in section.names() {
        let entry = section.section(&name);
        let body = entry.parsed("body", body_format);
        let function = Function {
            run_once: entry.boolean("run_once", false),
            body: body.as_ref().map(|found| found.value).unwrap_or_default(),
            on_unknown: entry.parsed("on_unknown", str::parse::<OnUnknown>).map(|f| f.value).unwrap_or_default(),
        };
        if let Some(found) = body.filter(|found| function.run_once && found.value == BodyFormat::Text) {
            entry.reject(&found, "run_once needs the JSON body that the runner reads; remove body = \"text\"");
        }
        entry.check_unknown();
        functions.insert(name, function);
    }
    functions
}

fn name(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match text {
        text if !text.is_empty() && text.len() <= 64 && text.chars().all(good) => Ok(text.to_owned()),
        text => Err(format!("`{text}` is not a name: 1 to 64 letters, digits, `-`, `_`, `.`")),
    }
}

fn body_format(text: &str) -> Result<BodyFormat, String> {
    match text {
        "json" => Ok(BodyFormat::Json),
        "text" => Ok(BodyFormat::Text),
        other => Err(format!("expected json or text, found `{other}`")),
    }
}
