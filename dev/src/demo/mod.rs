//! `zeebe2faas-dev demo`: engine or broker, the functions and the bridge; every couple through `phr-products` at once, seen while
//! they run; a table, pictures and a page.

mod calls;
pub(crate) mod chain;
mod display;
mod events;
mod live;
mod page;
mod products;
mod quicklook;
mod report;
pub(crate) mod stage;
mod timeline;

pub use chain::{CoupleResult, Ended, StepResult};
pub use products::{Couple, Product, synthetic};
pub use stage::{Stage, StageOptions, Zeebe};

use crate::{
    broker::BrokerError,
    engine::serve::EngineError,
    host::{HostError, StackError},
    phr::{self, PhrError},
    site::SiteError,
};
use calls::{Admin, Place, Places};
use clap::Args;
use display::Display;
use live::Live;
use std::{
    io,
    path::{Path, PathBuf},
    time::Instant,
};
use zeebe2faas::ledger::Call;

/// Where the results lie unless another folder is named.
const DEFAULT_OUTPUT: &str = "out";
/// Side of the synthetic panchromatic images, in pixels.
pub(crate) const SYNTHETIC_SIZE: usize = 1200;

/// What to run, and on what.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// A JSON file of products: {"dem": DIR, "geoid": FILE, "products": [{"name": …, "couples": [{"P_": …, "MS_": …}]}]}
    /// [default: a synthetic stereo and tri-stereo, made at the first use]
    #[arg(long)]
    pub products: Option<PathBuf>,
    /// Results are written to `OUTPUT/PRODUCT/INDEX/`, pictures to `OUTPUT/PRODUCT/quicklook.png`, the table to
    /// `OUTPUT/report.json`, and all of it on one page to `OUTPUT/report.html`
    #[arg(long, default_value = DEFAULT_OUTPUT)]
    pub output: PathBuf,
    /// A running Zeebe, as http://HOST:PORT [default: the engine in this process]
    #[arg(long, value_name = "ADDRESS")]
    pub zeebe: Option<String>,
    /// Start a real Zeebe 8.6.0; the first time, Maven fetches it (300 MB)
    #[arg(long, conflicts_with = "zeebe")]
    pub start_zeebe: bool,
    /// A running OpenFaaS gateway with the functions of stack.yml [default: the function host is started]
    #[arg(long, value_name = "URL", requires = "runner_secret")]
    pub gateway: Option<String>,
    /// With --gateway: the file of the runner secret whose keys its functions hold
    #[arg(long, value_name = "FILE")]
    pub runner_secret: Option<PathBuf>,
    /// With --gateway: how its functions reach this machine's callback listener, as IP:PORT
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:0")]
    pub callback: std::net::SocketAddr,
    /// Functions that run at the same time
    #[arg(long, default_value_t = 2)]
    pub parallel: usize,
}

