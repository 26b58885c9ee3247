//! The Pleiades chain: real broker, real OTB, five synthetic couples side by side, as `make demo` runs it.

use zeebe2faas_dev::demo::{self, DemoArgs};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_couples_end_with_their_targets_within_a_metre_and_half_a_percent_of_the_truth() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out");
    let args = DemoArgs {
        products: None,
        output: output.clone(),
        zeebe: None,
        gateway: None,
        runner_secret: None,
        callback: "127.0.0.1:0".parse().unwrap(),
        parallel: 2,
    };
    assert!(demo::run(&args).await.unwrap(), "see the table above");
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(output.join("report.json")).unwrap()).unwrap();
    let couples = report["couples"].as_array().unwrap();
    assert_eq!(couples.len(), 5);
    for couple in couples {
        assert_eq!(couple["status"], "succeeded", "{couple:#}");
        assert!(couple["worstOffsetM"].as_f64().unwrap() <= 1.0, "{couple:#}");
        assert!(couple["worstRelativeError"].as_f64().unwrap() <= 0.005, "{couple:#}");
        let folder = output.join(couple["product"].as_str().unwrap()).join(couple["couple"].to_string());
        assert!(folder.join("normalized_ortho.tif").exists());
    }
}
