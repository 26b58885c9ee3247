//! What a cell plays on: a site of its own with cables that can be cut, the bridge or two of them, and the calls.

use super::{Cell, Mode};
use crate::crash::{Bridge, Calling, Relay, Setup, Site, counting, guarded, stack};
use futures_util::future::join_all;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

/// All calls of a cell run at once.
const WORKERS: usize = 64;
/// A call that is no call of the cell, and ends before them.
pub(super) const OTHER: &str = "other";

/// There is room for all calls at once, each at little cost.
const RUNNER: [(&str, &str); 3] = [("RUNNER_MAX_RUNS", "64"), ("RUNNER_MAX_WAITERS", "64"), ("RUNNER_POLL", "100ms")];
/// Counts its run before anything else, works until it may end, and says whose run it was.
const PROGRAM: &str = "#!/bin/sh
echo \"$2\" >> \"$1/runs\"
while [ -e \"$1/hold\" ]; do sleep 0.3; done
echo \"$2\"
";
/// Seconds where production has minutes: the lock of a job that stays open, and the silence before a runner is asked.
const SETTINGS: [(&str, &str); 2] = [("ZEEBE2FAAS_CALLS_JOB_LOCK", "3s"), ("ZEEBE2FAAS_CALLS_HEARTBEAT_TIMEOUT", "2s")];

/// Everything that a cell needs.
pub(super) struct Stage {
    pub(super) cell: Cell,
    pub(super) site: Site,
    /// The cables of the first bridge to Zeebe and to the gateway.
    pub(super) zeebe: Relay,
    pub(super) gateway: Relay,
    /// First the one that the fault happens to, then its replica where there is one.
    pub(super) bridges: Vec<Bridge>,
    pub(super) calls: usize,
    /// The calls' names by their instances.
    pub(super) names: BTreeMap<i64, String>,
    functions_are_held: bool,
}

impl Stage {
    pub(super) async fn set_up(cell: Cell, address: String, log: PathBuf, calls: usize) -> Self {
        let name: &'static str = cell.to_string().replace('/', "-").leak();
        let setup = Setup {
            stack: stack(&[guarded("count", "count-a-run", &RUNNER)]),
            programs: &[("count-a-run", PROGRAM)],
            ..counting(&process(name, cell.mode))
        };
        let site = Site::at(address, log, name, setup, WORKERS).await;
        site.gateway.tap();
        site.callbacks.tap();
        let (zeebe, gateway) = (Relay::to(site.zeebe.url()), Relay::to(site.gateway.url()));
        let (bridges, names) = Default::default();
        Self { cell, site, zeebe, gateway, bridges, calls, names, functions_are_held: false }
    }

    /// The bridge that the fault happens to.
    pub(super) fn bridge(&mut self) -> &mut Bridge {
        &mut self.bridges[0]
    }

    /// Starts the bridge; callbacks go to it.
    pub(super) async fn start_bridge(&mut self) {
        let (zeebe, gateway) = (self.zeebe.url(), self.gateway.url());
        let cables = [("ZEEBE2FAAS_ZEEBE_ADDRESS", &*zeebe), ("ZEEBE2FAAS_OPENFAAS_GATEWAY", &*gateway)];
        let calls = self.calls.to_string();
        let settings = [&SETTINGS[..], &cables, &[("ZEEBE2FAAS_WORKER_0__MAX_IN_FLIGHT", &*calls)]].concat();
        let bridge = self.site.bridge_with(&settings).await;
        self.bridges.insert(0, bridge);
    }

    /// Starts the other replica, with a ledger of its own and cables that nobody cuts; callbacks go to it.
    pub(super) async fn start_replica(&mut self) {
        let own = [("ZEEBE2FAAS_REPLICA", "bridge-1"), ("ZEEBE2FAAS_LEDGER_PATH", "bridge-1.ledger")];
        self.bridges.push(self.site.bridge_with(&[&SETTINGS[..], &own].concat()).await);
    }

    /// Begins the calls.
    pub(super) async fn begin_calls(&mut self) {
        let names = (0..self.calls).map(|number| format!("call-{number:02}"));
        let begun = names.map(async |name| (self.site.begin(self.site.variables(&name)).await, name));
        self.names = join_all(begun).await.into_iter().collect();
    }

    /// From now on a run does not end…
    pub(super) fn hold_functions(&mut self) {
        self.site.hold_functions();
        self.functions_are_held = true;
    }

    /// …until now, if they were held.
    pub(super) fn release_functions(&mut self) {
        if std::mem::take(&mut self.functions_are_held) {
            self.site.release_functions();
        }
    }

    /// The callback URLs of the cell's calls.
    pub(super) fn callback_urls(&self) -> BTreeSet<String> {
        let posts = self.site.gateway.tapped("/async-function/");
        let urls = posts.iter().filter_map(|post| post.headers.get("x-callback-url")?.to_str().ok());
        urls.map(str::to_owned).collect()
    }
}

/// A process and job type of this name, whose retries outlast any fault.
pub fn process(name: &str, mode: Mode) -> Calling<'_> {
    let mut process = Calling { retries: 50, ..Calling::new(name) };
    process.headers.push(("reply", mode.name()));
    process
}
