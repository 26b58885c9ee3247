//! The disturbances that are not a message's own: crashes, restarts, outages.

use crate::{faas::Faas, functions::Functions, replicas::Replicas, world::World, zeebe::Zeebe};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, sleep_until};

/// Everything that can be disturbed.
#[derive(Clone)]
pub struct Stage {
    pub world: Arc<World>,
    pub zeebe: Arc<Zeebe>,
    pub faas: Arc<Faas>,
    pub functions: Arc<Functions>,
    pub replicas: Arc<Replicas>,
}

impl Stage {
    /// Returns when it is over and everybody is there again.
    pub async fn storm(&self, lasts: Duration) {
        let (weather, until) = (self.world.weather(), Instant::now() + lasts);
        tokio::join!(
            async {
                // Each replica by itself.
                let each = (0..self.replicas.count())
                    .map(|_| self.every(weather.crash, until, async || self.replicas.restart(None).await));
                futures_util::future::join_all(each).await;
            },
            self.every(weather.zeebe_outage, until, async || self.zeebe.go_away().await),
            self.every(weather.zeebe_cut, until, async || self.zeebe.cut()),
            self.every(weather.faas_outage, until, async || self.faas.go_away().await),
            self.every(weather.pod_crash, until, async || self.functions.crash_a_pod().await),
        );
        sleep_until(until).await;
        self.world.line(format_args!("the storm is over"));
        self.world.calm_down();
    }

    async fn every(&self, mean: Option<Duration>, until: Instant, act: impl AsyncFn()) {
        let Some(mean) = mean else { return };
        loop {
            let next = Instant::now() + self.world.dice.wait(mean);
            if next >= until {
                return;
            }
            sleep_until(next).await;
            act().await;
        }
    }

    /// Waits until nothing is under way any more; says what still is when that takes too long.
    pub async fn quiet(&self, patience: Duration) -> Result<(), String> {
        let until = Instant::now() + patience;
        loop {
            let unrest = if self.faas.is_idle() { self.replicas.unrest() } else { Some("OpenFaaS is busy".to_owned()) };
            match unrest {
                None => return Ok(()),
                Some(what) if Instant::now() >= until => return Err(what),
                Some(_) => sleep(Duration::from_secs(5)).await,
            }
        }
    }
}
