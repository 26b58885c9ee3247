//! Evaluation, as feel-scala does it: nulls and warnings instead of errors, in the same order.

mod calls;
mod comparison;
mod lists;
mod logic;
mod operators;

use super::limits::{MAX_CALL_DEPTH, MAX_SIZE, MAX_VALUE_DEPTH, MAX_WORK};
use super::scope::{self, Frames, Function, Names};
use super::syntax::{Exp, Node};
use super::value::{Context, Value, put};
use super::warning::{Warning, WarningKind, message};
use super::{Scope, expression::Evaluated};
pub(super) use comparison::{comparable, compare, equal, identical, same_type};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::Arc;

/// The name under which the value before `in` is known to its tests.
const INPUT: &str = "cellInput";
/// The name of the same for `?`.
const INPUT_SYMBOL: &str = "?";

/// Why there is no value, not even null.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// feel-scala's `ValError`: most places make null of it.
    Error(String),
    /// `?` where there is no value for it.
    NoInput,
    /// What ends the whole evaluation: an exception there, a limit here.
    Thrown(String),
}

pub(super) type Outcome = Result<Value, Fault>;

/// One evaluation.
pub(super) struct Evaluator<'a> {
    scope: &'a dyn Scope,
    /// Milliseconds since 1970.
    pub(super) now: i64,
    warnings: RefCell<Vec<Warning>>,
    work: Cell<u64>,
    depth: Cell<usize>,
}

pub(super) fn evaluate(node: &Node, scope: &dyn Scope, now: i64) -> Evaluated {
    let evaluator = Evaluator { scope, now, warnings: RefCell::default(), work: Cell::new(0), depth: Cell::new(0) };
    let outcome = evaluator.eval(node, &None);
    let warnings = evaluator.warnings.into_inner();
    let assertion = warnings.iter().find(|warning| warning.kind == WarningKind::AssertFailure);
    let (value, failure) = match (outcome, assertion) {
        // An exception takes the warnings with it.
        (Err(Fault::Thrown(reason)), _) => {
            return Evaluated { value: Value::Null, warnings: Vec::new(), failure: Some(reason) };
        }
        (_, Some(assertion)) => (Value::Null, Some(assertion.message.clone())),
        (Ok(value), None) => (value, None),
        (Err(fault), None) => (Value::Null, Some(fault.to_string())),
    };
    Evaluated { value, warnings, failure }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(reason) | Self::Thrown(reason) => out.write_str(reason),
            Self::NoInput => {
                out.write_str("No input value available. '?' can only be used inside an unary-test expression.")
            }
        }
    }
}

/// feel-scala's `withValOrNull`.
fn or_null(outcome: Outcome) -> Outcome {
    match outcome {
        Err(Fault::Error(_)) => Ok(Value::Null),
        other => other,
    }
}

