//! Where names are looked up: frames of the expression's own, the innermost first, and the variables around them.

use super::syntax::Node;
use super::value::{Context, Value};
use std::sync::Arc;

/// A chain of frames; None is the empty one.
pub(super) type Frames = Option<Arc<Frame>>;

/// Names that one construct brings.
#[derive(Debug)]
pub(super) struct Frame {
    names: Names,
    outer: Frames,
    depth: u32,
}

#[derive(Debug)]
pub(super) enum Names {
    /// Of an iterator, a filter's item or parameters.
    Variables(Vec<(Arc<str>, Value)>),
    /// A context's entries and functions.
    Context(Arc<Context>),
}

/// A function that the expression defines, with the names that it saw there.
#[derive(Debug)]
pub struct Function {
    parameters: Arc<[String]>,
    body: Node,
    frames: Frames,
}

impl Function {
    pub(super) fn new(parameters: Arc<[String]>, body: Node, frames: Frames) -> Self {
        Self { parameters, body, frames }
    }

    /// Its parameters' names.
    #[must_use]
    pub fn parameters(&self) -> &[String] {
        &self.parameters
    }

    pub(super) fn body(&self) -> &Node {
        &self.body
    }

    /// Its own frames with `arguments` before them.
    pub(super) fn entered(&self, arguments: Vec<Value>) -> Frames {
        let names = self.parameters.iter().map(|name| name.as_str().into()).zip(arguments).collect();
        push(&self.frames, Names::Variables(names))
    }

    /// How deep the values nest that it holds.
    pub(super) fn depth(&self) -> u32 {
        1 + self.frames.as_ref().map_or(0, |frame| frame.depth)
    }
}

/// A frame before `outer`.
pub(super) fn push(outer: &Frames, names: Names) -> Frames {
    let own = match &names {
        Names::Variables(variables) => variables.iter().map(|(_, value)| value.depth()).max().unwrap_or(0),
        Names::Context(context) => Value::Context(context.clone()).depth(),
    };
    let depth = own.max(outer.as_ref().map_or(0, |frame| frame.depth));
    Some(Arc::new(Frame { names, outer: outer.clone(), depth }))
}

fn chain(frames: &Frames) -> impl Iterator<Item = &Frame> {
    std::iter::successors(frames.as_deref(), |frame| frame.outer.as_deref())
}

/// The innermost variable of that name.
pub(super) fn variable<'a>(frames: &'a Frames, name: &str) -> Option<&'a Value> {
    chain(frames).find_map(|frame| match &frame.names {
        Names::Variables(variables) => variables.iter().find(|(known, _)| &**known == name).map(|(_, value)| value),
        Names::Context(context) => context.get(name),
    })
}

/// The functions of that name, the innermost first.
pub(super) fn functions<'a>(frames: &'a Frames, name: &str) -> Vec<&'a Arc<Function>> {
    let contexts = chain(frames).filter_map(|frame| match &frame.names {
        Names::Variables(_) => None,
        Names::Context(context) => Some(context),
    });
    contexts
        .flat_map(|context| context.functions())
        .filter(|(known, _)| &**known == name)
        .map(|(_, function)| function)
        .collect()
}
