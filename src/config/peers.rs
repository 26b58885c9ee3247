//! How Zeebe and OpenFaaS are reached, and who the bridge is to them.

use super::{
    Credentials, OpenFaas, Traces, Zeebe,
    files::{accept, client_files, secret},
    read::{MILLISECOND, MINUTE, SECOND},
    section::{Found, Section},
};
use crate::{
    reload::Reloaded,
    secret::Secret,
    tls::{self, ClientFiles},
    zeebe::{Auth, OAuth},
};
use rustls::ClientConfig;
use std::{path::Path, sync::Arc};

pub fn zeebe(section: &Section<'_>, folder: &Path) -> Option<Zeebe> {
    let address = address(section)?;
    let tls = zeebe_tls(section, &address, folder);
    let auth = auth(section, folder);
    let zeebe = Zeebe {
        request_timeout: section.duration("request_timeout", 10 * SECOND, 100 * MILLISECOND..=10 * MINUTE),
        tenants: section.texts("tenants"),
        address,
        tls: tls?,
        auth: auth?,
    };
    section.check_unknown();
    Some(zeebe)
}

/// Zeebe's own clients take `HOST:PORT` too, and a variable that says whether it is meant to be plain.
fn address(section: &Section<'_>) -> Option<String> {
    let insecure = match section.variable(&["ZEEBE_INSECURE_CONNECTION"]) {
        None => None,
        Some(found) => match found.value.as_str() {
            "true" => Some(true),
            "false" => Some(false),
            other => return accept(section, &found, Err(format!("expected true or false, found `{other}`"))),
        },
    };
    let scheme = if insecure == Some(false) { "https" } else { "http" };
    let with_scheme = |text: &str| {
        let address = if text.contains("://") { http_url(text)? } else { http_url(&format!("{scheme}://{text}"))? };
        match insecure {
            Some(true) if address.starts_with("https:") => {
                Err(format!("`{text}` is https, but ZEEBE_INSECURE_CONNECTION is true: change one of them"))
            }
            Some(false) if address.starts_with("http:") => {
                Err(format!("`{text}` is http, but ZEEBE_INSECURE_CONNECTION is false: change one of them"))
            }
            _ => Ok(address),
        }
    };
    let names = ["ZEEBE_ADDRESS", "ZEEBE_GRPC_ADDRESS"];
    match section.text_or("address", &names) {
        Some(found) => accept(section, &found, with_scheme(&found.value)),
        None => Some(format!("{scheme}://127.0.0.1:26500")),
    }
}

/// Nothing beside a mistake; nothing within where the address is plain.
fn zeebe_tls(section: &Section<'_>, address: &str, folder: &Path) -> Option<Option<Reloaded<Arc<ClientConfig>>>> {
    let plain = address.starts_with("http:");
    // Where that variable is set for all clients of a machine, it says nothing about a plain address.
    let variables: &[&str] = if plain { &[] } else { &["ZEEBE_CA_CERTIFICATE_PATH"] };
    let (files, found) = client_files(section, folder, variables);
    match found {
        None if plain => return Some(None),
        Some(found) if plain => {
            return accept(section, &found, Err("certificates need TLS: begin zeebe.address with https://".to_owned()));
        }
        _ => {}
    }
    client(section, found, files, tls::HTTP_2).map(Some)
}

fn client(
    section: &Section<'_>,
    found: Option<Found<String>>,
    files: ClientFiles,
    protocol: &'static [u8],
) -> Option<Reloaded<Arc<ClientConfig>>> {
    match (tls::client(files, protocol), found) {
        (Ok(client), _) => Some(client),
        (Err(why), Some(found)) => accept(section, &found, Err(why)),
        (Err(why), None) => {
            section.missing("ca_file", &why);
            None
        }
    }
}

fn auth(section: &Section<'_>, folder: &Path) -> Option<Auth> {
    let oauth = section.section("oauth");
    let id = oauth.text_or("client_id", &["ZEEBE_CLIENT_ID"]);
    let user = section.text("user");
    let password = section.text("password_file");
    match (user, password, id) {
        (Some(user), _, Some(_)) => {
            section.reject(&user, "user and zeebe.oauth exclude each other: remove one");
            None
        }
        (Some(user), Some(password), None) => {
            let password = secret(section, &password, folder)?;
            Some(Auth::Basic { user: user.value, password })
        }
        (Some(user), None, None) => accept(section, &user, Err("a user needs `password_file` too".to_owned())),
        (None, Some(password), _) => accept(section, &password, Err("a password needs `user` too".to_owned())),
        (None, None, Some(id)) => client_credentials(&oauth, id.value, folder).map(Auth::OAuth),
        (None, None, None) => {
            if oauth.is_there() {
                oauth.missing("client_id", "the client that the authorization server knows");
                return None;
            }
            Some(Auth::None)
        }
    }
}

