use super::{Context, Failure, block_on, print_json, print_line};
use crate::{
    bridge::running::{Line, Running},
    clock::now_ms,
    config,
    display::{bytes, resources, time},
    ledger::{Call, LedgerReader, State, Summary},
    tls,
};
use clap::{Args, Subcommand, ValueEnum};
use std::{net::SocketAddr, path::Path, time::Duration};
use zeebe2faas_contract::CallId;

/// How long the bridge may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Args)]
#[command(after_help = "Asks the running bridge (admin.listen); where none runs, reads the ledger itself.")]
pub(super) struct Calls {
    #[command(subcommand)]
    command: Option<Command>,
    /// Only calls in this state
    #[arg(long)]
    state: Option<StateArg>,
    /// How many, the newest first
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Everything known of one call
    Show {
        /// The call id, as it stands in logs, variables and incidents
        id: CallId,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum StateArg {
    Accepted,
    Submitted,
    Ended,
}

impl From<StateArg> for State {
    fn from(state: StateArg) -> Self {
        match state {
            StateArg::Accepted => Self::Accepted,
            StateArg::Submitted => Self::Submitted,
            StateArg::Ended => Self::Ended,
        }
    }
}

impl Calls {
    pub(super) fn execute(&self, context: &Context) -> Result<(), Failure> {
        let (admin, ledger) = config::load_admin(context.config.as_deref(), &context.environment)?;
        match &self.command {
            None => {
                let calls = self.list(admin, &ledger)?;
                if self.json { print_json(&calls) } else { print_line(&table(&calls)) }
            }
            Some(Command::Show { id }) => {
                let call = show(id, admin, &ledger)?;
                if self.json { print_json(&call) } else { print_line(&page(&call)) }
            }
        }
    }

    fn list(&self, address: SocketAddr, ledger: &Path) -> Result<Vec<Line<Summary>>, Failure> {
        let state: Option<State> = self.state.map(State::from);
        let mut path = format!("/api/calls?limit={}", self.limit);
        if let Some(Ok(serde_json::Value::String(name))) = state.map(serde_json::to_value) {
            path = format!("{path}&state={name}");
        }
        match ask(address, &path)? {
            Some(text) => parse(&text),
            None => {
                let calls =
                    read(ledger)?.list(state, self.limit).map_err(|error| Failure::Failed(error.to_string()))?;
                Ok(calls.into_iter().map(|call| Line { call, progress: None }).collect())
            }
        }
    }
}

fn show(id: &CallId, address: SocketAddr, ledger: &Path) -> Result<Line<Call>, Failure> {
    let call = match ask(address, &format!("/api/calls/{id}"))? {
        Some(text) => parse(&text)?,
        None => {
            let call = read(ledger)?.show(id).map_err(|error| Failure::Failed(error.to_string()))?;
            call.map(|call| Line { call, progress: None })
        }
    };
    call.ok_or_else(|| Failure::Failed(format!("no call {id}; `zeebe2faas calls` lists them")))
}

/// The running bridge's answer; nothing where none runs.
fn ask(address: SocketAddr, path: &str) -> Result<Option<String>, Failure> {
    block_on(async {
        let client = tls::plain_http().timeout(TIMEOUT).build();
        let client = client.map_err(|error| Failure::Failed(error.to_string()))?;
        let response = match client.get(format!("http://{address}{path}")).send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() => return Ok(None),
            Err(error) => return Err(Failure::Unreachable(format!("the bridge at {address}: {error}"))),
        };
        let status = response.status();
        let text = response.text().await.map_err(|error| Failure::Unreachable(error.to_string()))?;
        match status.as_u16() {
            200 => Ok(Some(text)),
            404 => Ok(Some("null".to_owned())),
            _ => Err(Failure::Failed(format!("the bridge at {address} answered HTTP {status}: {}", text.trim()))),
        }
    })
}

fn read(ledger: &Path) -> Result<LedgerReader, Failure> {
    eprintln!("no bridge runs here; reading {}", ledger.display());
    LedgerReader::open(ledger).map_err(|error| Failure::Failed(error.to_string()))
}

fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::Failed(format!("unexpected answer of the bridge: {error}")))
}

