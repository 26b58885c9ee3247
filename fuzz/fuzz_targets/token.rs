//! Tokens: nothing opens without the key's signature, and with it any claims are read or refused.
#![no_main]

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use zeebe2faas::bridge::token::Claims;
use zeebe2faas_contract::{KeyRing, random_key_line};

static RING: LazyLock<KeyRing> = LazyLock::new(|| KeyRing::parse(&random_key_line("a")).expect("a key"));

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        assert!(Claims::open(text, &RING, 0).is_none(), "opened without the key");
        let _ = KeyRing::parse(text);
    }
    let claims = URL_SAFE_NO_PAD.encode(data);
    let signature = RING.sign(&[b"zeebe2faas-token-v1\n", claims.as_bytes()]);
    if let Some(claims) = Claims::open(&format!("{claims}.{signature}"), &RING, 0) {
        let token = claims.seal(&RING).expect("claims are JSON");
        assert_eq!(Claims::open(&token, &RING, 0), Some(claims));
    }
});
