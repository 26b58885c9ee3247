//! A text that never shows up in a log, an error or a debug print.

use std::fmt;

/// A password or token. Only [`Secret::expose`] gives it away.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// As it stands in a file: blanks and line ends around it do not count.
    ///
    /// # Errors
    /// When nothing is left, or something that no header can carry.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" => Err("it is empty".to_owned()),
            secret if secret.chars().any(char::is_control) => Err("it holds more than one line".to_owned()),
            secret => Ok(Self(secret.to_owned())),
        }
    }

    /// The text itself, for the request that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// A text of somebody else's without the secret, should it be in there.
    pub fn redact(&self, text: &str) -> String {
        text.replace(&self.0, "***")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
