//! What an expression may cost. Zeebe has no such limits: it runs out of memory or stack there, and what we refuse it cannot use.

/// Characters of an expression.
pub(super) const MAX_TEXT: usize = 64 * 1024;
/// How deep an expression may nest, counted in rules of the grammar.
pub(super) const MAX_NESTING: usize = 100;
/// How deep evaluation may go, calls of the expression's own functions included.
pub(super) const MAX_CALL_DEPTH: usize = 200;
/// How deep lists and contexts may nest.
pub(super) const MAX_VALUE_DEPTH: u32 = 200;
/// How large a value may be: an entry or item counts one, a string one for every [`BYTES_PER_UNIT`].
pub(super) const MAX_SIZE: u64 = 1 << 20;
/// Bytes of a string that count as much as one item of a list.
pub(super) const BYTES_PER_UNIT: usize = 16;
/// Items of a range such as `1..10`, and rounds of a `for`, `some` or `every`.
pub(super) const MAX_ROUNDS: usize = 1_000_000;
/// Steps of one evaluation: nodes evaluated, and items and units of strings touched.
pub(super) const MAX_WORK: u64 = 10_000_000;
/// Digits before or behind the decimal point.
pub(super) const MAX_EXPONENT: i64 = 6144;
/// Bytes of a warning's message.
pub(super) const MAX_MESSAGE: usize = 1000;
/// Steps back that a regular expression may take.
pub(super) const MAX_BACKTRACKS: usize = 1_000_000;
