//! Files and environment → checked settings. Every mistake is reported in one go, with file, line and key.

mod files;
mod kubernetes;
mod peers;
mod read;
mod reader;
mod relay;
mod replicas;
mod section;
mod settings;
mod sockets;
mod toml_value;

pub use kubernetes::Kubernetes;
pub use reader::Environment;
pub use relay::Relay;
pub use replicas::Replicas;
pub use settings::{
    BodyFormat, Callback, Calls, Credentials, Executor, Function, Keys, OnUnknown, OpenFaas, Settings, Site, Traces,
    Worker, Zeebe,
};

use crate::{reload::Reloaded, secret::Secret};
use reader::Reader;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// The file that is read when no other is named.
pub const DEFAULT_FILE: &str = "zeebe2faas.toml";

/// Every mistake of a configuration, a line each.
#[derive(Debug, thiserror::Error)]
#[error("the configuration has {} mistake(s):\n  {}", .0.len(), .0.join("\n  "))]
pub struct ConfigError(pub Vec<String>);

/// Reads and checks the file and the environment over it.
///
/// A file that was not named and does not exist counts as empty. Paths in the file are relative to it.
pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Settings, ConfigError> {
    let (path, text) = content(file)?;
    parse(path, &text, environment)
}

/// Checks a text as the content of `path`.
pub fn parse(path: &Path, text: &str, environment: &Environment) -> Result<Settings, ConfigError> {
    let name = path.display().to_string();
    let reader = Reader::new(&name, text, environment);
    let table = reader.parse();
    let settings = read::settings(&reader.root(&table), path.parent().unwrap_or(Path::new("")));
    let problems = reader.finish();
    match settings {
        Some(settings) if problems.is_empty() => Ok(settings),
        _ => Err(ConfigError(problems)),
    }
}

/// Only how Zeebe is reached, for `deploy` and `start`: the file may lack or have anything else.
pub fn load_zeebe(file: Option<&Path>, environment: &Environment) -> Result<Zeebe, ConfigError> {
    part(file, environment, |root, folder| peers::zeebe(&root.section("zeebe"), folder))
}

/// Only what `zeebe2faas callback` needs: the file may have anything else.
pub fn load_relay(file: Option<&Path>, environment: &Environment) -> Result<Relay, ConfigError> {
    part(file, environment, relay::read)
}

/// Only where the admin listener and the ledger are, for `calls`.
pub fn load_admin(file: Option<&Path>, environment: &Environment) -> Result<(SocketAddr, PathBuf), ConfigError> {
    part(file, environment, |root, folder| Some((sockets::admin(root).0, read::ledger(root, folder))))
}

/// Only the token of those who may act on calls, for `calls cancel` and its like.
pub fn load_admin_token(
    file: Option<&Path>,
    environment: &Environment,
) -> Result<Option<Reloaded<Secret>>, ConfigError> {
    part(file, environment, |root, folder| sockets::admin_token(root, sockets::admin(root).1.as_ref(), folder))
}

/// Only the folder of templates and the site's constants, for `render`.
pub fn load_templates(file: Option<&Path>, environment: &Environment) -> Result<(PathBuf, JsonMap), ConfigError> {
    part(file, environment, |root, folder| Some((read::templates(root, folder), root.section("vars").json())))
}

/// Only what models and templates are held against, for `check`.
pub fn load_site(file: Option<&Path>, environment: &Environment) -> Result<Site, ConfigError> {
    part(file, environment, |root, folder| {
        Some(Site {
            templates: read::templates(root, folder),
            vars: root.section("vars").json(),
            timeout: read::calls(&root.section("calls")).timeout,
            job_types: read::workers(root).into_iter().map(|worker| worker.job_type).collect(),
            functions: read::functions(&root.section("functions")),
        })
    })
}

type JsonMap = serde_json::Map<String, serde_json::Value>;

fn part<T>(
    file: Option<&Path>,
    environment: &Environment,
    read: impl FnOnce(&section::Section<'_>, &Path) -> Option<T>,
) -> Result<T, ConfigError> {
    let (path, text) = content(file)?;
    let name = path.display().to_string();
    let reader = Reader::new(&name, &text, environment);
    let table = reader.parse();
    let value = read(&reader.root(&table), path.parent().unwrap_or(Path::new("")));
    let problems = reader.mistakes();
    value.filter(|_| problems.is_empty()).ok_or(ConfigError(problems))
}

fn content(file: Option<&Path>) -> Result<(&Path, String), ConfigError> {
    let path = file.unwrap_or(Path::new(DEFAULT_FILE));
    match std::fs::read_to_string(path) {
        Ok(text) => Ok((path, text)),
        Err(error) if file.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok((path, String::new())),
        Err(error) => Err(ConfigError(vec![format!("{}: cannot be read: {error}", path.display())])),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_example_is_a_whole_configuration_and_shows_the_defaults() {
        let folder = tempfile::tempdir().unwrap();
        for key in ["token.key", "runner.key"] {
            std::fs::write(folder.path().join(key), zeebe2faas_contract::random_key_line("k1")).unwrap();
        }
        let file = folder.path().join(DEFAULT_FILE);
        let example = parse(&file, include_str!("../../zeebe2faas.example.toml"), &Environment::new()).unwrap();
        let least = "cluster = \"laptop\"\n[callback]\nurl = \"http://127.0.0.1:8090\"\n[keys]\n\
                     token_file = \"token.key\"\nrunner_file = \"runner.key\"\n\
                     [functions.otbcli]\nrun_once = true\n[functions.normalize-product]\nrun_once = true\n";
        let least = parse(&file, least, &Environment::new()).unwrap();
        assert_eq!(format!("{example:?}"), format!("{least:?}"));
    }

    #[test]
    fn a_pause_may_be_zero_where_its_bounds_say_so_and_a_deadline_may_not() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token.key"), zeebe2faas_contract::random_key_line("k1")).unwrap();
        let file = folder.path().join(DEFAULT_FILE);
        let text = |calls| {
            format!(
                "cluster = \"c\"\ncallback.url = \"http://h:1\"\nkeys.token_file = \"token.key\"\n[calls]\n{calls}\n"
            )
        };
        let settings = parse(&file, &text("grace = \"0s\"\nretry_backoff = \"PT0S\""), &Environment::new()).unwrap();
        assert_eq!((settings.calls.grace, settings.calls.retry_backoff), (Duration::ZERO, Duration::ZERO));
        let ConfigError(mistakes) = parse(&file, &text("timeout = \"0s\""), &Environment::new()).unwrap_err();
        assert!(mistakes[0].contains("calls.timeout: 0s is out of bounds: from 1s"), "{mistakes:#?}");
    }

    #[test]
    fn every_mistake_is_told_at_once_with_file_line_and_key() {
        let text = "clustr = \"x\"\n[zeebe]\naddress = 5\n[calls]\ntimeout = \"soon\"\ngrace = \"2h\"\n";
        let ConfigError(mistakes) = parse(Path::new("z.toml"), text, &Environment::new()).unwrap_err();
        for part in [
            "cluster is missing",
            "z.toml:3: zeebe.address: expected a text",
            "z.toml:5: calls.timeout:",
            "z.toml:6: calls.grace: 7200s is out of bounds",
            "callback.url is missing",
            "keys.token_file is missing",
        ] {
            assert!(mistakes.iter().any(|mistake| mistake.contains(part)), "{part}: {mistakes:#?}");
        }
    }
}
