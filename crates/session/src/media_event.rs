//! What the media engine of a call tells the endpoint.

use std::fmt;

/// The kind of network path that carries the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PathRoute {
    /// From one device to the other, without a relay.
    Direct,
    /// Through a relay.
    Relay,
    /// Through two relays of GhostNet.
    GhostNet,
}

impl PathRoute {
    /// The word for it in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Relay => "relay",
            Self::GhostNet => "ghostnet",
        }
    }
}

/// Why the media engine gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaFailure {
    /// The peer's DTLS certificate is not the one of its sealed SDP.
    FingerprintMismatch,
    /// The peer's SDP cannot be used.
    UnusableSdp,
    /// The network let too little through for a path to come up.
    NoPath,
    /// Audio device, codec or socket of this machine.
    Local,
}

/// What happened in the media engine of a call.
#[derive(Clone, PartialEq, Eq)]
pub enum MediaEvent {
    /// Our offer, without candidates.
    LocalOffer {
        /// Has our one fingerprint.
        sdp: String,
    },
    /// Our answer, without candidates.
    LocalAnswer {
        /// Has our one fingerprint.
        sdp: String,
    },
    /// Our candidates, all that were found since the last such event: the first time those that are there at once, or none.
    LocalCandidates {
        /// Each as in an `a=` line without the `a=`.
        candidates: Vec<String>,
        /// No more will come.
        complete: bool,
    },
    /// ICE and DTLS are up, for the first time.
    PathUp {
        /// What `Connected` tells.
        route: PathRoute,
    },
    /// The path of the call is another one, or of the same kind by another way.
    RouteChanged {
        /// Of what kind it is now.
        route: PathRoute,
    },
    /// The path of the call is known to be dead, because an address of ours is gone for instance, and no other is known to work.
    /// Told again when there are new addresses and still no path: then another restart is worth a try.
    PathLost,
    /// The peer is silent for longer than it should be, and whether the path works is being found out: addresses that are found
    /// meanwhile are told over Matrix as well.
    PathSilent,
    /// The first frame of the peer opened.
    FirstFrameOpened,
    /// A packet of the peer was authenticated (a frame, or anything on the data channel); at most one event in 250 ms.
    AuthenticatedPacket,
    /// The first sample of the peer was played.
    FirstAudioPlayed,
    /// By its newest authentic frame, the peer is muted, or is not any more.
    PeerMuted(bool),
    /// The data channel can send.
    DataChannelOpen,
    /// The transport was closed by the peer. A dead path, never a hang-up.
    DataChannelClosed,
    /// Our offer that restarts ICE, candidates included.
    RestartOffer {
        /// Has the fingerprint of our first description.
        sdp: String,
    },
    /// Our answer to the peer's restart offer, candidates included.
    RestartAnswer {
        /// Has the fingerprint of our first description.
        sdp: String,
    },
    /// The media engine gave up.
    Failed {
        /// The call ends because of it.
        reason: MediaFailure,
    },
}

impl fmt::Debug for MediaEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LocalOffer { sdp: _ } => f.write_str("LocalOffer"),
            Self::LocalAnswer { sdp: _ } => f.write_str("LocalAnswer"),
            Self::LocalCandidates {
                candidates,
                complete,
            } => {
                write!(
                    f,
                    "LocalCandidates({}, complete: {complete})",
                    candidates.len()
                )
            }
            Self::PathUp { route } => write!(f, "PathUp({})", route.as_str()),
            Self::RouteChanged { route } => write!(f, "RouteChanged({})", route.as_str()),
            Self::PathLost => f.write_str("PathLost"),
            Self::PathSilent => f.write_str("PathSilent"),
            Self::FirstFrameOpened => f.write_str("FirstFrameOpened"),
            Self::AuthenticatedPacket => f.write_str("AuthenticatedPacket"),
            Self::FirstAudioPlayed => f.write_str("FirstAudioPlayed"),
            Self::PeerMuted(muted) => write!(f, "PeerMuted({muted})"),
            Self::DataChannelOpen => f.write_str("DataChannelOpen"),
            Self::DataChannelClosed => f.write_str("DataChannelClosed"),
            Self::RestartOffer { sdp: _ } => f.write_str("RestartOffer"),
            Self::RestartAnswer { sdp: _ } => f.write_str("RestartAnswer"),
            Self::Failed { reason } => write!(f, "Failed({reason:?})"),
        }
    }
}
