//! BPMN with Zeebe's extensions, read into a checked [`Process`]; all that is not supported is refused, by element,
//! line and what it is.
//!
//! What only people look at is accepted: diagrams, documentation, annotations, groups, lanes, pools, data objects, names
//! and the attributes of modelers.

mod activities;
mod checks;
mod document;
mod event_definitions;
mod expression;
mod extensions;
mod mappings;
mod model;
mod reader;
mod refusal;
mod straight_loops;

pub use document::parse;
pub use expression::Expression;
pub use model::{
    CalledElement, Element, ElementIx, Flow, FlowIx, JobDefinition, Kind, Loop, Message, Process, ROOT, Timer, Trigger,
};
pub use refusal::Refusal;

/// The namespace of BPMN's elements.
const BPMN: &str = "http://www.omg.org/spec/BPMN/20100524/MODEL";
/// The namespace of Zeebe's extensions.
const ZEEBE: &str = "http://camunda.org/schema/zeebe/1.0";
