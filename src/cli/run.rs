use super::{Context, Failure};
use crate::{app::App, config, kubernetes::Manifests};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

#[derive(Args)]
pub(super) struct Run {
    /// Only check configuration and templates, then end
    #[arg(long)]
    check: bool,
}

impl Run {
    pub(super) fn execute(&self, context: &Context) -> Result<(), Failure> {
        let settings = config::load(context.config.as_deref(), &context.environment)?;
        if self.check {
            crate::app::load_templates(&settings)?;
            if let Some(kubernetes) = &settings.kubernetes {
                Manifests::load(&kubernetes.jobs).map_err(|mistakes| Failure::Usage(mistakes.join("\n")))?;
            }
            eprintln!("configuration and templates are good");
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|error| Failure::Failed(format!("no runtime: {error}")))?;
        runtime.block_on(async {
            let app = App::build(settings).await?;
            let stop = CancellationToken::new();
            stop_on_signal(stop.clone()).map_err(|error| Failure::Failed(format!("no signals: {error}")))?;
            Ok(app.run(stop).await?)
        })
    }
}

/// Stops at SIGTERM and Ctrl-C.
pub(super) fn stop_on_signal(stop: CancellationToken) -> std::io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "stopping: taking nothing new, letting steps under way finish");
        stop.cancel();
    });
    Ok(())
}
