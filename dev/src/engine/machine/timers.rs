//! Timers: of events that element instances wait for, and of start events.

use super::{
    Failure, Machine, Variables,
    interval::{Interval, cycle, date_time, local},
    start_events::StartSubscription,
};
use crate::engine::bpmn::{self, ElementIx};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// When a timer fires, and how it goes on.
#[derive(Debug, Clone)]
pub(super) struct Due {
    at: i64,
    /// How often it fires, -1 for ever.
    repetitions: i32,
    interval: Interval,
}

#[derive(Debug, Clone)]
enum Target {
    Event { instance: i64, event: ElementIx },
    Start(StartSubscription),
}

#[derive(Debug, Clone)]
struct Timer {
    target: Target,
    at: i64,
    repetitions: i32,
}

/// All timers.
#[derive(Debug, Default)]
pub(super) struct Timers {
    by_key: HashMap<i64, Timer>,
    due: BTreeSet<(i64, i64)>,
}

impl Timers {
    pub(super) fn next_due(&self) -> Option<i64> {
        self.due.first().map(|(at, _)| *at)
    }

    fn insert(&mut self, key: i64, timer: Timer) {
        self.due.insert((timer.at, key));
        self.by_key.insert(key, timer);
    }

    pub(super) fn remove(&mut self, key: i64) {
        self.take(key);
    }

    fn take(&mut self, key: i64) -> Option<Timer> {
        let timer = self.by_key.remove(&key)?;
        self.due.remove(&(timer.at, key));
        Some(timer)
    }
}

impl Machine {
    /// Evaluates when a timer fires; a start event's has no scope.
    pub(super) fn evaluate_timer(&self, timer: &bpmn::Timer, scope: Option<i64>) -> Result<Due, Failure> {
        match timer {
            bpmn::Timer::Duration(expression) => {
                let outcome = self.evaluate(expression, scope)?;
                let text = match (outcome.type_name, outcome.value.as_str()) {
                    ("DURATION" | "PERIOD" | "STRING", Some(text)) => text,
                    _ => return Err(outcome.expected_one_of("DURATION, PERIOD, STRING")),
                };
                let interval = Interval::parse(text).ok_or_else(|| outcome.invalid("duration", text))?;
                Ok(Due { at: interval.after(self.now), repetitions: 1, interval })
            }
            bpmn::Timer::Date(expression) => {
                let outcome = self.evaluate(expression, scope)?;
                let text = match (outcome.type_name, outcome.value.as_str()) {
                    ("DATE_TIME" | "STRING", Some(text)) => text,
                    _ => return Err(outcome.expected_one_of("DATE_TIME, STRING")),
                };
                // A date and time of FEEL without an offset is one of the broker's zone.
                let at = date_time(text).or_else(|| local(text).filter(|_| outcome.type_name == "DATE_TIME"));
                let at = at.ok_or_else(|| outcome.invalid("date-time", text))?;
                Ok(Due { at, repetitions: 1, interval: Interval::default() })
            }
            bpmn::Timer::Cycle(expression) => {
                let text = self.evaluate_string(expression, scope)?;
                let (repetitions, interval) = cycle(&text).map_err(Failure::extract_value)?;
                Ok(Due { at: interval.after(self.now), repetitions, interval })
            }
        }
    }

    pub(super) fn create_timer(&mut self, instance: i64, event: ElementIx, due: &Due) {
        let key = self.next_key();
        if let Some(waiting) = self.instances.get_mut(&instance) {
            waiting.timers.insert(key);
            let target = Target::Event { instance, event };
            self.timers.insert(key, Timer { target, at: due.at, repetitions: due.repetitions });
        }
    }

    pub(super) fn create_start_timer(&mut self, subscription: StartSubscription, due: &Due) -> i64 {
        let key = self.next_key();
        let timer = Timer { target: Target::Start(subscription), at: due.at, repetitions: due.repetitions };
        self.timers.insert(key, timer);
        key
    }

    /// Fires each timer that is due now, once, with what follows from it.
    pub(super) fn fire_timers(&mut self) {
        let due: Vec<_> = self.timers.due.range(..=(self.now, i64::MAX)).map(|(_, key)| *key).collect();
        for key in due {
            if let Some(timer) = self.timers.take(key) {
                self.fire(key, &timer);
                self.run();
            }
        }
    }

    fn fire(&mut self, key: i64, timer: &Timer) {
        let repeats = timer.repetitions == -1 || timer.repetitions > 1;
        match &timer.target {
            Target::Start(subscription) => {
                let instance = self.next_key();
                self.queue_start(instance, subscription, Variables::new());
                if repeats
                    && let Some(again) = self.next_firing(timer, &subscription.definition, subscription.event, None)
                {
                    let process_id = Arc::clone(&subscription.definition.process.id);
                    let next = self.create_start_timer(subscription.clone(), &again);
                    self.note_start_timer(&process_id, next);
                }
            }
            Target::Event { instance, event } => {
                let (instance, event) = (*instance, *event);
                if let Some(waiting) = self.instances.get_mut(&instance) {
                    waiting.timers.remove(&key);
                }
                if !self.can_happen(instance, event) {
                    return;
                }
                self.happen(instance, event, Variables::new());
                let Some(definition) = self.instances.get(&instance).map(|instance| Arc::clone(&instance.definition))
                else {
                    return;
                };
                if repeats && let Some(again) = self.next_firing(timer, &definition, event, Some(instance)) {
                    self.create_timer(instance, event, &again);
                }
            }
        }
    }

    /// The next firing of a cycle: one interval after this one was due, or from now when that is over too.
    fn next_firing(
        &self,
        timer: &Timer,
        definition: &super::definitions::Definition,
        event: ElementIx,
        scope: Option<i64>,
    ) -> Option<Due> {
        let definition = definition.process.elements[event].timer()?;
        let interval = self.evaluate_timer(definition, scope).ok()?.interval;
        let repetitions = if timer.repetitions == -1 { -1 } else { timer.repetitions - 1 };
        let at = Some(interval.once_after(timer.at)).filter(|at| *at > self.now);
        Some(Due { at: at.unwrap_or_else(|| interval.once_after(self.now)), repetitions, interval })
    }
}
