//! What all parts of a run share: its dice, its weather, its trace, and what was seen.

use crate::{dice::Dice, seen::Seen, trace::Trace, weather::Weather};
use std::{
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// A promise that is broken on purpose, at the edge of the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breakage {
    /// Who sends a callback hears 200 before the bridge has done anything.
    AnsweredBeforeCommitted,
    /// Messages reach Zeebe without their ids.
    NoMessageId,
    /// A runner knows nothing of what was asked before.
    NoRunOnceGuard,
}

pub struct World {
    pub dice: Dice,
    pub trace: Trace,
    pub breakage: Option<Breakage>,
    weather: Weather,
    calm: AtomicBool,
    seen: Mutex<Seen>,
}

/// What becomes of one message and its answer.
pub struct Way {
    pub there: Duration,
    pub back: Duration,
    pub fate: Fate,
    /// Another copy arrives so much later.
    pub again: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Arrives,
    /// Nothing of it leaves.
    Refused,
    /// It never arrives, and whoever sent it hears nothing.
    Lost,
    /// It does what it does, and the connection breaks before the answer.
    AnswerLost,
}

impl World {
    pub fn new(seed: u64, breakage: Option<Breakage>, aloud: bool) -> Self {
        let dice = Dice::new(seed);
        let weather = Weather::new(&dice);
        let (trace, calm, seen) = (Trace::new(aloud), AtomicBool::new(false), Mutex::default());
        Self { dice, trace, breakage, weather, calm, seen }
    }

    /// That of the moment.
    pub fn weather(&self) -> Weather {
        if self.is_calm() { Weather::CALM } else { self.weather.clone() }
    }

    pub fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    /// From now on nothing is disturbed.
    pub fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }

    pub fn way(&self) -> Way {
        let (weather, dice) = (self.weather(), &self.dice);
        let fate = match dice.fraction() {
            f if f < weather.refused => Fate::Refused,
            f if f < weather.refused + weather.lost => Fate::Lost,
            f if f < weather.refused + weather.lost + weather.answer_lost => Fate::AnswerLost,
            _ => Fate::Arrives,
        };
        let slow = dice.happens(weather.slow);
        Way {
            there: if slow { dice.millis(1..15_000) } else { dice.millis(1..20) },
            back: dice.millis(1..20),
            fate,
            again: dice.happens(weather.again).then(|| dice.millis(1..20_000)),
        }
    }

    pub fn line(&self, what: fmt::Arguments<'_>) {
        self.trace.line(what);
    }

    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A promise is broken.
    pub fn complain(&self, what: String) {
        self.line(format_args!("BROKEN: {what}"));
        self.seen().complaints.push(what);
    }
}
