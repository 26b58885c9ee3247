#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;
use crate::engine::machine::{Command, Reply};
use ask::{Handed, Stream as JobStream};
use hyper_util::rt::TokioIo;
use std::net::Ipv4Addr;
use tokio::time::{Instant, timeout};
use tonic::{
    Code, Request, Status, Streaming,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Endpoint, Uri},
};
use tonic_prost::ProstCodec;
use zeebe2faas::zeebe::proto::{gateway_client::GatewayClient, *};

const PATIENCE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const NOON: i64 = 1_795_521_600_000;

type Client = GatewayClient<Channel>;

/// Start, what is given, end.
fn process(id: &str, middle: &str) -> Vec<u8> {
    format!(
        r#"<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" targetNamespace="test" id="d">
  <bpmn:process id="{id}" isExecutable="true">
    <bpmn:startEvent id="start" /><bpmn:sequenceFlow id="a" sourceRef="start" targetRef="middle" />
    {middle}
    <bpmn:sequenceFlow id="b" sourceRef="middle" targetRef="end" /><bpmn:endEvent id="end" />
  </bpmn:process>
</bpmn:definitions>"#
    )
    .into_bytes()
}

fn task() -> Vec<u8> {
    let task = r#"<bpmn:serviceTask id="middle"><bpmn:extensionElements><zeebe:taskDefinition type="work" /></bpmn:extensionElements></bpmn:serviceTask>"#;
    process("task", task)
}

/// Waits four hours.
fn timer() -> Vec<u8> {
    let event = r#"<bpmn:intermediateCatchEvent id="middle"><bpmn:timerEventDefinition id="t"><bpmn:timeDuration>PT4H</bpmn:timeDuration></bpmn:timerEventDefinition></bpmn:intermediateCatchEvent>"#;
    process("timer", event)
}

async fn deploy(client: &mut Client, content: Vec<u8>) {
    let resources = vec![Resource { name: "test.bpmn".to_owned(), content }];
    client.deploy_resource(DeployResourceRequest { resources, ..Default::default() }).await.unwrap();
}

fn instance(process: &str) -> CreateProcessInstanceRequest {
    CreateProcessInstanceRequest { bpmn_process_id: process.to_owned(), version: -1, ..Default::default() }
}

fn poll(wait: Duration) -> ActivateJobsRequest {
    ActivateJobsRequest {
        r#type: "work".to_owned(),
        worker: "test".to_owned(),
        timeout: 60_000,
        max_jobs_to_activate: 10,
        request_timeout: wait.as_millis().try_into().unwrap(),
        ..Default::default()
    }
}

async fn jobs(mut batches: Streaming<ActivateJobsResponse>) -> Vec<ActivatedJob> {
    let mut jobs = Vec::new();
    while let Some(batch) = batches.message().await.unwrap() {
        jobs.extend(batch.jobs);
    }
    jobs
}

async fn connect(engine: &Engine) -> Channel {
    Endpoint::from_shared(engine.grpc_address()).unwrap().connect().await.unwrap()
}

async fn listening(clock: Clock) -> (Engine, Client) {
    let engine = Engine::start((Ipv4Addr::LOCALHOST, 0).into(), clock).await.unwrap();
    let channel = connect(&engine).await;
    (engine, GatewayClient::new(channel))
}

/// A method of which there are no stubs.
async fn call(engine: &Engine, path: &'static str) -> Status {
    let mut grpc = Grpc::new(connect(engine).await);
    grpc.ready().await.unwrap();
    let codec = ProstCodec::<TopologyRequest, TopologyResponse>::default();
    grpc.unary(Request::new(TopologyRequest {}), PathAndQuery::from_static(path), codec).await.unwrap_err()
}

#[tokio::test]
async fn a_method_that_is_not_there_is_named() {
    let (engine, _) = listening(Clock::system()).await;
    for path in ["/gateway_protocol.Gateway/BroadcastSignal", "/other.Service/Method"] {
        let status = call(&engine, path).await;
        assert_eq!(status.code(), Code::Unimplemented);
        assert!(status.message().contains(&path[1..]), "{status:?}");
    }
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_as_the_broker_does() {
    let (_engine, mut client) = listening(Clock::system()).await;
    let message = PublishMessageRequest { variables: "x".repeat(MAX_MESSAGE_BYTES), ..Default::default() };
    let status = client.publish_message(message).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("exceeds maximum size 4194304"), "{status:?}");
}