fn client_credentials(section: &Section<'_>, client_id: String, folder: &Path) -> Option<OAuth> {
    let url = section.parsed_or("url", &["ZEEBE_AUTHORIZATION_SERVER_URL"], http_url);
    if url.is_none() {
        let why = "the token endpoint; Camunda's own is https://login.cloud.camunda.io/oauth/token";
        section.missing("url", why);
    }
    let file = section.text_or("client_secret_file", &["ZEEBE_CLIENT_SECRET_FILE"]);
    let client_secret = match (file, section.variable(&["ZEEBE_CLIENT_SECRET"])) {
        (Some(file), _) => secret(section, &file, folder),
        (None, Some(found)) => accept(section, &found, Secret::parse(&found.value).map(Reloaded::fixed)),
        (None, None) => {
            section.missing("client_secret_file", "a client needs its secret");
            None
        }
    };
    let ca = section.text("ca_file");
    let tls = url.as_ref().and_then(|url| https(section, &url.value, ca, folder));
    let oauth = OAuth {
        client_id,
        audience: section.text_or("audience", &["ZEEBE_TOKEN_AUDIENCE"]).map(|found| found.value),
        scope: section.text_or("scope", &["ZEEBE_TOKEN_SCOPE"]).map(|found| found.value),
        url: url?.value,
        client_secret: client_secret?,
        tls: tls?,
    };
    section.check_unknown();
    Some(oauth)
}

/// How the peer at a URL is trusted. The system's certificates are read only where they are needed.
fn https(
    section: &Section<'_>,
    url: &str,
    ca: Option<Found<String>>,
    folder: &Path,
) -> Option<Reloaded<Arc<ClientConfig>>> {
    if url.starts_with("https:") {
        let files = ClientFiles { ca: ca.as_ref().map(|found| folder.join(&found.value)), identity: None };
        return client(section, ca, files, tls::HTTP_1);
    }
    if let Some(ca) = ca {
        section.reject(&ca, &format!("a certificate needs TLS, but `{url}` begins with http://"));
        return None;
    }
    Some(Reloaded::fixed(Arc::new(tls::trusts_nobody())))
}

pub fn openfaas(section: &Section<'_>, folder: &Path) -> Option<OpenFaas> {
    let gateway = section
        .parsed_or("gateway", &["OPENFAAS_URL"], http_url)
        .map_or_else(|| "http://127.0.0.1:8080".to_owned(), |found| found.value);
    let tls = https(section, &gateway, section.text("ca_file"), folder);
    let credentials = match (section.text("user"), section.text("password_file")) {
        (Some(user), Some(password)) => {
            let password = secret(section, &password, folder).map(|secret| secret.current());
            password.map(|password| Credentials { user: user.value, password: password.expose().to_owned() })
        }
        (Some(user), None) => accept(section, &user, Err("a user needs `password_file` too".to_owned())),
        (None, Some(password)) => accept(section, &password, Err("a password needs `user` too".to_owned())),
        (None, None) => None,
    };
    let request_timeout = section.duration("request_timeout", 10 * SECOND, 100 * MILLISECOND..=10 * MINUTE);
    let body_limit_bytes = section.size("body_limit_bytes", 256_000, 1_024..=64 << 20);
    let cancels = section.boolean("cancels", false);
    section.check_unknown();
    Some(OpenFaas { gateway, tls: tls?, request_timeout, body_limit_bytes, cancels, credentials })
}

/// Nothing beside a mistake; nothing within where no endpoint is set.
pub fn traces(section: &Section<'_>, folder: &Path) -> Option<Option<Traces>> {
    let endpoint = section.parsed_or("endpoint", &["OTEL_EXPORTER_OTLP_ENDPOINT"], http_url);
    let service = section.text_or("service", &["OTEL_SERVICE_NAME"]);
    let timeout = section.duration("timeout", 10 * SECOND, 100 * MILLISECOND..=MINUTE);
    let ca = section.text("ca_file");
    section.check_unknown();
    let Some(endpoint) = endpoint.map(|found| found.value) else { return Some(None) };
    let tls = https(section, &endpoint, ca, folder)?;
    let service = service.map_or_else(|| "zeebe2faas".to_owned(), |found| found.value);
    Some(Some(Traces { endpoint, tls, service, timeout }))
}

