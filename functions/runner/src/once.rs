//! One call, found in a folder: what a Kubernetes Job runs. It tells the bridge itself, as OpenFaaS's queue would.

use crate::{
    calls::{Answer, Calls},
    settings::Settings,
};
use reqwest::{Client, Url, redirect::Policy};
use std::{error::Error, fs, path::Path, process::ExitCode, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};
use zeebe2faas_contract::{CALL_ID_HEADER, Invocation, Outcome, Report, SIGNATURE_HEADER, signature};

/// The folder's files.
const INVOCATION: &str = "invocation.json";
const CALLBACK_URL: &str = "callback-url";
/// OpenFaaS's own header for a function's status.
const STATUS_HEADER: &str = "x-function-status";
/// A callback takes no longer.
const TIMEOUT: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// A call that waits in its folder.
#[derive(Debug)]
pub struct Once {
    invocation: Invocation,
    callback: Url,
    client: Client,
}

impl Once {
    /// Reads the folder.
    ///
    /// # Errors
    /// A sentence: a file that is not there, or not what the bridge writes.
    pub fn read(folder: &Path, settings: &Settings) -> Result<Self, String> {
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path)
                .map_err(|error| format!("RUNNER_CALL_DIR: {} cannot be read: {error}", path.display()))
        };
        let invocation: Invocation = serde_json::from_str(&read(INVOCATION)?).map_err(|error| {
            format!("{INVOCATION} is no invocation: {error}; bridge and runner must be of one version")
        })?;
        if invocation.function != settings.given.function {
            let (asked, here) = (&invocation.function, &settings.given.function);
            return Err(format!("the call is for function `{asked}`, this runner is `{here}`; check RUNNER_FUNCTION"));
        }
        let callback = read(CALLBACK_URL)?;
        let callback = callback.trim().parse().map_err(|error| format!("{CALLBACK_URL} holds no URL: {error}"))?;
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = Client::builder().no_proxy().redirect(Policy::none()).timeout(TIMEOUT).build();
        Ok(Self { invocation, callback, client: client.map_err(|error| error.to_string())? })
    }

    /// Runs the call to its end, tells the bridge, and gives the exit code: the program's own.
    pub async fn run(self, settings: &Settings, calls: &Arc<Calls>) -> ExitCode {
        let (body, status) = match calls.post(&self.invocation).await {
            Answer::Report(body, status) => (body.to_vec(), status),
            Answer::Refused(report) => match serde_json::to_vec(&*report) {
                Ok(body) => (body, report.http_status()),
                Err(error) => return failed(&error.to_string()),
            },
            Answer::Trouble(why) => return failed(&why),
            Answer::Stopping => return failed("the runner stops"),
            Answer::TooManyRuns | Answer::TooManyWaiters => return failed("another request has this runner"),
        };
        self.tell(settings, &body, status).await;
        exit_code(&body)
    }

    /// Until the bridge has it, or says that it never will, or for RUNNER_TELL_FOR: then the Job's own end tells.
    async fn tell(&self, settings: &Settings, body: &[u8], status: u16) {
        let Invocation { call_id, function, .. } = &self.invocation;
        let answer = signature::Answer { function, call_id, status, question: "", body };
        let signature = settings.keys.as_ref().map(|keys| answer.sign(keys));
        let (until, mut pause) = (Instant::now() + settings.given.tell_for, FIRST_PAUSE);
        loop {
            let mut request = self.client.post(self.callback.clone());
            request = request.header(CALL_ID_HEADER, call_id.as_str()).header(STATUS_HEADER, status);
            if let Some(signature) = &signature {
                request = request.header(SIGNATURE_HEADER, signature);
            }
            let why = match request.body(body.to_vec()).send().await {
                Ok(answer) if answer.status().is_success() => return,
                Ok(answer) if answer.status().as_u16() == 401 => {
                    return tracing::error!(call = %call_id, "the bridge does not know its own token any more");
                }
                Ok(answer) => format!("HTTP {}", answer.status().as_u16()),
                // The first of its reasons repeats the URL, which holds a token.
                Err(error) => error.source().map_or_else(|| "no answer".to_owned(), ToString::to_string),
            };
            if Instant::now() + pause >= until {
                return tracing::error!(call = %call_id, why, "the bridge could not be told; the Job's end tells it");
            }
            tracing::warn!(call = %call_id, why, again_in = ?pause, "the bridge could not be told");
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

fn failed(why: &str) -> ExitCode {
    tracing::error!("{why}");
    ExitCode::FAILURE
}

/// The program's own, so that the Job ends as its program did; another failure is 1.
fn exit_code(report: &[u8]) -> ExitCode {
    match serde_json::from_slice::<Report>(report) {
        Ok(report) if report.outcome == Outcome::Succeeded => ExitCode::SUCCESS,
        Ok(report) => report
            .exit_code
            .and_then(|code| u8::try_from(code).ok())
            .filter(|code| *code != 0)
            .map_or(ExitCode::FAILURE, ExitCode::from),
        Err(_) => ExitCode::FAILURE,
    }
}
