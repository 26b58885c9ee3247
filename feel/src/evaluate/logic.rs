//! `and`, `or`, `not` (FEEL 1.3, 10.3.2.6: three-valued, with a warning for null here) and `if`.

use super::super::scope::Frames;
use super::super::syntax::Node;
use super::super::value::Value;
use super::super::warning::WarningKind;
use super::{Evaluator, Fault, Outcome};

impl Evaluator<'_> {
    /// A boolean as it is; null, with a warning, of anything else.
    fn boolean_or_null(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Ok(Value::Boolean(value)) => Ok(Value::Boolean(value)),
            Ok(other) => {
                self.not_of_type("boolean", &other);
                Ok(Value::Null)
            }
            Err(Fault::Error(_)) => Ok(Value::Null),
            Err(fault) => Err(fault),
        }
    }

    /// Notes that another type was expected.
    pub(super) fn not_of_type(&self, expected: &str, found: &Value) -> Fault {
        self.error(WarningKind::InvalidType, format_args!("Expected {expected} but found '{found}'"))
    }

    /// One term more: what `settles` is settled already.
    fn step(&self, settles: bool, before: Value, term: impl FnOnce() -> Outcome) -> Outcome {
        match before {
            Value::Boolean(value) if value == settles => Ok(before),
            Value::Null => match term() {
                Ok(Value::Boolean(value)) if value == settles => Ok(Value::Boolean(value)),
                Err(fault @ (Fault::Thrown(_) | Fault::NoInput)) => Err(fault),
                _ => Ok(Value::Null),
            },
            _ => self.boolean_or_null(term()),
        }
    }

    /// Terms one by one, as a list of tests, or the rounds of a quantifier.
    pub(super) fn settled(&self, settles: bool, mut terms: impl Iterator<Item = impl FnOnce() -> Outcome>) -> Outcome {
        terms.try_fold(Value::Boolean(!settles), |before, term| self.step(settles, before, term))
    }

    /// Terms joined by an operator, each with all those before it.
    fn joined(&self, settles: bool, terms: &[Node], frames: &Frames) -> Outcome {
        let Some((first, rest)) = terms.split_first() else { return Ok(Value::Boolean(!settles)) };
        let mut joined = self.eval(first, frames);
        for term in rest {
            let before = self.step(settles, Value::Boolean(!settles), || joined)?;
            joined = self.step(settles, before, || self.eval(term, frames));
        }
        joined
    }

    pub(super) fn and(&self, terms: &[Node], frames: &Frames) -> Outcome {
        self.joined(false, terms, frames)
    }

    pub(super) fn or(&self, terms: &[Node], frames: &Frames) -> Outcome {
        self.joined(true, terms, frames)
    }

    pub(super) fn any_of(&self, tests: &[Node], frames: &Frames) -> Outcome {
        self.settled(true, tests.iter().map(|test| || self.eval(test, frames)))
    }

    pub(super) fn not(&self, outcome: Outcome) -> Outcome {
        Ok(match self.boolean_or_null(outcome)? {
            Value::Boolean(value) => Value::Boolean(!value),
            other => other,
        })
    }

    pub(super) fn conditional(&self, condition: &Node, yes: &Node, no: &Node, frames: &Frames) -> Outcome {
        let met = match self.eval(condition, frames) {
            Ok(Value::Boolean(met)) => met,
            Ok(other) => {
                self.not_of_type("boolean", &other);
                false
            }
            Err(Fault::Error(_)) => false,
            Err(fault) => return Err(fault),
        };
        match self.eval(if met { yes } else { no }, frames) {
            // An error of the branch counts as a condition that is not met.
            Err(Fault::Error(_)) => self.eval(no, frames),
            outcome => outcome,
        }
    }
}
