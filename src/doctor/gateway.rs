//! The gateway: reachable, which edition, and whether our credentials are good.

use super::{Finding, clock};
use crate::{
    config::Settings,
    openfaas::{Gateway, Info},
};

/// Which OpenFaaS it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edition {
    Community,
    Other,
}

pub(super) async fn check(gateway: &Gateway, settings: &Settings) -> (Vec<Finding>, Edition) {
    let url = &settings.openfaas.gateway;
    let (health, skew) = clock::compare(gateway).await;
    let mut findings = match health {
        Ok(200) => vec![Finding::ok("gateway", format!("{url} answers"))],
        Ok(status) => {
            let advice = "is openfaas.gateway (OPENFAAS_URL) an OpenFaaS gateway, and healthy?";
            vec![Finding::failed("gateway", format!("{url}/healthz answers HTTP {status}"), advice)]
        }
        Err(reason) => {
            let advice = "check openfaas.gateway (OPENFAAS_URL), and that nothing blocks the port";
            let silent = |check| Finding::skipped(check, "the gateway does not answer");
            let failed = Finding::failed("gateway", format!("cannot reach {url}: {reason}"), advice);
            return (vec![failed, silent("gateway edition"), silent("clocks")], Edition::Other);
        }
    };
    let (finding, edition) = match gateway.info().await {
        Ok(info) => edition(&info),
        Err(reason) if settings.openfaas.credentials.is_none() => (
            Finding::skipped("gateway edition", format!("{reason}; set openfaas.user and password_file")),
            Edition::Other,
        ),
        Err(reason) => {
            let advice = "check openfaas.user and password_file";
            (Finding::failed("gateway edition", format!("/system/info: {reason}"), advice), Edition::Other)
        }
    };
    findings.push(finding);
    findings.push(skew.unwrap_or_else(|| Finding::skipped("clocks", "the gateway tells no time (header Date)")));
    (findings, edition)
}

/// CE's Kubernetes provider calls itself `faas-netes-ce`.
fn edition(info: &Info) -> (Finding, Edition) {
    let Info { provider, release } = info;
    let about = format!("provider {provider}, release {release}");
    match provider.as_str() {
        name if name.ends_with("-ce") => {
            (Finding::ok("gateway edition", format!("OpenFaaS CE: {about}")), Edition::Community)
        }
        "faas-netes" | "operator" => (Finding::ok("gateway edition", format!("OpenFaaS Pro: {about}")), Edition::Other),
        _ => (Finding::ok("gateway edition", about), Edition::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ce_is_told_by_its_provider() {
        let of = |provider: &str| edition(&Info { provider: provider.into(), release: "0.27.12".into() });
        assert_eq!(of("faas-netes-ce").1, Edition::Community);
        assert_eq!(of("faas-netes").1, Edition::Other);
        assert!(of("faasd").0.message.contains("faasd"));
    }
}
