//! `docs/reliability.md`.

use super::{Cell, Failed, Fault, Mode, Plan, Step};
use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

/// What is reported besides the cells.
pub struct Extra {
    /// Where and of what this was taken: name and value.
    pub facts: Vec<(&'static str, String)>,
    /// How long all of it took.
    pub took: Duration,
    /// Sections of their own, as Markdown.
    pub sections: String,
}

/// The whole page.
pub fn text(plan: &Plan, results: &BTreeMap<Cell, Result<(), Failed>>, extra: &Extra) -> String {
    let failed = results.values().filter(|result| result.is_err()).count();
    let calls = results.len() * plan.calls;
    let verdict = if failed == 0 {
        format!("In {} cells with {calls} calls: 0 lost, 0 run twice, 0 wrong.", results.len())
    } else {
        format!("**{failed} of {} cells failed.**", results.len())
    };
    let mut page = format!(
        "\
# Reliability

What becomes of calls to which something happens, at each step of their path. Written by `make fault-matrix`, not by
hand: each figure below is from the run of the date below.

{verdict}

| | |
| --- | --- |
"
    );
    for (name, value) in &extra.facts {
        let _ = writeln!(page, "| {name} | {value} |");
    }
    let _ = writeln!(page, "| Took | {} min |\n", extra.took.as_secs().div_ceil(60));
    page.push_str(HOW);
    for mode in Mode::ALL {
        let _ = writeln!(page, "\n## Reply mode `{}`\n", mode.name());
        table(&mut page, mode, plan, results);
    }
    explain(&mut page);
    failures(&mut page, results);
    page.push_str(&extra.sections);
    page.push_str(REPEAT);
    page
}

const HOW: &str = "\
A cell holds all of its calls at one step, lets the fault happen, lets go, and then wants of every call: its process
instance has ended, by Zeebe's own records; the outcome there is `succeeded` and holds what this call's program printed;
the program, which counts its own runs, ran once; the bridge's ledger takes the call for delivered. The broker is the
real one, the functions are the runner and a program behind the OpenFaaS-compatible function host, the bridge is the
binary `zeebe2faas run` with locks of 3 s (`lock`, `calls.job_lock`) and `calls.heartbeat_timeout` of 2 s. The function
is declared `run_once`. `–`: the fault cannot happen there.
";

const REPEAT: &str = "
## To repeat it

`make fault-matrix` runs all of it and writes this page; it ends with 1 when a cell fails. `make fault-matrix
CELLS=message/submit-answer/sigkill` runs the cells named (comma-separated parts of names) and writes nothing. `CALLS=20`
is how many calls a cell has, `LANES=4` how many cells run at the same time.
";

fn table(page: &mut String, mode: Mode, plan: &Plan, results: &BTreeMap<Cell, Result<(), Failed>>) {
    let names: Vec<_> = Fault::ALL.iter().map(|fault| fault.name()).collect();
    let _ = writeln!(page, "| step | {} |\n| --- |{}", names.join(" | "), " ---: |".repeat(names.len()));
    for step in Step::ALL {
        let entry = |fault: &Fault| {
            let cell = Cell { mode, step, fault: *fault };
            match results.get(&cell) {
                Some(Ok(())) => format!("{0}/{0}", plan.calls),
                Some(Err(_)) => "**failed**".to_owned(),
                None if cell.without_meaning().is_some() => "–".to_owned(),
                None => "not run".to_owned(),
            }
        };
        let entries: Vec<_> = Fault::ALL.iter().map(entry).collect();
        let _ = writeln!(page, "| {} | {} |", step.name(), entries.join(" | "));
    }
}

fn explain(page: &mut String) {
    page.push_str("\n## Steps\n\n| step | where the calls are |\n| --- | --- |\n");
    for step in Step::ALL {
        let _ = writeln!(page, "| {} | {} |", step.name(), step.meaning());
    }
    page.push_str("\n## Faults\n\n| fault | what happens | cannot happen at |\n| --- | --- | --- |\n");
    for fault in Fault::ALL {
        let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for step in Step::ALL {
            if let Some(reason) = (Cell { mode: Mode::Message, step, fault }).without_meaning() {
                reasons.entry(reason).or_default().push(step.name());
            }
        }
        let reasons: Vec<_> = reasons.iter().map(|(why, steps)| format!("{}: {why}", steps.join(", "))).collect();
        let _ = writeln!(page, "| {} | {} | {} |", fault.name(), fault.meaning(), reasons.join("; "));
    }
}

fn failures(page: &mut String, results: &BTreeMap<Cell, Result<(), Failed>>) {
    let failed: Vec<_> = results.iter().filter_map(|(cell, result)| Some((cell, result.as_ref().err()?))).collect();
    if failed.is_empty() {
        return;
    }
    page.push_str("\n## What went wrong\n");
    for (cell, wrong) in failed {
        let _ = writeln!(page, "\n`{cell}`:\n\n```\n{wrong}\n```");
    }
}
