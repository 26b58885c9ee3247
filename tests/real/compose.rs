//! `docker-compose.yml`, as far as it can be seen without an engine: its services run natively, in its order, with its
//! commands, environments and health checks, and the sample goes through the chain.

use serde_json::Value;
use std::{path::Path, time::Duration};
use zeebe2faas_tests::{compose::Compose, crash::broker, http, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_services_come_up_in_order_healthy_and_the_sample_goes_through_the_chain() {
    let zeebe = broker().await.grpc_address();
    let mut compose = Compose::new(zeebe.trim_start_matches("http://")).await;
    let ours: Vec<_> = compose.in_order().into_iter().filter(|service| compose.is_ours(service)).collect();
    assert_eq!(ours.iter().filter(|service| compose.is_once(service)).count(), 4, "{ours:?}");
    for service in &ours {
        match compose.is_once(service) {
            true => assert!(compose.run(service).await.success(), "{service}"),
            false => compose.up(service).await,
        }
    }

    let calls = format!("http://{}/api/calls", compose.here("127.0.0.1:8091"));
    let calls = soon(async {
        loop {
            let calls: Vec<Value> = http().get(&calls).send().await.unwrap().json().await.unwrap();
            let failed = calls.iter().find(|call| !call["status"].is_null() && call["status"] != "succeeded");
            assert_eq!(failed, None, "{calls:#?}");
            if calls.len() == 3 && calls.iter().all(|call| call["delivered"] == true) {
                return calls;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    assert!(Path::new(&compose.here("/data/sample/normalized_ortho.tif")).exists(), "{calls:#?}");

    // A second `up` finds everything made.
    for service in ["keys", "couple", "deploy"] {
        assert!(compose.run(service).await.success(), "{service}");
    }
    for service in ["bridge", "functions"] {
        assert!(compose.down(service).await.success(), "{service}");
    }
}
