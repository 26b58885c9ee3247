//! The steps of zeebe2faas, driven by a zeebe-rs worker: `zeebe2faas-zeebe-rs [zeebe2faas.toml]`.
//!
//! In reading order: [`zeebe`] is the client, [`outbound`] brings jobs to functions, [`inbound`] brings outcomes back.

mod inbound;
mod outbound;
mod zeebe;

use std::{error::Error, io::IsTerminal, path::PathBuf, sync::Arc};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::Semaphore,
    task::JoinSet,
};
use tracing_subscriber::EnvFilter;
use zeebe2faas::{
    app,
    bridge::render::Templates,
    config::{self, Settings},
    openfaas::Gateway,
    zeebe::Auth,
};

/// What the steps share.
struct Steps {
    settings: Settings,
    templates: Templates,
    gateway: Gateway,
    zeebe: zeebe::Commands,
    /// Room for callbacks that are worked at once.
    callback_room: Semaphore,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    log.with_ansi(std::io::stderr().is_terminal()).init();
    let file = std::env::args_os().nth(1).map(PathBuf::from);
    let settings = config::load(file.as_deref(), &std::env::vars().collect())?;

    let Settings { zeebe, callback, .. } = &settings;
    if zeebe.tls.is_some() || callback.tls.is_some() || !matches!(zeebe.auth, Auth::None) {
        return Err("this example has neither TLS nor credentials for Zeebe and callbacks: configure none".into());
    }
    let listener = TcpListener::bind(settings.callback.listen).await?;
    let steps = Arc::new(Steps {
        templates: app::load_templates(&settings)?,
        gateway: Gateway::new(&settings.openfaas)?,
        zeebe: zeebe::Commands::connect(&settings.zeebe).await?,
        callback_room: Semaphore::new(settings.callback.max_concurrent),
        settings,
    });
    let mut workers = JoinSet::new();
    for worker in &steps.settings.workers {
        zeebe::spawn_workers(&mut workers, worker, &steps).await?;
    }
    tracing::info!(zeebe = steps.settings.zeebe.address, gateway = steps.settings.openfaas.gateway, "started");

    // Workers cannot be asked to stop; what they leave undone comes again when its lock ends. Callbacks are let finish.
    axum::serve(listener, inbound::router(steps)).with_graceful_shutdown(asked_to_stop()?).await?;
    Ok(())
}

fn asked_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
