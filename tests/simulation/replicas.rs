//! The bridges. Each is the product without its sockets and its ledger's thread; its ledger outlives it.

use crate::{
    faas::Faas,
    http::{Answer, Message, Silence, message, response, send, serve},
    ledger::Disk,
    seen::{Absence, Acknowledged},
    world::{Breakage, World},
    zeebe::Zeebe,
};
use axum::Router;
use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use zeebe2faas::{
    app::{Core, Routes},
    bridge::{Bridge, Peers},
    clock::now_ms,
    config::{self, Environment, Settings},
    openfaas::Gateway,
    transport::{StandIn, Transport},
    zeebe::{self, Client},
};
use zeebe2faas_contract::{CallId, Invocation, Report};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const REPLICA_TIMEOUT: Duration = Duration::from_secs(3);

pub struct Replicas {
    world: Arc<World>,
    zeebe: Arc<Zeebe>,
    faas: OnceLock<Arc<Faas>>,
    all: Vec<Replica>,
}

struct Replica {
    settings: Settings,
    disk: Disk,
    running: Mutex<Option<Running>>,
}

/// One process.
#[derive(Clone)]
struct Running {
    life: CancellationToken,
    stop: CancellationToken,
    /// Once it listens.
    routes: Arc<Mutex<Option<Router>>>,
    bridge: Bridge,
    /// What a process takes with it when it ends.
    steps: CancellationToken,
    ended: CancellationToken,
}

impl Replicas {
    pub fn new(world: Arc<World>, zeebe: Arc<Zeebe>, folder: &Path) -> Arc<Self> {
        let count = 1 + world.dice.one_of(2);
        let more = variations(&world, count);
        let replica = |number: usize| {
            let name = format!("bridge-{number}");
            let text = format!("replica = \"{name}\"\n{more}");
            let settings = config::parse(&folder.join("zeebe2faas.toml"), &text, &Environment::new());
            Replica { settings: settings.expect("a configuration"), disk: Disk::new(&name), running: Mutex::default() }
        };
        let all = (0..count).map(replica).collect();
        Arc::new(Self { world, zeebe, faas: OnceLock::new(), all })
    }

    pub fn start_all(self: &Arc<Self>, faas: Arc<Faas>) {
        assert!(self.faas.set(faas).is_ok(), "once");
        (0..self.all.len()).for_each(|number| self.start(number));
    }

    /// Lets go of all processes: they hold what holds them.
    pub fn end(&self) {
        self.all.iter().for_each(|replica| drop(replica.running().take()));
    }

    pub fn count(&self) -> usize {
        self.all.len()
    }

