//! FEEL as Zeebe 8.6.0 evaluates it, or refused.

mod expression;
mod value;
mod warning;

pub use expression::{Evaluated, Expression, Refusal, Scope, parse};
pub use value::Value;
pub use warning::{Warning, WarningKind};
