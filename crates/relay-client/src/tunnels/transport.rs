//! How QUIC is spoken with relays.

use std::sync::Arc;
use std::time::Duration;

use quinn::{
    ConnectionId, ConnectionIdGenerator, EndpointConfig, IdleTimeout, TransportConfig, VarInt,
};
use securecall_relay::HopRole;

use super::constant_window::ConstantWindow;

/// What a datagram of the outer connection must have room for: an Initial of the inner one (RFC 9000 section 14.1), a quarter stream
/// ID and a context ID.
pub(super) const NEEDED_WIDTH: usize = 1200 + 2;

/// When nothing else is acknowledged, so often is something sent that will be: what [`liveness`](super::liveness) hears.
const KEEP_ALIVE: Duration = Duration::from_millis(500);
/// A connection outlives a while without any network (it is then moved to the next one). That a relay is dead is found much sooner,
/// by [`liveness`](super::liveness).
const IDLE: VarInt = VarInt::from_u32(30_000);

/// What a call has under way, at most, on a path of two seconds' round trip.
const INNER_WINDOW: u64 = 32 * 1024;
/// Two tunnels at a time, with what the outer connection adds.
const OUTER_WINDOW: u64 = 96 * 1024;
/// What waits to be sent. Nothing does, unless the path is dead: what is constant finds room in the window.
const SEND_BUFFER: usize = 16 * 1024;
/// What came and waits to be read. The oldest goes first.
const RECEIVE_BUFFER: usize = 64 * 1024;

/// Room for streams: answers and capsules are small, and whoever sends more than that at once has to wait for us.
const STREAM_WINDOW: VarInt = VarInt::from_u32(16 * 1024);
const STREAMS_WINDOW: VarInt = VarInt::from_u32(32 * 1024);
/// Control stream, both of QPACK (RFC 9114 section 6.2, RFC 9204 section 4.2), and what a peer opens to keep us tolerant.
const UNI_STREAMS: VarInt = VarInt::from_u32(8);

/// For the connection to a relay.
///
/// Its MTU begins at the 1200 bytes that every path has: a first packet that is too large would cost a second where the path is narrow,
/// and leave open why. What the path has more is found by a probe that travels together with the first request (RFC 8899), and nothing
/// is lost while it waits for the answer. Should the path become narrower later, frames of a call, which are small, still pass.
pub(super) fn transport_config(hop: HopRole) -> Arc<TransportConfig> {
    let mut config = TransportConfig::default();
    let window = match hop {
        HopRole::Entry => OUTER_WINDOW,
        HopRole::Exit => INNER_WINDOW,
    };
    config
        .congestion_controller_factory(Arc::new(ConstantWindow(window)))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_idle_timeout(Some(IdleTimeout::from(IDLE)))
        .datagram_send_buffer_size(SEND_BUFFER)
        .datagram_receive_buffer_size(Some(RECEIVE_BUFFER))
        .stream_receive_window(STREAM_WINDOW)
        .receive_window(STREAMS_WINDOW)
        // A relay opens no requests.
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(UNI_STREAMS)
        // It tells everybody on the way how far it is to the relay.
        .allow_spin(false)
        .enable_segmentation_offload(false);
    Arc::new(config)
}

/// For the one connection of an endpoint: it needs no ID to tell packets apart by, which saves eight bytes a packet.
pub(super) fn endpoint_config() -> EndpointConfig {
    let mut config = EndpointConfig::default();
    config.cid_generator(|| Box::new(NoConnectionId));
    config
}

struct NoConnectionId;

impl ConnectionIdGenerator for NoConnectionId {
    fn generate_cid(&mut self) -> ConnectionId {
        ConnectionId::new(&[])
    }

    fn cid_len(&self) -> usize {
        0
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}
