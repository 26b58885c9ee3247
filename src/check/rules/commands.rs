//! Commands, templates and functions of the calls.

use crate::{
    bridge::render::Template,
    check::{
        call::Call,
        finding::{Finding, Rule, Severity},
        near::meant,
        view::View,
    },
    config::BodyFormat,
};

pub(super) const COMMAND_LINE: Rule = Rule {
    id: "command-line",
    severity: Severity::Error,
    what: "The header `cmdline` is no command template",
    why: "the job is an incident",
    advice: "write what the message says; docs/templates.md has what a template may be",
};

pub(super) const UNKNOWN_TEMPLATE: Rule = Rule {
    id: "unknown-template",
    severity: Severity::Error,
    what: "The header `template` names a template that is not there",
    why: "the job is an incident",
    advice: "write the name of a file of the templates folder, without .toml",
};

pub(super) const NO_TEMPLATES: Rule = Rule {
    id: "no-templates",
    severity: Severity::Note,
    what: "There is no templates folder",
    why: "nothing that templates say is checked",
    advice: "name the configuration with --config, or check where the templates are",
};

pub(super) const NO_FUNCTION: Rule = Rule {
    id: "no-function",
    severity: Severity::Error,
    what: "Neither the header `function` nor the template names a function",
    why: "the job is an incident",
    advice: "add the header `function`",
};

pub(super) const UNKNOWN_FUNCTION: Rule = Rule {
    id: "unknown-function",
    severity: Severity::Error,
    what: "A function is neither in stack.yml nor in the configuration's [functions]",
    why: "OpenFaaS has no such function, and the call is refused",
    advice: "write its right name, or add it to stack.yml",
};

pub(super) const PROGRAM_NOT_ALLOWED: Rule = Rule {
    id: "program-not-allowed",
    severity: Severity::Error,
    what: "A command's program is not in the RUNNER_ALLOW of its function",
    why: "the runner refuses the call",
    advice: "add the program to RUNNER_ALLOW in stack.yml, or call the function that has it",
};

pub(super) const UNKNOWN_OUTPUT: Rule = Rule {
    id: "unknown-output",
    severity: Severity::Error,
    what: "The header `outputs` names a parameter that the command does not have",
    why: "the runner refuses the call",
    advice: "write the parameter's name, without dashes",
};

pub(super) const OUTPUTS_NOT_DECLARED: Rule = Rule {
    id: "outputs-not-declared",
    severity: Severity::Warning,
    what: "A command has a parameter that looks like an output file, and `outputs` does not name it",
    why: "others see the file half-written, and a failed run leaves it behind",
    advice: "name it in `outputs`, in the template or the header",
};

pub(super) const OUTPUTS_NEED_RUNNER: Rule = Rule {
    id: "outputs-need-runner",
    severity: Severity::Error,
    what: "`outputs` is there, and the function takes its command as text",
    why: "the job is an incident: only the runner knows of outputs",
    advice: "remove `outputs`, or put the runner into the function",
};

/// The command's last word, in `outputs`.
const LAST: &str = "last";
/// Parameters that programs write to, without dashes; OTB's end with `.out`.
const OUTPUTS: [&str; 5] = ["out", "o", "output", "outfile", "output-file"];

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for call in view.calls.iter().filter(|call| call.throws.is_none()) {
        command(view, call, findings);
        function(view, call, findings);
        outputs(view, call, findings);
    }
}

fn command(view: &View<'_>, call: &Call<'_>, findings: &mut Vec<Finding>) {
    let element = call.element;
    let mut report = |rule, line, message: String| findings.push(view.finding(rule, line, &element.id, message));
    if let Some(header) = element.header("cmdline").filter(|header| !header.value.starts_with('='))
        && let Err(error) = Template::inline(&header.value, "cmdline")
    {
        let place = error.position.map(|(line, column)| format!(" (line {line}, column {column} of the command)"));
        report(&COMMAND_LINE, header.line, error.message + &place.unwrap_or_default());
    }
    let Some(header) = element.header("template").filter(|header| !header.value.starts_with('=')) else { return };
    let (name, folder) = (header.value.trim(), view.site.folder.display());
    match &view.site.templates {
        Some(templates) if templates.get(name).is_none() => {
            let message = format!("there is no template `{name}` in {folder}{}", meant(name, templates.names()));
            report(&UNKNOWN_TEMPLATE, header.line, message);
        }
        None if !view.site.folder.is_dir() => {
            report(
                &NO_TEMPLATES,
                header.line,
                format!("there is no folder `{folder}`, so that nothing is known of `{name}`"),
            );
        }
        _ => {}
    }
}

