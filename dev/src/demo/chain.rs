//! Starts one instance of `phr-products` with every couple, and reads what it gives.

use super::{DemoError, Product};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{path::Path, path::PathBuf, time::Duration};
use zeebe2faas::{
    bridge::outcome::Status,
    zeebe::{Client, NewInstance, Retry},
};

/// The process that takes all products.
const PROCESS: &str = "phr-products";
/// Calls of a couple when all goes well.
pub const STEPS: usize = 3;
/// The chain's last file.
pub const RESULT: &str = "normalized_ortho.tif";
/// Longer than any chain: real products take hours.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// How the instance went.
#[derive(Debug)]
pub struct Ended {
    /// The process instance.
    pub process_instance_key: i64,
    /// Its couples, in the order of the products.
    pub couples: Vec<CoupleResult>,
}

/// How one couple went.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CoupleResult {
    /// The product.
    pub product: String,
    /// The couple's index in it, from 0.
    pub couple: usize,
    /// Where its files are.
    pub folder: PathBuf,
    /// The chain's end, in a word: `succeeded`, or how the step that ended it failed.
    pub status: Status,
    /// The step that ended it.
    pub step: Option<String>,
    /// Why it failed and what to do; empty after a success.
    pub message: String,
    /// The calls that were made.
    pub steps: Vec<StepResult>,
    /// Largest offset of a known target, in metres, where the truth is known.
    pub worst_offset_m: Option<f64>,
    /// Largest relative error of a known target's reflectance, where the truth is known.
    pub worst_relative_error: Option<f64>,
    /// Why the result could not be compared with the truth.
    pub finding: Option<String>,
}

/// How one call went. What is unknown is absent: a step without a call has no function.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepResult {
    /// The step's name, as in the process.
    pub step: String,
    /// The file that it made.
    pub file: Option<PathBuf>,
    /// How it ended.
    pub status: Status,
    /// Its last call.
    pub call_id: Option<String>,
    /// The call's function.
    pub function: Option<String>,
    /// What went wrong and what to do.
    pub message: Option<String>,
    /// The run's wall-clock time, in seconds.
    pub duration_seconds: Option<f64>,
    /// CPU time of the whole run, in seconds.
    pub cpu_seconds: Option<f64>,
    /// Peak resident memory, in bytes.
    pub peak_memory_bytes: Option<u64>,
    /// Whether lack of memory ended it.
    pub out_of_memory: Option<bool>,
    /// The program's exit code.
    pub exit_code: Option<i32>,
}

/// What the process gives.
#[derive(Deserialize)]
struct Variables {
    results: Vec<ProductVariable>,
}

#[derive(Deserialize)]
struct ProductVariable {
    name: String,
    couples: Vec<CoupleVariable>,
}

#[derive(Deserialize)]
struct CoupleVariable {
    status: Status,
    step: Option<String>,
    message: Option<String>,
    steps: Vec<StepResult>,
}

/// The folder of one couple's results.
pub fn folder(output: &Path, product: &Product, couple: usize) -> PathBuf {
    output.join(&product.name).join(couple.to_string())
}

/// Runs every couple of every product side by side, as one process instance, and waits for its end.
pub async fn run(zeebe: &Client, products: &[Product], output: &Path) -> Result<Ended, DemoError> {
    let mut input = Vec::new();
    for product in products {
        let mut couples = Vec::new();
        for (index, couple) in product.couples.iter().enumerate() {
            let folder = folder(output, product, index);
            std::fs::create_dir_all(&folder).map_err(|source| DemoError::Io { path: folder.clone(), source })?;
            couples.push(json!({
                "P_": couple.p, "MS_": couple.ms, "S3PATH": folder, "DEM": couple.dem, "GEOID": couple.geoid,
            }));
        }
        input.push(json!({ "name": product.name, "couples": couples }));
    }
    let instance = NewInstance {
        bpmn_process_id: PROCESS.to_owned(),
        variables: json!({ "products": input }),
        ..NewInstance::default()
    };
    let wanted = ["results".to_owned()];
    let ended = zeebe.create_process_instance_with_result(&instance, &wanted, LONGEST, Retry::Never).await?;
    let couples = read(&ended.variables, products, output).map_err(DemoError::Variables)?;
    Ok(Ended { process_instance_key: ended.process_instance_key, couples })
}

/// The results, each held against the couple that it must be of.
fn read(variables: &str, products: &[Product], output: &Path) -> Result<Vec<CoupleResult>, String> {
    let found: Variables = serde_json::from_str(variables).map_err(|error| error.to_string())?;
    let shape: Vec<_> = found.results.iter().map(|product| (product.name.as_str(), product.couples.len())).collect();
    let expected: Vec<_> = products.iter().map(|product| (product.name.as_str(), product.couples.len())).collect();
    if shape != expected {
        return Err(format!("products and their numbers of couples are {shape:?}, not {expected:?}"));
    }
    let couples = products.iter().zip(found.results).flat_map(|(product, found)| {
        found.couples.into_iter().enumerate().map(move |(couple, found)| CoupleResult {
            product: product.name.clone(),
            couple,
            folder: folder(output, product, couple),
            status: found.status,
            step: found.step,
            message: found.message.unwrap_or_default(),
            steps: found.steps,
            worst_offset_m: None,
            worst_relative_error: None,
            finding: None,
        })
    });
    Ok(couples.collect())
}

impl CoupleResult {
    /// `PRODUCT/INDEX`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.product, self.couple)
    }

    /// Its last file, where the whole chain succeeded.
    pub fn result(&self) -> Option<PathBuf> {
        (self.status == Status::Succeeded).then(|| self.folder.join(RESULT))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::demo::Couple;

    fn products() -> Vec<Product> {
        let couple = Couple { p: "p".into(), ms: "ms".into(), dem: "dem".into(), geoid: "geoid".into(), truth: None };
        vec![Product { name: "stereo".into(), couples: vec![couple.clone(), couple] }]
    }

    #[test]
    fn what_a_failed_step_lacks_is_absent_and_no_error() {
        let variables = json!({"results": [{"name": "stereo", "couples": [
            {"S3PATH": "out", "status": "timedOut", "step": "bundle", "message": "late",
             "steps": [{"step": "bundle", "file": null, "status": "timedOut", "callId": null}]},
            {"S3PATH": "out", "status": "succeeded", "step": "normalized", "message": null, "steps": []},
        ]}]});
        let couples = read(&variables.to_string(), &products(), Path::new("/out")).unwrap();
        assert_eq!((couples[0].status, couples[0].message.as_str()), (Status::TimedOut, "late"));
        assert_eq!(couples[0].steps[0].call_id, None);
        assert_eq!(couples[0].result(), None);
        assert_eq!(couples[1].result(), Some("/out/stereo/1/normalized_ortho.tif".into()));
    }

    #[test]
    fn results_of_other_products_are_an_error() {
        let variables = json!({"results": [{"name": "stereo", "couples": []}]});
        let error = read(&variables.to_string(), &products(), Path::new("/out")).unwrap_err();
        assert!(error.contains(r#"[("stereo", 0)], not [("stereo", 2)]"#), "{error}");
    }
}
