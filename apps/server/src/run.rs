//! `securecall-server run`.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use hyper_util::server::graceful::GracefulShutdown;
use securecall_daemon::figures::MEDIA_TYPE;
use securecall_daemon::{Failure, Output, StopSignals, unix_time};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::{interval, timeout};

use crate::cli::Cli;
use crate::config::Config;
use crate::figures::Figures;
use crate::server::Server;
use crate::{listener, routes};

/// How often what has expired is forgotten.
const TIDY: Duration = Duration::from_secs(600);

/// Serves until a signal says otherwise.
pub(crate) async fn run(cli: &Cli, output: Output) -> Result<(), Failure> {
    let mut stop = StopSignals::new()?;
    let config = Config::load(&cli.global.config)?;
    let drain = config.drain;
    let mut listeners = Vec::new();
    for address in &config.listen {
        listeners.push(bind("listen", *address).await?);
    }
    let figures_listener = match config.figures {
        Some(address) => Some(bind("figures.listen", address).await?),
        None => None,
    };
    let server = Arc::new(Server::start(config).await?);
    if server.homeserver.ping().await.is_err() {
        tracing::warn!("the homeserver does not answer yet");
    }
    let mut addresses = Vec::new();
    for listener in &listeners {
        addresses.push(listener.local_addr().map_err(Failure::machine)?.to_string());
    }
    let graceful = GracefulShutdown::new();
    let router = routes::router(server.clone());
    let serving = async {
        let loops = listeners.into_iter().map(|listener| {
            listener::listen(listener, router.clone(), server.figures.clone(), &graceful)
        });
        futures_util::future::join_all(loops).await;
    };
    let telling = async {
        match figures_listener {
            Some(listener) => {
                let router = figures_router(server.figures.clone());
                // Its connections are not waited for.
                let unwatched = GracefulShutdown::new();
                let own = Arc::new(Figures::default());
                listener::listen(listener, router, own, &unwatched).await;
            }
            None => std::future::pending().await,
        }
    };
    let tidying = async {
        let mut clock = interval(TIDY);
        loop {
            clock.tick().await;
            server.tidy(unix_time()).await;
        }
    };
    output.result(
        &json!({ "type": "ready", "listen": addresses }),
        "The server is ready.",
    );
    tracing::info!("ready");
    tokio::select! {
        () = serving => {}
        () = telling => {}
        () = tidying => {}
        () = stop.recv() => {}
    }
    tracing::info!("no new requests from now on");
    // A second signal ends it at once.
    tokio::select! {
        done = timeout(drain, graceful.shutdown()) => {
            if done.is_err() {
                tracing::warn!("requests that took too long are dropped");
            }
        }
        () = stop.recv() => {}
    }
    server.repository.close().await;
    tracing::info!("stopped");
    Ok(())
}

async fn bind(name: &str, address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let failure = Failure::machine(format!("`{name}`: {address} cannot be bound: {error}"));
        match error.kind() {
            ErrorKind::AddrInUse => {
                failure.help("does the server run already? If not, another program has this port")
            }
            ErrorKind::AddrNotAvailable => failure.help("no interface has this address"),
            ErrorKind::PermissionDenied => failure.help(
                "ports below 1024 are for root; the proxy passes on to one above: 127.0.0.1:8480",
            ),
            _ => failure,
        }
    })
}

fn figures_router(figures: Arc<Figures>) -> Router {
    let text = move || async move {
        let content_type = ("content-type", MEDIA_TYPE);
        ([content_type], figures.text())
    };
    Router::new().route("/metrics", get(text))
}
