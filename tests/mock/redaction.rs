#![expect(clippy::unwrap_used, reason = "tests")]

//! No key, password or token shows up where people look.

use reqwest::StatusCode;
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};
use zeebe2faas::{
    config::{self, Environment},
    tls::plain_http,
};
use zeebe2faas_contract::random_key_line;
use zeebe2faas_tests::{
    site::{Site, folder},
    token_server::TokenServer,
};

const GATEWAY_PASSWORD: &str = "gateway-correct-horse";
const CLIENT_SECRET: &str = "client-battery-staple";

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn key_of(line: &str) -> String {
    line.split_once(' ').unwrap().1.trim().to_owned()
}

#[tokio::test]
async fn neither_settings_nor_errors_nor_the_log_hold_a_secret() {
    let log = Log::default();
    let writer = log.clone();
    // That of all tests here: a log of one thread misses what another thread was the first to say.
    tracing_subscriber::fmt().with_env_filter("zeebe2faas=trace,debug").with_writer(move || writer.clone()).init();
    let (server, folder, runner) = (TokenServer::start(3600).await, folder(), random_key_line("r"));
    server.refuse(StatusCode::BAD_GATEWAY, CLIENT_SECRET);
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("gateway.password", GATEWAY_PASSWORD);
    write("client.secret", CLIENT_SECRET);
    write("runner.key", &runner);
    let token_key = std::fs::read_to_string(folder.path().join("token.key")).unwrap();
    let more = format!(
        "keys.runner_file = \"runner.key\"\nopenfaas.user = \"admin\"\nopenfaas.password_file = \"gateway.password\"\n\
         zeebe.oauth = {{ url = \"{}\", client_id = \"bridge\", client_secret_file = \"client.secret\" }}\n",
        server.url()
    );
    let least = format!("cluster = \"c\"\ncallback.url = \"http://b:1\"\nkeys.token_file = \"token.key\"\n{more}");
    let settings = config::parse(&folder.path().join("z.toml"), &least, &Environment::new()).unwrap();
    let site = Site::start_in(folder, "http", &more).await;
    let path = site.submit(1).await;
    let client = plain_http().build().unwrap();
    for path in [&format!("{path}x"), &path] {
        client.post(format!("http://{}{path}", site.callback)).header("x-function-status", "200").send().await.unwrap();
    }
    site.until_published(1).await;
    let token = path.rsplit('/').next().unwrap();
    let mut text = format!("{settings:?}");
    text.push_str(&String::from_utf8_lossy(&log.0.lock().unwrap_or_else(PoisonError::into_inner)));
    assert!(text.contains("submitted") && text.contains("no token for Zeebe"), "{text}");
    let (token_key, runner) = (key_of(&token_key), key_of(&runner));
    for secret in [GATEWAY_PASSWORD, CLIENT_SECRET, &token_key, &runner, "token-1", token] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
