//! What events wait for and throw.

use super::{
    Expression, Kind, Message, Timer, Trigger,
    extensions::{Extensions, Place},
    reader::{Reader, child, children, text},
};
use roxmltree::Node;

/// Whether it is the definition of an event, supported or not.
fn is_definition(node: &Node) -> bool {
    node.tag_name().name().ends_with("EventDefinition")
}

impl<'a> Reader<'a> {
    fn definition_of(&mut self, event: Node<'a, 'a>) -> Option<Node<'a, 'a>> {
        let names: Vec<_> =
            children(event).filter(is_definition).map(|definition| definition.tag_name().name()).collect();
        self.check_children(event, &names);
        let mut definitions = children(event).filter(is_definition);
        let first = definitions.next();
        if let Some(first) = first {
            self.check_children(first, &["timeDuration", "timeDate", "timeCycle"]);
        }
        if let Some(second) = definitions.next() {
            self.refuse(second, "Must have exactly one event definition");
        }
        first
    }

    /// What a start, intermediate catch or boundary event waits for; only a start event may wait for nothing.
    pub(super) fn event_definition(&mut self, event: Node<'a, 'a>, place: &str) -> Option<Trigger> {
        let Some(definition) = self.definition_of(event) else {
            if place != "startEvent" {
                self.refuse(event, "Must have exactly one event definition");
            }
            return None;
        };
        match definition.tag_name().name() {
            "messageEventDefinition" => {
                self.check_attributes(definition, &["messageRef"]);
                self.message(definition, place != "startEvent").map(Trigger::Message)
            }
            "timerEventDefinition" => {
                self.check_attributes(definition, &[]);
                self.timer(definition, place).map(Trigger::Timer)
            }
            "errorEventDefinition" if place == "boundaryEvent" => {
                self.check_attributes(definition, &["errorRef"]);
                self.caught_error(definition).map(Trigger::Error)
            }
            name => {
                self.refuse(definition, format!("{name} is not supported in {place}"));
                None
            }
        }
    }

    pub(super) fn no_event_definition(&mut self, event: Node<'a, 'a>) {
        if let Some(definition) = self.definition_of(event) {
            let name = definition.tag_name().name();
            self.refuse(definition, format!("{name} is not supported in {}", event.tag_name().name()));
        }
    }

    pub(super) fn end_event(&mut self, event: Node<'a, 'a>) -> Kind {
        let Some(definition) = self.definition_of(event) else { return Kind::End };
        let kind = match definition.tag_name().name() {
            "terminateEventDefinition" => {
                self.check_attributes(definition, &[]);
                Kind::TerminateEnd
            }
            "errorEventDefinition" => {
                self.check_attributes(definition, &["errorRef"]);
                self.thrown_error(definition)
            }
            name => {
                self.refuse(definition, format!("{name} is not supported in endEvent"));
                Kind::End
            }
        };
        if child(event, "extensionElements")
            .is_some_and(|parent| parent.children().any(|part| part.has_tag_name((super::ZEEBE, "ioMapping"))))
        {
            self.refuse(event, "zeebe:ioMapping has no effect here");
        }
        kind
    }

    fn thrown_error(&mut self, definition: Node<'a, 'a>) -> Kind {
        let id = self.required(definition, "errorRef");
        match self.errors.get(id).copied() {
            Some(Some(code)) if !code.is_empty() => Kind::ErrorEnd(self.expression(definition, code)),
            Some(_) => {
                self.refuse(definition, "ErrorCode must be present and not empty");
                Kind::End
            }
            None => {
                self.refuse(definition, format!("Must reference an error: '{id}' is none"));
                Kind::End
            }
        }
    }

    fn caught_error(&mut self, definition: Node<'a, 'a>) -> Option<std::sync::Arc<str>> {
        let Some(id) = definition.attribute("errorRef") else { return Some("".into()) };
        let Some(code) = self.errors.get(id).copied() else {
            self.refuse(definition, format!("errorRef '{id}' is no error"));
            return None;
        };
        let code = code.unwrap_or_default();
        if code.starts_with('=') {
            self.refuse(definition, "The errorCode of the error catch event is not allowed to be an expression");
        }
        Some(code.into())
    }

    pub(super) fn receive_task(&mut self, node: Node<'a, 'a>) -> Kind {
        self.message(node, true).map_or(Kind::Parallel, Kind::Receive)
    }

    fn message(&mut self, referring: Node<'a, 'a>, with_key: bool) -> Option<Message> {
        let id = referring.attribute("messageRef").unwrap_or_default();
        let Some(node) = self.messages.get(id).copied() else {
            self.refuse(referring, "Must reference a message");
            return None;
        };
        let name = node.attribute("name").unwrap_or_default();
        if name.is_empty() {
            self.refuse(node, "Name must be present and not empty");
        }
        let name = self.expression(node, name);
        let correlation_key = Extensions::read(self, node, Place::Message).correlation_key;
        if with_key && correlation_key.is_none() {
            self.refuse(node, "Must have exactly one zeebe:subscription extension element");
        }
        Some(Message { name, correlation_key: correlation_key.filter(|_| with_key) })
    }

    fn timer(&mut self, definition: Node<'a, 'a>, place: &str) -> Option<Timer> {
        let mut timers = children(definition).filter(|part| part.tag_name().name().starts_with("time"));
        let (Some(node), None) = (timers.next(), timers.next()) else {
            self.refuse(definition, "Must be exactly one type of timer: timeDuration, timeDate or timeCycle");
            return None;
        };
        let text = text(node);
        let expression = self.expression(node, &text);
        let event = definition.parent_element().unwrap_or(definition);
        let interrupting = place == "boundaryEvent" && event.attribute("cancelActivity") != Some("false");
        match node.tag_name().name() {
            "timeDuration" => Some(Timer::Duration(expression)),
            "timeDate" => Some(Timer::Date(expression)),
            "timeCycle" if place == "intermediateCatchEvent" => {
                self.refuse(node, "Intermediate timer catch event must have either a time duration or a time date.");
                None
            }
            "timeCycle" if interrupting => {
                self.refuse(node, "Interrupting timer event with time cycle is not allowed.");
                None
            }
            "timeCycle" => {
                if let Expression::Static(text) = &expression
                    && !text.starts_with('R')
                {
                    self.refuse(
                        node,
                        format!("cron expressions are not supported, only cycles such as R3/PT5S: '{text}'"),
                    );
                }
                Some(Timer::Cycle(expression))
            }
            name => {
                self.refuse(node, format!("{name} is not supported"));
                None
            }
        }
    }
}
