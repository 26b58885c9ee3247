//! What a bridge tells of its calls.

use crate::{http, soon};
use serde_json::Value;
use std::collections::VecDeque;

/// A client of `/api/events`.
pub struct Listener {
    /// The answer's head.
    pub answer: reqwest::Response,
    text: String,
    heard: VecDeque<(String, Value)>,
}

impl Listener {
    /// Listens from now on to what the admin listener at `http://HOST:PORT` tells.
    pub async fn start(admin: &str) -> Self {
        let answer = soon(http().get(format!("{admin}/api/events")).send()).await.expect("the bridge answers");
        Self { answer, text: String::new(), heard: VecDeque::new() }
    }

    /// The next change of this kind; those before it are passed over.
    pub async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let (event, change) = self.next().await.expect("the stream goes on");
            assert_eq!(event, "call");
            if wanted(&change) {
                return change;
            }
        }
    }

    /// The next event and its data; nothing once the stream has ended.
    pub async fn next(&mut self) -> Option<(String, Value)> {
        while self.heard.is_empty() {
            let chunk = soon(self.answer.chunk()).await.expect("the stream ends in good order")?;
            self.text.push_str(std::str::from_utf8(&chunk).expect("ASCII"));
            while let Some(end) = self.text.find("\n\n") {
                let event: String = self.text.drain(..end + 2).collect();
                let field = |name| event.lines().find_map(|line| line.strip_prefix(name));
                if let (Some(name), Some(data)) = (field("event: "), field("data: ")) {
                    self.heard.push_back((name.to_owned(), serde_json::from_str(data).expect("JSON")));
                }
            }
        }
        self.heard.pop_front()
    }
}
