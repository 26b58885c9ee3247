//! From a template and a job's variables to an argument vector.
//!
//! A command template is a [Tera](https://keats.github.io/tera/) text. Before it is compiled, `guard` checks its
//! expressions and rewrites them, so that every interpolated value comes out between NUL bytes, with its place in the
//! source, and every unknown or null name is an error. `words` then splits the rendered text the way a POSIX shell
//! would split it, taking each marked value as opaque: a value can never become two arguments or another command.
//!
//! Read in this order: [`Template`] and [`Command`], `guard`, `engine`, `budget`, `words`; then `file` and
//! [`Templates`] for templates in files. Everything but [`Templates::load`] is pure. The user's view of the same is
//! `docs/templates.md`.

pub mod duration;

mod budget;
mod engine;
mod error;
mod explain;
mod file;
mod guard;
mod load;
mod marks;
mod scan;
mod size;
mod template;
mod words;

#[cfg(test)]
mod tests;

pub use duration::{parse_duration, parse_pause};
pub use error::TemplateError;
pub use file::is_function_name;
pub use load::Templates;
pub use template::{Command, DEFAULT_COMMAND_LIMIT, Template};
