use super::{Auth, Error, connection::Connect};
use crate::reload::Reloaded;
use rustls::ClientConfig;
use std::{sync::Arc, time::Duration};

/// How to reach Zeebe, and for how long to try. Everything but the address has a default.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The gateway: `http://HOST:PORT` or `https://HOST[:PORT]`. `http://` may be left out.
    pub address: String,
    /// How the gateway is trusted over `https://`, and what certificate it is shown; needed there.
    pub tls: Option<Reloaded<Arc<ClientConfig>>>,
    /// Who the client is.
    pub auth: Auth,
    /// The longest wait for a connection.
    pub connect_timeout: Duration,
    /// The longest wait for the answer to one attempt of a request; the gateway hears of it too.
    pub request_timeout: Duration,
    /// How often a connection without traffic is checked with a ping. Zeebe closes it below 30 s.
    pub keep_alive: Duration,
    /// How long a ping may stay unanswered before the connection counts as broken.
    pub keep_alive_timeout: Duration,
    /// The upper bound of the first random pause between two attempts; it doubles from one to the next.
    pub first_pause: Duration,
    /// The upper bound that the pauses never pass.
    pub longest_pause: Duration,
    /// The largest answer that is accepted, in bytes. Zeebe's own limit is 4 MiB by default.
    pub max_answer_bytes: usize,
    /// Connections in memory, in a simulation.
    #[doc(hidden)]
    pub connect: Option<Connect>,
}

impl Settings {
    /// The defaults, for the gateway at this address.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            tls: None,
            auth: Auth::None,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(20),
            keep_alive: Duration::from_secs(45),
            keep_alive_timeout: Duration::from_secs(20),
            first_pause: Duration::from_millis(50),
            longest_pause: Duration::from_secs(5),
            max_answer_bytes: 8 << 20,
            connect: None,
        }
    }

    /// The address as a URL: `http://HOST:PORT` or `https://HOST:PORT`.
    pub(super) fn url(&self) -> Result<String, Error> {
        let address = self.address.trim().trim_end_matches('/');
        let wrong = |reason: &str| Error::Address { address: address.to_owned(), reason: reason.to_owned() };
        let (scheme, authority) = address.split_once("://").unwrap_or(("http", address));
        match (scheme, &self.tls) {
            ("http", _) | ("https", Some(_)) => {}
            ("https", None) => return Err(wrong("https without a word on whom to trust")),
            _ => return Err(wrong("the scheme is neither http nor https")),
        }
        match authority.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0) => {
                Ok(format!("{scheme}://{authority}"))
            }
            None if scheme == "https" && !authority.is_empty() => Ok(format!("https://{authority}:443")),
            _ => Err(wrong("host and port are not both there")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_leave_out_its_scheme() {
        for address in ["http://zeebe:26500", "zeebe:26500", " zeebe:26500/ "] {
            assert_eq!(Settings::new(address).url().ok().as_deref(), Some("http://zeebe:26500"), "{address}");
        }
        assert_eq!(Settings::new("[::1]:26500").url().ok().as_deref(), Some("http://[::1]:26500"));
    }

    #[test]
    fn https_has_a_port_of_its_own() {
        let tls = Some(Reloaded::fixed(Arc::new(crate::tls::trusts_nobody())));
        for address in ["https://zeebe", "https://zeebe:443/"] {
            let settings = Settings { tls: tls.clone(), ..Settings::new(address) };
            assert_eq!(settings.url().ok().as_deref(), Some("https://zeebe:443"), "{address}");
        }
    }

    #[test]
    fn an_address_that_cannot_work_is_refused_with_the_reason() {
        for (address, reason) in [
            ("https://zeebe:443", "whom to trust"),
            ("ftp://zeebe:1", "the scheme is neither"),
            ("zeebe", "host and port"),
            ("http://:26500", "host and port"),
            ("zeebe:0", "host and port"),
            ("zeebe:99999", "host and port"),
            ("", "host and port"),
        ] {
            let message = Settings::new(address).url().map_err(|error| error.to_string());
            assert!(message.as_ref().is_err_and(|m| m.contains(reason)), "{address}: {message:?}");
        }
    }
}
