//! What a bridge on this machine needs: its folder of configuration, keys and templates, and functions beside it.

use crate::host::{HostOptions, Stack, StackError};
use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};
use zeebe2faas::config;
use zeebe2faas_contract::{KeyRing, KeyRingError, random_key_line};

/// The functions of the project.
const STACK: &str = include_str!("../../stack.yml");
const TEMPLATES: [(&str, &str); 3] = [
    ("bundle-to-perfect-sensor.toml", include_str!("../../templates/bundle-to-perfect-sensor.toml")),
    ("ortho-rectification.toml", include_str!("../../templates/ortho-rectification.toml")),
    ("normalize-product.toml", include_str!("../../templates/normalize-product.toml")),
];
/// A function whose process it is runs a call once.
const RUNNER: &str = "zeebe2faas-runner";

/// A free port of this machine, for it alone.
pub(crate) const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Why a bridge cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// A file, folder or address.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A key file.
    #[error("{}: {source}", path.display())]
    Key {
        /// Which.
        path: PathBuf,
        /// Why.
        source: KeyRingError,
    },
}

/// What a bridge's configuration says.
pub(crate) struct Site<'a> {
    /// Its folder.
    pub folder: &'a Path,
    /// Zeebe, as `http://HOST:PORT`.
    pub zeebe: &'a str,
    /// The gateway's URL.
    pub gateway: &'a str,
    /// Where callbacks arrive.
    pub callback: SocketAddr,
    /// Health, metrics and calls.
    pub admin: SocketAddr,
    /// The folder of templates; none: the project's own.
    pub templates: Option<&'a Path>,
    /// Functions that run a call once.
    pub run_once: Vec<String>,
}

impl Site<'_> {
    /// Writes the configuration, as a user would, with templates and keys; `runner.key` is there already. Gives its
    /// text.
    pub(crate) fn write(&self) -> Result<String, SiteError> {
        let Self { folder, zeebe, gateway, callback, admin, .. } = self;
        let templates = match self.templates {
            Some(templates) => templates.to_owned(),
            None => own_templates(folder)?,
        };
        let templates = toml_string(&templates.to_string_lossy());
        write(folder, "token.key", &random_key_line("dev"))?;
        // A broker that was wiped hands out the same job keys again.
        let cluster = format!("dev-{:08x}", rand::random::<u32>());
        let url = reachable(*callback);
        let mut text = format!(
            r#"cluster = "{cluster}"
templates = {templates}
[zeebe]
address = "{zeebe}"
[openfaas]
gateway = "{gateway}"
[callback]
listen = "{callback}"
url = "http://{url}"
[admin]
listen = "{admin}"
[keys]
token_file = "token.key"
runner_file = "runner.key"
"#
        );
        for function in &self.run_once {
            text.push_str(&format!("[functions.{function}]\nrun_once = true\n"));
        }
        write(folder, config::DEFAULT_FILE, &text)?;
        Ok(text)
    }
}

/// Writes `runner.key`.
pub(crate) fn keep_secret(folder: &Path, secret: &str) -> Result<KeyRing, SiteError> {
    let path = write(folder, "runner.key", secret)?;
    KeyRing::parse(secret).map_err(|source| SiteError::Key { path, source })
}

/// The runner secret that a file holds.
pub(crate) fn read_secret(path: &Path) -> Result<KeyRing, SiteError> {
    let secret = std::fs::read_to_string(path).map_err(|source| SiteError::Io { path: path.to_owned(), source })?;
    KeyRing::parse(&secret).map_err(|source| SiteError::Key { path: path.to_owned(), source })
}

/// The functions of the project that have work to do: here they reach the bridge's own listener.
pub(crate) fn own_stack() -> Result<Stack, StackError> {
    let mut stack = Stack::parse("stack.yml", STACK)?;
    stack.functions.remove("callback-ack");
    Ok(stack)
}

/// The functions that run a call once.
pub(crate) fn run_once(stack: &Stack) -> Vec<String> {
    let ours = stack.functions.iter().filter(|(_, spec)| spec.process.first().is_some_and(|program| program == RUNNER));
    ours.map(|(name, _)| name.clone()).collect()
}

/// A function host with its functions' state in the folder; commands may name paths in the folders of data, where these
/// are given, and not what the stack says.
pub(crate) fn host_options(
    folder: &Path,
    stack: Stack,
    ring: KeyRing,
    parallel: usize,
    data: Option<&BTreeSet<PathBuf>>,
) -> HostOptions {
    let mut options = HostOptions::new(stack, folder.join("state"));
    options.key_ring = Some(ring);
    options.workers = parallel;
    options.env.insert("RUNNER_MAX_RUNS".to_owned(), parallel.to_string());
    if let Some(data) = data {
        let data: Vec<_> = data.iter().map(|folder| folder.to_string_lossy()).collect();
        options.env.insert("RUNNER_ALLOW_DIRS".to_owned(), data.join(":"));
    }
    options.path_dirs.extend(program_folders());
    options
}

/// Where the functions' programs are: beside this one; a test's own program lies one folder deeper.
pub(crate) fn program_folders() -> Vec<PathBuf> {
    let exe = std::env::current_exe().unwrap_or_default();
    exe.ancestors().skip(1).take(2).map(Path::to_owned).collect()
}

/// The same address with a port, since others must know it before it is bound.
pub(crate) fn with_port(address: SocketAddr) -> Result<SocketAddr, SiteError> {
    let io = |source| SiteError::Io { path: address.to_string().into(), source };
    if address.port() != 0 {
        return Ok(address);
    }
    std::net::TcpListener::bind(address).and_then(|listener| listener.local_addr()).map_err(io)
}

/// How this machine reaches what listens there.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (std::net::Ipv6Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}

/// A new folder that is gone when it is dropped.
pub(crate) fn temporary_folder() -> Result<tempfile::TempDir, SiteError> {
    tempfile::TempDir::new().map_err(|source| SiteError::Io { path: std::env::temp_dir(), source })
}

fn own_templates(folder: &Path) -> Result<PathBuf, SiteError> {
    let templates = folder.join("templates");
    std::fs::create_dir_all(&templates).map_err(|source| SiteError::Io { path: templates.clone(), source })?;
    for (name, text) in TEMPLATES {
        write(&templates, name, text)?;
    }
    Ok(templates)
}

/// As TOML writes it.
fn toml_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf, SiteError> {
    let path = folder.join(name);
    std::fs::write(&path, text).map_err(|source| SiteError::Io { path: path.clone(), source })?;
    Ok(path)
}
