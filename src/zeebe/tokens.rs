//! Tokens of an authorization server: one is fetched at a time, for all who wait, and renewed while it is still good.

use super::{
    Error, Settings,
    auth::{Header, OAuth},
    oauth::Server,
    retry::Pauses,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// The part of its life after which a token is renewed.
const RENEW_AFTER: f64 = 0.75;
/// A token is not sent any more when it has less than this left, or a tenth of its life.
const MARGIN: Duration = Duration::from_secs(10);
/// No other token is fetched for one that Zeebe refuses, when it came in place of a refused one this short ago.
const TRUST_AFTER_REFUSAL: Duration = Duration::from_secs(10);
/// Pause after the server has refused this client: asking on quickly may get it locked out.
const REFUSED_PAUSE: Duration = Duration::from_secs(10);

/// A handle on the tokens; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Tokens {
    server: Arc<Server>,
    state: watch::Sender<State>,
}

/// A token as the server handed it out.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub header: Header,
    pub lifetime: Duration,
}

#[derive(Debug)]
struct State {
    current: Option<Current>,
    /// The last failure, which is everybody's answer until it is time for another attempt.
    failure: Option<(Error, Instant)>,
    fetching: bool,
    after_refusal: bool,
    pauses: Pauses,
}

#[derive(Debug)]
struct Current {
    header: Header,
    fetched: Instant,
    renew: Instant,
    end: Instant,
    after_refusal: bool,
}

enum Next {
    Use(Header),
    Fail(Error),
    Wait,
}

impl Tokens {
    pub fn new(oauth: &OAuth, settings: &Settings) -> Result<Self, Error> {
        let state = State {
            current: None,
            failure: None,
            fetching: false,
            after_refusal: false,
            pauses: Pauses::new(settings),
        };
        let server = Arc::new(Server::new(oauth, settings.request_timeout)?);
        Ok(Self { server, state: watch::Sender::new(state) })
    }

    /// A token that is still good.
    pub async fn header(&self) -> Result<Header, Error> {
        let mut changes = self.state.subscribe();
        loop {
            match self.next() {
                Next::Use(header) => return Ok(header),
                Next::Fail(error) => return Err(error),
                // The sender lives as long as this handle.
                Next::Wait => drop(changes.changed().await),
            }
        }
    }

    /// Zeebe did not take this token. What the caller shall hear if another one may help.
    pub fn refused(&self, header: &Header, message: &str) -> Option<Error> {
        let mut helps = true;
        self.state.send_if_modified(|state| {
            let Some(current) = state.current.as_ref().filter(|current| current.header == *header) else {
                return false;
            };
            helps = !current.after_refusal || current.fetched.elapsed() >= TRUST_AFTER_REFUSAL;
            if helps {
                (state.current, state.after_refusal) = (None, true);
            }
            helps
        });
        helps.then(|| Error::TokenRefused { message: message.to_owned() })
    }

    fn next(&self) -> Next {
        let mut next = Next::Wait;
        let mut fetch = false;
        self.state.send_if_modified(|state| {
            let now = Instant::now();
            let may_fetch = !state.fetching && state.failure.as_ref().is_none_or(|(_, until)| *until <= now);
            next = match (&state.current, &state.failure) {
                (Some(current), _) if now < current.end => {
                    fetch = may_fetch && now >= current.renew;
                    Next::Use(current.header.clone())
                }
                (_, Some((error, until))) if now < *until => Next::Fail(error.clone()),
                _ => {
                    fetch = may_fetch;
                    Next::Wait
                }
            };
            state.fetching |= fetch;
            false
        });
        if fetch {
            let tokens = self.clone();
            // A task of its own: whoever wanted the token may go away meanwhile.
            tokio::spawn(async move { tokens.keep(tokens.server.fetch().await) });
        }
        next
    }

    fn keep(&self, fetched: Result<Token, Error>) {
        self.state.send_modify(|state| {
            state.fetching = false;
            let now = Instant::now();
            match fetched {
                Ok(Token { header, lifetime }) => {
                    let end = now + lifetime.saturating_sub(MARGIN.min(lifetime / 10));
                    let after_refusal = std::mem::take(&mut state.after_refusal);
                    let renew = now + lifetime.mul_f64(RENEW_AFTER);
                    state.current = Some(Current { header, fetched: now, renew, end, after_refusal });
                    state.failure = None;
                    state.pauses.reset();
                }
                Err(error) => {
                    tracing::warn!(%error, "no token for Zeebe; trying again");
                    let pause = if error.is_passing() { state.pauses.next() } else { REFUSED_PAUSE };
                    state.failure = Some((error, now + pause));
                }
            }
        });
    }
}
