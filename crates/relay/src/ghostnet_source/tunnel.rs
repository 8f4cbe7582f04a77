//! One tunnel, as a source sees it.

use std::net::SocketAddr;
use std::time::Duration;

use web_time::Instant;

use crate::masque::BoundClient;
use crate::reach::{is_of_a_host, is_public};
use crate::{Datagram, TunnelFailureKind, TunnelId, TunnelPath};

/// How long a tunnel may take before another one is ordered beside it: four round trips, to another continent.
const SLOW_AFTER: Duration = Duration::from_millis(1500);
/// How long it may take at all.
const HOPELESS_AFTER: Duration = Duration::from_secs(10);
/// How long an exit has for an answer before another one is looked for.
const ANSWER_TIME: Duration = Duration::from_secs(1);
/// How long packets of anybody are let in again where a path is looked for while there is one. A call has as long for a new path.
const LOOKING_FOR_PATH: Duration = Duration::from_secs(30);

/// A tunnel that was ordered.
pub(super) struct Tunnel {
    pub(super) id: TunnelId,
    pub(super) entry: SocketAddr,
    exit: SocketAddr,
    state: State,
}

enum State {
    /// It is being made since then.
    Opening {
        since: Instant,
        /// Another one is ordered then, if none was yet.
        slow_at: Option<Instant>,
    },
    Open(Box<Flow>),
}

/// A tunnel that is there.
struct Flow {
    /// Since when its exit is there and answers.
    held_since: Instant,
    client: BoundClient,
    public: Vec<SocketAddr>,
    /// Until when the exit has to answer what it was asked.
    answer_by: Option<Instant>,
    /// It did not: something is looked for in its place, but it may still answer.
    is_doubted: bool,
    /// With whom the call is.
    peer: Option<SocketAddr>,
    /// Until when anybody is let in although there is a path.
    looking_until: Option<Instant>,
}

impl Tunnel {
    pub(super) fn new(now: Instant, id: TunnelId, path: &TunnelPath) -> Self {
        Self {
            id,
            entry: path.entry.address,
            exit: path.exit.address,
            state: State::Opening {
                since: now,
                slow_at: Some(now + SLOW_AFTER),
            },
        }
    }

    /// The exit has bound these. `false` if that cannot be.
    pub(super) fn open(&mut self, now: Instant, public: &[SocketAddr]) -> bool {
        let is_one_of_each = match public {
            [_] => true,
            [first, second] => first.is_ipv4() != second.is_ipv4(),
            _ => false,
        };
        // What is told to the peer, which sends there: an exit must not point it at its own network, unless the exit is there.
        let can_be = |address: &SocketAddr| {
            let is_mapped = address.ip().to_canonical() != address.ip();
            let admitted = is_public(*address) || !is_public(self.exit);
            is_of_a_host(*address) && admitted && !is_mapped
        };
        if !self.is_opening() || !is_one_of_each || !public.iter().all(can_be) {
            return false;
        }
        let mut client = BoundClient::new(public);
        client.open();
        self.state = State::Open(Box::new(Flow {
            held_since: now,
            client,
            public: public.to_vec(),
            answer_by: Some(now + ANSWER_TIME),
            is_doubted: false,
            peer: None,
            looking_until: None,
        }));
        true
    }

    /// A datagram that came. `None` if it is of no use; an error if the exit must not send such.
    pub(super) fn handle_datagram(
        &mut self,
        bytes: &[u8],
    ) -> Result<Option<Datagram>, TunnelFailureKind> {
        // Before it is open, nothing can come.
        let Some(flow) = self.flow() else {
            return Ok(None);
        };
        match flow.client.handle_datagram(bytes) {
            Ok((peer, payload)) => Ok(flow.own(peer).map(|own| Datagram {
                source: peer,
                destination: own,
                contents: payload.to_vec(),
            })),
            Err(refusal) if refusal.ends_flow() => Err(TunnelFailureKind::Protocol),
            Err(_) => Ok(None),
        }
    }

    /// Capsules that came. An error if the exit must not say such things, or has ended the flow by them.
    pub(super) fn handle_capsules(&mut self, bytes: &[u8]) -> Result<(), TunnelFailureKind> {
        let Some(flow) = self.flow_mut() else {
            return Err(TunnelFailureKind::Protocol);
        };
        let result = flow.client.handle_capsules(bytes);
        result.map_err(|_| TunnelFailureKind::Protocol)?;
        if flow.client.is_of_use() {
            Ok(())
        } else {
            Err(TunnelFailureKind::Ended)
        }
    }

