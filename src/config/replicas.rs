//! Where the other replicas are.

use super::{
    peers::http_url,
    read::{MILLISECOND, MINUTE, SECOND},
    section::Section,
};
use std::{collections::BTreeMap, time::Duration};

/// Stands for a replica's name in `replicas.url`.
const REPLICA_WORD: &str = "{replica}";

/// How the other replicas are reached.
#[derive(Debug, Clone)]
pub struct Replicas {
    /// The URL of any replica's callback listener, without a slash at the end; `{replica}` stands for its name.
    pub url: Option<String>,
    /// Those of single replicas, by name.
    pub peers: BTreeMap<String, String>,
    /// How long a replica may take to answer.
    pub timeout: Duration,
    /// Pause before a replica that did not take a callback is told again.
    pub retry: Duration,
    /// Callbacks of other replicas' calls that are kept at the same time.
    pub max_kept: usize,
}

impl Replicas {
    /// Where a replica's callback listener is, if that is known.
    pub fn url_of(&self, replica: &str) -> Option<String> {
        let named = self.peers.get(replica).cloned();
        named.or_else(|| self.url.as_ref().map(|url| url.replace(REPLICA_WORD, replica)))
    }
}

pub(super) fn read(section: &Section<'_>) -> Replicas {
    let peers = section.section("peers");
    let named = |name: String| Some((name.clone(), peers.parsed(&name, plain_url)?.value));
    let replicas = Replicas {
        url: section.parsed("url", replica_url).map(|found| found.value),
        peers: peers.names().into_iter().filter_map(named).collect(),
        timeout: section.duration("timeout", 3 * SECOND, 100 * MILLISECOND..=MINUTE),
        retry: section.duration("retry", 5 * SECOND, 100 * MILLISECOND..=10 * MINUTE),
        max_kept: section.size("max_kept", 10_000, 1..=1_000_000),
    };
    section.check_unknown();
    replicas
}

/// A URL with the name of any replica in it.
fn replica_url(text: &str) -> Result<String, String> {
    if !text.contains(REPLICA_WORD) {
        return Err(format!(
            "`{text}` has no {REPLICA_WORD} for the replica's name, as http://{REPLICA_WORD}.bridge:8090"
        ));
    }
    plain_url(&text.replace(REPLICA_WORD, "replica")).map(|_| text.trim_end_matches('/').to_owned())
}

/// Replicas speak plain HTTP with each other; what they say is signed.
fn plain_url(text: &str) -> Result<String, String> {
    match http_url(text)? {
        url if url.starts_with("https:") => {
            Err(format!("`{text}`: replicas speak plain HTTP with each other; use http://"))
        }
        url => Ok(url),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use crate::config::{ConfigError, DEFAULT_FILE, Environment, parse};

    #[test]
    fn a_replica_is_where_it_is_named_or_else_where_the_pattern_says() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token.key"), zeebe2faas_contract::random_key_line("k1")).unwrap();
        let file = folder.path().join(DEFAULT_FILE);
        let least = "cluster = \"c\"\ncallback.url = \"http://h:1\"\nkeys.token_file = \"token.key\"\n";
        let read = |replicas| parse(&file, &format!("{least}[replicas]\n{replicas}\n"), &Environment::new());
        let replicas = read("url = \"http://{replica}.z:1/\"\npeers = { b = \"http://other:2/\" }").unwrap().replicas;
        assert_eq!(replicas.url_of("a").as_deref(), Some("http://a.z:1"));
        assert_eq!(replicas.url_of("b").as_deref(), Some("http://other:2"));
        assert_eq!(read("").unwrap().replicas.url_of("a"), None);
        let ConfigError(mistakes) = read("url = \"http://z:1\"\npeers = { b = \"other:2\" }").unwrap_err();
        assert!(mistakes.len() == 2 && mistakes[0].contains("{replica}"), "{mistakes:#?}");
    }
}
