//! Which faults cannot happen at which step, and why.

use super::{Fault, Step};

const NO_CALLBACK: &str = "OpenFaaS does not have the call yet, so no callback can come";
const NO_TOKEN: &str = "the call has no token yet";
const TAKEN: &str = "the bridge has taken the callback already";
const DUE: &str = "the callback comes when it is due";

/// Why the fault cannot happen at this step; nothing where it can.
pub(super) const fn reason(step: Step, fault: Fault) -> Option<&'static str> {
    match (fault, step) {
        (Fault::OtherToken, Step::Activate | Step::Accept) => Some(NO_TOKEN),
        (
            Fault::CallbackLost | Fault::CallbackDoubled | Fault::CallbackEarly,
            Step::Activate | Step::Accept | Step::SubmitRequest,
        ) => Some(NO_CALLBACK),
        (Fault::CallbackLost, Step::CallbackAnswered | Step::DeliverRequest | Step::DeliverAnswer) => Some(TAKEN),
        (
            Fault::CallbackEarly,
            Step::CallbackArrives | Step::CallbackAnswered | Step::DeliverRequest | Step::DeliverAnswer,
        ) => Some(DUE),
        _ => None,
    }
}
