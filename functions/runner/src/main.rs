//! The runner's process: settings, log, listen, serve, end.

use clap::Parser;
use std::{
    error::Error,
    future::IntoFuture,
    io::{Write, stderr, stdout},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    time::timeout,
};
use tracing_subscriber::EnvFilter;
use zeebe2faas_runner::{
    calls::Calls,
    launch::join_and_exec,
    once::Once,
    server,
    settings::{Arguments, Settings},
};

/// Longer than this, answers do not take once all runs have ended.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    if let Some(code) = join_and_exec() {
        return code;
    }
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).with_ansi(false).init();
    let settings = match Arguments::parse().check() {
        Ok(settings) => settings,
        Err(mistakes) => {
            for line in mistakes.to_string().lines() {
                tracing::error!("{line}");
            }
            return ExitCode::from(2);
        }
    };
    let result = tokio::runtime::Runtime::new().map_err(Into::into).and_then(|runtime| {
        let result = runtime.block_on(run(settings));
        // A file server that hangs must not keep the process from ending.
        runtime.shutdown_background();
        result
    });
    match result {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(settings: Settings) -> Result<ExitCode, Box<dyn Error>> {
    let given = &settings.given;
    if settings.keys.is_none() {
        tracing::warn!(
            "RUNNER_INSECURE: requests need no signature; anybody who reaches the port can run programs here"
        );
    }
    if given.allow_dirs.is_unlimited() {
        tracing::warn!("RUNNER_ALLOW_DIRS is not set: a command may name any file that the runner's user can reach");
    }
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let calls = Calls::open(settings.clone())?;
    if let Some(folder) = &given.call_dir {
        let once = Once::read(folder, &settings)?;
        return Ok(tokio::select! {
            code = once.run(&settings, &calls) => code,
            () = async { tokio::select! { _ = terminate.recv() => {} _ = interrupt.recv() => {} } } => {
                calls.stop().await;
                ExitCode::FAILURE
            }
        });
    }
    let listener = TcpListener::bind(given.listen)
        .await
        .map_err(|error| format!("RUNNER_LISTEN: cannot listen on {}: {error}", given.listen))?;
    writeln!(stdout(), "listening on http://{}", listener.local_addr()?)?;
    stdout().flush()?;
    tracing::info!(function = given.function, state = %given.state_dir.display(), "ready");

    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = axum::serve(listener, server::router(&settings, Arc::clone(&calls)))
        .with_graceful_shutdown(async move { drop(stopped.await) });
    let serving = tokio::spawn(serving.into_future());
    let tending = tokio::spawn({
        let calls = Arc::clone(&calls);
        async move { calls.tend().await }
    });
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: ending"),
        _ = interrupt.recv() => tracing::info!("SIGINT: ending"),
    }
    drop(stop);
    calls.stop().await;
    tending.await?;
    match timeout(LAST_ANSWERS, serving).await {
        Ok(served) => served??,
        Err(_) => tracing::warn!("some connections did not end in time"),
    }
    Ok(ExitCode::SUCCESS)
}
