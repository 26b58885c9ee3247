//! `zeebe2faas-dev bench`: memory, start and CPU of the real `zeebe2faas run`, on a real broker, and time and memory of
//! the normalisation; a report.

mod engine;
mod measure;
mod normalization;
mod overhead;
mod process;
mod report;
mod scene;
mod stand_in;
mod transfers;

use crate::{broker::BrokerError, demo::DemoError, machine};
use clap::{Args, ValueEnum};
use scene::Scene;
use std::{io, path::PathBuf};

/// What to measure, and how often.
#[derive(Args, Debug)]
pub struct BenchArgs {
    /// Where the report is written
    #[arg(long, default_value = "docs/performance.md")]
    pub output: PathBuf,
    /// Processes that are measured for memory and for CPU, each; four times as many for the start
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub runs: u32,
    /// Calls whose CPU time is measured, in each process
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    pub calls: u32,
    /// Parts to measure, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Part::Bridge, Part::Overhead, Part::Normalization, Part::Transfers])]
    pub parts: Vec<Part>,
    /// The largest ortho to normalise, in pixels of its side
    #[arg(long, default_value_t = 30_000)]
    pub largest: usize,
}

/// A part of the report.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Memory, CPU and start of the bridge.
    Bridge,
    /// Bridge and broker beside real functions.
    Overhead,
    /// `normalize-product` beside `gdal_translate` and numpy.
    Normalization,
    /// A call of the runner that moves objects, beside the transfers alone.
    Transfers,
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A debug build.
    #[error("this is a debug build, whose numbers say nothing: `make bench` measures a release build")]
    DebugBuild,
    /// A file or folder.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The broker.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The bridge's folder.
    #[error(transparent)]
    Site(#[from] crate::site::SiteError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] crate::engine::serve::EngineError),
    /// Zeebe said no.
    #[error(transparent)]
    Zeebe(#[from] zeebe2faas::zeebe::Error),
    /// The products, the function host, or the process's result.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// A couple that failed says nothing of the overhead.
    #[error("{couple} {status}: {message}")]
    Couple {
        /// Which.
        couple: String,
        /// How it ended.
        status: &'static str,
        /// Why.
        message: String,
    },
    /// A request to the bridge's admin listener.
    #[error("the bridge's admin listener: {0}")]
    Http(#[from] reqwest::Error),
    /// Something did not come about.
    #[error("{what}. The end of the bridge's log:\n{log}")]
    Bridge {
        /// What.
        what: String,
        /// The log's last lines.
        log: String,
    },
    /// A figure that is not where it was looked for.
    #[error("{place} does not tell {what}")]
    NoFigure {
        /// A file or a URL.
        place: String,
        /// What is missing.
        what: String,
    },
}

/// Measures, prints and writes the report; says whether every bound was kept.
pub async fn run(args: &BenchArgs) -> Result<bool, BenchError> {
    if cfg!(debug_assertions) {
        return Err(BenchError::DebugBuild);
    }
    let facts = machine::facts();
    let (mut figures, mut skipped) = (Vec::new(), Vec::new());
    if args.parts.contains(&Part::Bridge) {
        figures.extend(bridge(args).await?);
    }
    if args.parts.contains(&Part::Overhead) {
        eprintln!("overhead: phr-products, {} runs", overhead::RUNS);
        figures.extend(overhead::measure().await?);
    }
    if args.parts.contains(&Part::Normalization) {
        let (measured, not) = normalization::measure(args.largest)?;
        figures.extend(measured);
        skipped.extend(not);
    }
    if args.parts.contains(&Part::Transfers) {
        eprintln!("S3: {} runs", transfers::RUNS);
        figures.extend(transfers::measure().await?);
    }
    let text = report::text(&figures, &skipped, &facts, args);
    print!("{text}");
    std::fs::write(&args.output, text).map_err(io_error(&args.output))?;
    Ok(figures.iter().all(report::Figure::is_met))
}

async fn bridge(args: &BenchArgs) -> Result<Vec<report::Figure>, BenchError> {
    let scene = Scene::start().await?;
    eprintln!("memory: {} calls in flight, {} processes", measure::IN_FLIGHT, args.runs);
    let mut figures = measure::memory(&scene, args.runs).await?;
    eprintln!("CPU: {} calls, {} processes", args.calls, args.runs);
    figures.extend(measure::cpu(&scene, args.runs, args.calls as usize).await?);
    eprintln!("start: {} processes", 4 * args.runs);
    figures.extend(measure::start(&scene, 4 * args.runs).await?);
    scene.stop().await;
    eprintln!("engine: {} instances, {} times", args.calls, args.runs);
    figures.extend(engine::measure(args.runs, args.calls as usize).await?);
    Ok(figures)
}

fn io_error(path: &std::path::Path) -> impl FnOnce(io::Error) -> BenchError {
    let path = path.to_owned();
    move |source| BenchError::Io { path, source }
}

fn no_figure(place: &std::path::Path, what: &str) -> BenchError {
    BenchError::NoFigure { place: place.display().to_string(), what: what.to_owned() }
}
