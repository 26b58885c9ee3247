//! What bridge and broker cost beside the functions' own work.

use super::{
    BenchError, io_error, no_figure,
    process::Bridge,
    report::{Figure, Unit},
    scene::{bridge_binary, free_port},
};
use crate::{
    broker::{Broker, BrokerOptions},
    demo::{self, Product, chain, stage},
    host::Host,
    site,
};
use std::{path::Path, time::Instant};
use tempfile::TempDir;
use zeebe2faas::{
    bridge::outcome::Status,
    zeebe::{Client, Settings},
};
use zeebe2faas_contract::random_key_line;

/// Side of the panchromatic images, in pixels.
pub const SIDE: usize = 4000;
/// A stereo and a tri-stereo.
pub const COUPLES: usize = 5;
/// How often it is measured.
pub const RUNS: u32 = 3;

const BOUND: f64 = 0.02;
const PARALLEL: usize = 2;

/// The chain on real functions, the bridge in a process of its own.
struct Chain {
    bridge: Bridge,
    broker: Broker,
    host: Host,
    zeebe: Client,
    output: TempDir,
}

/// CPU seconds, and the wall-clock time that they were spent in.
struct Spent {
    elapsed: f64,
    functions: f64,
    bridge: f64,
    broker: f64,
}

/// The overhead, and what it is made of.
pub async fn measure() -> Result<Vec<Figure>, BenchError> {
    let (small, large) = (demo::synthetic(demo::SYNTHETIC_SIZE)?, demo::synthetic(SIDE)?);
    let chain = Chain::start(small.iter().chain(&large)).await?;
    chain.run(&small).await?;
    let mut overhead = Figure::bounded("Overhead of bridge and broker", Unit::Percent, BOUND);
    let mut functions = Figure::new("… CPU of the functions", Unit::Seconds);
    let mut bridge = Figure::new("… CPU of the bridge", Unit::Seconds);
    let mut broker = Figure::new("… CPU of the broker", Unit::Seconds);
    let mut elapsed = Figure::new("… from start to end", Unit::Seconds);
    for _ in 0..RUNS {
        let spent = chain.run(&large).await?;
        overhead.add((spent.bridge + spent.broker) / (spent.functions + spent.bridge + spent.broker));
        functions.add(spent.functions);
        bridge.add(spent.bridge);
        broker.add(spent.broker);
        elapsed.add(spent.elapsed);
    }
    chain.stop().await?;
    Ok(vec![overhead, functions, bridge, broker, elapsed])
}

impl Chain {
    async fn start(products: impl Iterator<Item = &Product>) -> Result<Self, BenchError> {
        let temporary = || TempDir::new().map_err(io_error(&std::env::temp_dir()));
        let (folder, output) = (temporary()?, temporary()?);
        let broker = Broker::start(BrokerOptions::default()).await?;
        let zeebe = Client::new(&Settings::new(broker.grpc_address()))?;
        stage::deploy(&zeebe).await?;
        let ring = site::keep_secret(folder.path(), &random_key_line("bench"))?;
        // Not in the bridge's folder, which ends with the bridge.
        let data = products.flat_map(Product::folders).chain([output.path().to_owned()]).collect();
        let host = stage::start_host(output.path(), ring, PARALLEL, &data).await?;
        let admin = free_port()?;
        stage::configure(folder.path(), &broker.grpc_address(), host.url(), free_port()?, admin)?;
        let mut bridge = Bridge::start(&bridge_binary()?, folder, format!("http://{admin}"))?;
        bridge.ready().await?;
        Ok(Self { bridge, broker, host, zeebe, output })
    }

    /// From the instance's start to its end.
    async fn run(&self, products: &[Product]) -> Result<Spent, BenchError> {
        let output = tempfile::tempdir_in(self.output.path()).map_err(io_error(self.output.path()))?;
        let (bridge, broker) = self.spent()?;
        let begun = Instant::now();
        let ended = chain::run(&self.zeebe, products, output.path()).await?;
        let elapsed = begun.elapsed().as_secs_f64();
        let (bridge_after, broker_after) = self.spent()?;
        let mut functions = 0.0;
        for couple in &ended.couples {
            if couple.status != Status::Succeeded {
                let (status, message) = (couple.status.as_str(), couple.message.clone());
                return Err(BenchError::Couple { couple: couple.name(), status, message });
            }
            for step in &couple.steps {
                let place = Path::new("phr-products");
                functions += step.cpu_seconds.ok_or_else(|| no_figure(place, "cpuSeconds of each step"))?;
            }
        }
        Ok(Spent { elapsed, functions, bridge: bridge_after - bridge, broker: broker_after - broker })
    }

    /// CPU seconds of bridge and broker so far.
    fn spent(&self) -> Result<(f64, f64), BenchError> {
        let broker = self.broker.cpu_seconds().ok_or_else(|| no_figure(Path::new("/proc"), "the broker's CPU time"))?;
        Ok((self.bridge.cpu_seconds()?, broker))
    }

    async fn stop(mut self) -> Result<(), BenchError> {
        self.bridge.stop().await?;
        self.host.shutdown().await;
        self.broker.stop().await;
        Ok(())
    }
}
