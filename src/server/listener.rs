//! Takes connections, bounds what they can cost, and ends in time.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{debug, info, warn};

use super::patience::{PatientStream, RequestClock};
use super::routes::{Context, routes};
use super::socket::BoundSocket;
use crate::driver::Driver;
use crate::kernel::Kernel;

/// How many connections are served at once; an engine uses one. Further ones wait in the socket's queue.
const MAX_CONNECTIONS: usize = 256;
/// Longest head of a request and largest buffer of a connection, in bytes. An engine's head has some hundred.
const MAX_BUFFER_BYTES: usize = 16 * 1024;
/// How long a stop waits for requests that are on their way, and then for calls that run.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// Serves the driver on a socket until `stop` is ready, then lets what runs finish: at most 4 s. The socket is closed
/// first: a call that finds none is repeated by the engine as it was, and by then reaches the next daemon.
pub async fn serve<K: Kernel>(socket: BoundSocket, driver: Arc<Driver<K>>, stop: impl Future<Output = ()>) {
    let context = Context::new(driver);
    let connections = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&socket.listener, &places) => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, place)) => spawn_connection(stream, place, &context, &connections),
            Err(error) => {
                // Out of descriptors or memory: some connection will end and free some.
                warn!(%error, "a connection cannot be taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    info!("stopping: no new calls, those that run are finished");
    drop(socket);
    if tokio::time::timeout(STOP_TIMEOUT, connections.shutdown()).await.is_err() {
        warn!("a request that was not whole is dropped");
    }
    context.calls.close();
    if tokio::time::timeout(STOP_TIMEOUT, context.calls.wait()).await.is_err() {
        warn!(calls = context.calls.len(), "calls are cut off");
    }
}

async fn accept(
    listener: &UnixListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(UnixStream, OwnedSemaphorePermit)> {
    // The semaphore is never closed; were it, the error would be shown and tried again like any other.
    let place = Arc::clone(places).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

fn spawn_connection<K: Kernel>(
    stream: UnixStream,
    place: OwnedSemaphorePermit,
    context: &Context<K>,
    connections: &GracefulShutdown,
) {
    let clock = RequestClock::default();
    let service = TowerToHyperService::new(warp::service(routes(context.clone(), clock.clone())));
    let io = TokioIo::new(PatientStream::new(stream, clock));
    // A client that closes its sending side still waits for its answer.
    let connection =
        http1::Builder::new().half_close(true).max_buf_size(MAX_BUFFER_BYTES).serve_connection(io, service);
    let connection = connections.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            debug!(%error, "connection ended");
        }
        drop(place);
    });
}
