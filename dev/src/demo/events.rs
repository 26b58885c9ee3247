//! Server-sent events, as far as a bridge sends them.

use serde_json::{Map, Value};

/// An event may be that long, in bytes; what is longer is not the bridge's.
const MAX_EVENT: usize = 1 << 20;

/// Puts events together from pieces of the stream.
#[derive(Debug, Default)]
pub struct Events {
    rest: Vec<u8>,
}

/// What the bridge tells.
#[derive(Debug, PartialEq)]
pub enum Event {
    /// Fields of a call that are new.
    Call(Value),
    /// Some were missed: read the list again.
    Resync,
}

/// An event that is too long.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("an event is longer than {MAX_EVENT} bytes")]
pub struct TooLong;

impl Events {
    /// Takes the next piece and gives each event that it completes; unknown ones, and data that is not JSON, are left
    /// out.
    pub fn take(&mut self, piece: &[u8]) -> Result<Vec<Event>, TooLong> {
        self.rest.extend(piece.iter().filter(|byte| **byte != b'\r'));
        let mut found = Vec::new();
        while let Some(end) = self.rest.windows(2).position(|pair| pair == b"\n\n") {
            found.extend(read(&self.rest[..end]));
            self.rest.drain(..end + 2);
        }
        if self.rest.len() > MAX_EVENT { Err(TooLong) } else { Ok(found) }
    }
}

fn read(event: &[u8]) -> Option<Event> {
    let text = std::str::from_utf8(event).ok()?;
    let field = |name: &'static str| {
        text.lines().filter_map(move |line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim_start)
    };
    match field("event").next_back()? {
        "call" => serde_json::from_str(&field("data").collect::<Vec<_>>().join("\n")).ok().map(Event::Call),
        "resync" => Some(Event::Resync),
        _ => None,
    }
}

/// Puts a call's new fields in the place of the old ones.
pub fn patch(known: &mut Map<String, Value>, new: Value) {
    if let Value::Object(new) = new {
        known.extend(new);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_are_whole_however_the_stream_is_cut() {
        let text = ": hello\n\nevent: call\r\ndata: {\"callId\":\"a\",\ndata: \"state\":\"é\"}\r\n\r\nevent: other\ndata: 1\n\n\
                    event:call\ndata:{\"callId\":\"b\"}\n\nevent: resync\ndata: {}\n\nevent: call\ndata: {\"cut";
        for size in [1, 3, 1000] {
            let mut events = Events::default();
            let found: Vec<Event> =
                text.as_bytes().chunks(size).flat_map(|piece| events.take(piece).unwrap()).collect();
            let (a, b) = (json!({"callId": "a", "state": "é"}), json!({"callId": "b"}));
            assert_eq!(found, [Event::Call(a), Event::Call(b), Event::Resync]);
        }
    }

    #[test]
    fn an_event_without_an_end_is_an_error_and_not_all_the_memory() {
        assert_eq!(Events::default().take(&vec![b'x'; MAX_EVENT + 1]), Err(TooLong));
    }
}
