//! FEEL as Zeebe 8.6.0 evaluates it (feel-scala 1.18.0), or refused when it is parsed.
//!
//! [`parse`] reads feel-scala's grammar with its oddities, [`read`] also what cannot be evaluated here;
//! [`Expression::readings`] and its neighbours say what an expression reads; [`Expression::evaluate`] gives the value, the
//! warnings and the failure that Zeebe gives. Nothing here reads a clock or the world: the time and the variables are arguments. What an
//! expression may cost is limited (`limits.rs`). One difference is known: feel-scala orders the entries of a context of
//! more than four by a hash, and here they keep their order, which only `string()` and `get entries()` show.

mod duration;
mod evaluate;
mod expression;
mod functions;
mod inspect;
mod limits;
mod number;
mod parser;
mod scope;
mod syntax;
mod temporal;
mod value;
mod warning;

pub use expression::{Evaluated, Expression, Refusal, Scope, parse, read};
pub use inspect::{Comparison, Reading};
pub use number::Number;
pub use scope::Function;
pub use temporal::{ZonedDateTime, ZonedTime};
pub use value::{Context, List, Range, Value};
pub use warning::{Warning, WarningKind};
