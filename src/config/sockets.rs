//! What the bridge listens on.

use super::{
    Callback,
    files::{accept, server_files},
    peers::http_url,
    read::{HOUR, MILLISECOND, MINUTE, SECOND},
    section::{Found, Section},
};
use crate::{listener::Limits, reload::Reloaded, secret::Secret, tls};
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
};

const CALLBACK_PORT: u16 = 8090;
const ADMIN_PORT: u16 = 8091;
/// A shorter token is guessed too soon.
const LEAST_TOKEN_BYTES: usize = 16;

/// `told`: functions are told its URL by this program, so that it must be known.
pub fn callback(section: &Section<'_>, folder: &Path, told: bool) -> Option<Callback> {
    let listen = section
        .parsed("listen", socket_address)
        .map_or_else(|| (Ipv4Addr::UNSPECIFIED, CALLBACK_PORT).into(), |found| found.value);
    let url = section.parsed("url", http_url);
    if told && url.is_none() {
        section.missing("url", "how functions reach the callback listener, such as \"http://bridge:8090\"");
    }
    let tls = section.section("tls");
    let files = server_files(&tls, folder);
    tls.check_unknown();
    if told
        && let (Some(_), Some(url)) = (&files, &url)
        && url.value.starts_with("http:")
    {
        section.reject(url, "with callback.tls the listener speaks HTTPS only: begin it with https://");
    }
    let callback = Callback {
        listen,
        tls: match files {
            Some((files, found)) => Some(accept(&tls, &found, tls::server(files))?),
            None => None,
        },
        body_limit_bytes: section.size("body_limit_bytes", 256 << 10, 1_024..=512 << 10),
        read_timeout: section.duration("read_timeout", 30 * SECOND, 100 * MILLISECOND..=10 * MINUTE),
        max_concurrent: section.size("max_concurrent", 256, 1..=65_536),
        patience: section.duration("patience", 10 * SECOND, 100 * MILLISECOND..=HOUR),
        url: match url {
            Some(url) => url.value,
            None if told => return None,
            None => String::new(),
        },
    };
    section.check_unknown();
    Some(callback)
}

/// The address, and the file of the token where one is named.
pub fn admin(root: &Section<'_>) -> (SocketAddr, Option<Found<String>>) {
    let section = root.section("admin");
    let listen = section.parsed("listen", socket_address);
    let token_file = section.text("token_file");
    section.check_unknown();
    (listen.map_or_else(|| (Ipv4Addr::LOCALHOST, ADMIN_PORT).into(), |found| found.value), token_file)
}

/// The token of those who may act on calls; nothing within where nobody may.
pub fn admin_token(
    root: &Section<'_>,
    file: Option<&Found<String>>,
    folder: &Path,
) -> Option<Option<Reloaded<Secret>>> {
    let Some(file) = file else { return Some(None) };
    let token = |texts: &[String]| match Secret::parse(&texts[0])? {
        token if token.expose().len() < LEAST_TOKEN_BYTES => {
            Err(format!("a token has at least {LEAST_TOKEN_BYTES} bytes; `zeebe2faas key new` makes one"))
        }
        token => Ok(token),
    };
    accept(root, file, Reloaded::read(vec![folder.join(&file.value)], token)).map(Some)
}

pub fn limits(section: &Section<'_>) -> Limits {
    let limits = Limits {
        max_connections: section.size("max_connections", 512, 8..=16_384),
        header_timeout: section.duration("header_timeout", 10 * SECOND, 100 * MILLISECOND..=MINUTE),
        idle_timeout: section.duration("idle_timeout", 2 * MINUTE, 100 * MILLISECOND..=HOUR),
        max_rejected_per_second: section.size("max_rejected_per_second", 10, 1..=100_000),
    };
    section.check_unknown();
    limits
}

fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is not IP:PORT, such as 127.0.0.1:8090"))
}
