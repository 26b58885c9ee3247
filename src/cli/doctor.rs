use super::{Context, Failure, block_on, print_json, print_line};
use crate::{
    bridge::render::parse_duration,
    doctor::{self, Finding, Options, State},
};
use clap::Args;
use std::{path::PathBuf, time::Duration};

#[derive(Args)]
#[command(after_help = "Changes nothing; works beside a running bridge and without one. docs/doctor.md explains each \
    check.\nExit codes: 0 nothing failed (there may be warnings); 1 something failed; 2 wrong command line.")]
pub(super) struct Doctor {
    /// The functions' stack.yml, whose time-outs are compared with the deadlines
    #[arg(long, value_name = "FILE")]
    stack: Option<PathBuf>,
    /// The gateway's upstream_timeout, such as 12h10m
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    upstream_timeout: Option<Duration>,
    /// The queue worker's ack_wait
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    ack_wait: Option<Duration>,
    /// How long the probe's callback may take
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "15s")]
    patience: Duration,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(super) fn execute(&self, context: &Context) -> Result<(), Failure> {
        let options = Options {
            stack: self.stack.clone(),
            upstream_timeout: self.upstream_timeout,
            ack_wait: self.ack_wait,
            patience: self.patience,
        };
        let findings =
            block_on(async { Ok(doctor::examine(context.config.as_deref(), &context.environment, &options).await) })?;
        if self.json {
            print_json(&findings)?;
        } else {
            for finding in &findings {
                print_line(&line(finding))?;
            }
        }
        match findings.iter().filter(|finding| finding.state == State::Failed).count() {
            0 => Ok(()),
            failed => Err(Failure::Failed(format!("{failed} of {} checks failed", findings.len()))),
        }
    }
}

fn line(finding: &Finding) -> String {
    let state = match finding.state {
        State::Ok => "ok",
        State::Warning => "WARNING",
        State::Failed => "FAILED",
        State::Skipped => "skipped",
    };
    let mut line = format!("{state:8} {:28} {}", finding.check, finding.message);
    if !finding.advice.is_empty() {
        line = format!("{line}\n{:38}→ {}", "", finding.advice);
    }
    line
}
