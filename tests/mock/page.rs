#![expect(clippy::unwrap_used, reason = "tests")]

//! The operator's page, as a browser without JavaScript gets it.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;
use sha2::{Digest, Sha256};
use zeebe2faas_tests::live::{Live, call_id, progress};

const EVIL: &str = "</pre><script>evil()</script><img src=x onerror='evil()'>";

/// The one element of this name, without attributes.
fn element<'a>(page: &'a str, name: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("<{name}>")).unwrap();
    rest.split_once(&format!("</{name}>")).unwrap().0
}

#[tokio::test]
async fn nothing_that_users_or_programs_write_becomes_markup() {
    let mut live = Live::start("").await;
    let call = live.call(1, &json!({ "template": "measured" }), &json!({ "word": EVIL })).await;
    live.report(&call, &progress(&call, 10, 1, 42.0, EVIL)).await;
    let path = format!("/calls/{}", call_id(1));
    let running = [live.get("/").await.text().await.unwrap(), live.get(&path).await.text().await.unwrap()];
    live.end(&call, EVIL).await;
    let ended = live.get(&path).await.text().await.unwrap();

    let token = call.token();
    for page in running.iter().chain([&ended]) {
        assert_eq!(page.matches("<script").count(), 1, "{page}");
        assert!(!page.contains("<img") && !page.contains(token), "{page}");
        for text in ["task", "evil"] {
            assert!(page.contains(&format!("&lt;script&gt;{text}()&lt;")), "{page}");
        }
    }
}

#[tokio::test]
async fn only_the_pages_own_script_and_style_may_run() {
    let live = Live::start("").await;
    let answer = live.get("/").await;
    let header = |name| answer.headers()[name].to_str().unwrap().to_owned();
    let (policy, sniffing) = (header("content-security-policy"), header("x-content-type-options"));
    let page = answer.text().await.unwrap();
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    assert!(policy.contains(&format!("script-src 'sha256-{}'", hash(element(&page, "script")))), "{policy}");
    assert!(policy.contains(&format!("style-src 'sha256-{}'", hash(element(&page, "style")))), "{policy}");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(sniffing, "nosniff");
}

#[tokio::test]
async fn the_page_shows_calls_and_how_far_they_are_without_javascript() {
    let mut live = Live::start("").await;
    let call = live.call_of(1, "guarded").await;
    live.report(&call, &progress(&call, 10, 1, 42.9, "Writing")).await;
    let (id, page) = (call_id(1), live.get("/?state=submitted").await.text().await.unwrap());
    for part in [
        format!("<a href=\"calls/{id}\"><code>{id}</code></a>"),
        format!("<progress max=\"100\" aria-label=\"Progress of {id}\" value=\"42.9\"></progress>"),
        "<span data-show=\"percent\">42 %</span> <span data-show=\"step\">Writing</span>".to_owned(),
        "<a href=\"?state=submitted\" aria-current=\"page\">submitted</a>".to_owned(),
        "<td>guarded</td>".to_owned(),
    ] {
        assert!(page.contains(&part), "{part}: {page}");
    }
    let page = live.get(&format!("/calls/{id}")).await.text().await.unwrap();
    for part in ["<pre><code>prog</code></pre>", "data-show=\"memory\">3.0 GiB (at most 4.0 GiB)<", "7.5 s"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(live.get("/?state=ended").await.text().await.unwrap().contains("No calls."));
}

#[tokio::test]
async fn what_is_not_there_is_said_in_plain_text() {
    let live = Live::start("").await;
    for (path, status) in
        [(format!("/calls/{}", call_id(9)), 404), ("/calls/<script>".to_owned(), 400), ("/?state=x".to_owned(), 400)]
    {
        let answer = live.get(&path).await;
        let kind = answer.headers()["content-type"].to_str().unwrap();
        assert!(answer.status() == status && kind.starts_with("text/plain"), "{path}: {} {kind}", answer.status());
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    }
}