#[tokio::test]
async fn a_stream_must_say_what_it_wants() {
    let (_engine, mut client) = listening(Clock::system()).await;
    let good = StreamActivatedJobsRequest {
        r#type: "work".to_owned(),
        timeout: 60_000,
        ..StreamActivatedJobsRequest::default()
    };
    let wrong = [
        (StreamActivatedJobsRequest { r#type: " ".to_owned(), ..good.clone() }, "type to be present, but it was blank"),
        (StreamActivatedJobsRequest { timeout: 0, ..good.clone() }, "timeout to be greater than zero, but it was 0"),
        (StreamActivatedJobsRequest { tenant_ids: vec!["a".to_owned()], ..good }, "multi-tenancy is disabled"),
    ];
    for (request, reason) in wrong {
        let status = client.stream_activated_jobs(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains(reason), "{status:?}");
    }
}

#[tokio::test]
async fn a_poll_waits_for_a_job_and_a_short_one_comes_back_empty() {
    let (_engine, mut client) = listening(Clock::system()).await;
    deploy(&mut client, task()).await;
    assert!(jobs(client.activate_jobs(poll(Duration::from_millis(1))).await.unwrap().into_inner()).await.is_empty());
    let mut other = client.clone();
    let waiting =
        tokio::spawn(async move { jobs(other.activate_jobs(poll(PATIENCE)).await.unwrap().into_inner()).await });
    let key = client.create_process_instance(instance("task")).await.unwrap().into_inner().process_instance_key;
    let found = timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert_eq!(found.iter().map(|job| job.process_instance_key).collect::<Vec<_>>(), [key]);
}

#[tokio::test]
async fn a_result_comes_when_the_instance_has_ended_with_the_variables_asked_for() {
    let (_engine, mut client) = listening(Clock::system()).await;
    deploy(&mut client, task()).await;
    let request = CreateProcessInstanceWithResultRequest {
        request: Some(CreateProcessInstanceRequest { variables: r#"{"a":1,"b":2}"#.to_owned(), ..instance("task") }),
        request_timeout: PATIENCE.as_millis().try_into().unwrap(),
        fetch_variables: vec!["b".to_owned(), "c".to_owned()],
    };
    let mut other = client.clone();
    let waiting = tokio::spawn(async move { other.create_process_instance_with_result(request).await });
    let job = jobs(client.activate_jobs(poll(PATIENCE)).await.unwrap().into_inner()).await.remove(0);
    let variables = r#"{"c":3}"#.to_owned();
    client.complete_job(CompleteJobRequest { job_key: job.key, variables }).await.unwrap();
    let result = timeout(PATIENCE, waiting).await.unwrap().unwrap().unwrap().into_inner();
    assert_eq!(result.process_instance_key, job.process_instance_key);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&result.variables).unwrap(),
        serde_json::json!({"b": 2, "c": 3})
    );
}

#[tokio::test]
async fn who_waits_too_short_for_a_result_hears_so_and_the_instance_goes_on() {
    let (_engine, mut client) = listening(Clock::system()).await;
    deploy(&mut client, task()).await;
    let request = CreateProcessInstanceWithResultRequest {
        request: Some(instance("task")),
        request_timeout: 1,
        ..CreateProcessInstanceWithResultRequest::default()
    };
    let status = client.create_process_instance_with_result(request).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(jobs(client.activate_jobs(poll(PATIENCE)).await.unwrap().into_inner()).await.len(), 1);
    let request = CreateProcessInstanceWithResultRequest {
        request: Some(instance("none")),
        ..CreateProcessInstanceWithResultRequest::default()
    };
    let status = client.create_process_instance_with_result(request).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert!(status.message().contains("Command 'CREATE_WITH_AWAITING_RESULT' rejected"), "{status:?}");
}

#[tokio::test]
async fn a_clock_that_stands_moves_only_when_it_is_told_to() {
    let (engine, mut client) = listening(Clock::standing_at(NOON)).await;
    deploy(&mut client, timer()).await;
    let request = CreateProcessInstanceWithResultRequest {
        request: Some(instance("timer")),
        request_timeout: PATIENCE.as_millis().try_into().unwrap(),
        ..CreateProcessInstanceWithResultRequest::default()
    };
    // Its key says that it has begun, which the waiting one does not.
    client.create_process_instance(instance("timer")).await.unwrap();
    let waiting = tokio::spawn(async move { client.create_process_instance_with_result(request).await });
    // The timer begins with the instance, before or after a step: an hour at a time, it ends whenever it began.
    while !waiting.is_finished() {
        engine.advance(HOUR).await;
        tokio::task::yield_now().await;
    }
    waiting.await.unwrap().unwrap();
}

/// One thread and a pipe, under Tokio's paused clock.
#[tokio::test(start_paused = true)]
async fn four_hours_pass_at_once_over_a_pipe_under_a_paused_clock() {
    let engine = Engine::in_process(Clock::running_from(NOON));
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    let server = tokio::spawn(engine.serve(tokio_stream::iter([Ok(theirs)])));
    let mut ours = Some(TokioIo::new(ours));
    let connector = tower::service_fn(move |_: Uri| {
        std::future::ready(ours.take().ok_or(io::Error::from(io::ErrorKind::NotConnected)))
    });
    let channel = Endpoint::from_static("http://engine").connect_with_connector(connector).await.unwrap();
    let mut client = GatewayClient::new(channel);
    deploy(&mut client, timer()).await;
    let begun = Instant::now();
    let request = CreateProcessInstanceWithResultRequest {
        request: Some(instance("timer")),
        request_timeout: (8 * HOUR).as_millis().try_into().unwrap(),
        ..CreateProcessInstanceWithResultRequest::default()
    };
    client.create_process_instance_with_result(request).await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 4 * 3600);
    engine.stop().await;
    server.await.unwrap().unwrap();
}

/// Asks the writer, without gRPC between.
async fn apply(engine: &Engine, command: Command) -> Reply {
    engine.service.answer(|answer| Ask::Apply(command, answer)).await.unwrap()
}

async fn begin(engine: &Engine) {
    apply(engine, Command::CreateInstance(instance("task"))).await;
}

async fn open(engine: &Engine, places: usize) -> mpsc::Receiver<Handed> {
    let (jobs, receiver) = mpsc::channel(places);
    let (job_type, worker) = ("work".to_owned(), "test".to_owned());
    let stream = JobStream { job_type, worker, timeout_ms: 60_000, fetch_variables: Vec::new(), jobs };
    engine.service.answer(|answer| Ask::Stream(stream, answer)).await.unwrap();
    receiver
}

async fn with_task() -> Engine {
    let engine = Engine::in_process(Clock::standing_at(NOON));
    let resources = vec![Resource { name: "test.bpmn".to_owned(), content: task() }];
    apply(&engine, Command::Deploy(DeployResourceRequest { resources, ..Default::default() })).await;
    engine
}

/// Jobs that wait, now.
async fn backlog(engine: &Engine) -> usize {
    match apply(engine, Command::ActivateJobs(poll(Duration::ZERO))).await {
        Reply::Jobs(jobs) => jobs.len(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn streams_of_one_type_take_turns_and_what_none_has_a_place_for_waits() {
    let engine = with_task().await;
    begin(&engine).await;
    let (mut first, mut second) = (open(&engine, 2).await, open(&engine, 1).await);
    for _ in 0..4 {
        begin(&engine).await;
    }
    let taken =
        |stream: &mut mpsc::Receiver<Handed>| std::iter::from_fn(|| Some(stream.try_recv().ok()?.take())).count();
    assert_eq!((taken(&mut first), taken(&mut second)), (2, 1));
    // The one from before the streams, and the one that came when both were full.
    assert_eq!(backlog(&engine).await, 2);
    begin(&engine).await;
    begin(&engine).await;
    assert_eq!((taken(&mut first), taken(&mut second)), (1, 1));
}

#[tokio::test]
async fn jobs_that_a_closed_stream_did_not_take_go_to_a_poll() {
    let engine = with_task().await;
    let mut stream = open(&engine, 3).await;
    begin(&engine).await;
    begin(&engine).await;
    let kept = stream.recv().await.unwrap().take();
    let (answer, polled) = oneshot::channel();
    assert!(engine.service.send(Ask::Activate { request: poll(PATIENCE), waits: true, answer }).await);
    drop(stream);
    let found = timeout(PATIENCE, polled).await.unwrap().unwrap().unwrap();
    let keys: Vec<_> = found.into_iter().map(|job| job.take().key).collect();
    assert_eq!(keys.len(), 1);
    assert_ne!(keys[0], kept.key);
    begin(&engine).await;
    assert_eq!(backlog(&engine).await, 1);
}

#[tokio::test]
async fn jobs_for_a_poll_that_is_gone_wait_for_the_next_one() {
    let engine = with_task().await;
    let (answer, polled) = oneshot::channel();
    assert!(engine.service.send(Ask::Activate { request: poll(PATIENCE), waits: true, answer }).await);
    begin(&engine).await;
    // Answered by now, and nobody reads it.
    drop(polled);
    assert_eq!(backlog(&engine).await, 1);
}

#[tokio::test]
async fn a_stop_ends_streams_and_polls_and_closes_the_connections() {
    let (engine, mut client) = listening(Clock::system()).await;
    client.topology(TopologyRequest {}).await.unwrap();
    let stream = open(&engine, 1).await;
    let (answer, polled) = oneshot::channel();
    assert!(engine.service.send(Ask::Activate { request: poll(PATIENCE), waits: true, answer }).await);
    timeout(PATIENCE, engine.stop()).await.unwrap();
    assert!(polled.await.is_err(), "no answer, but an end");
    assert_eq!(stream.len(), 0);
    assert!(stream.is_closed());
    assert_eq!(client.topology(TopologyRequest {}).await.unwrap_err().code(), Code::Unavailable);
}
