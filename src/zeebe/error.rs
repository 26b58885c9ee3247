use std::{error::Error as _, time::Duration};
use tonic::{Code, ConnectError, Status, TimeoutExpired};

/// Why Zeebe did not do what it was asked. `rpc` is the request's name in Zeebe's API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The configuration's fault: the address can never work.
    #[error("`{address}` is no address of a Zeebe gateway: {reason}; expected http://HOST:PORT or https://HOST:PORT")]
    Address {
        /// As configured.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No connection; nothing was sent. Passing.
    #[error("cannot reach Zeebe at {address}: {reason}; is it running, and is the address (ZEEBE_ADDRESS) right?")]
    Unreachable {
        /// The gateway.
        address: String,
        /// What the system said.
        reason: String,
    },
    /// The connection broke, or the gateway has no broker to ask; the request may have been done. Passing, except for
    /// a key of a partition that this cluster does not have (a made-up key, another cluster's): Zeebe says this forever.
    #[error("Zeebe at {address} is not available for {rpc}: {reason}")]
    Unavailable {
        /// The gateway.
        address: String,
        /// The request.
        rpc: &'static str,
        /// What was said.
        reason: String,
    },
    /// Zeebe has more to do than it can; nothing was done. Passing.
    #[error("Zeebe at {address} is overloaded and refused {rpc}: {reason}")]
    Backpressure {
        /// The gateway.
        address: String,
        /// The request.
        rpc: &'static str,
        /// What Zeebe said.
        reason: String,
    },
    /// No answer in time; the request may have been done. Passing.
    #[error("Zeebe at {address} did not answer {rpc} within {after:?}")]
    Timeout {
        /// The gateway.
        address: String,
        /// The request.
        rpc: &'static str,
        /// How long the last attempt waited.
        after: Duration,
    },
    /// The thing asked for is not there, or no longer: a job that is done or cancelled, an unknown process.
    #[error("{rpc}: Zeebe knows no such thing, or no longer: {message}")]
    NotFound {
        /// The request.
        rpc: &'static str,
        /// What Zeebe said.
        message: String,
    },
    /// It was done before. After a repeated PublishMessage that is the success of the first one.
    #[error("{rpc}: done before: {message}")]
    AlreadyExists {
        /// The request.
        rpc: &'static str,
        /// What Zeebe said.
        message: String,
    },
    /// The thing is there but in no state for this, such as a job whose incident is open.
    #[error("{rpc}: not possible now: {message}")]
    State {
        /// The request.
        rpc: &'static str,
        /// What Zeebe said.
        message: String,
    },
    /// The request's fault: variables that are no object, a process that does not compile.
    #[error("{rpc}: Zeebe refused the request: {message}")]
    Invalid {
        /// The request.
        rpc: &'static str,
        /// What Zeebe said.
        message: String,
    },
    /// The credentials' fault, or the tenant's.
    #[error("{rpc}: Zeebe does not allow it: {message}; check credentials and tenant")]
    Denied {
        /// The request.
        rpc: &'static str,
        /// What Zeebe said.
        message: String,
    },
    /// Zeebe did not take the token; the next attempt brings another. Nothing was done. Passing.
    #[error("Zeebe does not take its token any more: {message}; another one is fetched")]
    TokenRefused {
        /// What Zeebe said.
        message: String,
    },
    /// The authorization server did not answer, or is not well. Nothing was sent to Zeebe. Passing.
    #[error(
        "no token from {url}: {reason}; is zeebe.oauth.url (ZEEBE_AUTHORIZATION_SERVER_URL) the token endpoint, and \
         can it be reached?"
    )]
    NoToken {
        /// The authorization server.
        url: String,
        /// What happened.
        reason: String,
    },
    /// The authorization server does not know this client.
    #[error(
        "{url} gives this client no token: {reason}; check zeebe.oauth: client_id, client_secret_file, audience, scope"
    )]
    ClientRefused {
        /// The authorization server.
        url: String,
        /// What it said.
        reason: String,
    },
    /// What answered is no Zeebe gateway, or one too old or too new, or has a bug.
    #[error("{rpc}: unexpected answer ({code}) of {address}: {message}; is it a Zeebe gateway, 8.6 or later?")]
    Protocol {
        /// Who answered.
        address: String,
        /// The request.
        rpc: &'static str,
        /// gRPC's name for it.
        code: String,
        /// What was said.
        message: String,
    },
}

