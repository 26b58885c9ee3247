#![expect(clippy::unwrap_used, reason = "tests")]

//! Zeebe over TLS, with certificates, tokens and passwords.

use axum::http::StatusCode;
use std::{path::Path, sync::Arc, time::Duration};
use tonic::Code;
use zeebe2faas::{
    reload::{Look, Reloaded},
    secret::Secret,
    tls::{self, ClientFiles},
    zeebe::{Auth, Client, Error, JobQuery, OAuth, Retry, Settings},
};
use zeebe2faas_tests::{
    fake_gateway::{Answer, FakeGateway, job},
    pki::Authority,
    soon,
    token_server::TokenServer,
};

const SECRET: &str = "correct-horse-battery";
const SECOND: Duration = Duration::from_secs(1);
const LOCK: Duration = Duration::from_secs(60);

fn settings(gateway: &FakeGateway) -> Settings {
    let (first_pause, longest_pause) = (Duration::from_millis(1), Duration::from_millis(20));
    Settings { first_pause, longest_pause, ..Settings::new(gateway.address()) }
}

/// Trusts one authority and shows a certificate of another, where there is one.
fn encrypted(gateway: &FakeGateway, folder: &Path, trusted: &Authority, own: Option<&Authority>) -> Client {
    std::fs::write(folder.join("ca.pem"), &trusted.pem).unwrap();
    if let Some(authority) = own {
        authority.issue().write(folder, "own");
    }
    let identity = own.map(|_| (folder.join("own.pem"), folder.join("own-key.pem")));
    let files = ClientFiles { ca: Some(folder.join("ca.pem")), identity };
    let tls = Some(tls::client(files, tls::HTTP_2).unwrap());
    Client::new(&Settings { tls, ..settings(gateway) }).unwrap()
}

fn with_tokens(gateway: &FakeGateway, url: String) -> Client {
    with_tokens_within(gateway, url, 20 * SECOND)
}

fn with_tokens_within(gateway: &FakeGateway, url: String, request_timeout: Duration) -> Client {
    let auth = Auth::OAuth(OAuth {
        url,
        client_id: "bridge".to_owned(),
        client_secret: Reloaded::fixed(Secret::parse(SECRET).unwrap()),
        audience: Some("zeebe".to_owned()),
        scope: None,
        tls: Reloaded::fixed(Arc::new(tls::trusts_nobody())),
    });
    Client::new(&Settings { auth, request_timeout, ..settings(gateway) }).unwrap()
}

fn query() -> JobQuery {
    JobQuery { job_type: "faas".into(), worker: "test".into(), lock: LOCK, variables: Vec::new(), tenants: Vec::new() }
}

#[tokio::test]
async fn requests_and_the_job_stream_go_over_tls() {
    let (authority, folder) = (Authority::new("ours"), tempfile::tempdir().unwrap());
    let gateway = FakeGateway::encrypted(authority.http_2(None));
    let client = encrypted(&gateway, folder.path(), &authority, None);
    client.topology(Retry::Never).await.unwrap();
    let mut jobs = client.stream_activated_jobs(&query());
    let next = tokio::spawn(async move { jobs.next().await });
    gateway.until_streams_are(1).await;
    gateway.push([job(1, LOCK)]);
    assert_eq!(soon(next).await.unwrap().unwrap().unwrap().key, 1);
}

#[tokio::test]
async fn a_zeebe_that_another_authority_vouches_for_is_not_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = FakeGateway::encrypted(Authority::new("theirs").http_2(None));
    let client = encrypted(&gateway, folder.path(), &Authority::new("ours"), None);
    let error = client.topology(Retry::Never).await.unwrap_err();
    assert!(matches!(&error, Error::Unreachable { reason, .. } if reason.contains("certificate")), "{error}");
    assert!(gateway.seen().is_empty());
}

#[tokio::test]
async fn a_zeebe_that_asks_for_certificates_gets_ours_and_refuses_others() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let gateway = FakeGateway::encrypted(servers.http_2(Some(&clients)));
    for (own, good) in [(Some(&clients), true), (None, false), (Some(&servers), false)] {
        let folder = tempfile::tempdir().unwrap();
        let client = encrypted(&gateway, folder.path(), &servers, own);
        let answer = client.topology(Retry::Never).await;
        assert_eq!(answer.is_ok(), good, "{answer:?}");
    }
    assert_eq!(gateway.seen().len(), 1);
}

#[tokio::test]
async fn a_certificate_that_was_replaced_is_shown_on_the_next_connection() {
    let (authority, folder) = (Authority::new("ours"), tempfile::tempdir().unwrap());
    let gateway = FakeGateway::encrypted(authority.http_2(Some(&authority)));
    std::fs::write(folder.path().join("ca.pem"), &authority.pem).unwrap();
    Authority::new("forgotten").issue().write(folder.path(), "own");
    let path = |name| folder.path().join(name);
    let files = ClientFiles { ca: Some(path("ca.pem")), identity: Some((path("own.pem"), path("own-key.pem"))) };
    let tls = tls::client(files, tls::HTTP_2).unwrap();
    let client = Client::new(&Settings { tls: Some(tls.clone()), ..settings(&gateway) }).unwrap();
    client.topology(Retry::Never).await.unwrap_err();
    authority.issue().write(folder.path(), "own");
    tls.look();
    client.topology(Retry::Never).await.unwrap();
}

