//! Server-sent events, as far as a bridge sends them.

use serde_json::Value;

/// An event may be that long, in bytes; what is longer is not the bridge's.
const MAX_EVENT: usize = 1 << 20;

/// Puts events together from pieces of the stream.
#[derive(Debug, Default)]
pub struct Events {
    rest: Vec<u8>,
}

/// An event that is too long.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("an event is longer than {MAX_EVENT} bytes")]
pub struct TooLong;

impl Events {
    /// Takes the next piece and gives the data of each event `call` that it completes. Data that is not JSON is left
    /// out, as are other events.
    pub fn take(&mut self, piece: &[u8]) -> Result<Vec<Value>, TooLong> {
        self.rest.extend(piece.iter().filter(|byte| **byte != b'\r'));
        let mut found = Vec::new();
        while let Some(end) = self.rest.windows(2).position(|pair| pair == b"\n\n") {
            found.extend(call(&self.rest[..end]));
            self.rest.drain(..end + 2);
        }
        if self.rest.len() > MAX_EVENT { Err(TooLong) } else { Ok(found) }
    }
}

fn call(event: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(event).ok()?;
    let field = |name: &'static str| {
        text.lines().filter_map(move |line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim_start)
    };
    if field("event").next_back()? != "call" {
        return None;
    }
    serde_json::from_str(&field("data").collect::<Vec<_>>().join("\n")).ok()
}

/// Lays a patch over what is known, objects member by member.
pub fn merge(known: &mut Value, patch: Value) {
    match (known, patch) {
        (Value::Object(known), Value::Object(patch)) => {
            for (name, value) in patch {
                merge(known.entry(name).or_insert(Value::Null), value);
            }
        }
        (known, patch) => *known = patch,
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
                    event:call\ndata:{\"callId\":\"b\"}\n\nevent: call\ndata: {\"cut";
        for size in [1, 3, 1000] {
            let mut events = Events::default();
            let found: Vec<Value> =
                text.as_bytes().chunks(size).flat_map(|piece| events.take(piece).unwrap()).collect();
            assert_eq!(found, [json!({"callId": "a", "state": "é"}), json!({"callId": "b"})]);
        }
    }

    #[test]
    fn an_event_without_an_end_is_an_error_and_not_all_the_memory() {
        assert_eq!(Events::default().take(&vec![b'x'; MAX_EVENT + 1]), Err(TooLong));
    }

    #[test]
    fn a_patch_leaves_what_it_does_not_name() {
        let mut known = json!({"state": "submitted", "progress": {"percent": 2, "step": "a"}});
        merge(&mut known, json!({"progress": {"percent": 4}}));
        assert_eq!(known, json!({"state": "submitted", "progress": {"percent": 4, "step": "a"}}));
    }
}
