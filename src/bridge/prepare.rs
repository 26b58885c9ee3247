//! From a job to the call that is to be made of it. Pure.

use super::{
    render::{Template, Templates, is_function_name},
    task::{self, CommandSource, TaskReply},
};
use crate::{
    clock::millis,
    config::{BodyFormat, Executor, Function, OnUnknown, Settings},
    ledger::{BegunBy, HeldJob, NewCall, Reply, Terms},
    zeebe::Job,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use zeebe2faas_contract::{CallId, Resources, TRACEPARENT_HEADER, TraceParent};

/// Counts the tries of a job; absent means the first. Local to the task.
pub const TRY_VARIABLE: &str = "zeebe2faasTry";
/// Counts the earlier tries of the job that ran out of memory. Local to the task.
pub const OOM_VARIABLE: &str = "zeebe2faasOom";
/// Until when the job is not tried again, in milliseconds since 1970. Local to the task.
pub const PAUSE_VARIABLE: &str = "zeebe2faasPause";
/// Holds a [`Begun`] while a job stays open for its call. Local to the task.
pub const CALL_VARIABLE: &str = "zeebe2faasCall";

/// A call that can be written down and submitted.
#[derive(Debug)]
pub struct Prepared {
    /// The call, with its command and deadline.
    pub call: NewCall,
    /// What the invocation's body is.
    pub body: BodyFormat,
    /// Whether a submission with an unknown result is made again.
    pub resubmit: bool,
    /// Who has begun this very call before, as Zeebe says.
    pub begun_by: BegunBy,
    /// The values for templates.
    pub variables: Map<String, Value>,
}

/// What Zeebe keeps of a call whose job stays open, so that any replica that is handed the job goes on with the call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Begun {
    /// The call.
    pub call_id: CallId,
    /// Which try of the job.
    #[serde(rename = "try")]
    pub attempt: u32,
    /// The replica that submits it.
    pub owner: String,
    /// Its function.
    pub function: String,
    /// When it must have ended, in milliseconds since 1970 (UTC).
    pub deadline_ms: u64,
    /// `submitting` or `submitted`.
    pub state: String,
}

/// Makes the call of a job.
///
/// # Errors
/// A sentence for the incident: only a person who changes the model, a template or a variable can help.
pub fn prepare(job: &Job, templates: &Templates, settings: &Settings, now_ms: u64) -> Result<Prepared, String> {
    let mut variables: Map<String, Value> =
        serde_json::from_str(&job.variables).map_err(|error| format!("the job's variables are not JSON: {error}"))?;
    let task = task::read(&job.headers, &variables)?;
    // Ours, so they are read before the values for the template, which are the modeller's.
    let attempt = attempt(&variables)?;
    let ooms = times_out_of_memory(&variables);
    let (begun, larger) = (begun(&variables), larger_function(&task.reply, ooms));
    let parent = parent(&variables);
    task::overlay(&job.headers, &mut variables)?;
    let template = template(&task.command, templates, job)?;
    let command = template
        .render(&variables, &settings.vars, settings.calls.command_limit_bytes)
        .map_err(|error| error.to_string())?;
    let function = match (larger, &task.function, &template.function) {
        (Some(name), _, _) | (None, Some(name), _) | (None, None, Some(name)) => name.clone(),
        (None, None, None) => return Err("no function: name it in the header `function` or in the template".to_owned()),
    };
    if !is_function_name(&function) {
        return Err(format!(
            "`{function}` is not a function name: lower-case letters, digits, `-`, `_`, perhaps `.namespace`"
        ));
    }
    let known = settings.functions.get(&function).cloned().unwrap_or_default();
    let outputs = task.outputs.unwrap_or_else(|| template.outputs_of(&command));
    if !outputs.is_empty() && known.body == BodyFormat::Text {
        return Err(format!("`outputs` needs the runner, but function `{function}` takes its command as text"));
    }
    let as_job = task.executor.unwrap_or(template.executor) == Executor::KubernetesJob;
    let timeout = task.timeout.or(template.timeout).unwrap_or(settings.calls.timeout);
    let id = CallId::new(&settings.cluster, job.key, attempt);
    let reply = reply(task.reply, job, attempt, ooms);
    let begun = begun.filter(|begun| reply.holds_job() && begun.call_id == id);
    let deadline_ms = begun.as_ref().map_or_else(|| now_ms.saturating_add(millis(timeout)), |begun| begun.deadline_ms);
    let call = NewCall {
        id,
        job_key: job.key,
        attempt,
        job_type: job.job_type.clone(),
        process_instance_key: job.process_instance_key,
        bpmn_process_id: job.bpmn_process_id.clone(),
        element_id: job.element_id.clone(),
        tenant: job.tenant.clone(),
        run_once: known.run_once,
        as_job,
        function,
        reply,
        result: task.result,
        args: command.args,
        outputs,
        resources: Resources { memory_bytes: memory(&template, ooms), ..template.resources },
        parent,
        accepted_ms: now_ms,
        deadline_ms,
        keep_until_ms: deadline_ms + millis(settings.calls.message_ttl.max(settings.calls.token_grace)),
    };
    // A Job has its call's name, so that it is made once however often that is tried.
    let resubmit = as_job || resubmits(&known, task.on_unknown);
    let begun_by = match begun {
        None => BegunBy::Nobody,
        Some(begun) if begun.owner == settings.replica => BegunBy::Us,
        Some(_) => BegunBy::Another,
    };
    Ok(Prepared { call, body: known.body, resubmit, begun_by, variables })
}