    fn start(self: &Arc<Self>, number: usize) {
        let replica = &self.all[number];
        self.world.line(format_args!("bridge-{number} starts"));
        let (life, stop, ended) = (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
        let ledger = replica.disk.open(&self.world, life.clone());
        let client = || zeebe2faas::tls::plain_http().build().expect("a client");
        let transport = || Transport::in_memory(client(), self.transport(number, life.clone()));
        let zeebe = Client::new(&zeebe::Settings {
            request_timeout: replica.settings.zeebe.request_timeout,
            connect: Some(self.zeebe.connect(life.clone())),
            ..zeebe::Settings::new("zeebe:26500")
        });
        let peers = Peers {
            zeebe: zeebe.expect("a client"),
            gateway: Gateway::over(transport(), &replica.settings.openfaas),
            replicas: transport(),
            cluster: None,
        };
        let core = Core::new(replica.settings.clone(), peers, ledger).expect("a bridge");
        let routes = Arc::<Mutex<Option<Router>>>::default();
        let (bridge, steps) = (core.bridge().clone(), core.steps());
        let running = Running { life: life.clone(), stop: stop.clone(), bridge, routes, steps, ended };
        *replica.running() = Some(running.clone());
        let world = Arc::clone(&self.world);
        tokio::spawn(async move {
            let Running { life, routes, steps, ended, .. } = running;
            let listen = async move |given: Routes, stop: CancellationToken| {
                *routes.lock().unwrap_or_else(PoisonError::into_inner) = Some(given.callback);
                stop.cancelled().await;
                *routes.lock().unwrap_or_else(PoisonError::into_inner) = None;
            };
            if let Some(result) = life.run_until_cancelled(core.run(stop, listen)).await {
                world.line(format_args!("bridge-{number} has ended: {result:?}"));
                // One that is killed meanwhile may still notice that its ledger is gone.
                if result.is_err() && !life.is_cancelled() {
                    world.complain(format!("bridge-{number} ended by itself: {result:?}"));
                }
                // A process that has ended leaves nothing behind.
                life.cancel();
            }
            steps.cancel();
            ended.cancel();
        });
    }

    /// Ends a replica at once, or one of them perhaps in good order, and starts it again later.
    pub async fn restart(self: &Arc<Self>, which: Option<usize>) {
        let number = which.unwrap_or_else(|| self.world.dice.one_of(self.all.len()));
        let Some(running) = self.all[number].running().take() else { return };
        let from_ms = now_ms();
        if which.is_some() || self.world.dice.happens(0.7) {
            self.world.line(format_args!("bridge-{number} crashes"));
            running.life.cancel();
        } else {
            self.world.line(format_args!("bridge-{number} is told to stop"));
            running.stop.cancel();
            running.ended.cancelled().await;
        }
        let long = self.world.dice.happens(0.2);
        sleep(if long { self.world.dice.seconds(60..900) } else { self.world.dice.millis(100..20_000) }).await;
        self.world.seen().absences.push(Absence { replica: number, from_ms, to_ms: now_ms() });
        self.start(number);
    }

    /// The worst moment for a crash is when something has just come, or left.
    fn perhaps_crash(self: &Arc<Self>, number: usize) {
        let dice = &self.world.dice;
        if !dice.happens(self.world.weather().crash_at_message) {
            return;
        }
        let (replicas, soon) = (Arc::clone(self), dice.millis(0..25));
        tokio::spawn(async move {
            sleep(soon).await;
            replicas.restart(Some(number)).await;
        });
    }

    /// Whoever listens behind the callback URL, or this very replica.
    pub fn server(self: &Arc<Self>, which: Option<usize>) -> crate::http::Server {
        let replicas = Arc::clone(self);
        Arc::new(move |message| {
            let which = which.unwrap_or_else(|| replicas.world.dice.one_of(replicas.all.len()));
            let replicas = Arc::clone(&replicas);
            Box::pin(async move { replicas.receive(which, message).await })
        })
    }

    async fn receive(self: Arc<Self>, number: usize, message: Message) -> Result<Answer, Silence> {
        let running = self.all[number].running().clone();
        let Some(Running { life, routes, .. }) = running else { return Err(Silence::NobodyListens) };
        let router = routes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(router) = router else { return Err(Silence::NobodyListens) };
        self.perhaps_crash(number);
        let told = told(&message);
        let answer = if self.world.breakage == Some(Breakage::AnsweredBeforeCommitted) {
            tokio::spawn(serve(router, life, message));
            Answer::plain(200, "ok\n")
        } else {
            serve(router, life, message).await?
        };
        if let (Some((call, run)), 200..=299) = (told, answer.status) {
            self.world.line(format_args!("bridge-{number} has taken run {run} of {call}"));
            self.world.seen().acknowledged.push(Acknowledged { call, at_ms: now_ms(), run, by: number });
        }
        Ok(answer)
    }

    fn transport(self: &Arc<Self>, number: usize, life: CancellationToken) -> StandIn {
        let replicas = Arc::clone(self);
        Arc::new(move |request| {
            let (replicas, life) = (Arc::clone(&replicas), life.clone());
            replicas.perhaps_crash(number);
            Box::pin(async move {
                let answer = life.run_until_cancelled(replicas.send(&request)).await;
                // Nobody is there any more whom an answer could reach.
                match answer {
                    Some(answer) => answer.map(response),
                    None => std::future::pending().await,
                }
            })
        })
    }

    async fn send(self: &Arc<Self>, request: &reqwest::Request) -> Result<Answer, zeebe2faas::transport::Failure> {
        let host = request.url().host_str().unwrap_or_default();
        self.take_note(request);
        let (server, limit) = match host.strip_prefix("bridge-").and_then(|name| name.parse::<usize>().ok()) {
            Some(number) => (self.server(Some(number)), REPLICA_TIMEOUT),
            None => (self.faas.get().expect("it is there").server(Arc::clone(self)), REQUEST_TIMEOUT),
        };
        send(&self.world, host, message(request), limit, server).await
    }

    /// An invocation that leaves is in a ledger.
    fn take_note(&self, request: &reqwest::Request) {
        let body = request.body().and_then(|body| body.as_bytes()).unwrap_or_default();
        let Ok(Invocation { call_id, deadline_ms, .. }) = serde_json::from_slice(body) else { return };
        if !self.all.iter().any(|replica| replica.disk.knows(&call_id)) {
            self.world.complain(format!("{call_id} was asked for before a ledger had it"));
        }
        self.world.seen().deadlines.entry(call_id).or_insert(deadline_ms);
    }

    /// What is not finished yet, in words; nothing where all is quiet.
    pub fn unrest(&self) -> Option<String> {
        self.all.iter().enumerate().find_map(|(number, replica)| {
            let running = replica.running().clone();
            let in_flight = match running {
                None => Some("is not there".to_owned()),
                Some(running) => match running.bridge.calls_in_flight() {
                    0 => replica.disk.unrest(),
                    count => Some(format!("has {count} calls in flight: {:?}", running.bridge.some_in_flight(5))),
                },
            };
            in_flight.map(|what| format!("bridge-{number} {what}"))
        })
    }
}

impl Replica {
    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The run that a callback tells of, where it tells of one for good.
fn told(message: &Message) -> Option<(CallId, usize)> {
    let call: CallId = message.header("x-call-id").parse().ok()?;
    if message.header("x-function-name") == crate::functions::GUARDED {
        let report: Report = serde_json::from_slice(&message.body).ok()?;
        return Some((call, report.log_tail.strip_prefix("run ")?.parse().ok()?));
    }
    let body: serde_json::Value = serde_json::from_slice(&message.body).ok()?;
    Some((call, usize::try_from(body.get("run")?.as_u64()?).ok()?))
}

fn variations(world: &World, replicas: usize) -> String {
    let dice = &world.dice;
    let others = if replicas > 1 { "replicas.url = \"http://{replica}:8090\"\n" } else { "" };
    let (stream, most) = (dice.happens(0.7), [1, 2, 4, 64][dice.one_of(4)]);
    let lock = ["30s", "60s"][dice.one_of(2)];
    let job_lock = ["1m", "10m"][dice.one_of(2)];
    let poll = ["15s", "60s"][dice.one_of(2)];
    format!(
        r#"cluster = "simulation"
templates = "templates"
zeebe.address = "zeebe:26500"
openfaas.gateway = "http://gateway:8080"
callback.url = "http://callback:8090"
keys.token_file = "token.key"
keys.runner_file = "runner.key"
calls.job_lock = "{job_lock}"
calls.retry_backoff = "10s"
functions.{} = {{ run_once = true }}
{others}
[[worker]]
type = "openfaas"
max_in_flight = {most}
lock = "{lock}"
stream = {stream}
poll_interval = "{poll}"
"#,
        crate::functions::GUARDED,
    )
}
