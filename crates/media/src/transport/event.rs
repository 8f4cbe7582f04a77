//! What a transport gives out.

use std::{net::SocketAddr, time::Duration};

use web_time::Instant;

use crate::rtp_voice::{PeerReport, ReceivedPacket};

/// The next thing to do. Poll until [`TransportOutput::Timeout`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportOutput {
    /// Send this datagram.
    Transmit(Datagram),
    /// Something happened.
    Event(TransportEvent),
    /// Nothing more to do now: call `handle_timeout` at this time, if there is one.
    Timeout(Option<Instant>),
}

/// A UDP datagram that the transport wants sent: STUN, DTLS, SRTP or SRTCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// The socket to send it from.
    pub source: SocketAddr,
    /// The address of the peer's candidate that it is for.
    pub destination: SocketAddr,
    /// The payload of the datagram, as it goes out.
    pub contents: Vec<u8>,
}

/// What the transport tells its user, in the order in which it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportEvent {
    /// ICE and DTLS are up, and the peer's certificate is the one of its SDP. Comes once.
    PathUp {
        /// What kind of path the nominated pair is.
        kind: PathKind,
        /// The addresses of that pair, as far as they are known.
        pair: Option<SelectedPair>,
    },
    /// The nominated pair is another one now.
    PathChanged {
        /// What kind of path it is.
        kind: PathKind,
        /// The nominated pair.
        pair: SelectedPair,
    },
    /// The path led from an address of ours that is gone, or is known to be dead, and no other is known to work. The next one
    /// that does is taken.
    PathLost,
    /// The peer is silent for longer than it should be: all pairs are tried at once, and it is time to find out whether our
    /// addresses are still what they were.
    PathSilent,
    /// No candidate pair works any more, or none ever did.
    PathDown,
    /// The data channel can send.
    ChannelOpen,
    /// A sealed frame of the peer.
    Frame(ReceivedFrame),
    /// An audio packet of the peer, in [`Profile::Matrix`](super::Profile::Matrix).
    Packet(ReceivedPacket),
    /// How our packets come, by the peer's word, in the same profile.
    PeerReport(PeerReport),
    /// How long a connectivity check on the path in use and the answer to it took, in the same profile; about one a second.
    RoundTrip(Duration),
    /// A control message of the peer.
    Control(Vec<u8>),
    /// A packet of the peer was authenticated by SRTP or DTLS; at most one event in 250 ms.
    AuthenticatedPacket,
    /// The peer closed its transport.
    Closed,
}

/// What kind of path the nominated pair is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PathKind {
    /// From one device to the other.
    Direct,
    /// Through a relay of ours, of the peer's, or both.
    Relay,
}

/// The addresses of the candidate pair that carries the call: the nominated one, or one that works where that does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SelectedPair {
    /// The socket of ours that it leaves from, or our address at a relay.
    pub local: SocketAddr,
    /// Where the peer is reached.
    pub remote: SocketAddr,
}

/// A sealed frame as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedFrame {
    /// The extended RTP sequence number.
    pub sequence: u64,
    /// The extended RTP time, in samples at 48 kHz.
    pub media_time: u64,
    /// The sealed frame.
    pub payload: Vec<u8>,
}

/// What a transport has measured of its path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransportStats {
    /// Round trip of the last connectivity check on the nominated pair.
    pub rtt: Option<Duration>,
}
