//! `report.html`: the whole run on one page that needs nothing but itself.

use super::{
    CoupleResult, DemoError, StepResult,
    calls::Place,
    quicklook_of, report,
    timeline::{self, Timeline},
};
use crate::{broker, machine};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;
use std::{path::Path, time::Duration};
use tera::{Context, Tera};
use zeebe2faas::{bridge::outcome::Status, ledger::Call};

const PAGE: &str = include_str!("page.html");

/// What the page shows.
pub struct Run<'a> {
    /// How the couples went.
    pub results: &'a [CoupleResult],
    /// The calls that the bridge knows of.
    pub calls: &'a [(Place, Call)],
    /// From the instance's start to its end.
    pub elapsed: Duration,
    /// The result's folder, which paths are told from.
    pub output: &'a Path,
}

#[derive(Serialize)]
struct Page<'a> {
    date: String,
    good: usize,
    figures: Vec<(&'static str, String)>,
    timeline: Option<Timeline>,
    products: Vec<ProductShown<'a>>,
    couples: Vec<CoupleShown>,
    steps: Vec<StepShown<'a>>,
    machine: [(&'static str, String); 3],
    zeebe: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct ProductShown<'a> {
    name: &'a str,
    couples: usize,
    good: usize,
    /// The quicklook's PNG in base64.
    picture: Option<String>,
}

#[derive(Serialize)]
struct CoupleShown {
    name: String,
    good: bool,
    verdict: String,
}

#[derive(Serialize)]
struct StepShown<'a> {
    couple: String,
    step: &'a str,
    function: &'a str,
    call_id: &'a str,
    status: &'static str,
    good: bool,
    seconds: Option<String>,
    cpu: Option<String>,
    memory: Option<u64>,
    exit_code: Option<i32>,
}

/// Writes the page.
pub fn write(path: &Path, run: &Run<'_>) -> Result<(), DemoError> {
    let text = render(&page(run)?).map_err(|source| DemoError::Page(Box::new(source)))?;
    std::fs::write(path, text).map_err(|source| DemoError::Io { path: path.to_owned(), source })
}

/// Every value is escaped, as the template's name ends in `.html`.
fn render(page: &Page<'_>) -> Result<String, tera::Error> {
    let mut tera = Tera::default();
    tera.add_raw_template("page.html", PAGE)?;
    tera.render("page.html", &Context::from_serialize(page)?)
}

fn page<'a>(run: &Run<'a>) -> Result<Page<'a>, DemoError> {
    let couples: Vec<_> = run.results.iter().map(couple).collect();
    let steps: Vec<_> =
        run.results.iter().flat_map(|result| result.steps.iter().map(|step| shown(result, step))).collect();
    let good = couples.iter().filter(|couple| couple.good).count();
    let cpu: f64 = run.results.iter().flat_map(|result| &result.steps).filter_map(|step| step.cpu_seconds).sum();
    let peak = steps.iter().filter_map(|step| step.memory).max();
    let mut figures = vec![
        ("couples succeeded", format!("{good} of {}", couples.len())),
        ("from start to end", timeline::duration(run.elapsed.as_secs_f64())),
        ("CPU time of the functions", timeline::duration(cpu)),
    ];
    figures.extend(peak.map(|peak| ("peak memory of one call", format!("{peak} MB"))));
    Ok(Page {
        date: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
        good,
        figures,
        timeline: timeline::draw(run.calls, now_ms()),
        products: products(run)?,
        couples,
        steps,
        machine: machine::hardware(),
        zeebe: broker::VERSION,
        version: env!("CARGO_PKG_VERSION"),
    })
}

fn products<'a>(run: &Run<'a>) -> Result<Vec<ProductShown<'a>>, DemoError> {
    let shown = |couples: &'a [CoupleResult]| {
        let name = couples[0].product.as_str();
        let path = quicklook_of(run.output, name);
        let picture = match path.exists() {
            true => Some(std::fs::read(&path).map_err(|source| DemoError::Io { path, source })?),
            false => None,
        };
        let good = couples.iter().filter(|couple| report::is_good(couple)).count();
        Ok(ProductShown { name, couples: couples.len(), good, picture: picture.map(|png| STANDARD.encode(png)) })
    };
    run.results.chunk_by(|a, b| a.product == b.product).map(shown).collect()
}

fn couple(result: &CoupleResult) -> CoupleShown {
    CoupleShown { name: result.name(), good: report::is_good(result), verdict: report::verdict(result) }
}

fn shown<'a>(result: &CoupleResult, step: &'a StepResult) -> StepShown<'a> {
    StepShown {
        couple: result.name(),
        step: &step.step,
        function: step.function.as_deref().unwrap_or_default(),
        call_id: step.call_id.as_deref().unwrap_or_default(),
        status: step.status.as_str(),
        good: step.status == Status::Succeeded,
        seconds: step.duration_seconds.map(hundredths),
        cpu: step.cpu_seconds.map(hundredths),
        memory: step.peak_memory_bytes.map(|bytes| bytes / 1_000_000),
        exit_code: step.exit_code,
    }
}

fn hundredths(seconds: f64) -> String {
    format!("{seconds:.2}")
}

fn now_ms() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_printed_is_text_on_the_page_and_never_markup() {
        let folder = tempfile::tempdir().unwrap();
        let result = CoupleResult {
            product: "stereo".into(),
            couple: 0,
            folder: folder.path().to_owned(),
            status: Status::Failed,
            step: Some("bundle".into()),
            message: "<script>alert('&')</script>".into(),
            steps: Vec::new(),
            worst_offset_m: None,
            worst_relative_error: None,
            finding: None,
        };
        let run = Run { results: &[result], calls: &[], elapsed: Duration::from_secs(1), output: folder.path() };
        let text = render(&page(&run).unwrap()).unwrap();
        assert!(text.contains("&lt;script&gt;alert"), "{text}");
        assert!(!text.contains("<script"), "{text}");
    }
}
