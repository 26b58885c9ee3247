//! Keys, secrets and certificates: settings that name files.

use super::{
    Keys,
    section::{Found, Section},
};
use crate::{
    reload::Reloaded,
    secret::Secret,
    tls::{ClientFiles, ServerFiles},
};
use std::path::{Path, PathBuf};
use zeebe2faas_contract::KeyRing;

pub fn keys(section: &Section<'_>, folder: &Path, needs_runner: bool) -> Option<Keys> {
    let read = |key: &str| {
        let found = section.text(key);
        let ring = found.as_ref().and_then(|found| key_ring(section, found, folder));
        (found.is_some(), ring)
    };
    let (named, token) = read("token_file");
    if !named {
        section.missing("token_file", "the key that signs callback URLs; `zeebe2faas key new > FILE` makes one");
    }
    let (named, runner) = read("runner_file");
    if !named && needs_runner {
        section.missing("runner_file", "functions with run_once need it; `zeebe2faas key new > FILE` makes one");
    }
    section.check_unknown();
    Some(Keys { token: token?, runner })
}

fn key_ring(section: &Section<'_>, found: &Found<String>, folder: &Path) -> Option<Reloaded<KeyRing>> {
    let make = |texts: &[String]| KeyRing::parse(&texts[0]).map_err(|error| error.to_string());
    accept(section, found, Reloaded::read(vec![folder.join(&found.value)], make))
}

/// A secret in a file.
pub fn secret(section: &Section<'_>, found: &Found<String>, folder: &Path) -> Option<Reloaded<Secret>> {
    accept(section, found, Reloaded::read(vec![folder.join(&found.value)], |texts| Secret::parse(&texts[0])))
}

/// The value, or a remembered mistake.
pub fn accept<T, F>(section: &Section<'_>, found: &Found<F>, result: Result<T, String>) -> Option<T> {
    result.map_err(|why| section.reject(found, &why)).ok()
}

/// The files that a client of TLS needs, and the first that is named.
pub fn client_files(
    section: &Section<'_>,
    folder: &Path,
    ca_variables: &[&str],
) -> (ClientFiles, Option<Found<String>>) {
    let ca = section.text_or("ca_file", ca_variables);
    let pair = pair(section, folder);
    let files = ClientFiles {
        ca: ca.as_ref().map(|found| folder.join(&found.value)),
        identity: pair.as_ref().map(|(files, _)| files.clone()),
    };
    (files, ca.or_else(|| pair.map(|(_, found)| found)))
}

/// The files of a listener; nothing where none is named.
pub fn server_files(section: &Section<'_>, folder: &Path) -> Option<(ServerFiles, Found<String>)> {
    let client_ca = section.text("client_ca_file");
    let pair = pair(section, folder);
    if let (Some(found), None) = (&client_ca, &pair) {
        section.reject(found, "client certificates need HTTPS: set cert_file and key_file too");
    }
    let ((certificate, key), found) = pair?;
    let client_ca = client_ca.map(|found| folder.join(found.value));
    Some((ServerFiles { certificate, key, client_ca }, found))
}

fn pair(section: &Section<'_>, folder: &Path) -> Option<((PathBuf, PathBuf), Found<String>)> {
    match (section.text("cert_file"), section.text("key_file")) {
        (Some(certificate), Some(key)) => {
            Some(((folder.join(&certificate.value), folder.join(&key.value)), certificate))
        }
        (Some(found), None) => {
            section.reject(&found, "a certificate needs its key: set key_file too");
            None
        }
        (None, Some(found)) => {
            section.reject(&found, "a key needs its certificate: set cert_file too");
            None
        }
        (None, None) => None,
    }
}