fn function(view: &View<'_>, call: &Call<'_>, findings: &mut Vec<Finding>) {
    let element = call.element;
    let mut report = |rule, line, message: String| findings.push(view.finding(rule, line, &element.id, message));
    let is_inline = element.header("cmdline").is_some() && call.template.is_some();
    if call.function.is_none() && is_inline && call.from.is_none() && element.header("template").is_none() {
        report(&NO_FUNCTION, call.command_line(), "no header `function` says what runs this command".to_owned());
    }
    let larger = call.on_oom.map(|header| (header.value.trim().to_owned(), header.line));
    for (name, line) in call.function.iter().cloned().chain(larger) {
        let Some((file, stack)) = &view.site.stack else { continue };
        if view.site.deployed(&name).is_none() && !view.site.functions.contains_key(&name) {
            let known = stack.functions.keys().chain(view.site.functions.keys());
            let meant = meant(&name, known.map(String::as_str));
            report(&UNKNOWN_FUNCTION, line, format!("{file} has no function `{name}`{meant}"));
        }
    }
    let Some(template) = &call.template else { return };
    let Some((name, _)) = &call.function else { return };
    let allowed = view.site.deployed(name).and_then(|function| function.variable("RUNNER_ALLOW"));
    if let (Some(program), Some(allowed)) = (template.words().first(), allowed) {
        let programs: Vec<&str> = allowed.split(',').map(str::trim).filter(|program| !program.is_empty()).collect();
        if !programs.is_empty() && !programs.contains(&program.as_str()) {
            let meant = meant(program, programs);
            let message = format!("function `{name}` does not allow the program `{program}` (RUNNER_ALLOW){meant}");
            report(&PROGRAM_NOT_ALLOWED, call.command_line(), message);
        }
    }
}

fn outputs(view: &View<'_>, call: &Call<'_>, findings: &mut Vec<Finding>) {
    let element = call.element;
    let mut report = |rule, line, message: String| findings.push(view.finding(rule, line, &element.id, message));
    let (Some(template), Some(outputs)) = (&call.template, &call.outputs) else { return };
    let parameters: Vec<&str> =
        template.words().iter().filter(|word| word.starts_with('-')).map(|word| word.trim_start_matches('-')).collect();
    if let Some(header) = element.header("outputs") {
        for name in outputs.iter().filter(|name| *name != LAST && !has_parameter(template, name)) {
            let meant = meant(name, parameters.iter().copied());
            report(&UNKNOWN_OUTPUT, header.line, format!("the command has no parameter `-{name}`{meant}"));
        }
    }
    let Some((name, _)) = &call.function else { return };
    let known = view.site.function(name);
    if !outputs.is_empty() && known.body == BodyFormat::Text {
        let line = element.header("outputs").map_or_else(|| call.command_line(), |header| header.line);
        report(&OUTPUTS_NEED_RUNNER, line, format!("function `{name}` takes its command as text"));
    }
    let writes = |name: &&str| OUTPUTS.contains(name) || name.ends_with(".out");
    let Some(missing) =
        parameters.iter().copied().find(|name| writes(name) && !outputs.iter().any(|output| output == name))
    else {
        return;
    };
    if known.run_once && call.from.is_none() && !outputs.iter().any(|output| output == LAST) {
        report(
            &OUTPUTS_NOT_DECLARED,
            call.command_line(),
            format!("`-{missing}` looks like an output file; name `{missing}` in `outputs`"),
        );
    }
}

/// As templates are read: it may be part of a word, as in `--out=FILE`.
fn has_parameter(template: &Template, name: &str) -> bool {
    template.words().iter().any(|word| word.contains(&format!("-{name}")))
}
