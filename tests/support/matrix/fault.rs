//! What happens to the calls at their step.

use super::{
    Step,
    restart::Ticket,
    stage::{OTHER, Stage},
    step::{Peer, Stopped},
};
use crate::crash::Tapped;
use std::{collections::BTreeSet, time::Duration};

/// How long an outage lasts.
pub const OUTAGE: Duration = Duration::from_secs(5);
/// After this the gateway gives up waiting for a function, where a callback is to come too early.
const IMPATIENCE: Duration = Duration::from_secs(4);

/// The faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each says what it is when asked")]
pub enum Fault {
    Sigkill,
    Sigterm,
    ZeebeAway,
    ZeebeRestarted,
    GatewayAway,
    CallbackLost,
    CallbackDoubled,
    CallbackEarly,
    OtherToken,
    DiskFull,
    ReplicaKilled,
}

impl Fault {
    /// All.
    pub const ALL: [Self; 11] = [
        Self::Sigkill,
        Self::Sigterm,
        Self::ZeebeAway,
        Self::ZeebeRestarted,
        Self::GatewayAway,
        Self::CallbackLost,
        Self::CallbackDoubled,
        Self::CallbackEarly,
        Self::OtherToken,
        Self::DiskFull,
        Self::ReplicaKilled,
    ];

    /// Part of a cell's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sigkill => "sigkill",
            Self::Sigterm => "sigterm",
            Self::ZeebeAway => "zeebe-away",
            Self::ZeebeRestarted => "zeebe-restarted",
            Self::GatewayAway => "gateway-away",
            Self::CallbackLost => "callback-lost",
            Self::CallbackDoubled => "callback-doubled",
            Self::CallbackEarly => "callback-early",
            Self::OtherToken => "other-token",
            Self::DiskFull => "disk-full",
            Self::ReplicaKilled => "replica-killed",
        }
    }

    /// For the report.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Sigkill => "the bridge is killed; what it sent or was sent is lost; it is started again",
            Self::Sigterm => {
                "the bridge is told to stop, what is under way gets through, it must end with exit code 0; \
                              functions end while it is away; it is started again"
            }
            Self::ZeebeAway => "every connection of the bridge to Zeebe breaks, and new ones are refused for 5 s",
            Self::ZeebeRestarted => "the broker is killed and started again with its data",
            Self::GatewayAway => {
                "every connection of the bridge to the gateway breaks, and new ones are refused for 5 s"
            }
            Self::CallbackLost => "no callback reaches the bridge",
            Self::CallbackDoubled => "each callback is sent twice",
            Self::CallbackEarly => {
                "the callback comes before the step is over; while the function runs: OpenFaaS gives \
                                    up waiting, calls back with its own 502, and never again"
            }
            Self::OtherToken => {
                "the callback of another call, with its runner's signature, is posted to each call's \
                                 callback URL"
            }
            Self::DiskFull => "for 5 s no file of the bridge can be written",
            Self::ReplicaKilled => {
                "two bridges with a ledger each share the jobs; the one that gets the callbacks is \
                                    killed, the other gets them then; 5 s later the first is started again"
            }
        }
    }

    /// Whether callbacks must be able to come while the calls are held.
    pub(super) const fn needs_callbacks(self) -> bool {
        matches!(self, Self::CallbackLost | Self::CallbackDoubled | Self::CallbackEarly)
    }

    /// Before the calls begin.
    pub(super) async fn prepare(self, stage: &mut Stage) {
        let calls = u32::try_from(stage.calls).expect("few");
        match self {
            // The hold loses those.
            Self::CallbackLost if stage.cell.step == Step::CallbackArrives => {}
            Self::CallbackLost => stage.site.host.faults().change(|faults| faults.lose_callbacks = calls),
            Self::CallbackDoubled => stage.site.host.faults().change(|faults| faults.double_callbacks = calls),
            Self::CallbackEarly if stage.cell.step == Step::FunctionRuns => {
                stage.site.host.faults().change(|faults| faults.upstream_timeout = Some(IMPATIENCE));
            }
            Self::OtherToken => {
                stage.site.begin(stage.site.variables(OTHER)).await;
                stage.site.records.ended_instances(1).await;
            }
            _ => {}
        }
    }

    /// Lets it happen to the calls that are held, and lets them go.
    pub(super) async fn happen(
        self,
        stage: &mut Stage,
        stopped: Stopped,
        ticket: Option<Ticket>,
    ) -> Result<(), String> {
        match self {
            Self::Sigkill => killed(stage, stopped).await,
            Self::Sigterm => return terminated(stage, stopped).await,
            Self::ZeebeAway => {
                stage.zeebe.cut().await;
                stopped.lose_on(Peer::Zeebe);
                stage.release_functions();
                tokio::time::sleep(OUTAGE).await;
                stage.zeebe.mend();
            }
            Self::ZeebeRestarted => {
                let ticket = ticket.ok_or("nobody restarts the broker of this cell")?;
                let restarting = ticket.arrive().await;
                stopped.lose_on(Peer::Zeebe);
                stage.release_functions();
                restarting.over().await;
            }
            Self::GatewayAway => {
                stage.gateway.cut().await;
                stopped.lose_on(Peer::Gateway);
                stage.release_functions();
                tokio::time::sleep(OUTAGE).await;
                stage.gateway.mend();
            }
            Self::CallbackLost => all_callbacks_lost(stage, stopped).await,
            Self::CallbackDoubled => callbacks_doubled(stage, stopped).await,
            Self::CallbackEarly => callbacks_early(stage, stopped).await,
            Self::OtherToken => return posted_to_all(stage, stopped).await,
            Self::DiskFull => {
                stage.bridge().fill_disk(true);
                stopped.pass();
                stage.release_functions();
                tokio::time::sleep(OUTAGE).await;
                stage.bridge().fill_disk(false);
            }
            Self::ReplicaKilled => replica_killed(stage, stopped).await,
        }
        Ok(())
    }
}