pub fn http_url(text: &str) -> Result<String, String> {
    let url = reqwest::Url::parse(text).map_err(|error| format!("`{text}` is not a URL: {error}"))?;
    match url.scheme() {
        "http" | "https" if url.host_str().is_some() => Ok(text.trim_end_matches('/').to_owned()),
        scheme => Err(format!("`{text}`: expected http://HOST:PORT or https://HOST:PORT, found `{scheme}:`")),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::{ConfigError, Environment, load_zeebe, parse};
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn zeebe(pairs: &[(&str, &str)]) -> Result<Zeebe, String> {
        load_zeebe(None, &environment(pairs)).map_err(|ConfigError(mistakes)| mistakes.join("\n"))
    }

    #[test]
    fn the_variables_of_zeebes_own_clients_are_enough() {
        let zeebe = zeebe(&[
            ("ZEEBE_ADDRESS", "zeebe.example:26500"),
            ("ZEEBE_INSECURE_CONNECTION", "true"),
            ("ZEEBE_CA_CERTIFICATE_PATH", "/ignored/where/nothing/is/encrypted"),
            ("ZEEBE_CLIENT_ID", "bridge"),
            ("ZEEBE_CLIENT_SECRET", "secret"),
            ("ZEEBE_AUTHORIZATION_SERVER_URL", "http://login/token"),
            ("ZEEBE_TOKEN_AUDIENCE", "zeebe-api"),
            ("ZEEBE_TOKEN_SCOPE", "all"),
        ])
        .unwrap();
        assert_eq!((&*zeebe.address, zeebe.tls.is_none()), ("http://zeebe.example:26500", true));
        let Auth::OAuth(oauth) = zeebe.auth else { unreachable!("a client id means OAuth") };
        assert_eq!(oauth.client_secret.current().expose(), "secret");
        let told = (&*oauth.client_id, &*oauth.url, oauth.audience.as_deref(), oauth.scope.as_deref());
        assert_eq!(told, ("bridge", "http://login/token", Some("zeebe-api"), Some("all")));
    }

    #[test]
    fn what_contradicts_itself_or_lacks_a_half_is_refused_with_what_to_do() {
        let insecure = ("ZEEBE_INSECURE_CONNECTION", "true");
        for (pairs, part) in [
            (vec![("ZEEBE_ADDRESS", "https://zeebe:443"), insecure], "ZEEBE_INSECURE_CONNECTION is true: change one"),
            (vec![("ZEEBE_ADDRESS", "http://zeebe:1"), ("ZEEBE_INSECURE_CONNECTION", "false")], "change one"),
            (vec![("ZEEBE_INSECURE_CONNECTION", "yes")], "expected true or false"),
            (vec![("ZEEBE_CLIENT_ID", "bridge")], "zeebe.oauth.url is missing"),
            (vec![("ZEEBE_CLIENT_ID", "bridge")], "zeebe.oauth.client_secret_file is missing"),
            (vec![("ZEEBE2FAAS_ZEEBE_CA_FILE", "/ca.pem")], "begin zeebe.address with https://"),
            (vec![("ZEEBE2FAAS_ZEEBE_USER", "me")], "a user needs `password_file`"),
            (vec![("ZEEBE2FAAS_ZEEBE_USER", "me"), ("ZEEBE_CLIENT_ID", "x")], "exclude each other"),
            (vec![("ZEEBE_ADDRESS", "https://z"), ("ZEEBE_CA_CERTIFICATE_PATH", "/no/ca")], "/no/ca cannot be read"),
        ] {
            let mistakes = zeebe(&pairs).unwrap_err();
            assert!(mistakes.contains(part), "{part}: {mistakes}");
        }
    }

    #[test]
    fn traces_go_nowhere_unless_an_endpoint_is_named_be_it_in_opentelemetrys_own_variables() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token.key"), zeebe2faas_contract::random_key_line("k")).unwrap();
        let least = "cluster = \"c\"\ncallback.url = \"http://b:1\"\nkeys.token_file = \"token.key\"\n";
        let traces = |more: &str, pairs: &[(&str, &str)]| {
            parse(&folder.path().join("z.toml"), &format!("{least}{more}"), &environment(pairs)).map(|s| s.traces)
        };
        assert!(traces("", &[]).unwrap().is_none());
        let named = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://agent:4318/"), ("OTEL_SERVICE_NAME", "eo-bridge")];
        let known = traces("", &named).unwrap().unwrap();
        assert_eq!((known.endpoint.as_str(), known.service.as_str()), ("http://agent:4318", "eo-bridge"));
        for (more, part) in [
            ("traces.endpoint = \"agent:4318\"", "traces.endpoint: `agent:4318`"),
            ("traces.timeout = \"1h\"", "traces.timeout: 3600s is out of bounds"),
            ("traces.url = \"http://agent\"", "traces.url"),
            ("traces = { endpoint = \"http://agent\", ca_file = \"ca.pem\" }", "a certificate needs TLS"),
        ] {
            let mistakes = traces(more, &[]).unwrap_err().to_string();
            assert!(mistakes.contains(part), "{part}: {mistakes}");
        }
    }

    #[test]
    fn certificates_that_cannot_work_are_mistakes_of_the_configuration() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token.key"), zeebe2faas_contract::random_key_line("k")).unwrap();
        std::fs::write(folder.path().join("no.pem"), "nothing\n").unwrap();
        let text = "cluster = \"c\"\nkeys.token_file = \"token.key\"\ncallback.url = \"http://b:1\"\n\
                    callback.tls = { cert_file = \"no.pem\", key_file = \"no.pem\" }\n\
                    openfaas = { gateway = \"https://g\", ca_file = \"no.pem\" }\n";
        let parsed = parse(&folder.path().join("z.toml"), text, &Environment::new());
        let mistakes = parsed.unwrap_err().to_string();
        for part in [
            "z.toml:3: callback.url: with callback.tls the listener speaks HTTPS only",
            "z.toml:4: callback.tls.cert_file: cert_file holds no certificate",
            "z.toml:5: openfaas.ca_file: ca_file holds no certificate",
        ] {
            assert!(mistakes.contains(part), "{part}: {mistakes}");
        }
    }
}
