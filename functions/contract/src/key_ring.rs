use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::{fmt, sync::Arc};

const KEY_BYTES: usize = 32;

/// Keys with ids: the first one signs, any of them verifies, so that a key can be replaced without losing calls.
///
/// As text: a line for each key, `ID BASE64URL`, 32 bytes each; empty lines and lines that start with `#` are skipped.
#[derive(Clone)]
pub struct KeyRing(Arc<[Key]>);

#[derive(Clone)]
struct Key {
    id: Box<str>,
    secret: [u8; KEY_BYTES],
}

/// Why a key file is not a key ring. It never shows a key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    /// There is no key in it.
    #[error("it holds no key; `zeebe2faas key new` prints one")]
    Empty,
    /// A line has another form.
    #[error("line {0}: expected `ID KEY`: an id of up to 16 letters and digits, a blank, 32 bytes in base64url")]
    Line(usize),
    /// Two lines have the same id.
    #[error("line {0}: this id stands above already; each key needs its own")]
    Twice(usize),
}

impl KeyRing {
    /// Reads the text of a key file.
    pub fn parse(text: &str) -> Result<Self, KeyRingError> {
        let mut keys: Vec<Key> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = Key::parse(line).ok_or(KeyRingError::Line(index + 1))?;
            if keys.iter().any(|other| other.id == key.id) {
                return Err(KeyRingError::Twice(index + 1));
            }
            keys.push(key);
        }
        if keys.is_empty() { Err(KeyRingError::Empty) } else { Ok(Self(keys.into())) }
    }

    /// The ring that one function's runner holds: each key is HMAC-SHA256(key, function name), so that no function
    /// can speak for another.
    pub fn for_function(&self, function: &str) -> Self {
        let derive = |key: &Key| Key {
            id: key.id.clone(),
            secret: mac(&key.secret, &[b"zeebe2faas-function-v1\n", function.as_bytes()])
                .finalize()
                .into_bytes()
                .into(),
        };
        Self(self.0.iter().map(derive).collect())
    }

    /// The text of the key file that holds this ring. It is secret.
    pub fn to_file_text(&self) -> String {
        self.0.iter().map(|key| format!("{} {}\n", key.id, URL_SAFE_NO_PAD.encode(key.secret))).collect()
    }

    /// `ID.MAC` of the parts, one after the other, under the first key. The MAC is HMAC-SHA256 in base64url.
    pub fn sign(&self, parts: &[&[u8]]) -> String {
        let key = &self.0[0];
        format!("{}.{}", key.id, URL_SAFE_NO_PAD.encode(mac(&key.secret, parts).finalize().into_bytes()))
    }

    /// Whether `signature` is an `ID.MAC` of the parts under the key of that id, compared in constant time.
    pub fn verify(&self, parts: &[&[u8]], signature: &str) -> bool {
        let Some((id, code)) = signature.split_once('.') else { return false };
        let Some(key) = self.0.iter().find(|key| *key.id == *id) else { return false };
        let Ok(code) = URL_SAFE_NO_PAD.decode(code) else { return false };
        mac(&key.secret, parts).verify_slice(&code).is_ok()
    }
}

impl Key {
    fn parse(line: &str) -> Option<Self> {
        let (id, secret) = line.split_once(char::is_whitespace)?;
        let named = !id.is_empty() && id.len() <= 16 && id.bytes().all(|b| b.is_ascii_alphanumeric());
        let secret = URL_SAFE_NO_PAD.decode(secret.trim()).ok()?.try_into().ok()?;
        named.then(|| Self { id: id.into(), secret })
    }
}

/// Ids only: a key never shows up in a log or an error.
impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

/// A new line for a key file: a random key from the system's source, under the given id.
pub fn random_key_line(id: &str) -> String {
    let secret: [u8; KEY_BYTES] = rand::random();
    format!("{id} {}\n", URL_SAFE_NO_PAD.encode(secret))
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn mac(secret: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("any length is a key");
    for part in parts {
        mac.update(part);
    }
    mac
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn ring(id: &str) -> KeyRing {
        KeyRing::parse(&random_key_line(id)).unwrap()
    }

    #[test]
    fn a_signature_holds_for_its_parts_and_no_others() {
        let ring = ring("a");
        let signature = ring.sign(&[b"one", b"two"]);
        assert!(ring.verify(&[b"one", b"two"], &signature));
        assert!(!ring.verify(&[b"one", b"tw0"], &signature));
        assert!(!self::ring("a").verify(&[b"one", b"two"], &signature));
    }

    #[test]
    fn a_replaced_key_still_verifies_while_it_stands_in_the_file() {
        let old = random_key_line("old");
        let signature = KeyRing::parse(&old).unwrap().sign(&[b"x"]);
        let both = KeyRing::parse(&format!("{}{old}", random_key_line("new"))).unwrap();
        assert!(both.verify(&[b"x"], &signature));
        assert!(both.sign(&[b"x"]).starts_with("new."));
    }

    #[test]
    fn each_function_has_its_own_key() {
        let ring = ring("a");
        let signature = ring.for_function("otbcli").sign(&[b"x"]);
        assert!(ring.for_function("otbcli").verify(&[b"x"], &signature));
        assert!(!ring.for_function("other").verify(&[b"x"], &signature));
        let file = ring.for_function("otbcli").to_file_text();
        assert!(KeyRing::parse(&file).unwrap().verify(&[b"x"], &signature));
    }

    #[test]
    fn a_bad_key_file_names_the_line_and_shows_no_key() {
        assert_eq!(KeyRing::parse("# none\n").unwrap_err(), KeyRingError::Empty);
        assert_eq!(KeyRing::parse("\nsecret").unwrap_err(), KeyRingError::Line(2));
        let line = random_key_line("a");
        assert_eq!(KeyRing::parse(&format!("{line}{line}")).unwrap_err(), KeyRingError::Twice(2));
        assert_eq!(format!("{:?}", KeyRing::parse(&line).unwrap()), r#"["a"]"#);
    }
}