#[tokio::test]
async fn one_token_is_fetched_for_all_and_goes_with_every_request() {
    let (gateway, server) = (FakeGateway::start(), TokenServer::start(3600).await);
    let client = with_tokens(&gateway, server.url());
    server.hold();
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.topology(Retry::Never).await })
        })
        .collect();
    server.until_asked(1).await;
    server.release();
    for call in calls {
        soon(call).await.unwrap().unwrap();
    }
    let mut jobs = client.stream_activated_jobs(&query());
    let stream = tokio::spawn(async move { jobs.next().await.is_some() });
    gateway.until_streams_are(1).await;
    gateway.add_to_backlog([job(1, LOCK)]);
    assert_eq!(client.activate_jobs(&query(), 1, LOCK).await.unwrap().len(), 1);
    stream.abort();
    assert_eq!(gateway.authorizations(), vec!["Bearer token-1"; 52]);
    let forms = server.forms();
    assert_eq!(forms.len(), 1);
    for (key, value) in [
        ("grant_type", "client_credentials"),
        ("client_id", "bridge"),
        ("client_secret", SECRET),
        ("audience", "zeebe"),
    ] {
        assert_eq!(forms[0].get(key).map(String::as_str), Some(value));
    }
}

#[tokio::test]
async fn a_token_that_ends_is_followed_by_another() {
    let (gateway, server) = (FakeGateway::start(), TokenServer::start(1).await);
    let client = with_tokens(&gateway, server.url());
    soon(async {
        while !gateway.authorizations().iter().any(|header| header == "Bearer token-2") {
            client.topology(Retry::Never).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_and_the_request_repeated() {
    let (gateway, server) = (FakeGateway::start(), TokenServer::start(3600).await);
    let client = with_tokens(&gateway, server.url());
    gateway.script("CompleteJob", Answer::Status(Code::Unauthenticated));
    client.complete_job(1, &serde_json::Value::Null, Retry::Forever).await.unwrap();
    assert_eq!(gateway.authorizations(), ["Bearer token-1", "Bearer token-2"]);
    gateway.script("CompleteJob", Answer::Status(Code::Unauthenticated));
    let error = client.complete_job(1, &serde_json::Value::Null, Retry::Forever).await.unwrap_err();
    assert!(matches!(error, Error::Denied { .. }), "{error}");
    assert_eq!(server.forms().len(), 2);
}

#[tokio::test]
async fn an_authorization_server_that_is_not_well_is_asked_again() {
    let (gateway, server) = (FakeGateway::start(), TokenServer::start(3600).await);
    for status in [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS, StatusCode::OK] {
        server.refuse(status, "later");
    }
    with_tokens(&gateway, server.url()).topology(Retry::Forever).await.unwrap();
    assert_eq!(server.forms().len(), 4);
}

#[tokio::test]
async fn a_refused_client_is_told_what_to_check_and_no_secret() {
    let (gateway, server) = (FakeGateway::start(), TokenServer::start(3600).await);
    let body = format!(r#"{{"error":"invalid_client","error_description":"{SECRET} is wrong"}}"#);
    server.refuse(StatusCode::UNAUTHORIZED, &body);
    let client = with_tokens(&gateway, server.url());
    for _ in 0..2 {
        let error = client.topology(Retry::Forever).await.unwrap_err();
        assert!(matches!(error, Error::ClientRefused { .. }), "{error:?}");
        let text = format!("{error} {error:?} {client:?}");
        for part in [&*server.url(), "invalid_client", "zeebe.oauth", "client_secret_file"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.contains(SECRET), "{text}");
    }
    assert_eq!(server.forms().len(), 1, "a refused client does not insist");
    assert!(gateway.seen().is_empty());
}

#[tokio::test]
async fn a_missing_authorization_server_is_named_with_what_to_change() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    drop(listener);
    let gateway = FakeGateway::start();
    let error = with_tokens(&gateway, url.clone()).topology(Retry::Never).await.unwrap_err();
    assert!(error.is_passing());
    for part in [&*url, "Connection refused", "ZEEBE_AUTHORIZATION_SERVER_URL"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test]
async fn an_authorization_server_that_is_silent_is_blamed_and_not_zeebe() {
    let (gateway, server) = (FakeGateway::start(), TokenServer::start(3600).await);
    server.hold();
    let error = with_tokens_within(&gateway, server.url(), 8 * SECOND).topology(Retry::Never).await.unwrap_err();
    assert!(matches!(&error, Error::NoToken { reason, .. } if reason == "no answer in time"), "{error}");
    server.release();
}

#[tokio::test]
async fn a_zeebe_that_never_ends_its_handshake_is_given_up_knowing_that_nothing_was_sent() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = Settings {
        tls: Some(Reloaded::fixed(Arc::new(tls::trusts_nobody()))),
        connect_timeout: SECOND / 10,
        ..Settings::new(format!("https://{}", silent.local_addr().unwrap()))
    };
    let error = Client::new(&settings).unwrap().topology(Retry::Never).await.unwrap_err();
    assert!(error.nothing_done(), "{error:?}");
}

#[tokio::test]
async fn a_password_goes_with_every_request_as_its_file_has_it() {
    let (gateway, folder) = (FakeGateway::start(), tempfile::tempdir().unwrap());
    let path = folder.path().join("password");
    std::fs::write(&path, "open sesame\n").unwrap();
    let password = Reloaded::read(vec![path.clone()], |texts| Secret::parse(&texts[0])).unwrap();
    let auth = Auth::Basic { user: "bridge".to_owned(), password: password.clone() };
    let client = Client::new(&Settings { auth, ..settings(&gateway) }).unwrap();
    client.topology(Retry::Never).await.unwrap();
    std::fs::write(&path, "other\n").unwrap();
    password.look();
    client.topology(Retry::Never).await.unwrap();
    assert_eq!(gateway.authorizations(), ["Basic YnJpZGdlOm9wZW4gc2VzYW1l", "Basic YnJpZGdlOm90aGVy"]);
}
