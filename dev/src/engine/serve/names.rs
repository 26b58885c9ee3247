//! Names the method that nobody here knows: an empty UNIMPLEMENTED helps no one.

use super::{MAX_MESSAGE_BYTES, service::Service};
use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, Response},
    middleware::{self, Next},
};
use tonic::{Code, Status, service::Routes};
use zeebe2faas::zeebe::proto::gateway_server::GatewayServer;

const MESSAGE: &str = "grpc-message";

/// The gateway's methods, and an answer to all others.
pub(super) fn routes(service: Service) -> Routes {
    let gateway = GatewayServer::new(service)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    Routes::from(Routes::new(gateway).into_axum_router().layer(middleware::from_fn(name)))
}

async fn name(request: Request, next: Next) -> Response<Body> {
    let method = request.uri().path().trim_start_matches('/').to_owned();
    let mut response = next.run(request).await;
    let unimplemented = Status::from_header_map(response.headers()).is_some_and(|s| s.code() == Code::Unimplemented);
    let headers = response.headers_mut();
    if unimplemented && headers.get(MESSAGE).is_none_or(HeaderValue::is_empty) {
        let text = format!("the embedded engine has no method {method}; a real Zeebe has");
        // A path is visible ASCII already, as the header demands it.
        if let Ok(text) = HeaderValue::try_from(text.replace('%', "%25")) {
            headers.insert(MESSAGE, text);
        }
    }
    response
}
