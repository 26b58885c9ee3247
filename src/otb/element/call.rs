//! What every call has: which template, who waits for its outcome, until when, which worker.

use super::super::Application;
use super::super::schema::{Binding, Condition, Constraints, Field, Group, OneOf, Pattern, Property};
use super::offer;
use crate::bridge::task::{DEFAULT_MESSAGE, DEFAULT_RESULT};

pub(super) const GROUP: (&str, &str) = ("call", "Call");
pub(super) const WORKER: (&str, &str) = ("worker", "Worker");

const REPLY: &str = "reply";

pub(super) fn groups() -> impl Iterator<Item = Group> {
    [GROUP, WORKER].into_iter().map(|(id, label)| Group {
        id: id.into(),
        label: label.into(),
        tooltip: String::new(),
        open_by_default: false,
    })
}

/// They come last, since the Modeler shows groups in the order of their first fields.
pub(super) fn fields(application: &Application) -> Vec<Property> {
    vec![
        Property {
            field: Field::Dropdown,
            value: Some("message".into()),
            choices: vec![
                offer("A receive task behind it", "message"),
                offer("This task itself, until the function has ended", "job"),
            ],
            ..header(REPLY, "What waits for the outcome")
        },
        Property {
            value: Some(DEFAULT_RESULT.into()),
            description: "The variable for the outcome; branches side by side need different ones".into(),
            constraints: Some(Constraints { not_empty: true, pattern: Some(NAME) }),
            ..header("result", "Result")
        },
        Property {
            value: Some(DEFAULT_MESSAGE.into()),
            description: "Name of the message that the receive task waits for".into(),
            constraints: Some(Constraints { not_empty: true, pattern: None }),
            condition: replies("message"),
            ..header("message", "Message")
        },
        Property {
            optional: true,
            placeholder: Some("4h"),
            description: "From the submission; otherwise the command template says it".into(),
            constraints: Some(Constraints { not_empty: false, pattern: Some(DURATION) }),
            ..header("timeout", "Deadline")
        },
        Property {
            optional: true,
            placeholder: Some("error:OTB_FAILED"),
            description: "When no try is left: `incident`, or the BPMN error that a boundary event catches".into(),
            constraints: Some(Constraints { not_empty: false, pattern: Some(FAILURE) }),
            condition: replies("job"),
            ..header("onFailure", "On failure")
        },
        Property {
            optional: true,
            placeholder: Some("otbcli-large"),
            description: "The function of all tries after one that ran out of memory".into(),
            condition: replies("job"),
            ..header("onOom", "When out of memory")
        },
        Property {
            optional: true,
            placeholder: Some("otbcli"),
            description: "Otherwise the command template names it".into(),
            ..header("function", "Function")
        },
        Property {
            field: Field::Hidden,
            value: Some(application.template_name()),
            ..header("template", "Command template")
        },
        worker("type", "Job type", "openfaas"),
        worker("retries", "Tries of the job", "3"),
    ]
}

const NAME: Pattern =
    Pattern { value: "^[A-Za-z_][A-Za-z0-9_]*$", message: "a variable's name: letters, digits and _" };
const DURATION: Pattern =
    Pattern { value: "^$|^P.+$|^([0-9]+(ms|[smhdw]))+$", message: "a duration such as 90s, 30m, 4h, 1h30m or PT4H" };
const FAILURE: Pattern = Pattern { value: "^$|^incident$|^error:.+$", message: "incident, or error:CODE" };

fn header(key: &'static str, label: &str) -> Property {
    Property {
        id: key.into(),
        label: label.into(),
        group: GROUP.0.into(),
        binding: Binding::Header { key },
        ..Property::default()
    }
}

fn worker(property: &'static str, label: &str, value: &str) -> Property {
    Property {
        id: format!("job-{property}"),
        label: label.into(),
        group: WORKER.0.into(),
        value: Some(value.into()),
        constraints: Some(Constraints { not_empty: true, pattern: None }),
        binding: Binding::TaskDefinition { property },
        ..Property::default()
    }
}

fn replies(mode: &str) -> Option<Condition> {
    Condition::all(vec![OneOf { property: REPLY.into(), one_of: vec![mode.into()] }])
}
