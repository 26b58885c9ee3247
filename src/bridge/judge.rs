//! What a callback means, with what only OpenFaaS and the keys can tell.

use super::{
    classify::{Callback, Rule, Verdict, classify},
    outcome::{Outcome, Status},
};
use crate::{ledger::Pending, metrics::Metrics, openfaas::Gateway, reload::Reloaded};
use zeebe2faas_contract::KeyRing;

/// Decides how calls have ended.
pub struct Judge {
    gateway: Gateway,
    runner_secret: Option<Reloaded<KeyRing>>,
    metrics: Metrics,
}

impl Judge {
    /// Verifies reports with keys made of the runner secret; asks the gateway whether a function is there.
    pub const fn new(gateway: Gateway, runner_secret: Option<Reloaded<KeyRing>>, metrics: Metrics) -> Self {
        Self { gateway, runner_secret, metrics }
    }

    /// How the call has ended, or why that is not certain. `believed`: another replica has found it out.
    pub async fn decide(
        &self,
        call: &Pending,
        callback: &Callback<'_>,
        believed: bool,
    ) -> Result<Box<Outcome>, &'static str> {
        let ring = self.runner_secret.as_ref().map(|secret| secret.current().for_function(&call.function));
        let rule = if call.run_once { Rule::SignedReport(ring.as_ref()) } else { Rule::OwnStatus };
        let decided = match classify(&call.id, &call.function, rule, callback) {
            Verdict::Final(outcome) => Ok(outcome),
            Verdict::Provisional(why) => Err(why),
            Verdict::UnknownFunction if believed || self.gateway.lacks_now(&call.function).await => {
                let message = format!("OpenFaaS has no function `{}`; deploy it (stack.yml)", call.function);
                let (id, function) = (call.id.clone(), call.function.clone());
                Ok(Box::new(Outcome::plain(id, function, Status::Refused, message, false)))
            }
            Verdict::UnknownFunction => Err("404, but the gateway does not say that there is no such function"),
        };
        self.metrics.callback(if decided.is_ok() { "final" } else { "provisional" });
        decided
    }
}
