//! Probes: `zeebe2faas doctor` has the answer to a harmless invocation sent here, and asks whether it came. They carry
//! a token of their own kind and touch no call.

use crate::{clock::now_ms, reload::Reloaded};
use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    routing::post,
};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use zeebe2faas_contract::KeyRing;

/// What is signed besides, so that no callback token can pass for a probe's, nor the other way round.
const CONTEXT: &[u8] = b"zeebe2faas-probe-v1\n";
/// Probes that have come and are remembered; the oldest is forgotten first.
const REMEMBERED: usize = 64;

/// A new probe's token: `NONCE.EXPIRES.ID.MAC`.
pub fn token(ring: &KeyRing, expires_ms: u64) -> String {
    let claims = format!("{:032x}.{expires_ms}", rand::random::<u128>());
    let signature = ring.sign(&[CONTEXT, claims.as_bytes()]);
    format!("{claims}.{signature}")
}

/// The path below `callback.url` at which a probe arrives (`POST`) and is asked for (`GET`: 200 it came, 404 not yet).
pub fn path(token: &str) -> String {
    format!("/callback/probe/{token}")
}

#[derive(Clone)]
struct Probes {
    ring: Reloaded<KeyRing>,
    arrived: Arc<Mutex<VecDeque<String>>>,
}

/// The routes of probes, for the callback listener.
pub fn router(ring: Reloaded<KeyRing>) -> Router {
    let probes = Probes { ring, arrived: Arc::default() };
    Router::new().route("/callback/probe/{token}", post(arrive).get(look)).with_state(probes)
}

async fn arrive(State(probes): State<Probes>, Path(token): Path<String>) -> StatusCode {
    if !is_genuine(&token, &probes.ring.current(), now_ms()) {
        return StatusCode::UNAUTHORIZED;
    }
    let mut arrived = probes.arrived();
    if arrived.len() == REMEMBERED {
        arrived.pop_front();
    }
    arrived.push_back(token);
    StatusCode::OK
}

async fn look(State(probes): State<Probes>, Path(token): Path<String>) -> StatusCode {
    if !is_genuine(&token, &probes.ring.current(), now_ms()) {
        return StatusCode::UNAUTHORIZED;
    }
    if probes.arrived().contains(&token) { StatusCode::OK } else { StatusCode::NOT_FOUND }
}

impl Probes {
    /// A panic elsewhere cannot leave a queue half-changed.
    fn arrived(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_genuine(token: &str, ring: &KeyRing, now_ms: u64) -> bool {
    let mut parts = token.splitn(3, '.');
    let (Some(nonce), Some(expires), Some(signature)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let claims = format!("{nonce}.{expires}");
    ring.verify(&[CONTEXT, claims.as_bytes()], signature) && expires.parse::<u64>().is_ok_and(|at| now_ms < at)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::bridge::token::Claims;
    use zeebe2faas_contract::random_key_line;

    #[test]
    fn a_probe_is_genuine_until_it_expires_under_its_own_key_and_is_no_callback_token() {
        let ring = KeyRing::parse(&random_key_line("a")).unwrap();
        let token = token(&ring, 1000);
        assert!(is_genuine(&token, &ring, 999));
        assert!(!is_genuine(&token, &ring, 1000));
        assert!(!is_genuine(&token.replacen(".1000.", ".2000.", 1), &ring, 999));
        assert!(!is_genuine(&token, &KeyRing::parse(&random_key_line("a")).unwrap(), 999));
        assert_eq!(Claims::open(&token, &ring, 0), None);
        for nonsense in ["", "a", "a.b", "a.1000.b.c", "..."] {
            assert!(!is_genuine(nonsense, &ring, 0), "{nonsense}");
        }
    }
}
