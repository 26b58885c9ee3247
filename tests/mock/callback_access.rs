#![expect(clippy::unwrap_used, reason = "tests")]

//! The callback listener: HTTPS, client certificates, files that change, and callers who mean no good.

use reqwest::{Client, StatusCode};
use std::path::Path;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};
use zeebe2faas::tls::{self, ClientFiles, plain_http};
use zeebe2faas_contract::random_key_line;
use zeebe2faas_tests::{
    pki::Authority,
    site::{Site, folder},
    soon,
};

const HTTPS: &str = "[callback.tls]\ncert_file = \"server.pem\"\nkey_file = \"server-key.pem\"\n";

/// Calls back as OpenFaaS does after a function's good end.
async fn call_back(client: &Client, scheme: &str, site: &Site, path: &str) -> reqwest::Result<StatusCode> {
    let url = format!("{scheme}://{}{path}", site.callback);
    let sent = client.post(url).header("x-function-status", "200").body("done").send();
    Ok(soon(sent).await?.status())
}

/// A client that trusts one authority, and shows a certificate of another, where there is one.
fn https(trusted: &Authority, own: Option<&Authority>) -> Client {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), &trusted.pem).unwrap();
    if let Some(authority) = own {
        authority.issue().write(folder.path(), "own");
    }
    let identity = own.map(|_| (folder.path().join("own.pem"), folder.path().join("own-key.pem")));
    let files = ClientFiles { ca: Some(folder.path().join("ca.pem")), identity };
    let tls = tls::client(files, tls::HTTP_1).unwrap().current();
    Client::builder().tls_backend_preconfigured((*tls).clone()).no_proxy().build().unwrap()
}

fn write_authority(folder: &Path, authority: &Authority) {
    std::fs::write(folder.join("clients.pem"), &authority.pem).unwrap();
}

