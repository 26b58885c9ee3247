//! Starts an instance of `phr-pair` for each couple, all at once, and collects what they give.

use super::{DemoError, Product};
use crate::phr::{self, Accuracy};
use serde::Serialize;
use serde_json::{Value, json};
use std::{path::Path, path::PathBuf, time::Duration};
use zeebe2faas::{
    bridge::outcome::{Outcome, Status},
    zeebe::{Client, NewInstance, Retry},
};

/// The chain's steps: the variable that holds the outcome, and the file that it makes.
const STEPS: [(&str, &str); 3] =
    [("bundle", "bundle.tif"), ("ortho", "ortho.tif"), ("normalized", "normalized_ortho.tif")];
/// Longer than any chain: real products take hours.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// How one couple went.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CoupleResult {
    /// The product.
    pub product: String,
    /// The couple's index in it, from 0.
    pub couple: usize,
    /// The process instance.
    pub process_instance_key: i64,
    /// The chain's end, in words: `succeeded`, or how the step that ended it failed.
    pub status: Status,
    /// The calls that were made.
    pub steps: Vec<StepResult>,
    /// Largest offset of a known target, in metres, where the truth is known.
    pub worst_offset_m: Option<f64>,
    /// Largest relative error of a known target's reflectance, where the truth is known.
    pub worst_relative_error: Option<f64>,
    /// Why the result could not be compared with the truth.
    pub finding: Option<String>,
}

/// How one call went.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepResult {
    /// The step's name, as in the process.
    pub step: &'static str,
    /// The file it was to make.
    pub file: PathBuf,
    /// What the bridge delivered.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// Runs every couple of every product side by side.
pub async fn run_all(zeebe: &Client, products: &[Product], output: &Path) -> Result<Vec<CoupleResult>, DemoError> {
    let couples = products.iter().flat_map(|product| {
        (0..product.couples.len()).map(move |index| {
            let folder = output.join(&product.name).join(index.to_string());
            run_couple(zeebe, product, index, folder)
        })
    });
    futures_util::future::try_join_all(couples).await
}

async fn run_couple(
    zeebe: &Client,
    product: &Product,
    index: usize,
    folder: PathBuf,
) -> Result<CoupleResult, DemoError> {
    let couple = &product.couples[index];
    std::fs::create_dir_all(&folder).map_err(|source| DemoError::Io { path: folder.clone(), source })?;
    let instance = NewInstance {
        bpmn_process_id: "phr-pair".to_owned(),
        variables: json!({
            "P_": couple.p, "MS_": couple.ms, "S3PATH": folder, "DEM": couple.dem, "GEOID": couple.geoid,
        }),
        ..NewInstance::default()
    };
    let ended = zeebe.create_process_instance_with_result(&instance, &[], LONGEST, Retry::Never).await?;
    let name = format!("{}/{index}", product.name);
    let wrong = |reason: String| DemoError::Variables { couple: name.clone(), reason };
    let mut variables: Value = serde_json::from_str(&ended.variables).map_err(|error| wrong(error.to_string()))?;
    let mut steps = Vec::new();
    for (step, file) in STEPS {
        let outcome = variables[step].take();
        if !outcome.is_null() {
            let outcome = serde_json::from_value(outcome).map_err(|error| wrong(format!("{step}: {error}")))?;
            steps.push(StepResult { step, file: folder.join(file), outcome });
        }
    }
    let status = serde_json::from_value(variables["outcome"]["status"].take())
        .map_err(|error| wrong(format!("outcome.status: {error}")))?;
    let accuracy = match &couple.truth {
        Some(truth) if status == Status::Succeeded => {
            Some(phr::verify(truth, &folder.join("normalized_ortho.tif"), Some(1.0)))
        }
        _ => None,
    };
    let good: Option<&Accuracy> = accuracy.as_ref().and_then(|accuracy| accuracy.as_ref().ok());
    Ok(CoupleResult {
        product: product.name.clone(),
        couple: index,
        process_instance_key: ended.process_instance_key,
        status,
        steps,
        worst_offset_m: good.map(|accuracy| accuracy.worst_offset_m),
        worst_relative_error: good.map(|accuracy| accuracy.worst_relative_error),
        finding: accuracy.and_then(Result::err).map(|error| error.to_string()),
    })
}
