//! `securecall-relay run`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quinn_proto::VarInt;
use securecall_daemon::figures::MEDIA_TYPE;
use securecall_daemon::{Failure, Output, StopSignals};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, sleep_until, timeout};

use crate::check::cannot_bind;
use crate::cli::Cli;
use crate::config::Config;
use crate::http1::{self, Response};
use crate::quic::Endpoint;
use crate::relay::{Loaded, Relay};
use crate::{clock, listener, spent_file, transport};

/// How often it is looked whether the last flow has ended.
const DRAIN_CHECK: Duration = Duration::from_millis(200);

/// How long the last packets may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// Is a relay until a signal says otherwise.
pub(crate) async fn run(cli: &Cli, output: Output) -> Result<(), Failure> {
    let config = Config::load(&cli.global.config)?;
    let mut signals = StopSignals::new()?;
    let mut hangup = signal(SignalKind::hangup()).map_err(Failure::machine)?;
    let loaded = Loaded::read(&config, None)?;
    let endpoints = listen(&config, &loaded)?;
    let drain = config.drain;
    let spent_file = config.spent_file.clone();
    let figures = config.figures;
    if config.lab {
        tracing::warn!("this is a lab: private addresses are allowed");
    }
    let relay = Relay::new(config, loaded);
    if let Some(address) = figures {
        serve_figures(&relay, address).await?;
    }
    for endpoint in &endpoints {
        tokio::spawn(listener::listen(relay.clone(), endpoint.clone()));
    }
    let remembering = tokio::spawn(remember_from_time_to_time(
        relay.clone(),
        spent_file.clone(),
    ));
    output.result(&json!({ "type": "ready" }), "The relay is ready.");
    tracing::info!("ready");
    loop {
        tokio::select! {
            _ = hangup.recv() => reload(cli, &relay, &endpoints),
            () = signals.recv() => break,
        }
    }
    stop(&relay, drain, &mut signals).await;
    remembering.abort();
    remember(&relay, &spent_file).await;
    for endpoint in &endpoints {
        endpoint.close(VarInt::from_u32(0));
        let _ = timeout(GOODBYE, endpoint.wait_idle()).await;
    }
    tracing::info!("stopped");
    Ok(())
}

/// Writes down which tokens were spent, at times that have nothing to do with when they were.
async fn remember_from_time_to_time(relay: Arc<Relay>, file: PathBuf) {
    loop {
        sleep(spent_file::INTERVAL).await;
        remember(&relay, &file).await;
    }
}

async fn remember(relay: &Relay, file: &Path) {
    let Some(bytes) = relay.loaded().access.spent_bytes() else {
        return;
    };
    let file = file.to_owned();
    let stored = tokio::task::spawn_blocking(move || spent_file::store(&file, &bytes)).await;
    if !matches!(stored, Ok(Ok(()))) {
        relay.figures.spent_not_stored.one();
        tracing::error!("the tokens that were spent cannot be written down: is the disk full?");
    }
}

fn listen(config: &Config, loaded: &Loaded) -> Result<Vec<Endpoint>, Failure> {
    let mut endpoints = Vec::new();
    for address in &config.listen {
        let endpoint = transport::listen(*address, &loaded.servers)
            .map_err(|error| cannot_bind("listen", *address, &error))?;
        endpoints.push(endpoint);
    }
    Ok(endpoints)
}

async fn serve_figures(relay: &Arc<Relay>, address: std::net::SocketAddr) -> Result<(), Failure> {
    let listener = http1::bind(address)
        .await
        .map_err(|error| cannot_bind("figures.listen", address, &error))?;
    let relay = relay.clone();
    tokio::spawn(http1::serve(listener, move |request| {
        if request.method != "GET" || request.path != "/metrics" {
            return Response::error(404, "figures are at /metrics");
        }
        relay.access_figures();
        Response::ok(MEDIA_TYPE, relay.figures.text().into_bytes())
    }));
    Ok(())
}

/// Reads certificate, directory and keys anew. What is wrong now leaves all as it was.
fn reload(cli: &Cli, relay: &Relay, endpoints: &[Endpoint]) {
    let loaded = Config::load(&cli.global.config)
        .and_then(|config| Loaded::read(&config, Some(relay.loaded().as_ref())));
    match loaded {
        Ok(loaded) => {
            for endpoint in endpoints {
                endpoint.set_server_config(loaded.servers.outer.clone());
            }
            relay.replace(loaded);
            tracing::info!("read certificate, directory and keys anew");
        }
        Err(failure) => {
            // The file of settings may name addresses of this relay.
            tracing::debug!(kind = failure.kind.word(), "not read");
            tracing::error!("nothing is read anew: `securecall-relay check` says what is wrong");
        }
    }
}

/// Takes no new flows and waits for those there are. A second signal ends it at once.
async fn stop(relay: &Relay, drain: Duration, signals: &mut StopSignals) {
    let deadline = clock::now() + drain;
    relay.drain(deadline);
    relay.figures.draining.one();
    tracing::info!(flows = relay.capacity.flows(), "no new flows from now on");
    let done = async {
        // A moment even without flows: who is asking right now gets an answer.
        sleep(DRAIN_CHECK).await;
        while relay.capacity.flows() > 0 {
            sleep(DRAIN_CHECK).await;
        }
    };
    tokio::select! {
        () = done => {}
        () = sleep_until((deadline + DRAIN_CHECK).into()) => {}
        () = signals.recv() => {}
    }
}