/// Waits until the listener shows the certificate of this authority, and no other any more.
async fn until_shown(site: &Site, authority: &Authority) {
    soon(async {
        let url = format!("https://{}/healthz", site.callback);
        // A new client each time: an old connection keeps the old certificate.
        while https(authority, None).get(&url).send().await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Everything that comes until the listener closes the connection.
async fn until_closed(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    // A reset is an end too.
    let _ = soon(stream.read_to_end(&mut text)).await;
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn callbacks_arrive_over_https_and_not_in_the_clear() {
    let (authority, folder) = (Authority::new("ours"), folder());
    authority.issue().write(folder.path(), "server");
    let site = Site::start_in(folder, "https", HTTPS).await;
    let path = site.submit(1).await;
    let plain = plain_http().build().unwrap();
    assert!(call_back(&plain, "http", &site, &path).await.is_err());
    assert_eq!(call_back(&https(&authority, None), "https", &site, &path).await.unwrap(), StatusCode::OK);
    site.until_published(1).await;
    site.stop().await;
}

#[tokio::test]
async fn only_clients_with_a_certificate_are_let_in_where_one_is_asked_for() {
    let (servers, clients, folder) = (Authority::new("servers"), Authority::new("clients"), folder());
    servers.issue().write(folder.path(), "server");
    write_authority(folder.path(), &clients);
    let site = Site::start_in(folder, "https", &format!("{HTTPS}client_ca_file = \"clients.pem\"\n")).await;
    let path = site.submit(1).await;
    for own in [None, Some(&servers)] {
        assert!(call_back(&https(&servers, own), "https", &site, &path).await.is_err());
    }
    assert!(site.figure(r#"zeebe2faas_listener_refusals_total{listener="callback",reason="handshake"}"#).await >= 2.0);
    let status = call_back(&https(&servers, Some(&clients)), "https", &site, &path).await.unwrap();
    assert_eq!(status, StatusCode::OK);
    site.until_published(1).await;
}

#[tokio::test]
async fn a_new_certificate_is_used_without_dropping_a_connection_and_a_broken_one_is_not() {
    let (old, new, folder) = (Authority::new("old"), Authority::new("new"), folder());
    old.issue().write(folder.path(), "server");
    let site = Site::start_in(folder, "https", HTTPS).await;
    let path = site.submit(1).await;
    // In the middle of its body while everything changes.
    let (body, chunks) = tokio::io::duplex(64);
    let under_way = {
        let (client, url) = (https(&old, None), format!("https://{}{path}", site.callback));
        let stream = tokio_util::io::ReaderStream::new(chunks);
        let sent = client.post(url).header("x-function-status", "200").body(reqwest::Body::wrap_stream(stream));
        tokio::spawn(async move { sent.send().await.unwrap().status() })
    };
    let mut body = body;
    body.write_all(b"do").await.unwrap();
    site.replace("server.pem", "broken");
    let identity = new.issue();
    site.replace("server-key.pem", &identity.key);
    until_shown(&site, &old).await;
    site.replace("server.pem", &identity.certificate);
    until_shown(&site, &new).await;
    assert!(https(&old, None).get(format!("https://{}/healthz", site.callback)).send().await.is_err());
    body.write_all(b"ne").await.unwrap();
    drop(body);
    assert_eq!(soon(under_way).await.unwrap(), StatusCode::OK);
    site.until_published(1).await;
}

#[tokio::test]
async fn keys_are_rotated_while_calls_are_in_flight_and_none_is_lost() {
    let site = Site::start("").await;
    let client = plain_http().build().unwrap();
    let old = site.submit(1).await;
    let first = std::fs::read_to_string(site.folder.path().join("token.key")).unwrap();
    site.replace("token.key", "not a key");
    site.replace("token.key", &format!("{}{first}", random_key_line("second")));
    let mut count = 1;
    // Each submission is signed with the first key of the file.
    let new = soon(async {
        loop {
            count += 1;
            let path = site.submit(count).await;
            assert_eq!(call_back(&client, "http", &site, &path).await.unwrap(), StatusCode::OK);
            if path.contains(".second.") {
                return path;
            }
            assert!(path.contains(".first."), "{path}");
        }
    })
    .await;
    assert_eq!(call_back(&client, "http", &site, &old).await.unwrap(), StatusCode::OK);
    site.until_published(usize::try_from(count).unwrap()).await;
    // What is taken out of the file opens nothing any more.
    site.replace("token.key", &random_key_line("third"));
    soon(async {
        while call_back(&client, "http", &site, &new).await.unwrap() != StatusCode::UNAUTHORIZED {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn guesses_are_rationed_and_a_genuine_callback_of_the_same_address_gets_through() {
    let site = Site::start("listeners.max_rejected_per_second = 1").await;
    let path = site.submit(1).await;
    let client = plain_http().build().unwrap();
    let mut answers = Vec::new();
    for _ in 0..1000 {
        answers.push(call_back(&client, "http", &site, &format!("{path}x")).await.unwrap());
    }
    assert_eq!(answers[..5], [StatusCode::UNAUTHORIZED; 5]);
    assert!(answers.contains(&StatusCode::TOO_MANY_REQUESTS), "{answers:?}");
    assert_eq!(call_back(&client, "http", &site, &path).await.unwrap(), StatusCode::OK);
    site.until_published(1).await;
    assert!(site.figure(r#"zeebe2faas_listener_refusals_total{listener="callback",reason="rejected"}"#).await > 0.0);
}

#[tokio::test]
async fn thousands_of_connections_held_open_by_another_address_keep_no_callback_out() {
    let site = Site::start("listeners.max_connections = 64").await;
    let path = site.submit(1).await;
    let mut held = Vec::new();
    for number in 0..3000 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let mut stream = socket.connect(site.callback).await.unwrap();
        if number % 2 == 0 {
            // It may have been cut already.
            let _ = stream.write_all(b"POST /callback/x HTTP/1.1\r\nhost: x\r\n").await;
        }
        held.push(stream);
    }
    let client = plain_http().build().unwrap();
    assert_eq!(call_back(&client, "http", &site, &path).await.unwrap(), StatusCode::OK);
    site.until_published(1).await;
    let cut = site.figure(r#"zeebe2faas_listener_refusals_total{listener="callback",reason="crowded"}"#).await;
    assert!(cut >= 2900.0, "{cut}");
    drop(held);
    site.stop().await;
}

#[tokio::test]
async fn who_is_slow_with_handshake_or_head_or_says_nothing_is_cut() {
    let (authority, folder) = (Authority::new("ours"), folder());
    authority.issue().write(folder.path(), "server");
    let limits = "listeners = { header_timeout = \"100ms\", idle_timeout = \"150ms\" }\n";
    let site = Site::start_in(folder, "https", &format!("{limits}{HTTPS}")).await;
    assert_eq!(until_closed(TcpStream::connect(site.callback).await.unwrap()).await, "", "no handshake");
    assert_eq!(until_closed(TcpStream::connect(site.admin).await.unwrap()).await, "", "no request");
    let mut slow = TcpStream::connect(site.admin).await.unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nx: ").await.unwrap();
    assert_eq!(until_closed(slow).await, "");
    for listener in ["admin", "callback"] {
        let figure = format!(r#"zeebe2faas_listener_refusals_total{{listener="{listener}",reason="slow"}}"#);
        assert!(site.figure(&figure).await >= 1.0, "{listener}");
    }
    let mut idle = TcpStream::connect(site.admin).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(until_closed(idle).await.ends_with("ok\n"));
}

#[tokio::test]
async fn who_knows_the_url_of_one_call_holds_up_no_other() {
    let more = "callback.max_concurrent = 8\ncallback.read_timeout = \"10m\"\nlisteners.max_connections = 64";
    let site = Site::start(more).await;
    let (leaked, other) = (site.submit(1).await, site.submit(2).await);
    let mut held = Vec::new();
    for _ in 0..500 {
        let mut stream = TcpStream::connect(site.callback).await.unwrap();
        let head = format!("POST {leaked} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{{");
        // It may have been cut already.
        let _ = stream.write_all(head.as_bytes()).await;
        held.push(stream);
    }
    let client = plain_http().build().unwrap();
    assert_eq!(call_back(&client, "http", &site, &other).await.unwrap(), StatusCode::OK);
    site.until_published(1).await;
}

#[tokio::test]
async fn huge_heads_and_bodies_are_refused_without_being_read() {
    let site = Site::start("").await;
    let mut huge = TcpStream::connect(site.callback).await.unwrap();
    let line = format!("x-filler: {}\r\n", "x".repeat(1000));
    huge.write_all(b"POST /callback/x HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    // The listener may close before all is sent.
    for _ in 0..200 {
        if huge.write_all(line.as_bytes()).await.is_err() {
            break;
        }
    }
    let answer = until_closed(huge).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    let mut body = TcpStream::connect(site.callback).await.unwrap();
    body.write_all(b"POST /callback/x HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n").await.unwrap();
    let answer = until_closed(body).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
}
