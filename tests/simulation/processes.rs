//! The processes that are run: both replies, with a runner behind the function and without.

use crate::functions::{GUARDED, PLAIN};

/// A process by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    pub id: &'static str,
    pub function: &'static str,
    pub holds_job: bool,
}

pub const PROCESSES: [Process; 4] = [
    Process { id: "message-guarded", function: GUARDED, holds_job: false },
    Process { id: "message-plain", function: PLAIN, holds_job: false },
    Process { id: "job-guarded", function: GUARDED, holds_job: true },
    Process { id: "job-plain", function: PLAIN, holds_job: true },
];

/// How long a call may take.
pub const TIMEOUT_SECONDS: u64 = 600;

impl Process {
    pub fn bpmn(self) -> String {
        let Self { id, function, holds_job } = self;
        let reply = if holds_job { r#"<zeebe:header key="reply" value="job"/>"# } else { "" };
        let task = format!(
            r#"<bpmn:serviceTask id="task"><bpmn:extensionElements>
                 <zeebe:taskDefinition type="openfaas" retries="3"/>
                 <zeebe:taskHeaders>
                   <zeebe:header key="function" value="{function}"/>
                   <zeebe:header key="cmdline" value="work {{{{ product }}}}"/>
                   <zeebe:header key="timeout" value="{TIMEOUT_SECONDS}s"/>{reply}
                 </zeebe:taskHeaders>
               </bpmn:extensionElements><bpmn:incoming>a</bpmn:incoming><bpmn:outgoing>b</bpmn:outgoing></bpmn:serviceTask>"#
        );
        let (wait, message) = if holds_job { (String::new(), "") } else { (WAIT.to_owned(), MESSAGE) };
        let flow = if holds_job {
            r#"<bpmn:sequenceFlow id="b" sourceRef="task" targetRef="end"/>"#
        } else {
            r#"<bpmn:sequenceFlow id="b" sourceRef="task" targetRef="wait"/>"#
        };
        let last = if holds_job { "b" } else { "c" };
        format!(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="simulation">
  <bpmn:process id="{id}" isExecutable="true">
    <bpmn:startEvent id="start"><bpmn:outgoing>a</bpmn:outgoing></bpmn:startEvent>
    <bpmn:sequenceFlow id="a" sourceRef="start" targetRef="task"/>
    {task}
    {flow}
    {wait}
    <bpmn:endEvent id="end"><bpmn:incoming>{last}</bpmn:incoming></bpmn:endEvent>
  </bpmn:process>
  {message}
</bpmn:definitions>"#
        )
    }
}

/// The belt of timers, far beyond every deadline: whoever is there has lost an outcome.
const WAIT: &str = r#"<bpmn:receiveTask id="wait" messageRef="done"><bpmn:incoming>b</bpmn:incoming><bpmn:outgoing>c</bpmn:outgoing></bpmn:receiveTask>
    <bpmn:sequenceFlow id="c" sourceRef="wait" targetRef="end"/>
    <bpmn:boundaryEvent id="belt" attachedToRef="wait"><bpmn:outgoing>e</bpmn:outgoing>
      <bpmn:timerEventDefinition><bpmn:timeDuration xsi:type="bpmn:tFormalExpression">PT5H</bpmn:timeDuration></bpmn:timerEventDefinition>
    </bpmn:boundaryEvent>
    <bpmn:sequenceFlow id="e" sourceRef="belt" targetRef="lost"/>
    <bpmn:endEvent id="lost"><bpmn:incoming>e</bpmn:incoming></bpmn:endEvent>"#;

const MESSAGE: &str = r#"<bpmn:message id="done" name="faas-done"><bpmn:extensionElements><zeebe:subscription correlationKey="=call.callId"/></bpmn:extensionElements></bpmn:message>"#;
