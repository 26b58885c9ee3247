//! The tasks of a process that the bridge works, as far as the model says what they do.

use super::{
    model::{Element, Header},
    site::Site,
};
use crate::bridge::{
    render::{Template, parse_duration},
    task::{DEFAULT_MESSAGE, DEFAULT_RESULT, error_code, result_name},
};
use std::{borrow::Cow, time::Duration};

/// One task. What is written wrongly counts as not known: a rule of its own says so.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub index: usize,
    pub element: &'a Element,
    /// The code of the BPMN error that it throws instead of calling.
    pub throws: Option<&'a Header>,
    /// The variable that may supply what headers do not say.
    pub from: Option<&'a Header>,
    pub reply: Option<Reply<'a>>,
    pub result: Option<String>,
    pub template: Option<Cow<'a, Template>>,
    /// The function, and the larger one for tries after one that ran out of memory; each with its line.
    pub function: Option<(String, u32)>,
    pub on_oom: Option<&'a Header>,
    /// Where nobody says it, the configuration's; not known where `from` may say it.
    pub timeout: Option<Duration>,
    pub outputs: Option<Vec<String>>,
}

/// What its outcome does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply<'a> {
    /// A message of this name.
    Message(&'a str),
    /// The task's own end, or this BPMN error.
    Job(Option<String>),
}

/// Whether the bridge works the tasks of this type.
pub(super) fn is_ours(element: &Element, site: &Site) -> bool {
    let job_type = element.job_type.as_ref().and_then(|text| text.constant());
    job_type.is_some_and(|job_type| site.job_types.iter().any(|known| known == job_type))
}

impl<'a> Call<'a> {
    pub fn read(index: usize, element: &'a Element, site: &'a Site) -> Self {
        let header = |name| element.header(name);
        let (from, throws) = (header("from"), header("throw"));
        // What a header does not say, `from` may.
        let open = from.is_some() && throws.is_none();
        let template = command(element, site);
        let named = header("function").map(|header| (header.value.trim().to_owned(), header.line));
        let by_template = || {
            let line = header("template").map_or(element.line, |header| header.line);
            template.as_ref().and_then(|template| template.function.clone()).filter(|_| !open).map(|name| (name, line))
        };
        let timeout = match header("timeout") {
            Some(header) => parse_duration(header.value.trim()).ok(),
            None if open => None,
            None => Some(template.as_ref().and_then(|template| template.timeout).unwrap_or(site.timeout)),
        };
        let outputs = header("outputs").map(|header| names(&header.value));
        let result = match header("result") {
            Some(header) => result_name(Some(header.value.clone())).ok(),
            None if open => None,
            None => Some(DEFAULT_RESULT.to_owned()),
        };
        Self {
            index,
            element,
            throws,
            from,
            reply: reply(element, open),
            result,
            function: named.or_else(by_template),
            on_oom: header("onOom"),
            timeout,
            outputs: outputs.or_else(|| template.as_ref().map(|template| template.outputs.clone())),
            template,
        }
    }

    /// The name of the message that wakes its receive task, and the result's.
    pub fn awaited(&self) -> Option<(&'a str, &str)> {
        match (&self.reply, &self.result) {
            (Some(Reply::Message(name)), Some(result)) if self.throws.is_none() => Some((name, result)),
            _ => None,
        }
    }

    /// The code of the error that it may end with.
    pub fn error(&self) -> Option<(&str, &'a Header)> {
        match (self.throws, &self.reply) {
            (Some(header), _) => Some((header.value.trim(), header)),
            (None, Some(Reply::Job(Some(code)))) => Some((code, self.element.header("onFailure")?)),
            _ => None,
        }
    }

    /// The line of what the command comes from.
    pub fn command_line(&self) -> u32 {
        let header = self.element.header("template").or_else(|| self.element.header("cmdline"));
        header.map_or(self.element.line, |header| header.line)
    }
}

fn reply(element: &Element, open: bool) -> Option<Reply<'_>> {
    match element.header("reply").map(|header| header.value.trim()) {
        None if open && element.header("message").is_none() => None,
        None | Some("message") => {
            Some(Reply::Message(element.header("message").map_or(DEFAULT_MESSAGE, |header| &header.value)))
        }
        Some("job") => {
            let code = element.header("onFailure").map(|header| error_code(&header.value));
            code.transpose().ok().map(|code| Reply::Job(code.flatten()))
        }
        Some(_) => None,
    }
}

fn command<'a>(element: &'a Element, site: &'a Site) -> Option<Cow<'a, Template>> {
    match (element.header("template"), element.header("cmdline")) {
        (Some(header), None) => site.templates.as_ref()?.get(header.value.trim()).map(Cow::Borrowed),
        (None, Some(header)) => Template::inline(&header.value, "cmdline").ok().map(Cow::Owned),
        _ => None,
    }
}

/// Names as the header `outputs` lists them.
pub(super) fn names(text: &str) -> Vec<String> {
    let names = text.split([',', ' ']).filter(|name| !name.is_empty());
    names.map(|name| name.trim_start_matches('-').to_owned()).collect()
}
