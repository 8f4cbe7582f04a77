//! Whoever listens on the way to a server reads our user name there, unless the link is TLS.
//!
//! Homeservers write the Matrix ID into it. Where the other side is to learn nothing of us, networks need not either:
//! servers that are reached by TLS are asked first, and the others only if none of these gives an address. That costs
//! a call something: all it sends goes through a stream. So servers whose user name says nothing of us race as always.

use std::net::SocketAddr;
use std::time::Duration;

use web_time::Instant;

use super::{ServerLink, TurnServer};

/// How long servers that are reached by TLS have for an address before others are asked to whom a user name goes that may say who
/// we are: some six round trips, to another continent.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same where the Matrix ID stands in the user name: as long as TLS is tried at all, so that whoever wants to read it has to
/// have the call fail for so long. A call waits 30 s for its path.
const PATIENCE_WITH_MATRIX_ID: Duration = Duration::from_secs(10);

/// Which servers are asked, and which are held back.
#[derive(Debug, Default)]
pub(super) struct Discretion {
    is_on: bool,
    held_back: Option<HeldBack>,
}

/// Until when servers are held back, and from which sockets they are asked then.
#[derive(Debug)]
struct HeldBack {
    until: Instant,
    sockets: Vec<SocketAddr>,
}

impl Discretion {
    /// From now on servers are held back.
    pub(super) fn begin(&mut self) {
        self.is_on = true;
    }

    /// Whether a server is one of those that are held back.
    pub(super) fn holds_back(server: &TurnServer) -> bool {
        let is_plain = !matches!(server.link, ServerLink::Tls(_));
        is_plain && server.credentials.name_user()
    }

    /// Those who are asked now.
    pub(super) fn admitted(
        &mut self,
        now: Instant,
        mut servers: Vec<TurnServer>,
        sockets: &[SocketAddr],
    ) -> Vec<TurnServer> {
        let has_others = !servers.iter().all(Self::holds_back);
        if !self.is_on || !has_others {
            return servers;
        }
        let held_back = servers.extract_if(.., |server| Self::holds_back(server));
        if let Some(patience) = held_back.map(|server| patience(&server)).max() {
            let mut sockets = sockets.to_vec();
            let before = self.held_back.take();
            sockets.extend(before.into_iter().flat_map(|before| before.sockets));
            let until = now + patience;
            self.held_back = Some(HeldBack { until, sockets });
        }
        servers
    }

    /// Until when somebody is held back.
    pub(super) fn until(&self) -> Option<Instant> {
        self.held_back.as_ref().map(|held_back| held_back.until)
    }

    /// The sockets from which those who were held back are asked now, because it is time, or because nobody else is being
    /// asked any more.
    pub(super) fn take_due(&mut self, now: Instant, nobody_else: bool) -> Option<Vec<SocketAddr>> {
        let held_back = self
            .held_back
            .take_if(|held_back| nobody_else || held_back.until <= now)?;
        Some(held_back.sockets)
    }

    /// Nobody needs to be asked any more.
    pub(super) fn forget(&mut self) {
        self.held_back = None;
    }
}

fn patience(server: &TurnServer) -> Duration {
    match server.credentials.hold_matrix_id() {
        true => PATIENCE_WITH_MATRIX_ID,
        false => PATIENCE,
    }
}
