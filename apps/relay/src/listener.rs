//! Handshakes: which ones begin, and how long they may take.

use std::sync::Arc;
use std::time::Duration;

use quinn_proto::{Incoming, VarInt};
use tokio::time::timeout;

use crate::capacity::{HalfOpen, Handshake};
use crate::connection;
use crate::quic::Endpoint;
use crate::relay::Relay;

/// How long a handshake may take: three round trips around the Earth, and a loss or two.
const PATIENCE: Duration = Duration::from_secs(5);

/// Takes packets and connections.
pub(crate) async fn listen(relay: Arc<Relay>, endpoint: Endpoint) {
    let admit = |incoming| admit(&relay, &endpoint, incoming);
    endpoint.receive(admit).await;
}

fn admit(relay: &Arc<Relay>, endpoint: &Endpoint, incoming: Incoming) {
    let figures = &relay.figures;
    let from = incoming.remote_address().ip();
    match relay
        .capacity
        .handshake(from, incoming.remote_address_validated())
    {
        Handshake::Accept(place) => {
            tokio::spawn(accept(relay.clone(), endpoint.clone(), incoming, place));
        }
        Handshake::Retry => {
            figures.handshakes_retried.one();
            endpoint.retry(incoming);
        }
        Handshake::Refuse => {
            figures.handshakes_refused.one();
            endpoint.refuse(incoming);
        }
        Handshake::Ignore => {
            figures.handshakes_ignored.one();
            endpoint.ignore(incoming);
        }
    }
}

async fn accept(relay: Arc<Relay>, endpoint: Endpoint, incoming: Incoming, place: HalfOpen) {
    let loaded = relay.loaded();
    let from = incoming.remote_address();
    let config = loaded.servers.of(loaded.nesting(from.ip()));
    let counted = relay.figures.half_open.guard();
    // What the relay says first goes along with its part of the handshake (RFC 9001 section 5.7), so that a client need not wait
    // another round trip for it. A server is always allowed to.
    let greeted = match endpoint.accept(incoming, config) {
        Some(connection) => {
            let done = async {
                let (_, greeted) = tokio::join!(
                    connection.connected(),
                    connection::greet(relay.clone(), connection.clone())
                );
                greeted.filter(|_| !connection.is_over())
            };
            let greeted = timeout(PATIENCE, done).await.ok().flatten();
            if greeted.is_none() {
                connection.close(VarInt::from_u32(0));
            }
            greeted
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
