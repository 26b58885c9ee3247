//! Requests that no HTTP client would send.

use super::{site::PATIENCE, spy::Passed};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use zeebe2faas_contract::{KeyRing, SIGNATURE_HEADER};

/// Makes tokens like a genuine one.
pub struct Forger {
    pub claims: String,
    fields: Map<String, Value>,
}

impl Forger {
    pub fn new(genuine: &str) -> Self {
        let claims = genuine.split('.').next().unwrap().to_owned();
        let fields = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(&claims).unwrap()).unwrap();
        Self { claims, fields }
    }

    /// The claims with one field changed.
    pub fn changed(&self, field: &str, value: Value) -> String {
        let mut fields = self.fields.clone();
        fields.insert(field.to_owned(), value);
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&fields).unwrap())
    }

    pub fn sign(&self, claims: &str, ring: &KeyRing) -> String {
        format!("{claims}.{}", ring.sign(&[b"zeebe2faas-token-v1\n", claims.as_bytes()]))
    }
}

/// A request as bytes.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// Sends bytes; the status of the first answer, if there is one.
pub async fn raw(to: SocketAddr, bytes: &[u8]) -> Option<u16> {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let mut answer = Vec::new();
    let exchange = async {
        // A listener that has seen enough hangs up.
        let _ = stream.write_all(bytes).await;
        let mut chunk = [0; 1024];
        while let Ok(length @ 1..) = stream.read(&mut chunk).await {
            answer.extend_from_slice(&chunk[..length]);
        }
    };
    timeout(PATIENCE, exchange).await.unwrap();
    let head = String::from_utf8_lossy(&answer);
    head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

/// Callbacks for a call with the report of another, whose signature is genuine, in crooked clothes.
pub fn smuggled(path: &str, report: &Passed, status: u16) -> Vec<Vec<u8>> {
    let body = String::from_utf8(report.body.to_vec()).unwrap();
    let signature = report.header(SIGNATURE_HEADER);
    let length = body.len();
    let head = |lines: &str| format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{lines}");
    let good = format!("x-function-status: {status}\r\n{SIGNATURE_HEADER}: {signature}\r\n");
    let chunked = format!("{length:x}\r\n{body}\r\n0\r\n\r\n");
    let inner = format!("POST {path} HTTP/1.1\r\nhost: x\r\n{good}content-length: {length}\r\n\r\n{body}");
    let many = "x-function-status: 200\r\n".repeat(90);
    let texts = [
        head(&format!("x-function-status: 200\r\n{good}content-length: {length}\r\n\r\n{body}")),
        head(&format!("{good}x-function-status: 200\r\ncontent-length: {length}\r\n\r\n{body}")),
        head(&format!("{good}{SIGNATURE_HEADER}: x\r\ncontent-length: {length}\r\n\r\n{body}")),
        head(&format!("{many}{good}content-length: {length}\r\n\r\n{body}")),
        head(&format!("x-call-id: a\r\nx-call-id: b\r\n{good}content-length: {length}\r\n\r\n{body}")),
        head(&format!("{good}content-length: {length}\r\ntransfer-encoding: chunked\r\n\r\n{chunked}")),
        head(&format!("{good}transfer-encoding: chunked\r\ncontent-length: 0\r\n\r\n{chunked}")),
        head(&format!("{good}transfer-encoding: chunked, identity\r\n\r\n{chunked}")),
        head(&format!("{good}transfer-encoding: xchunked\r\n\r\n{chunked}")),
        head(&format!("{good}content-length: {length}\r\ncontent-length: 0\r\n\r\n{body}")),
        head(&format!("{good}content-length: +{length}\r\n\r\n{body}")),
        head(&format!("{good}content-length: -1\r\n\r\n{body}")),
        head(&format!("{good}content-length: 99999999999999999999999\r\n\r\n{body}")),
        head(&format!("{good}transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n{body}")),
        head(&format!(
            "{good}transfer-encoding: chunked\r\n\r\n{length:x};{}\r\n{body}\r\n0\r\n\r\n",
            "x".repeat(100_000)
        )),
        // A trailer is no header.
        head(&format!(
            "transfer-encoding: chunked\r\ntrailer: x-function-status\r\n\r\n{length:x}\r\n{body}\r\n0\r\n{good}\r\n"
        )),
        // Folded, with blanks before the colon, ended by a line feed or a bare carriage return, with a NUL.
        head(&format!("x-function-status:\r\n 200\r\n{good}content-length: {length}\r\n\r\n{body}")),
        head(&format!("x-function-status : 200\r\ncontent-length: {length}\r\n\r\n{body}")),
        head(&format!("x-function-status: 200\n{SIGNATURE_HEADER}: {signature}\ncontent-length: {length}\n\n{body}")),
        head(&format!("x: y\r{good}content-length: {length}\r\n\r\n{body}")),
        head(&format!("x: a\0b\r\n{good}content-length: {length}\r\n\r\n{body}")),
        head(&format!("x: {}\r\n{good}content-length: {length}\r\n\r\n{body}", "y".repeat(1 << 20))),
        head(&format!("{}{good}content-length: {length}\r\n\r\n{body}", "x: y\r\n".repeat(5000))),
        // A second request behind the first one's end.
        format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{inner}GET / HTTP/1.0\r\n\r\n"
        ),
        format!("POST {path} HTTP/1.0\r\nconnection: close\r\n{good}content-length: {length}\r\n\r\n{body}"),
        format!("POST {path} HTTP/9.9\r\n{good}content-length: {length}\r\n\r\n{body}"),
        format!("POST {path}\r\n\r\n"),
        format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{body}"),
        "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03\r\n\r\n".to_owned(),
    ];
    texts.into_iter().map(String::into_bytes).collect()
}

