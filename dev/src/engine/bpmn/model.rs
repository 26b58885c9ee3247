//! What the machine executes: flow nodes by index, connected and with their expressions parsed.

use super::expression::Expression;
use std::{collections::HashMap, sync::Arc};

/// An element's place in [`Process::elements`].
pub type ElementIx = usize;
/// A sequence flow's place in [`Process::flows`].
pub type FlowIx = usize;

/// The element that stands for the process itself.
pub const ROOT: ElementIx = 0;

/// An executable process.
#[derive(Debug)]
pub struct Process {
    /// The BPMN process id.
    pub id: Arc<str>,
    /// [`ROOT`] first; a multi-instance activity is two, its body and what is repeated, with one id.
    pub elements: Vec<Element>,
    /// All sequence flows.
    pub flows: Vec<Flow>,
}

/// A flow node, the process itself, or a multi-instance body.
#[derive(Debug)]
pub struct Element {
    /// The BPMN id.
    pub id: Arc<str>,
    /// The process, subprocess or multi-instance body around it; none for the process.
    pub scope: Option<ElementIx>,
    /// What it does.
    pub kind: Kind,
    /// Sequence flows that end here.
    pub incoming: Vec<FlowIx>,
    /// Sequence flows that start here.
    pub outgoing: Vec<FlowIx>,
    /// Boundary events attached to it.
    pub boundary: Vec<ElementIx>,
    /// Evaluates to the variables that it starts with.
    pub inputs: Option<Expression>,
    /// Evaluates to the variables that it leaves.
    pub outputs: Option<Expression>,
}

/// A sequence flow.
#[derive(Debug)]
pub struct Flow {
    /// The BPMN id; empty where it has none.
    pub id: Arc<str>,
    /// Where it leads.
    pub target: ElementIx,
    /// When it is taken, at an exclusive gateway.
    pub condition: Option<Expression>,
}

/// What an element does.
#[derive(Debug)]
pub enum Kind {
    /// The process.
    Process {
        /// All start events of it.
        starts: Vec<ElementIx>,
    },
    /// An embedded subprocess.
    SubProcess {
        /// Its none start event.
        start: ElementIx,
    },
    /// The body of a multi-instance activity.
    MultiInstance(Box<Loop>),
    /// A start event; without a trigger a none start event.
    Start(Option<Trigger>),
    /// A service task.
    Service(Box<JobDefinition>),
    /// A receive task.
    Receive(Message),
    /// A call activity.
    Call(CalledElement),
    /// An exclusive gateway.
    Exclusive {
        /// The flow that is taken when no condition is true.
        default: Option<FlowIx>,
    },
    /// A parallel gateway.
    Parallel,
    /// An intermediate catch event.
    Catch(Trigger),
    /// An intermediate none throw event.
    Throw,
    /// A boundary event.
    Boundary {
        /// What it waits for.
        trigger: Trigger,
        /// Whether it ends the activity.
        interrupting: bool,
    },
    /// A none end event.
    End,
    /// An error end event, with the code that it throws.
    ErrorEnd(Expression),
    /// A terminate end event.
    TerminateEnd,
}

/// What an event waits for.
#[derive(Debug)]
pub enum Trigger {
    /// A message.
    Message(Message),
    /// A timer.
    Timer(Timer),
    /// A BPMN error with this code; an empty one catches all.
    Error(Arc<str>),
}

/// A message that is waited for.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its name.
    pub name: Expression,
    /// Whose message it is; none only for those of start events.
    pub correlation_key: Option<Expression>,
}

/// When a timer fires.
#[derive(Debug)]
pub enum Timer {
    /// After a duration.
    Duration(Expression),
    /// At a date and time.
    Date(Expression),
    /// Repeatedly.
    Cycle(Expression),
}

/// A service task's job.
#[derive(Debug)]
pub struct JobDefinition {
    /// The job type.
    pub job_type: Expression,
    /// How often it may be tried.
    pub retries: Expression,
    /// The task headers, a JSON object.
    pub headers: Arc<str>,
}

/// What a call activity calls.
#[derive(Debug)]
pub struct CalledElement {
    /// The BPMN process id; the latest version of it is called.
    pub process_id: Expression,
    /// Whether all variables of the called instance come back.
    pub propagate_all_child_variables: bool,
    /// Whether the called instance starts with all variables that are visible here.
    pub propagate_all_parent_variables: bool,
}

/// How an activity is repeated.
#[derive(Debug)]
pub struct Loop {
    /// One after the other.
    pub sequential: bool,
    /// Evaluates to the list that is iterated.
    pub input_collection: Expression,
    /// The variable with the item.
    pub input_element: Option<Arc<str>>,
    /// The variable with the results, and what each adds to it.
    pub output: Option<(Arc<str>, Expression)>,
    /// Ends it early.
    pub completion_condition: Option<Expression>,
    /// What is repeated.
    pub inner: ElementIx,
}

impl Process {
    /// The none start event.
    pub fn none_start(&self) -> Option<ElementIx> {
        self.starts().iter().copied().find(|start| matches!(self.elements[*start].kind, Kind::Start(None)))
    }

    /// All start events of the process itself.
    pub fn starts(&self) -> &[ElementIx] {
        match &self.elements[ROOT].kind {
            Kind::Process { starts } => starts,
            _ => &[],
        }
    }

    /// Ids of the elements, each with the first of its indices.
    pub fn ids(&self) -> HashMap<&str, ElementIx> {
        self.elements.iter().enumerate().rev().map(|(index, element)| (&*element.id, index)).collect()
    }
}

impl Timer {
    /// Evaluates to the duration, date or cycle.
    pub fn expression(&self) -> &Expression {
        let (Self::Duration(expression) | Self::Date(expression) | Self::Cycle(expression)) = self;
        expression
    }
}

impl Element {
    /// What the element waits for while it is active, if it is an event.
    pub fn trigger(&self) -> Option<&Trigger> {
        match &self.kind {
            Kind::Start(trigger) => trigger.as_ref(),
            Kind::Catch(trigger) | Kind::Boundary { trigger, .. } => Some(trigger),
            _ => None,
        }
    }

    /// The message that it waits for.
    pub fn message(&self) -> Option<&Message> {
        match (&self.kind, self.trigger()) {
            (Kind::Receive(message), _) | (_, Some(Trigger::Message(message))) => Some(message),
            _ => None,
        }
    }

    /// The timer that it waits for.
    pub fn timer(&self) -> Option<&Timer> {
        match self.trigger() {
            Some(Trigger::Timer(timer)) => Some(timer),
            _ => None,
        }
    }

    /// The error code that it catches.
    pub fn error_code(&self) -> Option<&str> {
        match self.trigger() {
            Some(Trigger::Error(code)) => Some(code),
            _ => None,
        }
    }

    /// Whether its event ends what it is attached to.
    pub fn is_interrupting(&self) -> bool {
        !matches!(self.kind, Kind::Boundary { interrupting: false, .. })
    }
}
