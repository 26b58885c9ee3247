//! What the measurements share: broker or engine, gateway, process, and configurations for bridges.

use super::{BenchError, io_error, process::Bridge, stand_in::StandIn};
use crate::{
    broker::{Broker, BrokerOptions},
    engine::serve::{Clock, Engine},
    site::ANY_PORT,
};
use serde_json::json;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;
use zeebe2faas::{
    config::DEFAULT_FILE,
    zeebe::{Client, NewInstance, Retry, Settings},
};
use zeebe2faas_contract::random_key_line;

const PROCESS: &str = include_str!("bench.bpmn");
const TEMPLATE: &str = include_str!("../../../templates/bundle-to-perfect-sensor.toml");
const PATIENCE: Duration = Duration::from_secs(60);

/// Everything but the bridge.
pub struct Scene {
    pub gateway: StandIn,
    zeebe: Client,
    executor: Executor,
    binary: PathBuf,
}

/// What executes the process.
enum Executor {
    Broker(Box<Broker>),
    Engine(Engine),
}

impl Scene {
    /// Starts a broker and the gateway, and deploys the process.
    pub async fn start() -> Result<Self, BenchError> {
        eprintln!("starting Zeebe {}", crate::broker::VERSION);
        let broker = Broker::start(BrokerOptions::default()).await?;
        let address = broker.grpc_address();
        Self::with(Executor::Broker(Box::new(broker)), address).await
    }

    /// The same on the embedded engine.
    pub async fn on_engine() -> Result<Self, BenchError> {
        let engine = Engine::start(ANY_PORT, Clock::system()).await?;
        let address = engine.grpc_address();
        Self::with(Executor::Engine(engine), address).await
    }

    async fn with(executor: Executor, address: String) -> Result<Self, BenchError> {
        let binary = bridge_binary()?;
        let zeebe = Client::new(&Settings::new(address))?;
        let files = vec![("bench.bpmn".to_owned(), PROCESS.as_bytes().to_vec())];
        zeebe.deploy_resource(files, "", Retry::within(PATIENCE)).await?;
        Ok(Self { gateway: StandIn::start().await?, zeebe, executor, binary })
    }

    /// Ends everything.
    pub async fn stop(self) {
        match self.executor {
            Executor::Broker(mut broker) => broker.stop().await,
            Executor::Engine(engine) => engine.stop().await,
        }
    }

    /// A client of what executes the process.
    pub const fn zeebe(&self) -> &Client {
        &self.zeebe
    }

    /// A job type that no other run has, so that none works what another left.
    pub fn job_type() -> String {
        format!("bench-{:08x}", rand::random::<u32>())
    }

    /// Starts a bridge for this job type, with a new ledger.
    pub fn bridge(&self, job_type: &str, max_in_flight: usize) -> Result<Bridge, BenchError> {
        let folder = TempDir::new().map_err(io_error(&std::env::temp_dir()))?;
        let (callback, admin) = (free_port()?, free_port()?);
        let (zeebe, gateway) = (self.zeebe.address(), self.gateway.url());
        let text = format!(
            r#"cluster = "{job_type}"
[vars]
DEM = "/data/dem"
[zeebe]
address = "{zeebe}"
[openfaas]
gateway = "{gateway}"
[callback]
listen = "{callback}"
url = "http://{callback}"
[admin]
listen = "{admin}"
[keys]
token_file = "token.key"
[[worker]]
type = "{job_type}"
max_in_flight = {max_in_flight}
"#
        );
        let templates = folder.path().join("templates");
        std::fs::create_dir(&templates).map_err(io_error(&templates))?;
        for (path, text) in [
            (templates.join("bundle-to-perfect-sensor.toml"), TEMPLATE),
            (folder.path().join("token.key"), &random_key_line("bench")),
            (folder.path().join(DEFAULT_FILE), &text),
        ] {
            std::fs::write(&path, text).map_err(io_error(&path))?;
        }
        Bridge::start(&self.binary, folder, format!("http://{admin}"))
    }

    /// Starts an instance, which makes a job at once.
    pub async fn begin(&self, job_type: &str) -> Result<(), BenchError> {
        self.zeebe.create_process_instance(&instance(job_type), Retry::within(PATIENCE)).await?;
        Ok(())
    }

    /// Starts an instance and waits for its end.
    pub async fn through(&self, job_type: &str) -> Result<(), BenchError> {
        let retry = Retry::within(PATIENCE);
        self.zeebe.create_process_instance_with_result(&instance(job_type), &["call".into()], PATIENCE, retry).await?;
        Ok(())
    }
}

fn instance(job_type: &str) -> NewInstance {
    let product = "/data/2026-11-23/IMG_PHR1A_P_202611231034567_SEN_1234567101-001";
    let variables = json!({
        "jobType": job_type,
        "P_": format!("{product}/DIM_PHR1A_P_202611231034567_SEN_1234567101-001.XML"),
        "MS_": format!("{product}/DIM_PHR1A_MS_202611231034567_SEN_1234567101-002.XML"),
        "S3PATH": "/data/out/stereo/0",
    });
    NewInstance { bpmn_process_id: "bench".to_owned(), variables, ..NewInstance::default() }
}

/// Beside ours.
pub fn bridge_binary() -> Result<PathBuf, BenchError> {
    let our = std::env::current_exe().map_err(io_error(Path::new("this program")))?;
    let binary = our.with_file_name("zeebe2faas");
    std::fs::metadata(&binary).map_err(io_error(&binary))?;
    Ok(binary)
}

pub fn free_port() -> Result<SocketAddr, BenchError> {
    let any = "127.0.0.1:0";
    std::net::TcpListener::bind(any).and_then(|listener| listener.local_addr()).map_err(io_error(Path::new(any)))
}
