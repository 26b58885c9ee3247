//! Where calls run as Kubernetes Jobs.

use super::{
    read::{DAY, HOUR, MINUTE, SECOND},
    section::Section,
};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// How the API server is reached, and what is asked of it.
#[derive(Debug, Clone)]
pub struct Kubernetes {
    /// The namespace of the Jobs.
    pub namespace: String,
    /// A kubeconfig; without it the bridge runs in the cluster, with its service account.
    pub kubeconfig: Option<PathBuf>,
    /// The folder of Job templates.
    pub jobs: PathBuf,
    /// How long a Job is kept once its outcome is delivered.
    pub keep: Duration,
    /// How long the API server may take to connect, or to take a request.
    pub request_timeout: Duration,
}

/// Nothing where no namespace is named.
pub(super) fn read(section: &Section<'_>, folder: &Path, templates: &Path) -> Option<Kubernetes> {
    let namespace = section.parsed("namespace", label).map(|found| found.value);
    let kubeconfig = section.text("kubeconfig").map(|found| folder.join(found.value));
    let jobs = section.text("jobs").map_or_else(|| templates.join("jobs"), |found| folder.join(found.value));
    let keep = section.duration("keep", HOUR, SECOND..=30 * DAY);
    let request_timeout = section.duration("request_timeout", 10 * SECOND, SECOND..=10 * MINUTE);
    if namespace.is_none() && section.is_there() {
        section.missing("namespace", "the namespace in which Jobs are created");
    }
    section.check_unknown();
    Some(Kubernetes { namespace: namespace?, kubeconfig, jobs, keep, request_timeout })
}

/// A DNS label (RFC 1123).
fn label(text: &str) -> Result<String, String> {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    match text {
        _ if (1..=63).contains(&text.len()) && text.bytes().all(good) && text.trim_matches('-') == text => {
            Ok(text.to_owned())
        }
        _ => Err(format!("`{text}` is not a namespace: 1 to 63 lower-case letters, digits and, inside, `-`")),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use crate::config::{ConfigError, DEFAULT_FILE, Environment, parse};
    use std::time::Duration;

    #[test]
    fn jobs_are_off_until_a_namespace_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token.key"), zeebe2faas_contract::random_key_line("k1")).unwrap();
        let file = folder.path().join(DEFAULT_FILE);
        let least = "cluster = \"c\"\ncallback.url = \"http://h:1\"\nkeys.token_file = \"token.key\"\n";
        let read = |lines: &str| parse(&file, &format!("{least}{lines}"), &Environment::new());
        assert!(read("").unwrap().kubernetes.is_none());
        let kubernetes = read("[kubernetes]\nnamespace = \"eo\"\n").unwrap().kubernetes.unwrap();
        assert_eq!(kubernetes.jobs, folder.path().join("templates/jobs"));
        assert_eq!((kubernetes.keep, kubernetes.kubeconfig), (Duration::from_secs(3600), None));
        for (lines, part) in [("namespace = \"E O\"", "not a namespace"), ("keep = \"1h\"", "namespace is missing")] {
            let ConfigError(mistakes) = read(&format!("[kubernetes]\n{lines}\n")).unwrap_err();
            assert!(mistakes.iter().any(|mistake| mistake.contains(part)), "{mistakes:#?}");
        }
    }
}
