//! The syntax tree, with the distinctions that feel-scala's evaluation makes.

use super::value::Value;
use std::sync::Arc;

/// A node; copies share it.
pub(super) type Node = Arc<Exp>;
/// Names and what they run over, of a `for`, `some` or `every`.
pub(super) type Iterators = Vec<(String, Node)>;

/// An expression.
#[derive(Debug)]
pub(super) enum Exp {
    Literal(Value),
    /// `?`, the value that a unary test is about.
    Input,
    List(Vec<Node>),
    Context(Vec<(String, Node)>),
    /// A range as a function's argument.
    Range(Interval),
    Test(Test),
    Arithmetic(Node, Vec<(Operator, Node)>),
    Negation(Node),
    Compare(Comparator, Node, Node),
    Not(Node),
    /// `and` of two or more, each of all before and one more.
    And(Vec<Node>),
    /// `or` of two or more.
    Or(Vec<Node>),
    If(Node, Node, Node),
    In(Node, Node),
    InstanceOf(Node, String),
    /// A variable, and entries within it.
    Variable(Vec<String>),
    Path(Node, String),
    Filter(Node, Node),
    Quantified(Quantifier, Iterators, Node),
    For(Iterators, Node),
    /// `1..10` of an iterator.
    Steps(Node, Node),
    /// A function by its name; of the context at `within` when that is not empty.
    Call {
        within: Vec<String>,
        name: String,
        arguments: Arguments,
    },
    Function(Arc<[String]>, Node),
}

/// A unary test (FEEL 1.3, grammar rule 7): about the value before `in`.
#[derive(Debug)]
pub(super) enum Test {
    Compare(Comparator, Node),
    Equals(Node),
    Within(Interval),
    Holds(Node),
    AnyOf(Vec<Node>),
}

/// A range's two ends; each with whether it belongs to the range.
#[derive(Debug)]
pub(super) struct Interval {
    pub start: (Node, bool),
    pub end: (Node, bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Plus,
    Minus,
    Times,
    Over,
    Power,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparator {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantifier {
    Some,
    Every,
}

/// What a function is called with.
#[derive(Debug)]
pub(super) enum Arguments {
    Positional(Vec<Node>),
    Named(Vec<(String, Node)>),
}

impl Arguments {
    pub(super) fn nodes(&self) -> Vec<&Node> {
        match self {
            Self::Positional(nodes) => nodes.iter().collect(),
            Self::Named(named) => named.iter().map(|(_, node)| node).collect(),
        }
    }
}

impl Exp {
    /// The nodes right below.
    pub(super) fn children(&self) -> Vec<&Node> {
        match self {
            Self::Literal(_) | Self::Input | Self::Variable(_) => Vec::new(),
            Self::List(nodes) | Self::And(nodes) | Self::Or(nodes) | Self::Test(Test::AnyOf(nodes)) => {
                nodes.iter().collect()
            }
            Self::Context(entries) => entries.iter().map(|(_, node)| node).collect(),
            Self::Range(Interval { start, end }) | Self::Test(Test::Within(Interval { start, end })) => {
                vec![&start.0, &end.0]
            }
            Self::Test(Test::Compare(_, node) | Test::Equals(node) | Test::Holds(node))
            | Self::Negation(node)
            | Self::Not(node)
            | Self::InstanceOf(node, _)
            | Self::Path(node, _)
            | Self::Function(_, node) => vec![node],
            Self::Compare(_, left, right)
            | Self::In(left, right)
            | Self::Filter(left, right)
            | Self::Steps(left, right) => {
                vec![left, right]
            }
            Self::Arithmetic(first, rest) => std::iter::once(first).chain(rest.iter().map(|(_, node)| node)).collect(),
            Self::If(condition, yes, no) => vec![condition, yes, no],
            Self::Quantified(_, iterators, body) | Self::For(iterators, body) => {
                iterators.iter().map(|(_, node)| node).chain(std::iter::once(body)).collect()
            }
            Self::Call { arguments, .. } => arguments.nodes(),
        }
    }

    /// Adds the variables that are not bound within, each once, in the order of their first use.
    pub(super) fn free_names<'a>(&'a self, bound: &mut Vec<&'a str>, free: &mut Vec<&'a str>) {
        let known = bound.len();
        match self {
            Self::Variable(names) | Self::Call { within: names, .. } => {
                if let Some(name) = names.first().map(String::as_str)
                    && !bound.contains(&name)
                    && !free.contains(&name)
                {
                    free.push(name);
                }
                self.children().iter().for_each(|child| child.free_names(bound, free));
            }
            Self::Context(entries) => {
                for (key, node) in entries {
                    node.free_names(bound, free);
                    bound.push(key);
                }
            }
            Self::Quantified(_, iterators, body) | Self::For(iterators, body) => {
                iterators.iter().for_each(|(_, node)| node.free_names(bound, free));
                bound.extend(iterators.iter().map(|(name, _)| name.as_str()));
                bound.extend(matches!(self, Self::For(..)).then_some("partial"));
                body.free_names(bound, free);
            }
            Self::Filter(list, filter) => {
                list.free_names(bound, free);
                bound.push("item");
                filter.free_names(bound, free);
            }
            Self::Function(parameters, body) => {
                bound.extend(parameters.iter().map(String::as_str));
                body.free_names(bound, free);
            }
            _ => self.children().iter().for_each(|child| child.free_names(bound, free)),
        }
        bound.truncate(known);
    }
}
