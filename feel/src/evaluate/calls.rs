//! Calls of functions (FEEL 1.3, 10.3.2.13): of the expression's own first, then of those that are built in.

use super::super::functions::{self, Builtin};
use super::super::scope::{self, Frames, Function};
use super::super::syntax::{Arguments, Node};
use super::super::value::Value;
use super::super::warning::WarningKind;
use super::{Evaluator, Fault, Outcome};
use std::sync::Arc;

impl Evaluator<'_> {
    pub(super) fn call(&self, name: &str, arguments: &Arguments, frames: &Frames) -> Outcome {
        let own =
            scope::functions(frames, name).into_iter().find(|function| fits(function.parameters(), false, arguments));
        let outcome = if let Some(function) = own {
            self.call_own(function, arguments, frames)
        } else if let Some(builtin) =
            functions::named(name).find(|builtin| fits(builtin.parameters, builtin.variadic, arguments))
        {
            self.call_builtin(builtin, arguments, frames)
        } else {
            return Err(self.no_function(name, arguments));
        };
        match outcome {
            Err(Fault::Error(reason)) if name == "assert" => {
                Err(self.error(WarningKind::AssertFailure, format_args!("{reason}")))
            }
            Err(Fault::Error(reason)) => {
                let text = format_args!("Failed to invoke function '{name}': {reason}");
                self.warn(WarningKind::FunctionInvocationFailure, text);
                Ok(Value::Null)
            }
            outcome => outcome,
        }
    }

    /// A function of the context that `within` leads to.
    pub(super) fn call_within(&self, within: &[String], name: &str, arguments: &Arguments, frames: &Frames) -> Outcome {
        let context = match self.reference(within, frames)? {
            Value::Context(context) => context,
            other => return Err(self.not_of_type("context", &other)),
        };
        let named = context.functions().iter().filter(|(known, _)| &**known == name);
        let function =
            named.map(|(_, function)| function).find(|function| fits(function.parameters(), false, arguments));
        match function {
            Some(function) => self.call_own(function, arguments, frames),
            None => Err(self.no_function(name, arguments)),
        }
    }

    fn no_function(&self, name: &str, arguments: &Arguments) -> Fault {
        let kind = WarningKind::NoFunctionFound;
        match arguments {
            Arguments::Positional(nodes) => {
                self.error(kind, format_args!("No function found with name '{name}' and {} parameters", nodes.len()))
            }
            Arguments::Named(named) => {
                let names: Vec<_> = named.iter().map(|(name, _)| name.as_str()).collect();
                self.error(
                    kind,
                    format_args!("No function found with name '{name}' and parameters: {}", names.join(",")),
                )
            }
        }
    }

    fn call_own(&self, function: &Arc<Function>, arguments: &Arguments, frames: &Frames) -> Outcome {
        let parameters: Vec<_> = function.parameters().iter().map(String::as_str).collect();
        let values = self.arguments(&parameters, arguments, frames)?;
        self.apply(function, values)
    }

    /// The expression's own function with these arguments.
    pub(in super::super) fn apply(&self, function: &Function, arguments: Vec<Value>) -> Outcome {
        self.eval(function.body(), &function.entered(arguments))
    }

    fn call_builtin(&self, builtin: &Builtin, arguments: &Arguments, frames: &Frames) -> Outcome {
        let mut values = self.arguments(builtin.parameters, arguments, frames)?;
        if builtin.variadic && matches!(arguments, Arguments::Positional(_)) {
            let fixed = builtin.parameters.len() - 1;
            let rest = values.split_off(fixed);
            values.push(match rest.as_slice() {
                [Value::List(list)] if fixed == 0 => Value::List(list.clone()),
                _ => Value::list(rest),
            });
        }
        self.spend(values.iter().fold(1, |size: u64, value| size.saturating_add(value.size())))?;
        (builtin.call)(self, &values)
    }

    /// The arguments' values in the order of the parameters; null for those not named.
    fn arguments(&self, parameters: &[&str], arguments: &Arguments, frames: &Frames) -> Result<Vec<Value>, Fault> {
        let nodes: Vec<Option<&Node>> = match arguments {
            Arguments::Positional(nodes) => nodes.iter().map(Some).collect(),
            Arguments::Named(named) => {
                let given =
                    |parameter: &&str| named.iter().rev().find(|(name, _)| name == parameter).map(|(_, node)| node);
                parameters.iter().map(given).collect()
            }
        };
        // All are evaluated, also when one is an error.
        let outcomes: Vec<_> =
            nodes.into_iter().map(|node| node.map_or(Ok(Value::Null), |node| self.eval(node, frames))).collect();
        outcomes.into_iter().collect()
    }
}

/// Whether a function with these parameters can be called so.
fn fits<T: AsRef<str>>(parameters: &[T], variadic: bool, arguments: &Arguments) -> bool {
    match arguments {
        Arguments::Positional(nodes) => nodes.len() == parameters.len() || (variadic && nodes.len() > parameters.len()),
        Arguments::Named(named) => {
            named.iter().all(|(name, _)| parameters.iter().any(|parameter| parameter.as_ref() == name))
        }
    }
}
