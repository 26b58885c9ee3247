//! What an expression reads, without evaluating it.

use super::expression::Expression;
use super::functions;
use super::syntax::{Arguments, Comparator, Exp, Node};
use super::value::Value;

/// Functions of feel-scala that this crate does not evaluate, those of releases after 1.18.0 among them.
const ELSEWHERE: [&str; 8] =
    ["uuid", "random number", "from json", "to json", "is blank", "list replace", "partition", "fromAi"];
/// Functions that say what holds when an argument is missing.
const FORGIVING: [&str; 2] = ["is defined", "get or else"];

/// One place where a variable is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The variable, then the entries within it as far as they are written: `call.status` is two.
    pub path: Vec<String>,
    /// Whether the expression says what holds without it (compared with null, `is defined`, `get or else`), or it may
    /// be an entry of a filtered list's items.
    pub may_be_missing: bool,
}

/// A variable, or an entry in one, that is compared for equality with a string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// As in [`Reading`].
    pub path: Vec<String>,
    /// The string.
    pub text: String,
}

impl Expression {
    /// Every place where a variable is read that the expression itself does not bind, in the order of the text.
    #[must_use]
    pub fn readings(&self) -> Vec<Reading> {
        let mut walk = Walk { bound: Vec::new(), forgiving: 0, found: Vec::new() };
        walk.node(&self.root);
        walk.found
    }

    /// Its comparisons of variables with strings.
    #[must_use]
    pub fn comparisons(&self) -> Vec<Comparison> {
        let mut found = Vec::new();
        each(&self.root, &mut |node| {
            if let Exp::Compare(Comparator::Equal, left, right) = &**node {
                for (variable, text) in [(left, right), (right, left)] {
                    if let (Exp::Variable(path), Exp::Literal(Value::String(text))) = (&**variable, &**text) {
                        found.push(Comparison { path: path.clone(), text: text.to_string() });
                    }
                }
            }
        });
        found
    }

    /// Names of functions that are neither built in nor defined in the expression.
    #[must_use]
    pub fn unknown_functions(&self) -> Vec<String> {
        let (mut called, mut own) = (Vec::new(), Vec::new());
        each(&self.root, &mut |node| match &**node {
            Exp::Call { within, name, .. } if within.is_empty() => called.push(name.clone()),
            Exp::Context(entries) => own.extend(entries.iter().map(|(key, _)| key.clone())),
            Exp::Function(parameters, _) => own.extend(parameters.iter().cloned()),
            _ => {}
        });
        let known = |name: &String| {
            functions::named(name).next().is_some() || ELSEWHERE.contains(&name.as_str()) || own.contains(name)
        };
        called.retain(|name| !known(name));
        called
    }
}

/// Calls `look` with the node and all below it.
fn each(node: &Node, look: &mut impl FnMut(&Node)) {
    look(node);
    node.children().into_iter().for_each(|child| each(child, look));
}

struct Walk<'a> {
    bound: Vec<&'a str>,
    /// How many constructs around this place say what holds without a variable.
    forgiving: usize,
    found: Vec<Reading>,
}

impl<'a> Walk<'a> {
    fn node(&mut self, node: &'a Node) {
        let known = self.bound.len();
        match &**node {
            Exp::Variable(path) => self.reads(path.clone()),
            Exp::Path(inner, key) if matches!(&**inner, Exp::Variable(_)) => {
                if let Exp::Variable(path) = &**inner {
                    self.reads(path.iter().cloned().chain([key.clone()]).collect());
                }
            }
            Exp::Call { within, name, arguments } => self.call(within, name, arguments),
            Exp::Compare(_, left, right) if is_null(left) || is_null(right) => {
                self.forgiven(|walk| [left, right].into_iter().for_each(|side| walk.node(side)));
            }
            Exp::Context(entries) => {
                for (key, value) in entries {
                    self.node(value);
                    self.bound.push(key);
                }
            }
            Exp::Quantified(_, iterators, body) | Exp::For(iterators, body) => {
                for (name, over) in iterators {
                    self.node(over);
                    self.bound.push(name);
                }
                self.bound.push("partial");
                self.node(body);
            }
            Exp::Filter(list, filter) => {
                self.node(list);
                self.bound.push("item");
                self.forgiven(|walk| walk.node(filter));
            }
            Exp::Function(parameters, body) => {
                self.bound.extend(parameters.iter().map(String::as_str));
                self.node(body);
            }
            _ => node.children().into_iter().for_each(|child| self.node(child)),
        }
        self.bound.truncate(known);
    }

    fn call(&mut self, within: &'a [String], name: &'a str, arguments: &'a Arguments) {
        if !within.is_empty() {
            self.reads(within.to_vec());
        }
        let arguments = arguments.nodes();
        if FORGIVING.contains(&name) {
            self.forgiven(|walk| arguments.into_iter().for_each(|argument| walk.node(argument)));
        } else {
            arguments.into_iter().for_each(|argument| self.node(argument));
        }
    }

    fn forgiven(&mut self, walk: impl FnOnce(&mut Self)) {
        self.forgiving += 1;
        walk(self);
        self.forgiving -= 1;
    }

    fn reads(&mut self, path: Vec<String>) {
        if path.first().is_some_and(|name| !self.bound.contains(&name.as_str())) {
            self.found.push(Reading { path, may_be_missing: self.forgiving > 0 });
        }
    }
}

fn is_null(node: &Node) -> bool {
    matches!(&**node, Exp::Literal(Value::Null))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use crate::read;

    fn readings(text: &str) -> Vec<String> {
        let readings = read(text).unwrap().readings();
        let show = |missing| if missing { "?" } else { "" };
        readings.iter().map(|reading| reading.path.join(".") + show(reading.may_be_missing)).collect()
    }

    #[test]
    fn what_an_expression_binds_itself_is_not_read() {
        assert_eq!(readings("for x in xs return x + y"), ["xs", "y"]);
        assert_eq!(readings("{a: b, c: a}"), ["b"]);
        assert_eq!(readings("function(a) a + c"), ["c"]);
    }

    #[test]
    fn a_name_may_be_missing_where_the_expression_says_what_holds_then() {
        assert_eq!(readings("if a = null then 1 else a.b"), ["a?", "a.b"]);
        assert_eq!(readings("get or else(tries, 3) + is defined(x.y)"), ["tries?", "x.y?"]);
        assert_eq!(readings("list[status = wanted]"), ["list", "status?", "wanted?"]);
    }

    #[test]
    fn comparisons_with_strings_and_unknown_functions_are_told() {
        let expression = read("call.status = \"done\" and uper case(a) = count(b)").unwrap();
        let compared = expression.comparisons();
        assert_eq!((compared[0].path.join("."), compared[0].text.as_str()), ("call.status".to_owned(), "done"));
        assert_eq!(expression.unknown_functions(), ["uper case"]);
    }

    #[test]
    fn what_cannot_be_evaluated_here_is_read_all_the_same() {
        assert!(read("matches(a, pattern)").is_ok() && read("uuid()").is_ok());
        assert!(!read("a +").unwrap_err().legal);
    }
}
