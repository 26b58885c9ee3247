//! of-watchdog's fork modes: a process for each request, body on stdin, answer on stdout.
//!
//! The answer is sent when the process has ended, in both modes. What a process leaves behind ends with it.

use super::{
    container::{Container, log_lines},
    function::{Context, set_duration},
    stack::{FunctionSpec, Mode},
};
use axum::{
    body::to_bytes,
    extract::Request,
    http::{HeaderName, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::{ffi::OsStrExt, process::ExitStatusExt},
    process::ExitStatus,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Child,
};
use tokio_util::sync::CancellationToken;

/// A longer request body is answered with 413.
const BODY_BYTES: usize = 64 * 1024 * 1024;
/// What a process prints beyond this is cut off.
const OUTPUT_BYTES: u64 = 64 * 1024 * 1024;

/// The answer to one request.
pub(super) fn run(
    name: Arc<str>,
    spec: FunctionSpec,
    mut environment: Vec<(OsString, OsString)>,
    context: &Context,
    request: Request,
) -> impl Future<Output = Response> + Send + use<> {
    let context = context.clone();
    async move {
        let started = Instant::now();
        let (parts, body) = request.into_parts();
        let Ok(body) = to_bytes(body, BODY_BYTES).await else { return StatusCode::PAYLOAD_TOO_LARGE.into_response() };
        environment.extend(request_environment(&parts, !body.is_empty()));
        let result = match context.containers.start(&spec.process, &environment) {
            Ok((container, mut child)) => {
                if let Some(stderr) = child.stderr.take() {
                    context.tasks.spawn(log_lines(name.clone(), stderr));
                }
                converse(container, child, &body, spec.exec_timeout, &context.stop).await
            }
            Err(error) => Err(error),
        };
        let (output, failure) = match result {
            Ok((output, status)) if status.success() => (output, None),
            Ok((output, status)) => (output, Some(told(status))),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        if let Some(failure) = &failure {
            tracing::warn!(function = %name, "{failure}");
        }
        let mut response = match failure {
            Some(failure) if spec.mode == Mode::Serializing => {
                (StatusCode::INTERNAL_SERVER_ERROR, failure).into_response()
            }
            _ => output.into_response(),
        };
        if let Ok(value) = spec.content_type.parse() {
            response.headers_mut().insert(header::CONTENT_TYPE, value);
        }
        if spec.mode == Mode::Serializing {
            set_duration(response.headers_mut(), started);
        }
        response
    }
}

/// Feeds and hears a process; past the limit its leader alone is killed, and whoever holds stdout is waited for.
async fn converse(
    container: Container,
    mut child: Child,
    body: &[u8],
    limit: Option<Duration>,
    stop: &CancellationToken,
) -> io::Result<(Vec<u8>, ExitStatus)> {
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let feed = async move {
        if let Some(mut stdin) = stdin {
            // A process need not read what it is sent.
            let _ = stdin.write_all(body).await;
        }
    };
    let hear = async move {
        let mut output = Vec::new();
        if let Some(mut stdout) = stdout {
            (&mut stdout).take(OUTPUT_BYTES).read_to_end(&mut output).await?;
            tokio::io::copy(&mut stdout, &mut tokio::io::sink()).await?;
        }
        io::Result::Ok(output)
    };
    let end = async {
        let in_time = match limit {
            Some(limit) => tokio::time::timeout(limit, child.wait()).await,
            None => Ok(child.wait().await),
        };
        let status = match in_time {
            Ok(status) => status,
            Err(_) => {
                child.start_kill()?;
                child.wait().await
            }
        };
        // Nobody waits for the rest of a container when the host ends.
        let rest = (!stop.is_cancelled()).then_some(container);
        status.map(|status| (status, rest))
    };
    let (output, ended, ()) = tokio::join!(hear, end, feed);
    Ok((output?, ended?.0))
}

/// `Http_X_Call_Id` and its like, as the watchdog names them.
fn request_environment(parts: &Parts, has_body: bool) -> Vec<(OsString, OsString)> {
    let mut environment: Vec<(OsString, OsString)> = Vec::new();
    for name in parts.headers.keys().filter(|name| **name != header::HOST && **name != header::CONTENT_LENGTH) {
        if let Some(value) = parts.headers.get(name) {
            environment.push((variable(name).into(), OsStr::from_bytes(value.as_bytes()).into()));
        }
    }
    environment.push(("Http_Method".into(), parts.method.as_str().into()));
    if let Some(query) = parts.uri.query().filter(|query| !query.is_empty()) {
        environment.push(("Http_Query".into(), query.into()));
    }
    environment.push(("Http_Path".into(), OsStr::from_bytes(&percent_decoded(parts.uri.path())).into()));
    if has_body {
        environment.push(("Http_Transfer_Encoding".into(), "chunked".into()));
    }
    environment
}

fn variable(header: &HeaderName) -> String {
    let capital = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    };
    format!("Http_{}", header.as_str().split('-').map(capital).collect::<Vec<_>>().join("_"))
}

fn percent_decoded(path: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.as_bytes();
    while let [first, rest @ ..] = bytes {
        let hex = rest.get(..2).filter(|hex| *first == b'%' && hex.iter().all(u8::is_ascii_hexdigit));
        let byte = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        decoded.push(byte.unwrap_or(*first));
        bytes = if byte.is_some() { &rest[2..] } else { rest };
    }
    decoded
}

/// An exit in Go's words, which is what the real one answers.
fn told(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(9)) => "signal: killed".to_owned(),
        (None, signal) => format!("signal: {}", signal.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_becomes_the_variable_that_the_watchdog_makes_of_it() {
        assert_eq!(variable(&HeaderName::from_static("x-call-id")), "Http_X_Call_Id");
        assert_eq!(variable(&HeaderName::from_static("accept")), "Http_Accept");
    }

    #[test]
    fn a_path_is_decoded_once() {
        assert_eq!(percent_decoded("/a%20b/%2541/%zz%4"), b"/a b/%41/%zz%4");
    }
}
