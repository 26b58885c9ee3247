//! One connection, from its handshake to its end.

use super::{
    Limits, Refusal, Shared,
    crowd::{Member, Phase},
};
use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

/// The largest head of a request, in bytes: a longer one gets 431. A callback's carries its function's headers.
const HEAD_LIMIT_BYTES: usize = 64 << 10;

pub(super) async fn run(shared: Arc<Shared>, stream: TcpStream, member: Member) {
    let member = Arc::new(member);
    tokio::select! {
        () = Box::pin(talk(&shared, stream, &member)) => {}
        () = member.cut.cancelled() => {}
        slow = overdue(&member, &shared.options.limits) => if slow { shared.count(Refusal::Slow) },
    }
}

async fn talk(shared: &Arc<Shared>, stream: TcpStream, member: &Arc<Member>) {
    let Some(tls) = &shared.options.tls else { return http(shared, stream, member).await };
    member.enter(Phase::Handshake);
    match TlsAcceptor::from(tls.current()).accept(stream).await {
        Ok(stream) => {
            member.enter(Phase::Fresh);
            http(shared, stream, member).await;
        }
        Err(error) => {
            tracing::debug!(listener = shared.options.name, %error, "no TLS");
            shared.count(Refusal::Handshake);
        }
    }
}

async fn http(shared: &Arc<Shared>, stream: impl AsyncRead + AsyncWrite + Unpin, member: &Arc<Member>) {
    let service = service_fn(|request| answer(Arc::clone(shared), Arc::clone(member), request));
    let io = TokioIo::new(Watched { stream, member: Arc::clone(member) });
    let mut connection = pin!(http1::Builder::new().max_buf_size(HEAD_LIMIT_BYTES).serve_connection(io, service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shared.stop.cancelled() => {
            if matches!(member.phase(), Some((Phase::Fresh, _))) {
                return;
            }
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(listener = shared.options.name, %error, "a connection broke");
    }
}

/// What becomes of one request; an error closes the connection.
async fn answer(shared: Arc<Shared>, member: Arc<Member>, request: Request<Incoming>) -> io::Result<Response> {
    if !member.enter(Phase::Busy) {
        return Err(io::Error::other("cut to make room"));
    }
    let Ok(response) = shared.router.clone().oneshot(request.map(Body::new)).await;
    member.enter(Phase::Idle);
    if response.status() == StatusCode::UNAUTHORIZED && !shared.failures.allow(member.address, Instant::now()) {
        shared.count(Refusal::Rejected);
        let close = [(header::CONNECTION, HeaderValue::from_static("close"))];
        return Ok((StatusCode::TOO_MANY_REQUESTS, close, "too many requests without a valid token\n").into_response());
    }
    Ok(response)
}

/// Ends when the connection has taken too long; whether it was slow rather than idle.
async fn overdue(member: &Member, limits: &Limits) -> bool {
    // A phase that begins meanwhile may end before the one that is waited for.
    let shortest = limits.header_timeout.min(limits.idle_timeout);
    loop {
        let Some((phase, since)) = member.phase() else { return std::future::pending().await };
        let end = match phase {
            // The work on a request has time-outs of its own.
            Phase::Busy => None,
            Phase::Handshake | Phase::Head => Some((true, since + limits.header_timeout)),
            Phase::Fresh | Phase::Idle => Some((false, since + limits.idle_timeout)),
        };
        let now = Instant::now();
        let next = match end {
            Some((slow, end)) if end <= now => return slow,
            Some((_, end)) => end.min(now + shortest),
            None => now + shortest,
        };
        tokio::time::sleep_until(next.into()).await;
    }
}

/// Notes when bytes arrive: hyper's own time-out does not tell a slow request from an idle connection.
struct Watched<S> {
    stream: S,
    member: Arc<Member>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.member.bytes();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
