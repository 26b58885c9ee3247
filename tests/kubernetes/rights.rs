//! The shipped Role lets the bridge do what it needs, as every other test shows, and nothing else.

use crate::site::Site;
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{ConfigMap, Pod, Secret},
};
use kube::{
    Api,
    api::{DeleteParams, ListParams},
};
use zeebe2faas_dev::kube::User;

#[tokio::test]
async fn the_bridge_may_not_read_other_secrets_by_list_nor_touch_pods_nor_another_namespace() {
    let site = Site::start("").await;
    let bridge = site.cluster.client(User::Bridge).await.expect("a client");
    let (all, here) = (ListParams::default(), site.namespace.as_str());
    let jobs = Api::<Job>::namespaced(bridge.clone(), here);
    assert!(jobs.list(&all).await.is_ok(), "this it may");
    let secrets = Api::<Secret>::namespaced(bridge.clone(), here);
    let pods = Api::<Pod>::namespaced(bridge.clone(), here);
    for (what, answer) in [
        ("all secrets", secrets.list(&all).await.map(drop)),
        ("deletes a secret", secrets.delete("key", &DeleteParams::default()).await.map(drop)),
        ("deletes a pod", pods.delete("any", &DeleteParams::default()).await.map(drop)),
        ("config maps", Api::<ConfigMap>::namespaced(bridge.clone(), here).list(&all).await.map(drop)),
        ("jobs elsewhere", Api::<Job>::namespaced(bridge.clone(), "default").list(&all).await.map(drop)),
        ("jobs everywhere", Api::<Job>::all(bridge).list(&all).await.map(drop)),
    ] {
        assert!(matches!(answer, Err(kube::Error::Api(status)) if status.code == 403), "{what}");
    }
}
