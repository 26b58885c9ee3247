//! Zeebe: the engine behind connections that are slow, break, and cannot be made for a while.

use crate::{
    edge::{Edge, pass},
    world::World,
};
use axum::middleware::from_fn_with_state;
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex, split},
    sync::mpsc,
    time::sleep,
};
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;
use tonic::{service::Routes, transport::Server};
use zeebe2faas::zeebe::{Connect, proto::gateway_client::GatewayClient};
use zeebe2faas_dev::engine::{
    machine::Event,
    serve::{Clock, Engine},
};

const BUFFER_BYTES: usize = 64 << 10;

pub struct Zeebe {
    world: Arc<World>,
    engine: Engine,
    routes: Routes,
    /// All connections that were made since the last break; none can be made when it has ended.
    connected: Mutex<CancellationToken>,
}

impl Zeebe {
    pub async fn start(world: Arc<World>, now_ms: i64) -> (Arc<Self>, mpsc::UnboundedReceiver<Event>) {
        let engine = Engine::in_process(Clock::running_from(now_ms));
        let (told, events) = mpsc::unbounded_channel();
        // At the end of a run nobody listens any more.
        engine.watch(move |event| drop(told.send(event.clone()))).await;
        let edge = Arc::new(Edge::new(Arc::clone(&world)));
        let routes = engine.routes().into_axum_router().layer(from_fn_with_state(edge, pass)).into();
        (Arc::new(Self { world, engine, routes, connected: Mutex::default() }), events)
    }

    /// The way of whoever is not disturbed.
    pub fn client(&self) -> GatewayClient<Routes> {
        GatewayClient::new(self.engine.routes())
    }

    /// The way of a bridge.
    pub fn connect(self: &Arc<Self>, life: CancellationToken) -> Connect {
        let zeebe = Arc::clone(self);
        Connect::new(move || {
            let (zeebe, life) = (Arc::clone(&zeebe), life.clone());
            async move { zeebe.connection(life).await }
        })
    }

    async fn connection(&self, life: CancellationToken) -> io::Result<DuplexStream> {
        sleep(self.world.dice.millis(1..10)).await;
        let connected = self.connected();
        if connected.is_cancelled() || life.is_cancelled() {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let ((client, near), (far, server)) = (duplex(BUFFER_BYTES), duplex(BUFFER_BYTES));
        let (from_client, to_client) = split(near);
        let (from_server, to_server) = split(far);
        for (from, to) in [(from_client, to_server), (from_server, to_client)] {
            let carried = carry(Arc::clone(&self.world), from, to);
            let carried = life.clone().run_until_cancelled_owned(carried);
            tokio::spawn(connected.clone().run_until_cancelled_owned(carried));
        }
        // The end of connections would be taken for a wish to stop.
        let connections = tokio_stream::once(Ok::<_, io::Error>(server)).chain(tokio_stream::pending());
        tokio::spawn(Server::builder().add_routes(self.routes.clone()).serve_with_incoming(connections));
        Ok(client)
    }

    /// All connections break.
    pub fn cut(&self) {
        self.world.line(format_args!("connections to Zeebe break"));
        self.renew().cancel();
    }

    /// The same, and for a while no new ones can be made.
    pub async fn go_away(&self) {
        self.world.line(format_args!("Zeebe goes away"));
        self.connected().cancel();
        sleep(self.world.dice.seconds(1..240)).await;
        self.renew();
        self.world.line(format_args!("Zeebe is back"));
    }

    fn connected(&self) -> CancellationToken {
        self.connected.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn renew(&self) -> CancellationToken {
        let mut connected = self.connected.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut connected)
    }
}

/// Brings what comes from one end to the other, a little later.
async fn carry(world: Arc<World>, mut from: ReadHalf<DuplexStream>, mut to: WriteHalf<DuplexStream>) {
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        sleep(Duration::from_millis(1) + world.dice.millis(0..4)).await;
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
    // The other end may be gone.
    drop(to.shutdown().await);
}
