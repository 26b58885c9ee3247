//! `zeebe2faas.toml`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use zeebe2faas::config::{Environment, parse};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Err(mistakes) = parse(Path::new("/nowhere/zeebe2faas.toml"), text, &Environment::new()) {
        assert!(!mistakes.0.is_empty(), "refused without a reason");
    }
});