fn table(calls: &[Line<Summary>]) -> String {
    let mut lines = vec![format!(
        "{:26}  {:10}  {:20}  {:>4}  {:>9}  {:20}  {}",
        "CALL", "STATE", "FUNCTION", "DONE", "SECONDS", "TASK", "INSTANCE"
    )];
    let now = now_ms();
    lines.extend(calls.iter().map(|Line { call, progress }| {
        let state = call.status.as_deref().unwrap_or(call.state.as_str());
        let done = progress.as_ref().and_then(|progress| progress.percent);
        let done = done.map(|percent| format!("{:.0}%", percent.floor())).unwrap_or_default();
        let seconds = (call.ended_ms.unwrap_or(now).saturating_sub(call.accepted_ms)) as f64 / 1000.0;
        let waiting = if call.state == State::Ended && !call.delivered { " (not delivered)" } else { "" };
        format!(
            "{:26}  {:10}  {:20}  {:>4}  {:9.1}  {:20}  {}{waiting}",
            call.call_id, state, call.function, done, seconds, call.element_id, call.process_instance_key
        )
    }));
    lines.join("\n")
}

fn page(Line { call, progress }: &Line<Call>) -> String {
    let Call { summary, .. } = call;
    let json = |value: &Option<serde_json::Value>| {
        value.as_ref().and_then(|value| serde_json::to_string_pretty(value).ok()).unwrap_or_else(|| "-".to_owned())
    };
    let yes = |value: bool| if value { "yes" } else { "no" };
    [
        ("call", summary.call_id.to_string()),
        ("state", summary.state.as_str().to_owned()),
        ("delivered", yes(summary.delivered).to_owned()),
        ("function", format!("{} (run once: {})", summary.function, yes(call.run_once))),
        ("process", format!("{} instance {}", summary.bpmn_process_id, summary.process_instance_key)),
        ("task", format!("{} job {} ({}), try {}", summary.element_id, call.job_key, call.job_type, call.attempt)),
        ("reply", format!("{} → variable {}", call.reply, call.result)),
        ("command", crate::bridge::submit::command_line(&call.args)),
        ("resources", resources(&call.resources)),
        ("progress", progress.as_ref().map_or_else(|| "-".to_owned(), how_far)),
        ("accepted", time(Some(summary.accepted_ms))),
        ("submitted", time(call.submitted_ms)),
        ("ended", time(summary.ended_ms)),
        ("delivered", time(call.delivered_ms)),
        ("deadline", time(Some(summary.deadline_ms))),
        ("asking", yes(call.asking).to_owned()),
        ("job closed", yes(call.job_closed).to_owned()),
        ("outcome", json(&call.outcome)),
        ("late", json(&call.late)),
    ]
    .map(|(name, value)| format!("{name:10}  {value}"))
    .join("\n")
}

/// `42% Writing bundle.tif; CPU 71.3 s, memory 1.2 GiB (at most 1.5 GiB), 2.0 s ago`
fn how_far(running: &Running) -> String {
    let percent = running.percent.map(|percent| format!("{:.0}%", percent.floor()));
    let step = running.step.as_deref().map(str::to_owned);
    let done: Vec<String> = percent.into_iter().chain(step).collect();
    let done = if done.is_empty() { "running".to_owned() } else { done.join(" ") };
    let ago = now_ms().saturating_sub(running.reported_ms) as f64 / 1000.0;
    format!(
        "{done}; CPU {:.1} s, memory {} (at most {}), {ago:.1} s ago",
        running.cpu_seconds,
        bytes(running.memory_bytes),
        bytes(running.peak_memory_bytes)
    )
}