/// Listener, method and path: none of them is a route.
pub fn crooked(
    callback: SocketAddr,
    admin: SocketAddr,
    token: &str,
    id: &str,
) -> Vec<(SocketAddr, &'static str, String)> {
    let forged = "a.k1.b";
    let mut requests = Vec::new();
    for path in [
        "/callback".to_owned(),
        "/callback/".into(),
        format!("//callback/{token}"),
        format!("/callback//{token}"),
        format!("/callback/{token}/"),
        format!("/callback/{token}/x"),
        format!("/callback/x/../{token}"),
        format!("/CALLBACK/{token}"),
        format!("/callback/{forged}?token={token}"),
        format!("/callback/{token}%00"),
        format!("/callback/{token}%0d%0ax-function-status:%20200"),
        format!("/callback/{token}%2f"),
        format!("/callback/%2e%2e%2fcallback%2f{token}"),
        format!("/callback/{}", token.replace('.', "%252e")),
        "/callback/..%2fapi%2fcalls".into(),
        "/callback/%ff%fe".into(),
        "/callback/../api/calls".into(),
        "/../../etc/passwd".into(),
        "http://127.0.0.1/callback/x".into(),
        "*".into(),
        "callback".into(),
    ] {
        requests.push((callback, "POST", path));
    }
    for path in ["/api/calls".to_owned(), format!("/api/calls/{id}"), "/metrics".into(), "/readyz".into(), "/".into()] {
        requests.push((callback, "GET", path));
    }
    for method in ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT", "post"] {
        requests.push((callback, method, format!("/callback/{token}")));
    }
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        requests.push((admin, method, "/api/calls".to_owned()));
        requests.push((admin, method, format!("/api/calls/{id}")));
        requests.push((admin, method, format!("/callback/{token}")));
    }
    for path in [
        "/api/calls/..%2f..%2fetc%2fpasswd".to_owned(),
        "/api/calls/../../etc/passwd".into(),
        format!("//api/calls/{id}"),
        format!("/api/calls/{id}/"),
        format!("/api/calls/{id}%00"),
        format!("/api/calls/{}", id.to_uppercase()),
        "/api/calls/%27%20OR%201=1".into(),
        "/api/calls?state=x".into(),
        "/api/calls?limit=-1".into(),
        "/api/calls?limit=99999999999999999999".into(),
        "/api/calls?limit=1;DROP".into(),
    ] {
        requests.push((admin, "GET", path));
    }
    requests
}
