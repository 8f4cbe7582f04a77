//! What a tunnel tells its call.

use std::net::SocketAddr;

use securecall_relay::{TunnelEvent, TunnelFailure, TunnelId};

/// What happened to a tunnel.
#[derive(Debug, PartialEq, Eq)]
pub struct TunnelNews {
    /// Which.
    pub tunnel: TunnelId,
    pub(super) event: News,
}

/// [`TunnelEvent`], with contents of its own.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    Opened { public: Vec<SocketAddr> },
    Datagram(Vec<u8>),
    Capsules(Vec<u8>),
    Closed(TunnelFailure),
}

impl TunnelNews {
    /// What happened, as a source is told.
    pub fn event(&self) -> TunnelEvent<'_> {
        match &self.event {
            News::Opened { public } => TunnelEvent::Opened { public },
            News::Datagram(datagram) => TunnelEvent::Datagram(datagram),
            News::Capsules(bytes) => TunnelEvent::Capsules(bytes),
            News::Closed(failure) => TunnelEvent::Closed(*failure),
        }
    }

    pub(super) fn is_datagram(&self) -> bool {
        matches!(self.event, News::Datagram(_))
    }

    pub(super) fn is_capsules(&self) -> bool {
        matches!(self.event, News::Capsules(_))
    }
}
