//! Says what tonic leaves unsaid: the name of a method that nobody here knows, and a broker's word for a message that is
//! too large.

use super::{MAX_MESSAGE_BYTES, service::Service};
use axum::{
    body::Body,
    extract::Request,
    http::Response,
    middleware::{self, Next},
};
use tonic::{Code, Status, codec::CompressionEncoding, service::Routes};
use zeebe2faas::zeebe::proto::gateway_server::GatewayServer;

/// The gateway's methods, and an answer to all others.
pub(super) fn routes(service: Service) -> Routes {
    // Answers are cut to that size where they are made.
    let gateway = GatewayServer::new(service)
        .accept_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(MAX_MESSAGE_BYTES);
    Routes::from(Routes::new(gateway).into_axum_router().layer(middleware::from_fn(say)))
}

async fn say(request: Request, next: Next) -> Response<Body> {
    let method = request.uri().path().trim_start_matches('/').to_owned();
    let response = next.run(request).await;
    let Some(status) = Status::from_header_map(response.headers()) else { return response };
    let said = match status.code() {
        Code::Unimplemented if status.message().is_empty() => {
            Status::unimplemented(format!("Method not found: {method}; the embedded engine has what zeebe2faas uses"))
        }
        // Only tonic's decoder says so here, and the broker says it with another code.
        Code::OutOfRange => {
            let text = format!("gRPC message exceeds maximum size {MAX_MESSAGE_BYTES}: {}", status.message());
            Status::resource_exhausted(text)
        }
        _ => return response,
    };
    said.into_http()
}
