mod bridge;

use super::{Context, Failure, print_json, print_line};
use crate::{
    bridge::render::parse_duration,
    bridge::running::{Line, Running},
    clock::{millis, now_ms},
    config,
    display::{bytes, resources, time},
    ledger::{Call, LedgerReader, Selection, State, Summary},
};
use bridge::{Action, act, ask};
use clap::{Args, Subcommand, ValueEnum};
use std::{net::SocketAddr, path::Path, time::Duration};
use zeebe2faas_contract::CallId;

#[derive(Args)]
#[command(
    after_help = "Asks the running bridge (admin.listen); where none runs, reads the ledger itself. cancel, deliver and \
                  retry need the bridge, and the token of admin.token_file."
)]
pub(super) struct Calls {
    #[command(subcommand)]
    command: Option<Command>,
    /// Only calls in this state
    #[arg(long)]
    state: Option<StateArg>,
    /// Only ended calls whose outcome Zeebe does not have
    #[arg(long)]
    undelivered: bool,
    /// Only calls of this function
    #[arg(long)]
    function: Option<String>,
    /// Only calls of this process instance
    #[arg(long, value_name = "KEY")]
    instance: Option<i64>,
    /// Only calls that are older, such as 4h
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    older_than: Option<Duration>,
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
    /// End a call: its outcome is `cancelled`, and a run_once function's program is ended
    Cancel {
        /// The call id
        id: CallId,
    },
    /// Bring the outcome of an ended call to Zeebe now
    Deliver {
        /// The call id
        id: CallId,
        /// Publish a message that Zeebe had already under a new id, so that it is not dropped as a duplicate
        #[arg(long)]
        again: bool,
    },
    /// Have the task of reply `job` tried again at once, at no cost of retries, while Zeebe has no outcome
    Retry {
        /// The call id
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
            Some(Command::Cancel { id }) => self.act(context, admin, id, Action::Cancel),
            Some(Command::Deliver { id, again }) => self.act(context, admin, id, Action::Deliver { again: *again }),
            Some(Command::Retry { id }) => self.act(context, admin, id, Action::Retry),
        }
    }

    fn act(&self, context: &Context, address: SocketAddr, id: &CallId, action: Action) -> Result<(), Failure> {
        let token = config::load_admin_token(context.config.as_deref(), &context.environment)?;
        let token = token.map(|token| token.current());
        let done = act(address, id, action, token.as_ref())?;
        if self.json { print_json(&done) } else { print_line(&done.message) }
    }

    fn list(&self, address: SocketAddr, ledger: &Path) -> Result<Vec<Line<Summary>>, Failure> {
        let selection = Selection {
            state: self.state.map(State::from),
            undelivered: self.undelivered,
            function: self.function.clone(),
            instance: self.instance,
            before_ms: self.older_than.map(|age| now_ms().saturating_sub(millis(age))),
        };
        match ask(address, "/api/calls", &query(&selection, self.limit))? {
            Some(text) => parse(&text),
            None => {
                let calls =
                    read(ledger)?.list(&selection, self.limit).map_err(|error| Failure::Failed(error.to_string()))?;
                Ok(calls.into_iter().map(|call| Line { call, progress: None }).collect())
            }
        }
    }
}

fn show(id: &CallId, address: SocketAddr, ledger: &Path) -> Result<Line<Call>, Failure> {
    let call = match ask(address, &format!("/api/calls/{id}"), &[])? {
        Some(text) => parse(&text)?,
        None => {
            let call = read(ledger)?.show(id).map_err(|error| Failure::Failed(error.to_string()))?;
            call.map(|call| Line { call, progress: None })
        }
    };
    call.ok_or_else(|| Failure::Failed(format!("no call {id}; `zeebe2faas calls` lists them")))
}

/// The selection as the bridge is asked for it.
fn query(selection: &Selection, limit: usize) -> Vec<(&'static str, String)> {
    let Selection { state, undelivered, function, instance, before_ms } = selection;
    let mut query = vec![("limit", limit.to_string())];
    query.extend(state.map(|state| ("state", state.as_str().to_owned())));
    query.extend(undelivered.then(|| ("undelivered", "true".to_owned())));
    query.extend(function.clone().map(|function| ("function", function)));
    query.extend(instance.map(|instance| ("instance", instance.to_string())));
    query.extend(before_ms.map(|before_ms| ("before_ms", before_ms.to_string())));
    query
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
        ("queued", if call.maybe_queued { "yes, or perhaps" } else { "no" }.to_owned()),
        ("delivered", yes(summary.delivered).to_owned()),
        ("function", format!("{} (run once: {})", summary.function, yes(call.run_once))),
        ("process", format!("{} instance {}", summary.bpmn_process_id, summary.process_instance_key)),
        ("task", format!("{} job {} ({}), try {}", summary.element_id, call.job_key, call.job_type, call.attempt)),
        ("tenant", call.tenant.clone()),
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
