//! Sends HTTP datagrams of a flow.

use quinn::{Connection, VarInt};
use securecall_relay::masque::varint;

/// Sends HTTP datagrams of a flow (RFC 9297 section 2.1).
///
/// By quinn itself: h3-datagram 0.0.2 writes zero for the quarter stream ID of every flow, so that with it only the first request of
/// a connection has datagrams.
#[derive(Clone, Debug)]
pub(super) struct FlowSender {
    quic: Connection,
    quarter_stream_id: varint::Encoded,
}

impl FlowSender {
    /// For the flow of a request's stream.
    pub(super) fn new(quic: Connection, stream: VarInt) -> Self {
        Self {
            quic,
            quarter_stream_id: varint::encode(stream.into_inner() / 4),
        }
    }

    /// Sends a datagram, in two parts. It never waits: where there is no room, the oldest of those that wait is lost, and this one
    /// if it is too large.
    pub(super) fn send(&self, context: &[u8], payload: &[u8]) {
        let datagram = [self.quarter_stream_id.as_ref(), context, payload].concat();
        // A connection that is lost says so elsewhere.
        let _ = self.quic.send_datagram(datagram.into());
    }
}
