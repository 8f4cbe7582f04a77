//! Connections: so many at once, each with its time for a request, and an orderly end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

use crate::figures::Figures;

/// At once, on each address. Behind a proxy there are few.
const MAX_CONNECTIONS: usize = 1024;

/// How long a client may take for the head of a request, or do nothing between two.
const HEAD_PATIENCE: Duration = Duration::from_secs(15);

/// Room for a head. Those that are longer are refused with 431.
const HEAD_ROOM: usize = 16 * 1024;

/// What a system without descriptors is given to find some.
const PAUSE: Duration = Duration::from_millis(100);

/// Takes connections until it is dropped. Those that were taken are watched by `graceful`.
pub(crate) async fn listen(
    listener: TcpListener,
    router: Router,
    figures: Arc<Figures>,
    graceful: &GracefulShutdown,
) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let Ok(place) = room.clone().try_acquire_owned() else {
            figures.connections_refused.one();
            continue;
        };
        // An answer is small and complete: nothing is gained by waiting for more.
        let _ = stream.set_nodelay(true);
        let (router, figures, watcher) = (router.clone(), figures.clone(), graceful.watcher());
        tokio::spawn(async move {
            let counted = figures.connections.guard();
            serve(stream, peer, router, watcher).await;
            drop((counted, place));
        });
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, router: Router, watcher: Watcher) {
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let router = router.clone();
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            let answered = router.oneshot(request).await;
            answered.map_err(|never: Infallible| never)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(HEAD_ROOM)
        .serve_connection(TokioIo::new(stream), service);
    // What goes wrong with a connection is its client's affair.
    let _ = watcher.watch(connection).await;
}
