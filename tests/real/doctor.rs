//! `zeebe2faas doctor` against a real broker and the function host.

use zeebe2faas_contract::random_key_line;
use zeebe2faas_tests::doctor::Site;

#[tokio::test]
async fn a_site_with_a_real_broker_is_healthy_and_each_of_three_faults_is_named() {
    let broker = zeebe2faas_tests::crash::broker().await;
    let site = Site::new(&broker.grpc_address()).await;
    let bridge = site.bridge().await;
    let healthy = site.examine("60s").await;
    assert_eq!((healthy.code, healthy.checks("failed")), (Some(0), vec![]), "{:#?}", healthy.findings);
    assert!(healthy.checks("skipped").is_empty(), "{:#?}", healthy.findings);
    assert!(healthy.words("zeebe version").contains("8.6.0") && healthy.checks("ok").contains(&"zeebe partitions"));
    drop(bridge);

    let secret = std::fs::read(site.folder.path().join("runner.key")).unwrap();
    std::fs::write(site.folder.path().join("runner.key"), random_key_line("a")).unwrap();
    assert_eq!(site.examine("60s").await.checks("failed"), ["key of count"]);
    std::fs::write(site.folder.path().join("runner.key"), secret).unwrap();

    site.spoil("functions.count.run_once = true", "functions.count.run_once = true\nfunctions.other.run_once = true");
    assert_eq!(site.examine("60s").await.checks("failed"), ["function other"]);
    site.spoil("functions.other.run_once = true\n", "");

    site.spoil(&format!("url = \"{}\"", site.callback_url()), "url = \"http://127.0.0.1:1\"");
    assert_eq!(site.examine("1s").await.checks("failed"), ["callback URL"]);
}
