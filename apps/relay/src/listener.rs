//! Handshakes: which ones begin, and how long they may take.

use std::sync::Arc;
use std::time::Duration;

use quinn::{Endpoint, Incoming};
use tokio::time::timeout;

use crate::capacity::{HalfOpen, Handshake};
use crate::connection;
use crate::relay::Relay;

/// How long a handshake may take: three round trips around the Earth, and a loss or two.
const PATIENCE: Duration = Duration::from_secs(5);

/// Takes connections until the endpoint is closed.
pub(crate) async fn listen(relay: Arc<Relay>, endpoint: Endpoint) {
    while let Some(incoming) = endpoint.accept().await {
        admit(&relay, incoming);
    }
}

fn admit(relay: &Arc<Relay>, incoming: Incoming) {
    let figures = &relay.figures;
    let from = incoming.remote_address().ip();
    match relay
        .capacity
        .handshake(from, incoming.remote_address_validated())
    {
        Handshake::Accept(place) => {
            tokio::spawn(accept(relay.clone(), incoming, place));
        }
        Handshake::Retry => {
            figures.handshakes_retried.one();
            // An address that was proven is not asked again.
            let _ = incoming.retry();
        }
        Handshake::Refuse => {
            figures.handshakes_refused.one();
            incoming.refuse();
        }
        Handshake::Ignore => {
            figures.handshakes_ignored.one();
            incoming.ignore();
        }
    }
}

async fn accept(relay: Arc<Relay>, incoming: Incoming, place: HalfOpen) {
    let loaded = relay.loaded();
    let from = incoming.remote_address();
    let config = loaded.servers.of(loaded.nesting(from.ip()));
    let counted = relay.figures.half_open.guard();
    // What the relay says first goes along with its part of the handshake (RFC 9001 section 5.7), so that a client need not wait
    // another round trip for it. A server is always allowed to.
    let shaking = incoming.accept_with(config).ok();
    let shaking = shaking.and_then(|connecting| connecting.into_0rtt().ok());
    let greeted = match shaking {
        Some((connection, is_done)) => {
            let done = async {
                let (_, greeted) = tokio::join!(
                    is_done,
                    connection::greet(relay.clone(), connection.clone())
                );
                greeted.filter(|_| connection.close_reason().is_none())
            };
            timeout(PATIENCE, done).await.ok().flatten()
        }
        None => None,
    };
    drop(counted);
    let Some(greeted) = greeted else {
        relay.figures.handshakes_failed.one();
        return;
    };
    let place = place.connected();
    drop(loaded);
    // Another task, which has no room for a handshake.
    tokio::spawn(connection::serve(greeted, place));
}