/// What the template says for a try after so many that ran out of memory; the last of it for all that follow.
fn memory(template: &Template, ooms: u32) -> Option<u64> {
    let index = usize::try_from(ooms).unwrap_or(usize::MAX).min(template.more_memory.len());
    index.checked_sub(1).and_then(|index| template.more_memory.get(index).copied()).or(template.resources.memory_bytes)
}

fn times_out_of_memory(variables: &Map<String, Value>) -> u32 {
    let value = variables.get(OOM_VARIABLE);
    value.and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok()).unwrap_or_default()
}

/// The call that Zeebe keeps beside a job. Only the ledger can tell whether it is this job's.
pub fn kept(job: &Job) -> Option<CallId> {
    begun(&serde_json::from_str(&job.variables).ok()?).map(|begun| begun.call_id)
}

fn reply(wanted: TaskReply, job: &Job, attempt: u32, ooms: u32) -> Reply {
    match wanted {
        TaskReply::Message(name) => Reply::Message(name),
        TaskReply::Job { error_code, oom_function } => {
            let (element_instance_key, retries) = (job.element_instance_key, job.retries);
            let terms =
                Terms { element_instance_key, attempt, retries, error_code, oom_function, ooms, retry_now: false };
            Reply::Job(HeldJob { key: job.key, terms: Some(terms) })
        }
    }
}

/// The function that the task names for tries after one that ran out of memory, if there was one.
fn larger_function(reply: &TaskReply, ooms: u32) -> Option<&String> {
    match reply {
        TaskReply::Job { oom_function, .. } if ooms > 0 => oom_function.as_ref(),
        _ => None,
    }
}

/// The span that the process hangs the call below. What is no `traceparent` is to be ignored (W3C Trace Context).
fn parent(variables: &Map<String, Value>) -> Option<TraceParent> {
    variables.get(TRACEPARENT_HEADER)?.as_str()?.parse().ok()
}

/// What Zeebe keeps of the task's last call. Something else under that name is not ours, and is left alone.
fn begun(variables: &Map<String, Value>) -> Option<Begun> {
    variables.get(CALL_VARIABLE).and_then(|value| Begun::deserialize(value).ok())
}

/// What the service task is completed with: the call, as far as it is known until its outcome comes.
pub fn submitted(call: &NewCall) -> Value {
    let deadline = i64::try_from(call.deadline_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let deadline = deadline.map(|deadline| deadline.to_string());
    json!({ call.result.as_str(): { "callId": call.id, "status": "submitted", "deadline": deadline } })
}

/// A guarded function may be invoked again whatever the task says: it runs once.
fn resubmits(function: &Function, on_unknown: Option<OnUnknown>) -> bool {
    function.run_once || on_unknown.unwrap_or(function.on_unknown) == OnUnknown::Resubmit
}

fn template<'a>(source: &CommandSource, templates: &'a Templates, job: &Job) -> Result<Cow<'a, Template>, String> {
    match source {
        CommandSource::Template(name) => templates.get(name).map(Cow::Borrowed).ok_or_else(|| {
            let names = templates.names().collect::<Vec<_>>().join(", ");
            format!("header `template`: there is no template `{name}`; there are: {names}")
        }),
        CommandSource::Inline(text) => {
            let source = format!("header cmdline of `{}`", job.element_id);
            Template::inline(text, &source).map(Cow::Owned).map_err(|error| error.to_string())
        }
    }
}

fn attempt(variables: &Map<String, Value>) -> Result<u32, String> {
    match variables.get(TRY_VARIABLE) {
        None | Some(Value::Null) => Ok(1),
        Some(value) => value
            .as_u64()
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| *number > 0)
            .ok_or_else(|| format!("variable `{TRY_VARIABLE}` is {value}, not a whole number from 1; remove it")),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn only_lack_of_memory_climbs_the_list_and_its_end_is_the_most() {
        let mut template = Template::inline("prog", "a test").unwrap();
        template.resources.memory_bytes = Some(1);
        assert_eq!([0, 1, 9].map(|ooms| memory(&template, ooms)), [Some(1); 3]);
        template.more_memory = vec![2, 4];
        assert_eq!([0, 1, 2, 3].map(|ooms| memory(&template, ooms)), [Some(1), Some(2), Some(4), Some(4)]);
        let variables = |value| Map::from_iter([(OOM_VARIABLE.to_owned(), value)]);
        assert_eq!([json!(2), json!("2"), json!(-1)].map(|value| times_out_of_memory(&variables(value))), [2, 0, 0]);
    }
}