/// Why the demo could not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The products' file.
    #[error("{}:\n  {}", path.display(), problems.join("\n  "))]
    Products {
        /// Which.
        path: PathBuf,
        /// Everything that is wrong.
        problems: Vec<String>,
    },
    /// A file or folder.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The synthetic couples.
    #[error(transparent)]
    Phr(#[from] PhrError),
    /// The broker.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The function host.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Its functions.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The bridge's settings.
    #[error(transparent)]
    Config(#[from] zeebe2faas::config::ConfigError),
    /// The bridge.
    #[error(transparent)]
    App(#[from] zeebe2faas::app::AppError),
    /// Zeebe said no.
    #[error(transparent)]
    Zeebe(#[from] zeebe2faas::zeebe::Error),
    /// The bridge's folder.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The instance's variables are not what `phr-products` gives.
    #[error("the instance of phr-products ended with unexpected variables: {0}")]
    Variables(String),
    /// The client for the bridge's admin listener.
    #[error("no HTTP client: {0}")]
    Http(#[from] reqwest::Error),
    /// The page.
    #[error("report.html: {0}")]
    Page(Box<tera::Error>),
    /// Work on the results.
    #[error("the work on the results broke off: {0}")]
    Work(#[from] tokio::task::JoinError),
}

/// Runs the demo; says whether every couple succeeded (and, where the truth is known, is accurate).
pub async fn run(args: &DemoArgs) -> Result<bool, DemoError> {
    let products = match &args.products {
        Some(file) => products::read(file)?,
        None => {
            eprintln!("making synthetic Pleiades couples, unless an earlier run has");
            synthetic(SYNTHETIC_SIZE)?
        }
    };
    let output =
        std::path::absolute(&args.output).map_err(|source| DemoError::Io { path: args.output.clone(), source })?;
    std::fs::create_dir_all(&output).map_err(|source| DemoError::Io { path: output.clone(), source })?;
    let stage = Stage::start(StageOptions {
        zeebe: match &args.zeebe {
            Some(address) => Zeebe::At(address.clone()),
            None if args.start_zeebe => Zeebe::Broker,
            None => Zeebe::Engine,
        },
        gateway: args.gateway.clone().zip(args.runner_secret.clone()),
        callback: args.callback,
        parallel: args.parallel,
        folders: products.iter().flat_map(Product::folders).chain([output.clone()]).collect(),
    })
    .await?;
    eprintln!("status page: {}/", stage.admin_url());
    let couples: usize = products.iter().map(|product| product.couples.len()).sum();
    eprintln!("running phr-products: {} products, {couples} couples", products.len());
    let admin = Admin::new(stage.admin_url())?;
    let places = Places::new(&products, &output);
    let live = Live::start(admin.clone(), places.clone(), Display::new(couples * chain::STEPS));
    let begun = Instant::now();
    let ended = chain::run(stage.zeebe(), &products, &output).await;
    let elapsed = begun.elapsed();
    live.stop().await;
    let calls = placed_calls(&admin, &places).await;
    stage.stop().await;
    let mut ended = ended?;
    tokio::task::spawn_blocking(move || {
        look_at(&mut ended, &products, &output);
        print!("{}", report::table(&ended.couples, elapsed, &output));
        report::write(&output.join("report.json"), &ended, elapsed)?;
        let run = page::Run { results: &ended.couples, calls: &calls, elapsed, output: &output };
        page::write(&output.join("report.html"), &run)?;
        println!("report: {}", output.join("report.html").display());
        Ok(ended.couples.iter().all(report::is_good))
    })
    .await?
}

/// The demo's calls, every try of them; without them the page lacks its drawing and nothing else.
async fn placed_calls(admin: &Admin, places: &Places) -> Vec<(Place, Call)> {
    match admin.calls().await {
        Ok(calls) => calls.into_iter().filter_map(|call| Some((places.of(&call.args)?, call))).collect(),
        Err(error) => {
            tracing::warn!(%error, "the bridge does not tell its calls: the page will lack the drawing of them");
            Vec::new()
        }
    }
}

/// Compares results with the truth where it is known, and makes each product's picture, of its first good couple.
fn look_at(ended: &mut Ended, products: &[Product], output: &Path) {
    let truths = products.iter().flat_map(|product| &product.couples).map(|couple| couple.truth.as_deref());
    for (result, truth) in ended.couples.iter_mut().zip(truths) {
        let (Some(truth), Some(raster)) = (truth, result.result()) else { continue };
        match phr::verify(truth, &raster, Some(1.0)) {
            Ok(accuracy) => {
                result.worst_offset_m = Some(accuracy.worst_offset_m);
                result.worst_relative_error = Some(accuracy.worst_relative_error);
            }
            Err(error) => result.finding = Some(error.to_string()),
        }
    }
    for couples in ended.couples.chunk_by(|a, b| a.product == b.product) {
        let picture = quicklook_of(output, &couples[0].product);
        // An earlier run's would be taken for this one's.
        if picture.exists()
            && let Err(error) = std::fs::remove_file(&picture)
        {
            tracing::warn!(%error, picture = %picture.display(), "an earlier run's picture stays");
        }
        let Some(raster) = couples.iter().find_map(CoupleResult::result) else { continue };
        if let Err(error) = quicklook::write(&raster, &picture) {
            tracing::warn!(%error, raster = %raster.display(), "no picture could be made");
        }
    }
}

/// The picture of a product.
fn quicklook_of(output: &Path, product: &str) -> PathBuf {
    output.join(product).join("quicklook.png")
}
