//! What came of a scenario, line by line, so that two peers' can be compared.

use std::collections::HashMap;

/// Zeebe's keys have 16 digits and more, and nothing else here does.
const KEY_DIGITS: usize = 15;
/// Lines that agree before the first that does not.
const CONTEXT: usize = 12;

#[derive(Debug, Default)]
pub struct Trace(Vec<String>);

impl Trace {
    pub fn line(&mut self, line: String) {
        self.0.push(line);
    }

    /// Without the scenario's tag, and with keys numbered as they appear.
    pub fn normalised(&self, tag: &str) -> String {
        let mut numbers = HashMap::new();
        let text = self.0.join("\n").replace(tag, "~");
        keys_replaced(&text, |key| {
            let next = numbers.len() + 1;
            format!("#{}", numbers.entry(key.to_owned()).or_insert(next))
        })
    }
}

/// The text without its keys: by it those of two peers have the same order.
pub fn masked(text: &str) -> String {
    keys_replaced(text, |_| "#".to_owned())
}

/// Where two traces part, with what comes before; nothing where they are equal.
pub fn difference(zeebe: &str, engine: &str) -> Option<String> {
    let (zeebe, engine): (Vec<&str>, Vec<&str>) = (zeebe.lines().collect(), engine.lines().collect());
    let first = zeebe.iter().zip(&engine).take_while(|(zeebe, engine)| alike(zeebe, engine)).count();
    if first == zeebe.len() && first == engine.len() {
        return None;
    }
    let shown = |lines: &[&str], mark: &str| -> String {
        lines.iter().skip(first).take(CONTEXT).map(|line| format!("{mark} {line}\n")).collect()
    };
    let before: String = zeebe[first.saturating_sub(CONTEXT)..first].iter().map(|line| format!("  {line}\n")).collect();
    Some(format!("{before}{}{}", shown(&zeebe, "zeebe "), shown(&engine, "engine")))
}

fn alike(zeebe: &str, engine: &str) -> bool {
    // Where Zeebe's message tells how Java holds a context, only what stands before it counts.
    let says =
        |text: &str, internals: usize| text.get(..zeebe[..internals].find('{').unwrap_or(internals)).map(str::to_owned);
    match zeebe.find("UnsafeBuffer{") {
        Some(internals) => says(zeebe, internals) == says(engine, internals),
        None => zeebe == engine,
    }
}

fn keys_replaced(text: &str, mut by: impl FnMut(&str) -> String) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, digits) = rest.split_at(start);
        let (digits, after) = digits.split_at(digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len()));
        replaced += before;
        if digits.len() >= KEY_DIGITS {
            replaced += &by(digits);
        } else {
            replaced += digits;
        }
        rest = after;
    }
    replaced + rest
}
