//! Which keys there are, with their defaults and bounds.

use super::reader::{Found, Section};
use super::{BodyFormat, Callback, Calls, Credentials, Function, Keys, OnUnknown, OpenFaas, Settings, Worker, Zeebe};
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};
use zeebe2faas_contract::KeyRing;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

const CALLBACK_PORT: u16 = 8090;
const ADMIN_PORT: u16 = 8091;

/// Everything. `None` stands beside at least one remembered mistake.
pub fn settings(root: &Section<'_>, folder: &Path) -> Option<Settings> {
    let cluster = root.parsed("cluster", name);
    if cluster.is_none() {
        root.missing("cluster", "a name for this installation, such as \"toulouse-1\"");
    }
    let replica = root.parsed("replica", name).map_or_else(|| "bridge-0".to_owned(), |found| found.value);
    let zeebe = zeebe(&root.section("zeebe"));
    let openfaas = openfaas(&root.section("openfaas"), folder);
    let callback = callback(&root.section("callback"));
    let functions = functions(&root.section("functions"));
    let keys = keys(&root.section("keys"), folder, functions.values().any(|function| function.run_once));
    let settings = Settings {
        templates: templates(root, folder),
        vars: root.section("vars").json(),
        admin: admin(root),
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
        functions,
    };
    root.check_unknown();
    Some(settings)
}

pub fn zeebe(section: &Section<'_>) -> Option<Zeebe> {
    let address = section
        .parsed_or("address", &["ZEEBE_ADDRESS", "ZEEBE_GRPC_ADDRESS"], zeebe_address)
        .map_or_else(|| "http://127.0.0.1:26500".to_owned(), |found| found.value);
    let request_timeout = section.duration("request_timeout", 10 * SECOND, 100 * MILLISECOND..=10 * MINUTE);
    let tenants = section.texts("tenants");
    section.check_unknown();
    Some(Zeebe { address, request_timeout, tenants })
}

pub fn admin(root: &Section<'_>) -> SocketAddr {
    let section = root.section("admin");
    let listen = section.parsed("listen", socket_address);
    section.check_unknown();
    listen.map_or_else(|| (Ipv4Addr::LOCALHOST, ADMIN_PORT).into(), |found| found.value)
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

fn openfaas(section: &Section<'_>, folder: &Path) -> Option<OpenFaas> {
    let gateway = section
        .parsed_or("gateway", &["OPENFAAS_URL"], http_url)
        .map_or_else(|| "http://127.0.0.1:8080".to_owned(), |found| found.value);
    let user = section.text("user");
    let password = secret(section, "password_file", folder);
    let credentials = match (user, password) {
        (Some(user), Some(password)) => {
            Some(Credentials { user: user.value, password: password.value.trim().to_owned() })
        }
        (Some(user), None) => {
            section.reject(&user, "a user needs `password_file` too");
            None
        }
        (None, Some(password)) => {
            section.reject(&password, "a password needs `user` too");
            None
        }
        (None, None) => None,
    };
    let request_timeout = section.duration("request_timeout", 10 * SECOND, 100 * MILLISECOND..=10 * MINUTE);
    let body_limit_bytes = section.size("body_limit_bytes", 256_000, 1_024..=64 << 20);
    let cancels = section.boolean("cancels", false);
    section.check_unknown();
    Some(OpenFaas { gateway, request_timeout, body_limit_bytes, cancels, credentials })
}

fn callback(section: &Section<'_>) -> Option<Callback> {
    let listen = section
        .parsed("listen", socket_address)
        .map_or_else(|| (Ipv4Addr::UNSPECIFIED, CALLBACK_PORT).into(), |found| found.value);
    let url = section.parsed("url", http_url);
    if url.is_none() {
        section.missing("url", "how functions reach the callback listener, such as \"http://bridge:8090\"");
    }
    let callback = Callback {
        listen,
        body_limit_bytes: section.size("body_limit_bytes", 256 << 10, 1_024..=512 << 10),
        read_timeout: section.duration("read_timeout", 30 * SECOND, 100 * MILLISECOND..=10 * MINUTE),
        max_concurrent: section.size("max_concurrent", 256, 1..=65_536),
        url: url?.value,
    };
    section.check_unknown();
    Some(callback)
}

fn keys(section: &Section<'_>, folder: &Path, needs_runner: bool) -> Option<Keys> {
    let token = secret(section, "token_file", folder);
    if token.is_none() {
        section.missing("token_file", "the key that signs callback URLs; `zeebe2faas key new > FILE` makes one");
    }
    let runner = secret(section, "runner_file", folder);
    if runner.is_none() && needs_runner {
        section.missing("runner_file", "functions with run_once need it; `zeebe2faas key new > FILE` makes one");
    }
    let ring = |found: &Found<String>| match KeyRing::parse(&found.value) {
        Ok(ring) => Some(ring),
        Err(error) => {
            section.reject(found, &error.to_string());
            None
        }
    };
    let runner = match &runner {
        Some(found) => Some(ring(found)?),
        None if needs_runner => None?,
        None => None,
    };
    section.check_unknown();
    Some(Keys { token: ring(&token?)?, runner })
}

fn calls(section: &Section<'_>) -> Calls {
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

fn workers(root: &Section<'_>) -> Vec<Worker> {
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

fn functions(section: &Section<'_>) -> BTreeMap<String, Function> {
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

fn secret(section: &Section<'_>, key: &str, folder: &Path) -> Option<Found<String>> {
    section.parsed(key, |file| {
        let path = folder.join(file);
        std::fs::read_to_string(&path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
    })
}

fn name(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match text {
        text if !text.is_empty() && text.len() <= 64 && text.chars().all(good) => Ok(text.to_owned()),
        text => Err(format!("`{text}` is not a name: 1 to 64 letters, digits, `-`, `_`, `.`")),
    }
}

fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is not IP:PORT, such as 127.0.0.1:8090"))
}

/// Zeebe's own clients take `HOST:PORT` too.
fn zeebe_address(text: &str) -> Result<String, String> {
    if text.contains("://") { http_url(text) } else { http_url(&format!("http://{text}")) }
}

fn http_url(text: &str) -> Result<String, String> {
    let url = reqwest::Url::parse(text).map_err(|error| format!("`{text}` is not a URL: {error}"))?;
    match url.scheme() {
        "http" if url.host_str().is_some() => Ok(text.trim_end_matches('/').to_owned()),
        "https" => Err(format!("`{text}`: TLS is not there yet; use http:// within the cluster, or a TLS side-car")),
        scheme => Err(format!("`{text}`: expected http://HOST:PORT, found `{scheme}:`")),
    }
}

fn body_format(text: &str) -> Result<BodyFormat, String> {
    match text {
        "json" => Ok(BodyFormat::Json),
        "text" => Ok(BodyFormat::Text),
        other => Err(format!("expected json or text, found `{other}`")),
    }
}
