//! Shows the calls while they run, from the bridge's own stream of events. Losing the stream harms nothing.

use super::{
    calls::{Admin, Place, Places},
    display::{Display, Now},
    events::{Event, Events, patch},
};
use futures_util::StreamExt;
use serde_json::{Map, Value};
use std::{collections::HashMap, time::Duration};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Between the end of one stream and the next.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Streams that may break, one after the other, before the demo goes on without.
const BREAKS: u32 = 30;
/// How long the last events may take after the process's end.
const LAST_WITHIN: Duration = Duration::from_secs(1);

/// The stream being shown.
pub struct Live {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Live {
    /// Begins to show.
    pub fn start(admin: Admin, places: Places, display: Display) -> Self {
        let stop = CancellationToken::new();
        let mut follower = Follower { admin, places, display, calls: HashMap::new() };
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            tokio::select! {
                () = follower.follow(&stopped) => {}
                () = async { stopped.cancelled().await; tokio::time::sleep(LAST_WITHIN).await } => {}
            }
            follower.display.clear();
        });
        Self { stop, task }
    }

    /// Shows how the last calls ended, and clears away.
    pub async fn stop(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::warn!(%error, "showing the calls broke off");
        }
    }
}

struct Follower {
    admin: Admin,
    places: Places,
    display: Display,
    /// What is known of each call; those that are not the demo's have no place.
    calls: HashMap<String, (Option<Place>, Map<String, Value>)>,
}

impl Follower {
    async fn follow(&mut self, stop: &CancellationToken) {
        for _ in 0..BREAKS {
            if let Err(reason) = self.read(stop).await {
                tracing::info!(reason, "the stream of events broke");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(AGAIN_AFTER) => {}
            }
        }
        tracing::warn!("the bridge's events do not come; the demo goes on without bars");
    }

    async fn read(&mut self, stop: &CancellationToken) -> Result<(), String> {
        let answer = self.admin.events().await.map_err(|error| error.to_string())?;
        // Nothing is told of what was before.
        self.catch_up().await?;
        let mut stream = answer.bytes_stream();
        let mut events = Events::default();
        while !(stop.is_cancelled() && self.all_ended()) {
            let piece = tokio::select! {
                piece = stream.next() => piece,
                () = stop.cancelled(), if !stop.is_cancelled() => continue,
            };
            let Some(piece) = piece else { return Ok(()) };
            for event in events.take(&piece.map_err(|error| error.to_string())?).map_err(|error| error.to_string())? {
                match event {
                    Event::Call(new) => self.take(new).await,
                    Event::Resync => self.catch_up().await?,
                }
            }
        }
        Ok(())
    }

    async fn catch_up(&mut self) -> Result<(), String> {
        for call in self.admin.list().await.map_err(|error| error.to_string())? {
            self.take(call).await;
        }
        Ok(())
    }

    async fn take(&mut self, new: Value) {
        let Some(id) = new["callId"].as_str().map(str::to_owned) else { return };
        if !self.calls.contains_key(&id) {
            // It is told apart by its command, which no event carries.
            match self.admin.call(&id).await {
                Ok(call) => self.calls.insert(id.clone(), (self.places.of(&call.args), Map::new())),
                Err(error) => return tracing::info!(%error, id, "the bridge does not tell the call"),
            };
        }
        let Some((Some(place), known)) = self.calls.get_mut(&id) else { return };
        if has_ended(known) {
            return;
        }
        patch(known, new);
        let outcome = match has_ended(known) {
            true => self.admin.call(&id).await.ok().and_then(|call| call.outcome),
            false => None,
        };
        self.display.show(&id, place, &now(known, outcome.as_ref()));
    }

    fn all_ended(&self) -> bool {
        self.calls.values().all(|(place, known)| place.is_none() || has_ended(known))
    }
}

fn has_ended(call: &Map<String, Value>) -> bool {
    call.get("state").is_some_and(|state| state == "ended")
}

/// The last report while it runs, the outcome's figures at its end.
fn now<'a>(call: &'a Map<String, Value>, outcome: Option<&Value>) -> Now<'a> {
    let progress = call.get("progress").unwrap_or(&Value::Null);
    let (seconds, cpu, memory) = match outcome {
        Some(outcome) => (&outcome["durationSeconds"], &outcome["cpuSeconds"], &outcome["peakMemoryBytes"]),
        None => (&progress["elapsedSeconds"], &progress["cpuSeconds"], &progress["memoryBytes"]),
    };
    Now {
        status: has_ended(call).then(|| call.get("status").and_then(Value::as_str).unwrap_or("ended")),
        is_running: !progress.is_null(),
        percent: progress["percent"].as_f64(),
        elapsed_seconds: seconds.as_f64(),
        cpu_seconds: cpu.as_f64(),
        memory_bytes: memory.as_u64(),
    }
}
