//! A trace of each call over OTLP, from its job to the delivery of its outcome (`docs/traces.md`).
//!
//! Nothing is measured on the way: when Zeebe has an outcome, its call's id is queued here, and the spans are made of
//! what the ledger knows. A restart in between changes nothing, and nobody waits for a collector.

mod export;
mod spans;

/// The generated messages. Public only for tests, which play the collector with them.
#[doc(hidden)]
pub mod proto {
    tonic::include_proto!("otlp");
}

pub use export::Exporter;

use crate::{config, ledger::Ledger, metrics::Metrics};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use zeebe2faas_contract::CallId;

/// Delivered calls that may wait for their export; those beyond have no trace.
pub const MAX_WAITING: usize = 4096;

/// Takes calls whose outcome Zeebe has. Cheap to clone; without an exporter it takes none.
#[derive(Clone, Default)]
pub struct Traces(Option<Queue>);

#[derive(Clone)]
struct Queue {
    calls: mpsc::Sender<CallId>,
    waiting: watch::Sender<usize>,
    metrics: Metrics,
}

impl Traces {
    /// With its exporter, to be run.
    ///
    /// # Errors
    /// When no HTTP client can be made, which would be a fault of the machine.
    pub fn new(
        settings: &config::Traces,
        replica: &str,
        ledger: Ledger,
        metrics: Metrics,
    ) -> reqwest::Result<(Self, Exporter)> {
        let (calls, queue) = mpsc::channel(MAX_WAITING);
        let waiting = watch::Sender::new(0);
        let exporter = Exporter::new(settings, replica, ledger, queue, waiting.clone(), metrics.clone())?;
        Ok((Self(Some(Queue { calls, waiting, metrics })), exporter))
    }

    /// Zeebe has the outcome of this call. Never waits: where no room is left, the call has no trace.
    pub fn delivered(&self, id: &CallId) {
        let Some(Queue { calls, waiting, metrics }) = &self.0 else { return };
        waiting.send_modify(|count| *count += 1);
        if calls.try_send(id.clone()).is_err() {
            waiting.send_modify(|count| *count -= 1);
            metrics.traces("dropped", 1);
        }
    }

    /// Waits until none waits any more, or so long.
    pub async fn exported(&self, patience: Duration) {
        if let Some(Queue { waiting, .. }) = &self.0 {
            // Traces may be lost, a stop need not wait for them.
            drop(tokio::time::timeout(patience, waiting.subscribe().wait_for(|count| *count == 0)).await);
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{metrics::Standing, reload::Reloaded, tls::trusts_nobody};
    use std::{collections::BTreeMap, sync::Arc};

    #[tokio::test]
    async fn a_call_that_finds_no_room_waits_for_none_and_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let (ledger, metrics) = (Ledger::open(&folder.path().join("ledger")).unwrap(), Metrics::default());
        let settings = config::Traces {
            endpoint: "http://127.0.0.1:1".into(),
            tls: Reloaded::fixed(Arc::new(trusts_nobody())),
            service: "bridge".into(),
            timeout: Duration::from_secs(1),
        };
        let (traces, exporter) = Traces::new(&settings, "bridge-0", ledger, metrics.clone()).unwrap();
        for number in 0..=MAX_WAITING {
            traces.delivered(&CallId::new("test", i64::try_from(number).unwrap(), 1));
        }
        let counts = crate::bridge::in_flight::Counts::default();
        let standing = Standing { counts, load: BTreeMap::new(), open: None, now_ms: 0 };
        let text = metrics.encode(&standing).unwrap();
        assert!(text.contains("zeebe2faas_traces_total{verdict=\"dropped\"} 1\n"), "{text}");

        // Calls that the ledger does not know have no spans, so nobody is asked.
        let exporting = tokio::spawn(exporter.run());
        traces.exported(Duration::from_secs(120)).await;
        let text = metrics.encode(&standing).unwrap();
        assert!(!text.contains("\"exported\"") && !text.contains("\"refused\""), "{text}");
        exporting.abort();
    }
}
