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
    failure: Option<Failure>,
    fetching: bool,
    after_refusal: bool,
    pauses: Pauses,
}

#[derive(Debug)]
struct Failure {
    error: Error,
    at: Instant,
    until: Instant,
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
        // Whoever waits for the token shall hear that it did not come, rather than run out of time himself.
        let server = Arc::new(Server::new(oauth, settings.request_timeout / 2)?);
        Ok(Self { server, state: watch::Sender::new(State::new(settings)) })
    }

    /// A token that is still good.
    pub async fn header(&self) -> Result<Header, Error> {
        let mut changes = self.state.subscribe();
        let asked = Instant::now();
        loop {
            let mut next = (Next::Wait, false);
            self.state.send_if_modified(|state| {
                next = state.next(asked, Instant::now());
                false
            });
            if next.1 {
                let tokens = self.clone();
                // A task of its own: whoever wanted the token may go away meanwhile.
                tokio::spawn(async move {
                    let fetched = tokens.server.fetch().await;
                    tokens.state.send_modify(|state| state.keep(fetched, Instant::now()));
                });
            }
            match next.0 {
                Next::Use(header) => return Ok(header),
                Next::Fail(error) => return Err(error),
                // The sender lives as long as this handle.
                Next::Wait => drop(changes.changed().await),
            }
        }
    }

    /// Zeebe did not take this token. What the caller shall hear if another one may help.
    pub fn refused(&self, header: &Header, message: &str) -> Option<Error> {
        let mut helps = false;
        self.state.send_if_modified(|state| {
            helps = state.refused(header, Instant::now());
            false
        });
        helps.then(|| Error::TokenRefused { message: message.to_owned() })
    }
}

impl State {
    fn new(settings: &Settings) -> Self {
        let pauses = Pauses::new(settings);
        Self { current: None, failure: None, fetching: false, after_refusal: false, pauses }
    }

    /// What to do for a request that came when it `asked`, and whether to fetch a token meanwhile. A failure since then
    /// is its answer, however short the pause after it is: it waits for one attempt only.
    fn next(&mut self, asked: Instant, now: Instant) -> (Next, bool) {
        let may_fetch = !self.fetching && self.failure.as_ref().is_none_or(|failure| failure.until <= now);
        let (next, wanted) = match (&self.current, &self.failure) {
            (Some(current), _) if now < current.end => (Next::Use(current.header.clone()), now >= current.renew),
            (_, Some(Failure { error, at, until })) if now < *until || asked < *at => {
                (Next::Fail(error.clone()), false)
            }
            _ => (Next::Wait, true),
        };
        let fetch = wanted && may_fetch;
        self.fetching |= fetch;
        (next, fetch)
    }

    fn keep(&mut self, fetched: Result<Token, Error>, now: Instant) {
        self.fetching = false;
        match fetched {
            Ok(Token { header, lifetime }) => {
                let end = now + lifetime.saturating_sub(MARGIN.min(lifetime / 10));
                let renew = now + lifetime.mul_f64(RENEW_AFTER);
                let after_refusal = std::mem::take(&mut self.after_refusal);
                self.current = Some(Current { header, fetched: now, renew, end, after_refusal });
                self.failure = None;
                self.pauses.reset();
            }
            Err(error) => {
                tracing::warn!(%error, "no token for Zeebe; trying again");
                let pause = if error.is_passing() { self.pauses.next() } else { REFUSED_PAUSE };
                self.failure = Some(Failure { error, at: now, until: now + pause });
            }
        }
    }

    /// Drops the token that Zeebe refused, unless it came in place of another refused one a moment ago. Whether another
    /// one may help: also when it is there already.
    fn refused(&mut self, header: &Header, now: Instant) -> bool {
        match &self.current {
            Some(current) if current.header == *header => {
                if current.after_refusal && now < current.fetched + TRUST_AFTER_REFUSAL {
                    return false;
                }
                (self.current, self.after_refusal) = (None, true);
                true
            }
            _ => true,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::zeebe::auth::header;

    fn state() -> State {
        State::new(&Settings::new("zeebe:1"))
    }

    fn token(text: &str, seconds: u64) -> Result<Token, Error> {
        Ok(Token { header: header(text).unwrap(), lifetime: Duration::from_secs(seconds) })
    }

    fn next(state: &mut State, now: Instant) -> (Next, bool) {
        state.next(now, now)
    }

    fn away() -> Result<Token, Error> {
        Err(Error::NoToken { url: "http://login".to_owned(), reason: "away".to_owned() })
    }

    fn used(next: &(Next, bool)) -> Option<&str> {
        if let Next::Use(header) = &next.0 { header.to_str().ok() } else { None }
    }

    #[test]
    fn a_token_is_fetched_once_for_all_who_wait_and_renewed_while_it_is_in_use() {
        let (mut state, now) = (state(), Instant::now());
        assert!(matches!(next(&mut state, now), (Next::Wait, true)));
        assert!(matches!(next(&mut state, now), (Next::Wait, false)));
        state.keep(token("one", 100), now);
        let at = |seconds| now + Duration::from_secs(seconds);
        assert!(matches!(next(&mut state, at(74)), (Next::Use(_), false)));
        assert!(matches!(next(&mut state, at(76)), (Next::Use(_), true)));
        assert!(matches!(next(&mut state, at(77)), (Next::Use(_), false)), "one request at a time");
        state.keep(away(), at(78));
        assert_eq!(used(&next(&mut state, at(89))), Some("one"), "a failed renewal leaves what is still good");
        state.keep(token("two", 100), at(89));
        assert_eq!(used(&next(&mut state, at(91))), Some("two"));
    }

    #[test]
    fn who_has_waited_for_an_attempt_hears_how_it_failed_also_when_the_pause_is_over() {
        let (mut state, asked) = (state(), Instant::now());
        assert!(matches!(state.next(asked, asked), (Next::Wait, true)));
        let failed = asked + Duration::from_secs(4);
        state.keep(away(), failed);
        let later = failed + Duration::from_secs(3600);
        assert!(matches!(state.next(asked, later), (Next::Fail(_), false)));
        assert!(matches!(state.next(later, later), (Next::Wait, true)));
    }

    #[test]
    fn a_failure_is_everybodys_answer_until_the_pause_is_over() {
        let (mut state, now) = (state(), Instant::now());
        next(&mut state, now);
        state.keep(Err(Error::ClientRefused { url: String::new(), reason: String::new() }), now);
        assert!(matches!(next(&mut state, now), (Next::Fail(_), false)));
        assert!(matches!(next(&mut state, now + REFUSED_PAUSE), (Next::Wait, true)));
    }

    #[test]
    fn a_refused_token_is_dropped_once_only() {
        let (mut state, now) = (state(), Instant::now());
        let (one, two) = (header("one").unwrap(), header("two").unwrap());
        state.keep(token("one", 100), now);
        assert!(state.refused(&one, now));
        assert!(state.refused(&one, now), "it is gone already");
        state.keep(token("two", 100), now);
        assert!(!state.refused(&two, now), "another one would be refused too");
        assert!(state.refused(&two, now + TRUST_AFTER_REFUSAL));
    }
}