    /// A packet of ours, as it leaves.
    pub(super) fn datagram(&self, peer: SocketAddr, payload: &[u8]) -> Option<Vec<u8>> {
        self.flow()?.client.datagram(peer, payload).ok()
    }

    /// A path is looked for: whoever the exit lets through gets to us.
    pub(super) fn look_for_path(&mut self, now: Instant) {
        if let Some(flow) = self.flow_mut() {
            flow.client.open();
            flow.looking_until = flow.peer.map(|_| now + LOOKING_FOR_PATH);
        }
    }

    /// The call is with this peer: nobody else gets to us.
    pub(super) fn prefer(&mut self, peer: SocketAddr) {
        if let Some(flow) = self.flow_mut() {
            flow.peer = Some(peer);
            flow.looking_until = None;
            flow.client.prefer(peer);
        }
    }

    /// Has the exit answer.
    pub(super) fn check(&mut self, now: Instant) {
        if let Some(flow) = self.flow_mut() {
            flow.client.probe();
            flow.answer_by.get_or_insert(now + ANSWER_TIME);
        }
    }

    /// Does what is due. Whether the exit has not answered in time.
    pub(super) fn settle(&mut self, now: Instant) -> bool {
        let Some(flow) = self.flow_mut() else {
            return false;
        };
        if flow.looking_until.is_some_and(|until| until <= now) {
            flow.looking_until = None;
            if let Some(peer) = flow.peer {
                flow.client.prefer(peer);
            }
        }
        if flow.client.is_answered() {
            flow.answer_by = None;
            if std::mem::take(&mut flow.is_doubted) {
                // The time before has had its fresh start when it was doubted: an exit that is silent now and then gives no other.
                flow.held_since = now;
            }
        } else if flow.answer_by.is_none() && !flow.is_doubted {
            // It was asked something else meanwhile.
            flow.answer_by = Some(now + ANSWER_TIME);
        } else if flow.answer_by.is_some_and(|by| by <= now) {
            flow.answer_by = None;
            flow.is_doubted = true;
            return true;
        }
        false
    }

    /// What is to be written to the request's stream.
    pub(super) fn poll_capsules(&mut self) -> Option<Vec<u8>> {
        self.flow_mut()?.client.poll_capsules()
    }

    /// What the exit has bound for us.
    pub(super) fn public(&self) -> &[SocketAddr] {
        self.flow().map_or(&[], |flow| &flow.public)
    }

    /// Whether it is there, and its exit answers.
    pub(super) fn is_held(&self) -> bool {
        self.flow().is_some_and(|flow| !flow.is_doubted)
    }

    pub(super) fn is_opening(&self) -> bool {
        matches!(self.state, State::Opening { .. })
    }

    /// Whether it is time to order another one beside it.
    pub(super) fn is_slow(&self, now: Instant) -> bool {
        matches!(self.state, State::Opening { slow_at: Some(at), .. } if at <= now)
    }

    /// Another one was ordered beside it, or cannot be.
    pub(super) fn forget_slowness(&mut self) {
        if let State::Opening { slow_at, .. } = &mut self.state {
            *slow_at = None;
        }
    }

    /// Whether it is not worth waiting for any longer.
    pub(super) fn is_hopeless(&self, now: Instant) -> bool {
        matches!(self.state, State::Opening { since, .. } if since + HOPELESS_AFTER <= now)
    }

    /// How long its exit has answered without a break.
    pub(super) fn held_for(&self, now: Instant) -> Duration {
        let held = self.flow().filter(|flow| !flow.is_doubted);
        held.map_or(Duration::ZERO, |flow| {
            now.saturating_duration_since(flow.held_since)
        })
    }

    /// When [`settle`](Self::settle) has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Opening { since, slow_at } => Some(slow_at.unwrap_or(*since + HOPELESS_AFTER)),
            State::Open(flow) => flow.answer_by.into_iter().chain(flow.looking_until).min(),
        }
    }

    fn flow(&self) -> Option<&Flow> {
        match &self.state {
            State::Opening { .. } => None,
            State::Open(flow) => Some(flow),
        }
    }

    fn flow_mut(&mut self) -> Option<&mut Flow> {
        match &mut self.state {
            State::Opening { .. } => None,
            State::Open(flow) => Some(flow),
        }
    }
}

impl Flow {
    /// Our address of the peer's family.
    fn own(&self, peer: SocketAddr) -> Option<SocketAddr> {
        let mut public = self.public.iter();
        public.find(|own| own.is_ipv4() == peer.is_ipv4()).copied()
    }
}
