//! A template, a NUL byte, variables as JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use zeebe2faas::bridge::render::{DEFAULT_COMMAND_LIMIT, Template};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (command, variables) = text.split_once('\0').unwrap_or((text, ""));
    let Ok(template) = Template::inline(command, "header `cmdline`") else { return };
    let Ok(variables) = serde_json::from_str::<Map<String, Value>>(variables) else { return };
    if let Ok(command) = template.render(&variables, &Map::new(), DEFAULT_COMMAND_LIMIT) {
        assert!(command.args.iter().map(|arg| arg.len() + 1).sum::<usize>() <= DEFAULT_COMMAND_LIMIT);
        assert!(!command.args.iter().any(|arg| arg.contains('\0')));
    }
});
