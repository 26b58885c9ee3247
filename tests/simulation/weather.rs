//! How much is disturbed in a run, and how often.

use crate::dice::Dice;
use std::time::Duration;

/// Parts of all messages, and means of times.
#[derive(Debug, Clone)]
pub struct Weather {
    /// Messages that find nobody.
    pub refused: f64,
    pub lost: f64,
    pub answer_lost: f64,
    pub slow: f64,
    /// Messages that arrive twice.
    pub again: f64,
    /// Commands that Zeebe has no room for.
    pub back_pressure: f64,
    /// Invocations that OpenFaaS has no room for.
    pub full: f64,
    /// Invocations that OpenFaaS queues, and answers 500.
    pub queued_with_500: f64,
    pub invocation_lost: f64,
    pub invoked_again: f64,
    /// Messages that a replica gets or sends, and then crashes.
    pub crash_at_message: f64,
    /// Between two crashes or restarts of a replica.
    pub crash: Option<Duration>,
    pub zeebe_outage: Option<Duration>,
    pub zeebe_cut: Option<Duration>,
    pub faas_outage: Option<Duration>,
    pub pod_crash: Option<Duration>,
}

impl Weather {
    pub const CALM: Self = Self {
        refused: 0.0,
        lost: 0.0,
        answer_lost: 0.0,
        slow: 0.0,
        again: 0.0,
        back_pressure: 0.0,
        full: 0.0,
        queued_with_500: 0.0,
        invocation_lost: 0.0,
        invoked_again: 0.0,
        crash_at_message: 0.0,
        crash: None,
        zeebe_outage: None,
        zeebe_cut: None,
        faas_outage: None,
        pod_crash: None,
    };

    /// Each disturbance is there in some runs only, and strong in few: alone it shows what a storm hides.
    pub fn new(dice: &Dice) -> Self {
        let part = |most: f64| if dice.happens(0.6) { most * dice.fraction().powi(2) } else { 0.0 };
        let every = |least_s: u64, most_s: u64| dice.happens(0.6).then(|| dice.seconds(least_s..most_s));
        Self {
            refused: part(0.3),
            lost: part(0.2),
            answer_lost: part(0.3),
            slow: part(0.3),
            again: part(0.3),
            back_pressure: part(0.5),
            full: part(0.3),
            queued_with_500: part(0.3),
            invocation_lost: part(0.3),
            invoked_again: part(0.6),
            crash_at_message: part(0.3),
            crash: every(20, 300),
            zeebe_outage: every(60, 600),
            zeebe_cut: every(10, 300),
            faas_outage: every(60, 600),
            pod_crash: every(60, 600),
        }
    }
}