async fn killed(stage: &mut Stage, stopped: Stopped) {
    stage.bridge().kill().await;
    stopped.lose();
    stage.release_functions();
    let Stage { bridges, site, .. } = stage;
    bridges[0].restart(&site.callbacks).await;
}

async fn terminated(stage: &mut Stage, stopped: Stopped) -> Result<(), String> {
    stage.bridge().terminate();
    stage.bridge().stops().await;
    stopped.pass();
    let status = stage.bridge().ended().await;
    stage.release_functions();
    let Stage { bridges, site, .. } = stage;
    bridges[0].restart(&site.callbacks).await;
    if status.success() { Ok(()) } else { Err(format!("told to stop, it ended with {status}")) }
}

async fn all_callbacks_lost(stage: &mut Stage, stopped: Stopped) {
    stage.release_functions();
    if matches!(stopped, Stopped::At(Peer::Queue, _)) {
        return stopped.lose();
    }
    crate::soon(async {
        while stage.site.host.faults().pending().lose_callbacks > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    stopped.pass();
}

async fn callbacks_doubled(stage: &mut Stage, stopped: Stopped) {
    stage.release_functions();
    let all = 2 * stage.calls;
    if matches!(stopped, Stopped::At(Peer::Queue, _)) {
        // The second comes when the first was answered.
        stopped.pass();
        stage.site.callbacks.has_seen("/callback/", all).await;
    } else {
        stage.site.callbacks.has_seen("/callback/", all).await;
        stopped.pass();
    }
}

async fn callbacks_early(stage: &mut Stage, stopped: Stopped) {
    stage.site.callbacks.has_seen("/callback/", stage.calls).await;
    stage.site.host.faults().change(|faults| faults.upstream_timeout = None);
    stopped.pass();
    stage.release_functions();
}

/// The genuine report of the stage's other call, at the token of each call of the cell.
async fn posted_to_all(stage: &mut Stage, stopped: Stopped) -> Result<(), String> {
    let mut callbacks = stage.site.callbacks.tapped("/callback/");
    callbacks.retain(|callback| !callback.body.is_empty());
    let Some(Tapped { path: own, headers, body }) = callbacks.into_iter().next() else {
        return Err("the other call had no callback".to_owned());
    };
    let client = zeebe2faas::tls::plain_http().build().map_err(|error| error.to_string())?;
    let tokens: BTreeSet<String> =
        stage.callback_urls().iter().filter_map(|url| Some(url.split_once("/callback/")?.1.to_owned())).collect();
    for token in tokens.iter().filter(|token| !own.ends_with(token.as_str())) {
        let url = format!("{}/callback/{token}", stage.bridge().callback_url());
        let mut post = client.post(url).body(body.clone());
        for name in ["x-function-status", "x-function-name", "x-call-id", "x-zeebe2faas-signature", "content-type"] {
            post = post.header(name, headers.get(name).cloned().unwrap_or(axum::http::HeaderValue::from_static("")));
        }
        post.send().await.map_err(|error| format!("posting to another call's token: {error}"))?;
    }
    stopped.pass();
    stage.release_functions();
    Ok(())
}

async fn replica_killed(stage: &mut Stage, stopped: Stopped) {
    if stage.bridges.len() == 1 {
        stage.start_replica().await;
    }
    stage.bridge().kill().await;
    let Stage { bridges, site, .. } = stage;
    site.callbacks.aim(bridges[1].callback_url());
    // The other replica's requests are under way too; those of the killed one ended with its connections.
    stopped.pass();
    stage.release_functions();
    tokio::time::sleep(OUTAGE).await;
    let Stage { bridges, site, .. } = stage;
    bridges[0].restart(&site.callbacks).await;
}
