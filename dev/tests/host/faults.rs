//! Misbehaviour to order.

use crate::support::{HTTP, Receiver, Workshop, client, eventually, in_time, post, submit};
use axum::http::StatusCode;
use std::time::Duration;
use zeebe2faas_dev::host::{Faults, Host, HostOptions, SubmissionFault};

#[tokio::test]
async fn callbacks_are_lost_and_doubled_as_often_as_ordered() {
    let workshop = Workshop::with(&[HTTP]);
    let (host, mut receiver) = (workshop.host().await, Receiver::start().await);
    host.faults().change(|faults| (faults.lose_callbacks, faults.double_callbacks) = (1, 1));
    for id in ["lost", "twice", "once"] {
        submit(&host, "http", id, &receiver.url).await;
        in_time(host.delivered(id, 1)).await;
        eventually("its callback is decided", async || match id {
            "lost" => host.faults().pending().lose_callbacks == 0,
            _ => host.faults().pending().double_callbacks == 0,
        })
        .await;
    }
    for id in ["twice", "twice", "once"] {
        assert_eq!(receiver.next().await.header("x-call-id"), id);
    }
    assert!(receiver.is_empty());
}

#[tokio::test]
async fn a_refused_submission_is_queued_or_not_as_ordered() {
    let workshop = Workshop::with(&[HTTP]);
    let (host, mut receiver) = (workshop.host().await, Receiver::start().await);
    let answer = |status, queued| SubmissionFault::Answer { status, queued };
    host.faults().next_submissions(2, answer(StatusCode::TOO_MANY_REQUESTS, false));
    host.faults().next_submissions(1, answer(StatusCode::INTERNAL_SERVER_ERROR, true));
    for (id, status) in [("a", 429), ("b", 429), ("c", 500), ("d", 202)] {
        assert_eq!(submit(&host, "http", id, &receiver.url).await.status(), status);
    }
    let mut came = [receiver.next().await, receiver.next().await].map(|got| got.header("x-call-id").to_owned());
    came.sort();
    assert_eq!(came, ["c", "d"]);
    assert_eq!((host.deliveries("a"), host.deliveries("b")), (0, 0));
}

#[tokio::test]
async fn a_connection_is_cut_without_an_answer_though_the_call_is_queued() {
    let workshop = Workshop::with(&[HTTP]);
    let (host, mut receiver) = (workshop.host().await, Receiver::start().await);
    host.faults().next_submissions(1, SubmissionFault::Disconnect { queued: true });
    host.faults().next_submissions(1, SubmissionFault::Disconnect { queued: false });
    for id in ["queued", "gone"] {
        let post = client().post(format!("{}/async-function/http", host.url())).header("x-call-id", id);
        assert!(post.header("x-callback-url", &receiver.url).send().await.is_err());
    }
    assert_eq!(receiver.next().await.header("x-call-id"), "queued");
    submit(&host, "http", "next", &receiver.url).await;
    assert_eq!(receiver.next().await.header("x-call-id"), "next");
    assert_eq!(host.deliveries("gone"), 0);
}

#[tokio::test]
async fn a_delayed_answer_comes_after_the_callback() {
    let workshop = Workshop::with(&[HTTP]);
    let (host, mut receiver) = (workshop.host().await, Receiver::start().await);
    host.faults().next_submissions(1, SubmissionFault::Delay(Duration::from_secs(3600)));
    let url = receiver.url.clone();
    tokio::select! {
        _ = submit(&host, "http", "one", &url) => panic!("answered"),
        callback = receiver.next() => assert_eq!(callback.header("x-call-id"), "one"),
    }
}

#[tokio::test]
async fn held_calls_wait_and_a_full_queue_refuses() {
    let workshop = Workshop::with(&[HTTP]);
    let options =
        HostOptions { queue_capacity: 2, faults: Faults { hold: true, ..Faults::default() }, ..workshop.options() };
    let (host, mut receiver) = (Host::start(options).await.unwrap(), Receiver::start().await);
    for (id, status) in [("a", 202), ("b", 202), ("c", 429)] {
        assert_eq!(submit(&host, "http", id, &receiver.url).await.status(), status);
    }
    assert_eq!((host.waiting_calls(), host.deliveries("a")), (2, 0));
    host.faults().change(|faults| faults.hold = false);
    receiver.next().await;
    receiver.next().await;
    assert_eq!((host.waiting_calls(), host.deliveries("c")), (0, 0));
}

#[tokio::test]
async fn a_call_past_ack_wait_runs_again_beside_itself_with_a_callback_each() {
    let workshop = Workshop::with(&[HTTP]);
    let (host, mut receiver) = (workshop.host().await, Receiver::start().await);
    host.faults().change(|faults| faults.ack_wait = Some(Duration::from_millis(50)));
    submit(&host, "http/wait?go", "long", &receiver.url).await;
    in_time(host.delivered("long", 3)).await;
    host.faults().change(|faults| faults.ack_wait = None);
    workshop.release("http", "go");
    for _ in 0..3 {
        let callback = receiver.next().await;
        assert_eq!((callback.header("x-call-id"), &callback.body[..]), ("long", b"waited".as_slice()));
    }
}

#[tokio::test]
async fn a_worker_that_dies_has_its_call_delivered_again() {
    let workshop = Workshop::with(&[HTTP]);
    let (host, mut receiver) = (workshop.host().await, Receiver::start().await);
    host.faults().change(|faults| faults.worker_dies = 1);
    submit(&host, "http", "after", &receiver.url).await;
    assert_eq!(receiver.next().await.header("x-call-id"), "after");
    assert_eq!(host.deliveries("after"), 2);

    submit(&host, "http/wait?go", "during", &receiver.url).await;
    in_time(host.delivered("during", 1)).await;
    host.faults().kill_worker();
    in_time(host.delivered("during", 2)).await;
    workshop.release("http", "go");
    assert_eq!(receiver.next().await.header("x-call-id"), "during");
    assert!(receiver.is_empty());
}

#[tokio::test]
async fn one_worker_works_on_one_call_at_a_time() {
    let workshop = Workshop::with(&[HTTP]);
    let host = Host::start(HostOptions { workers: 1, ..workshop.options() }).await.unwrap();
    let mut receiver = Receiver::start().await;
    submit(&host, "http/wait?go", "first", &receiver.url).await;
    in_time(host.delivered("first", 1)).await;
    submit(&host, "http", "second", &receiver.url).await;
    assert_eq!((host.deliveries("second"), host.waiting_calls()), (0, 1));
    workshop.release("http", "go");
    assert_eq!(receiver.next().await.header("x-call-id"), "first");
    assert_eq!(receiver.next().await.header("x-call-id"), "second");
}

#[tokio::test]
async fn past_the_gateways_time_limit_the_answer_is_an_empty_502() {
    let workshop = Workshop::with(&[HTTP]);
    let (host, mut receiver) = (workshop.host().await, Receiver::start().await);
    host.faults().change(|faults| faults.upstream_timeout = Some(Duration::from_millis(50)));
    submit(&host, "http/wait?never", "one", &receiver.url).await;
    let callback = receiver.next().await;
    assert_eq!((callback.header("x-function-status"), callback.body.len()), ("502", 0));
    assert_eq!(post(&host, "http/wait?never").await.status(), 502);
}
