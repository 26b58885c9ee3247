use super::{run, site};
use serde_json::{Value, json};
use zeebe2faas_tests::crash::{Bridge, Site, guarded};

/// Is killed where there is little memory.
const EAT: &str = "#!/bin/sh\n[ -n \"$PLENTY\" ] || kill -9 $$\n";

async fn eating(name: &'static str) -> Site {
    let functions = [guarded("small", "eat", &[]), guarded("large", "eat", &[("PLENTY", "of memory")])];
    site(name, "more-memory", &functions, &[("eat", EAT)]).await
}

fn variables(larger: &str, command: &str) -> Value {
    json!({ "request": { "function": "small", "cmdline": command }, "largerFunction": larger })
}

/// The functions of all calls, the first one first.
async fn functions(bridge: &Bridge, count: usize) -> Vec<Value> {
    let calls = bridge.calls(|calls| calls.iter().filter(|call| call["delivered"] == true).count() == count).await;
    calls.iter().rev().map(|call| call["function"].clone()).collect()
}

#[tokio::test]
async fn a_function_that_ran_out_of_memory_is_tried_again_as_the_larger_one() {
    let site = eating("memory-more").await;
    let bridge = site.bridge().await;
    let outcome = run(&site, "memory-more-more-memory", variables("large", "eat")).await["outcome"].take();
    assert_eq!((&outcome["status"], &outcome["function"]), (&json!("succeeded"), &json!("large")), "{outcome:#}");
    assert_eq!(functions(&bridge, 2).await, ["small", "large"]);
}

#[tokio::test]
async fn what_needs_still_more_memory_says_so_after_three_tries() {
    let site = eating("memory-little").await;
    let bridge = site.bridge().await;
    let outcome = run(&site, "memory-little-more-memory", variables("small", "eat")).await["outcome"].take();
    assert_eq!((&outcome["status"], &outcome["outOfMemory"]), (&json!("failed"), &json!(true)), "{outcome:#}");
    assert_eq!(functions(&bridge, 3).await, ["small", "small", "small"]);
}

#[tokio::test]
async fn what_would_fail_again_is_not_tried_again() {
    let site = eating("memory-refused").await;
    let bridge = site.bridge().await;
    let outcome = run(&site, "memory-refused-more-memory", variables("large", "forbidden")).await["outcome"].take();
    assert_eq!((&outcome["status"], &outcome["outOfMemory"]), (&json!("refused"), &json!(false)), "{outcome:#}");
    assert_eq!(functions(&bridge, 1).await, ["small"]);
}
