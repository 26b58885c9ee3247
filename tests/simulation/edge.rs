//! The edge of Zeebe: what becomes of each command, and what the engine took.

use crate::world::{Breakage, Fate, World};
use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{Response, header::HeaderName},
    middleware::Next,
};
use prost::Message;
use std::sync::Arc;
use tokio::time::sleep;
use tonic::Status;
use zeebe2faas::zeebe::proto::PublishMessageRequest;

const MOST_BYTES: usize = 16 << 20;
/// gRPC puts a flag and a length before each message.
const PREFIX_BYTES: usize = 5;
const STATUS: HeaderName = HeaderName::from_static("grpc-status");

pub struct Edge {
    world: Arc<World>,
}

impl Edge {
    pub const fn new(world: Arc<World>) -> Self {
        Self { world }
    }
}

/// Every request of a bridge passes here.
pub async fn pass(State(edge): State<Arc<Edge>>, request: Request, next: Next) -> Response<Body> {
    let world = &edge.world;
    let (head, body) = request.into_parts();
    let rpc = head.uri.path().rsplit('/').next().unwrap_or_default().to_owned();
    // A request that breaks off is none.
    let Ok(mut body) = to_bytes(body, MOST_BYTES).await else { return unavailable() };
    let publication = (rpc == "PublishMessage").then(|| publication(&body));
    if let (Some(message), Some(Breakage::NoMessageId)) = (&publication, world.breakage) {
        body = framed(&PublishMessageRequest { message_id: String::new(), ..message.clone() });
    }
    let streams = rpc == "StreamActivatedJobs";
    let way = world.way();
    if world.dice.happens(world.weather().back_pressure) {
        world.line(format_args!("Zeebe {rpc}: no room"));
        return Status::resource_exhausted("no room").into_http();
    }
    if !streams {
        sleep(way.there).await;
    }
    match way.fate {
        Fate::Refused => {
            world.line(format_args!("Zeebe {rpc}: refused"));
            return unavailable();
        }
        Fate::Lost => {
            world.line(format_args!("Zeebe {rpc}: lost"));
            std::future::pending::<()>().await;
        }
        Fate::Arrives | Fate::AnswerLost => {}
    }
    let ask = Request::from_parts(head, Body::from(body));
    let (told, asked) = (Arc::clone(world), rpc.clone());
    // It is done also when nobody waits any more.
    let done = tokio::spawn(async move {
        let answer = next.run(ask).await;
        let code = answer.headers().get(STATUS).map(|code| code.to_str().unwrap_or("?").to_owned());
        told.line(format_args!("Zeebe {asked} -> {}", code.as_deref().unwrap_or("done")));
        if let (None, Some(message)) = (code, publication) {
            *told.seen().published.entry(message.correlation_key).or_default() += 1;
        }
        answer
    });
    let answer = done.await.expect("no panic");
    if way.fate == Fate::AnswerLost && !streams {
        return unavailable();
    }
    if !streams {
        sleep(way.back).await;
    }
    answer
}

fn unavailable() -> Response<Body> {
    Status::unavailable("the connection broke").into_http()
}

fn publication(body: &Bytes) -> PublishMessageRequest {
    PublishMessageRequest::decode(body.slice(PREFIX_BYTES..)).expect("a message")
}

fn framed(message: &PublishMessageRequest) -> Bytes {
    let bytes = message.encode_to_vec();
    let mut framed = vec![0];
    framed.extend(u32::try_from(bytes.len()).expect("a short message").to_be_bytes());
    framed.extend(bytes);
    framed.into()
}
