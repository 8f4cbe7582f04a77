//! QUIC as a relay speaks it.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn_proto::crypto::rustls::QuicServerConfig;
use quinn_proto::{
    AckFrequencyConfig, IdleTimeout, MtuDiscoveryConfig, ServerConfig, TransportConfig,
    ValidationTokenConfig, VarInt,
};
use securecall_daemon::Failure;

use crate::quic::Endpoint;
use crate::tls::Identity;
use crate::voice_window::VoiceWindow;

/// Requests of one connection that may be open beside its flows, such as are about to be refused; and all of them at most. The engine
/// has room for all from the beginning.
const REFUSED_REQUESTS: u32 = 2;
const MOST_REQUESTS: u32 = 64;

/// Control stream, QPACK encoder and decoder (RFC 9114 section 6.2), and one that is reserved for nothing.
const MAX_UNI_STREAMS: u8 = 4;

/// What a client may send on one stream, and on all, before it is read. Capsules are a few bytes.
const STREAM_WINDOW: u32 = 8 * 1024;
const CONNECTION_WINDOW: u32 = 32 * 1024;

/// What waits in a connection at most. Half a second of voice: what is older helps nobody, and quinn drops the oldest.
const DATAGRAM_BUFFER: usize = 32 * 1024;

/// Clients that can (draft-ietf-quic-ack-frequency) acknowledge ten packets at a time, or after 100 ms: nothing waits for it, and each
/// acknowledgement is a packet that has to be opened.
const ACKED_AT_ONCE: VarInt = VarInt::from_u32(9);
const ACK_DELAY: Duration = Duration::from_millis(100);

/// Silence after which a connection is over. Clients send something at least every ten seconds.
const IDLE: VarInt = VarInt::from_u32(30_000);

/// How long a client may take to prove its address.
const RETRY_LIFETIME: Duration = Duration::from_secs(10);

/// Handshakes that wait to be looked at, and what they have sent meanwhile.
const MAX_INCOMING: usize = 1024;
const INCOMING_BUFFER: u64 = 8 * 1024;
const INCOMING_BUFFERS: u64 = 4 * 1024 * 1024;

/// What the kernel holds for us while we are busy.
const SOCKET_BUFFER: usize = 4 * 1024 * 1024;

/// What fits into a datagram of the connection before, which has packets of 1240 bytes or more: a header of 1 byte and a number of 4, a
/// tag of 16, a frame of DATAGRAM that quinn counts as 9, a quarter stream ID and a context ID. A peer's handshake of DTLS, in packets of
/// 1150 bytes, and the 21 that stand before one from IPv6, need eight of these beyond 1200. What the path has more is found by probes.
const INNER_MTU: u16 = 1208;

/// The same of packets of 1350 bytes, with which an entry of ours begins, and a client that gives its connection an ID of 8. Probes of
/// more would only be lost there.
const INNER_MOST: u16 = 1310;

/// How large packets to a client are at first. To a client itself: so large that another connection's first packets
/// (1200 bytes, RFC 9000 section 14) fit into a datagram. To a client behind an entry: hardly larger than QUIC allows, for they are such
/// packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nesting {
    Outer,
    Inner,
    /// Nobody can tell, because all of a lab is at one address. Discovery of the path's size soon makes it good enough for either.
    Unknown,
}

/// How connections are accepted, whether they come from a client or from within a tunnel.
#[derive(Clone, Debug)]
pub(crate) struct ServerConfigs {
    pub(crate) outer: Arc<ServerConfig>,
    inner: Arc<ServerConfig>,
    unknown: Arc<ServerConfig>,
}

impl ServerConfigs {
    pub(crate) fn new(identity: &Identity, flows_per_connection: u32) -> Result<Self, Failure> {
        let tls = identity
            .server_config()
            .and_then(|config| {
                QuicServerConfig::try_from(config)
                    .map_err(|error| rustls::Error::General(error.to_string()))
            })
            .map_err(|error| Failure::machine(format!("TLS: {error}")))?;
        let mut outer = ServerConfig::with_crypto(Arc::new(tls));
        // No token for the next connection: it would tell the relay that two calls are one person's.
        let mut tokens = ValidationTokenConfig::default();
        tokens.sent(0);
        outer
            .validation_token_config(tokens)
            .retry_token_lifetime(RETRY_LIFETIME)
            .max_incoming(MAX_INCOMING)
            .incoming_buffer_size(INCOMING_BUFFER)
            .incoming_buffer_size_total(INCOMING_BUFFERS)
            .transport_config(Arc::new(transport(Nesting::Outer, flows_per_connection)));
        let other = |nesting| {
            let mut other = outer.clone();
            other.transport_config(Arc::new(transport(nesting, flows_per_connection)));
            Arc::new(other)
        };
        Ok(Self {
            inner: other(Nesting::Inner),
            unknown: other(Nesting::Unknown),
            outer: Arc::new(outer),
        })
    }

    pub(crate) fn of(&self, nesting: Nesting) -> Arc<ServerConfig> {
        match nesting {
            Nesting::Outer => self.outer.clone(),
            Nesting::Inner => self.inner.clone(),
            Nesting::Unknown => self.unknown.clone(),
        }
    }
}

fn transport(nesting: Nesting, flows_per_connection: u32) -> TransportConfig {
    let mut transport = TransportConfig::default();
    let requests = flows_per_connection
        .saturating_add(REFUSED_REQUESTS)
        .min(MOST_REQUESTS);
    let mut acks = AckFrequencyConfig::default();
    acks.ack_eliciting_threshold(ACKED_AT_ONCE)
        .max_ack_delay(Some(ACK_DELAY));
    transport
        .ack_frequency_config(Some(acks))
        .max_concurrent_bidi_streams(requests.into())
        .max_concurrent_uni_streams(MAX_UNI_STREAMS.into())
        .stream_receive_window(STREAM_WINDOW.into())
        .receive_window(CONNECTION_WINDOW.into())
        .send_window(CONNECTION_WINDOW.into())
        .datagram_receive_buffer_size(Some(DATAGRAM_BUFFER))
        .datagram_send_buffer_size(DATAGRAM_BUFFER)
        .max_idle_timeout(Some(IdleTimeout::from(IDLE)))
        .crypto_buffer_size(16 * 1024)
        // Packets of a call come one at a time; room for many that leave at once would be kept by each connection.
        .enable_segmentation_offload(false)
        // The spin bit would show the round-trip time to whoever watches.
        .allow_spin(false)
        .congestion_controller_factory(Arc::new(VoiceWindow));
    match nesting {
        Nesting::Outer => {
            transport.initial_mtu(1350).min_mtu(1240);
        }
        Nesting::Unknown => {
            transport.initial_mtu(1240);
        }
        Nesting::Inner => {
            let mut discovery = MtuDiscoveryConfig::default();
            discovery.upper_bound(INNER_MOST);
            transport
                .initial_mtu(INNER_MTU)
                .mtu_discovery_config(Some(discovery));
        }
    }
    transport
}

/// A socket that others find, and QUIC on it.
pub(crate) fn listen(address: SocketAddr, configs: &ServerConfigs) -> io::Result<Endpoint> {
    Endpoint::new(bind(address)?, configs.outer.clone())
}

/// Binds without more; for `check` as well.
pub(crate) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::DGRAM, Some(socket2::Protocol::UDP))?;
    if address.is_ipv6() {
        // `0.0.0.0` is bound beside `::`.
        socket.set_only_v6(true)?;
    }
    // As much as the system allows: less is no failure.
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}
