use super::{Context, Failure, run::stop_on_signal};
use crate::{
    app::{self, AppError},
    bridge::relay::Relay,
    config,
    listener::{self, serve},
    metrics::Metrics,
    reload,
    zeebe::Client,
};
use clap::Args;
use tokio_util::sync::CancellationToken;

#[derive(Args)]
#[command(
    after_help = "Reads of the configuration what it needs: [callback], [keys], [zeebe], [replicas], [listeners], \
    [openfaas], calls.message_ttl; `cluster` and `callback.url` are not needed. docs/callback-ack.md says when to use it."
)]
pub(super) struct Callback {}

impl Callback {
    pub(super) fn execute(&self, context: &Context) -> Result<(), Failure> {
        let settings = config::load_relay(context.config.as_deref(), &context.environment)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|error| Failure::Failed(format!("no runtime: {error}")))?;
        runtime.block_on(relay(settings))
    }
}

async fn relay(settings: config::Relay) -> Result<(), Failure> {
    let listener = app::bind("callback.listen", settings.callback.listen).await?;
    let address = listener.local_addr().map_err(|error| Failure::Failed(format!("callback.listen: {error}")))?;
    let zeebe = Client::new(&app::zeebe_settings(&settings.zeebe))?;
    let metrics = Metrics::default();
    let options = listener::Options {
        name: "callback",
        limits: settings.limits.clone(),
        tls: settings.callback.tls.clone(),
        metrics: metrics.clone(),
    };
    let (files, owners) = (settings.reloaded(), settings.replicas.url.is_some() || !settings.replicas.peers.is_empty());
    let last_answers = settings.callback.read_timeout + settings.replicas.timeout + settings.callback.patience;
    let relay = Relay::new(settings, zeebe, metrics).map_err(AppError::from)?;
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone()).map_err(|error| Failure::Failed(format!("no signals: {error}")))?;
    // Who starts it on port 0 reads where it is.
    super::print_line(&format!("listening on http://{address}"))?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %address, hands_on = owners, "started, without a ledger");
    let watch = tokio::spawn(reload::watch(files));
    let serving = tokio::spawn(serve(listener, relay.router(), options, stop.clone()));
    stop.cancelled().await;
    let ended = async {
        let served = serving.await;
        relay.drained().await;
        served
    };
    match tokio::time::timeout(last_answers, ended).await {
        Ok(served) => served.map_err(|error| Failure::Failed(format!("the listener broke off: {error}")))?,
        Err(_) => tracing::warn!("callbacks were still under way; the bridges that own their calls ask about them"),
    }
    watch.abort();
    Ok(())
}
