//! A function as the proof of concept had it, without the runner: a process for each request, which reads its command
//! line on stdin and ends with 0 or not.

use serde_json::{Value, json};
use std::fs;
use zeebe2faas_tests::{
    crash::{Calling, Setup, Site},
    soon,
};

const STACK: &str = "
provider: {name: openfaas}
functions:
  normalize_product_function:
    environment:
      mode: serializing
      fprocess: normalize
";
/// Writes what it was told, an argument a line.
const PROGRAM: &str = r#"#!/bin/sh
eval "set -- $(cat)"
[ "$3" != missing ] || { exit 1; }
for argument; do echo "$argument"; done > "$5/told"
echo normalised
"#;

#[tokio::test]
async fn the_proof_of_concepts_function_works_and_fails_as_it_did() {
    let setup = Setup {
        stack: STACK.to_owned(),
        programs: &[("normalize", PROGRAM)],
        configuration: "functions.normalize_product_function.body = \"text\"",
        processes: vec![
            Calling::with(
                "proof",
                &[
                    ("function", "normalize_product_function"),
                    ("cmdline", "call_normalize_function --in_ms {{ product }} -out {{ folder }}"),
                ],
            )
            .file(),
        ],
    };
    let site = Site::with("proof", setup).await;
    let _bridge = site.bridge().await;
    let run = async |product: &str| -> Value {
        let variables = json!({ "product": product, "folder": site.folder() });
        soon(site.start("proof", variables)).await.unwrap()["call"].take()
    };

    let call = run("it's two words").await;
    assert_eq!((&call["status"], &call["result"]), (&json!("succeeded"), &json!("normalised\n")), "{call:#}");
    let told = fs::read_to_string(site.folder().join("told")).unwrap();
    assert_eq!(told, format!("call_normalize_function\n--in_ms\nit's two words\n-out\n{}\n", site.folder().display()));

    let call = run("missing").await;
    assert_eq!((&call["status"], &call["retryable"]), (&json!("failed"), &json!(true)), "{call:#}");
    assert!(call["result"].as_str().is_some_and(|said| said.contains("exit status 1")), "{call:#}");
}