impl Evaluator<'_> {
    /// Notes a warning.
    fn warn(&self, kind: WarningKind, text: fmt::Arguments<'_>) {
        // Each costs work, so that their number is limited too.
        self.warnings.borrow_mut().push(Warning { kind, message: message(text) });
    }

    /// Notes a warning and gives the error that goes with it.
    fn error(&self, kind: WarningKind, text: fmt::Arguments<'_>) -> Fault {
        self.warn(kind, text);
        Fault::Error(message(text))
    }

    /// Counts work, and ends the evaluation when it is too much.
    pub(super) fn spend(&self, units: u64) -> Result<(), Fault> {
        let work = self.work.get().saturating_add(units);
        self.work.set(work);
        if work > MAX_WORK { Err(Fault::Thrown(format!("an expression may take {MAX_WORK} steps"))) } else { Ok(()) }
    }

    fn eval(&self, node: &Node, frames: &Frames) -> Outcome {
        self.spend(1)?;
        if self.depth.get() == MAX_CALL_DEPTH {
            return Err(Fault::Thrown(format!("functions may call one another {MAX_CALL_DEPTH} deep")));
        }
        self.depth.set(self.depth.get() + 1);
        let outcome = self.eval_exp(node, frames);
        self.depth.set(self.depth.get() - 1);
        if let Ok(value) = &outcome {
            if value.size() > MAX_SIZE {
                return Err(Fault::Thrown(format!("a value may hold {MAX_SIZE} items")));
            }
            if value.depth() > MAX_VALUE_DEPTH {
                return Err(Fault::Thrown(format!("a value may nest {MAX_VALUE_DEPTH} deep")));
            }
        }
        outcome
    }

    fn eval_exp(&self, node: &Node, frames: &Frames) -> Outcome {
        match &**node {
            Exp::Literal(value) => Ok(value.clone()),
            Exp::Input => self.variable(frames, INPUT_SYMBOL)?.ok_or(Fault::NoInput),
            Exp::List(items) => self.list(items, frames),
            Exp::Context(entries) => self.context(entries, frames),
            Exp::Range(interval) => self.range(interval, frames),
            Exp::Test(test) => self.test(test, frames),
            Exp::Arithmetic(first, rest) => self.arithmetic(first, rest, frames),
            Exp::Negation(operand) => or_null(self.negation(operand, frames)),
            Exp::Compare(comparator, left, right) => {
                self.compared(*comparator, self.eval(left, frames), self.eval(right, frames))
            }
            Exp::Not(operand) => self.not(self.eval(operand, frames)),
            Exp::And(terms) => self.and(terms, frames),
            Exp::Or(terms) => self.or(terms, frames),
            Exp::If(condition, yes, no) => self.conditional(condition, yes, no, frames),
            Exp::In(value, test) => {
                let value = self.eval(value, frames)?;
                self.eval(test, &self.with_input(frames, INPUT, value))
            }
            Exp::InstanceOf(value, name) => Ok(Value::Boolean(is_instance(&self.eval(value, frames)?, name))),
            Exp::Variable(names) => self.reference(names, frames),
            Exp::Path(value, key) => self.path(&self.eval(value, frames)?, key),
            Exp::Filter(list, filter) => or_null(self.filter(list, filter, frames)),
            Exp::Quantified(quantifier, iterators, condition) => {
                or_null(self.quantified(*quantifier, iterators, condition, frames))
            }
            Exp::For(iterators, body) => or_null(self.repetition(iterators, body, frames)),
            Exp::Steps(start, end) => self.steps(start, end, frames),
            Exp::Call { within, name, arguments } if within.is_empty() => or_null(self.call(name, arguments, frames)),
            Exp::Call { within, name, arguments } => self.call_within(within, name, arguments, frames),
            Exp::Function(parameters, body) => {
                Ok(Value::Function(Arc::new(Function::new(parameters.clone(), body.clone(), frames.clone()))))
            }
        }
    }

    fn list(&self, items: &[Node], frames: &Frames) -> Outcome {
        let items: Result<Vec<_>, _> = items.iter().map(|item| self.eval(item, frames)).collect();
        match items {
            Ok(items) => Ok(Value::list(items)),
            Err(Fault::NoInput) => Err(Fault::Error(Fault::NoInput.to_string())),
            Err(fault) => Err(fault),
        }
    }

    /// Each entry sees those before it.
    fn context(&self, entries: &[(String, Node)], frames: &Frames) -> Outcome {
        let (mut values, mut functions) = (Vec::new(), Vec::new());
        for (key, node) in entries {
            let value = if matches!(**node, Exp::Literal(_)) {
                self.eval(node, frames)?
            } else {
                self.spend(u64::try_from(values.len()).unwrap_or(u64::MAX))?;
                let seen = Arc::new(Context::new(values.clone(), functions.clone()));
                self.eval(node, &scope::push(frames, Names::Context(seen)))?
            };
            match value {
                Value::Function(function) => functions.push((key.as_str().into(), function)),
                value => put(&mut values, key, value),
            }
        }
        Ok(Value::Context(Arc::new(Context::new(values, functions))))
    }

    /// The innermost variable of that name, of the expression or around it.
    fn variable(&self, frames: &Frames, name: &str) -> Result<Option<Value>, Fault> {
        if let Some(value) = scope::variable(frames, name) {
            return Ok(Some(value.clone()));
        }
        let value = self.scope.get(name).as_ref().map(Value::from_json);
        self.spend(value.as_ref().map_or(0, Value::size))?;
        Ok(value)
    }

    fn reference(&self, names: &[String], frames: &Frames) -> Outcome {
        let Some((name, rest)) = names.split_first() else { return Ok(Value::Null) };
        let Some(value) = self.variable(frames, name)? else {
            self.warn(WarningKind::NoVariableFound, format_args!("No variable found with name '{name}'"));
            return Ok(Value::Null);
        };
        rest.iter().try_fold(value, |value, key| self.path(&value, key))
    }

    fn with_input(&self, frames: &Frames, name: &str, value: Value) -> Frames {
        match value {
            Value::Function(function) => {
                let context = Context::new(Vec::new(), vec![(name.into(), function)]);
                scope::push(frames, Names::Context(Arc::new(context)))
            }
            value => scope::push(frames, Names::Variables(vec![(name.into(), value)])),
        }
    }
}

/// FEEL 1.3, 10.3.2.9.1: a value's type by its name.
fn is_instance(value: &Value, name: &str) -> bool {
    match name {
        "Any" => !matches!(value, Value::Null),
        "date time" => value.feel_type() == "date and time",
        "year-month-duration" => value.feel_type() == "years and months duration",
        "day-time-duration" => value.feel_type() == "days and time duration",
        _ => value.feel_type() == name,
    }
}