impl Error {
    /// Whether the same request may succeed later.
    pub fn is_passing(&self) -> bool {
        self.nothing_done() || matches!(self, Self::Unavailable { .. } | Self::Timeout { .. })
    }

    /// Whether it passes, and Zeebe certainly did nothing: then even a request that must not be done twice is repeated.
    pub fn nothing_done(&self) -> bool {
        use Error::{Backpressure, NoToken, TokenRefused, Unreachable};
        matches!(self, Unreachable { .. } | Backpressure { .. } | TokenRefused { .. } | NoToken { .. })
    }

    pub(super) fn timeout(address: &str, rpc: &'static str, after: Duration) -> Self {
        Self::Timeout { address: address.to_owned(), rpc, after }
    }

    pub(super) fn from_status(address: &str, rpc: &'static str, after: Duration, status: &Status) -> Self {
        if let Some(error) = cause::<Self>(status) {
            return error.clone();
        }
        let address = address.to_owned();
        if let Some(error) = cause::<ConnectError>(status) {
            return Self::Unreachable { address, reason: deepest(error) };
        }
        if cause::<TimeoutExpired>(status).is_some() {
            return Self::Timeout { address, rpc, after };
        }
        if let Some(source) = status.source() {
            // The status was made here, not by Zeebe: the connection broke, whatever code tonic gives that.
            return Self::Unavailable { address, rpc, reason: deepest(source) };
        }
        let message = status.message().to_owned();
        match status.code() {
            Code::Unavailable | Code::Cancelled | Code::Aborted => Self::Unavailable { address, rpc, reason: message },
            Code::ResourceExhausted => Self::Backpressure { address, rpc, reason: message },
            Code::DeadlineExceeded => Self::Timeout { address, rpc, after },
            Code::NotFound => Self::NotFound { rpc, message },
            Code::AlreadyExists => Self::AlreadyExists { rpc, message },
            Code::FailedPrecondition => Self::State { rpc, message },
            Code::InvalidArgument => Self::Invalid { rpc, message },
            Code::Unauthenticated | Code::PermissionDenied => Self::Denied { rpc, message },
            code => Self::Protocol { address, rpc, code: format!("{code:?}"), message },
        }
    }
}

fn cause<T: std::error::Error + 'static>(status: &Status) -> Option<&T> {
    let mut source = status.source();
    while let Some(error) = source {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        source = error.source();
    }
    None
}

/// The words of the innermost cause: `Connection refused`, not `transport error`.
pub(super) fn deepest(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: Code) -> Error {
        Error::from_status("http://zeebe:1", "CompleteJob", Duration::from_secs(1), &Status::new(code, "why"))
    }

    #[test]
    fn only_errors_that_pass_are_worth_another_try() {
        for code in [Code::Unavailable, Code::ResourceExhausted, Code::DeadlineExceeded, Code::Cancelled] {
            assert!(error(code).is_passing(), "{code:?}");
        }
        for code in [
            Code::NotFound,
            Code::AlreadyExists,
            Code::FailedPrecondition,
            Code::InvalidArgument,
            Code::PermissionDenied,
            Code::Unimplemented,
            Code::Internal,
        ] {
            assert!(!error(code).is_passing(), "{code:?}");
        }
    }

    #[test]
    fn only_back_pressure_and_a_missing_connection_prove_that_nothing_was_done() {
        assert!(error(Code::ResourceExhausted).nothing_done());
        assert!(!error(Code::Unavailable).nothing_done());
        assert!(!error(Code::DeadlineExceeded).nothing_done());
    }
}
