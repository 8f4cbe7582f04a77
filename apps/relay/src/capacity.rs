//! How many of what there may be at a time, so that the relay's memory has a bound.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::Limits;
use crate::networks::ClientNetwork;

/// Places, taken and given back.
#[derive(Debug)]
pub(crate) struct Capacity {
    limits: Limits,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    flows: usize,
    connections: usize,
    half_open: usize,
    half_open_of: HashMap<ClientNetwork, usize>,
    /// Connections that have had no flow yet.
    unpaid_of: HashMap<ClientNetwork, usize>,
}

impl std::fmt::Debug for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Networks are addresses.
        f.debug_struct("Taken")
            .field("flows", &self.flows)
            .field("connections", &self.connections)
            .field("half_open", &self.half_open)
            .finish_non_exhaustive()
    }
}

/// What to do with a handshake that begins.
#[derive(Debug)]
pub(crate) enum Handshake {
    /// Go on with it.
    Accept(HalfOpen),
    /// Have the client prove its address first (RFC 9000 section 8.1.2): that keeps nothing here.
    Retry,
    /// Say that there is no room.
    Refuse,
    /// Say nothing: its network has taken its share, or whoever it is only claims to be there.
    Ignore,
}

/// A place of a handshake.
#[derive(Debug)]
pub(crate) struct HalfOpen {
    capacity: Arc<Capacity>,
    network: ClientNetwork,
}

impl std::fmt::Debug for ClientNetwork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientNetwork(_)")
    }
}

/// A place of a connection.
#[derive(Debug)]
pub(crate) struct ConnectionPlace {
    capacity: Arc<Capacity>,
    network: ClientNetwork,
    is_unpaid: AtomicBool,
}

/// A place of a flow.
#[derive(Debug)]
pub(crate) struct FlowPlace(Arc<Capacity>);

impl Capacity {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            taken: Mutex::default(),
        })
    }

    /// A handshake begins. One network gets a quarter of all places at most, so that no other is locked out; and of those of connections
    /// a quarter for such as have shown nothing yet. All that comes through an entry is of one network here, and what has paid does not
    /// count.
    pub(crate) fn handshake(self: &Arc<Self>, from: IpAddr, is_validated: bool) -> Handshake {
        let network = ClientNetwork::from(from);
        let mut taken = self.taken();
        if !is_validated && taken.half_open >= self.limits.retry_above {
            return Handshake::Retry;
        }
        if taken.half_open + taken.connections >= self.limits.connections {
            return Handshake::Refuse;
        }
        let of_network = taken.half_open_of.get(&network).copied().unwrap_or(0);
        let unpaid = taken.unpaid_of.get(&network).copied().unwrap_or(0);
        let share = (self.limits.half_open / 4).max(1);
        let unpaid_share = (self.limits.connections / 4).max(1);
        if taken.half_open >= self.limits.half_open || of_network >= share || unpaid >= unpaid_share
        {
            return Handshake::Ignore;
        }
        taken.half_open += 1;
        *taken.half_open_of.entry(network).or_default() += 1;
        Handshake::Accept(HalfOpen {
            capacity: self.clone(),
            network,
        })
    }

    /// A flow begins.
    pub(crate) fn flow(self: &Arc<Self>) -> Option<FlowPlace> {
        let mut taken = self.taken();
        if taken.flows >= self.limits.flows {
            return None;
        }
        taken.flows += 1;
        Some(FlowPlace(self.clone()))
    }

    pub(crate) fn flows(&self) -> usize {
        self.taken().flows
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HalfOpen {
    /// The handshake has succeeded.
    pub(crate) fn connected(self) -> ConnectionPlace {
        let mut taken = self.capacity.taken();
        taken.connections += 1;
        *taken.unpaid_of.entry(self.network).or_default() += 1;
        drop(taken);
        ConnectionPlace {
            capacity: self.capacity.clone(),
            network: self.network,
            is_unpaid: AtomicBool::new(true),
        }
    }
}

impl Drop for HalfOpen {
    fn drop(&mut self) {
        let mut taken = self.capacity.taken();
        taken.half_open -= 1;
        one_less(&mut taken.half_open_of, self.network);
    }
}

impl ConnectionPlace {
    /// It has a flow, or had one.
    pub(crate) fn has_paid(&self) {
        if self.is_unpaid.swap(false, Ordering::Relaxed) {
            one_less(&mut self.capacity.taken().unpaid_of, self.network);
        }
    }
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        self.has_paid();
        self.capacity.taken().connections -= 1;
    }
}

/// Nothing is kept of a network that has no place.
fn one_less(counts: &mut HashMap<ClientNetwork, usize>, network: ClientNetwork) {
    let last = match counts.get_mut(&network) {
        Some(count) => {
            *count -= 1;
            *count == 0
        }
        None => false,
    };
    if last {
        counts.remove(&network);
    }
}

impl Drop for FlowPlace {
    fn drop(&mut self) {
        self.0.taken().flows -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capacity() -> Arc<Capacity> {
        let mut limits = crate::config::default_limits();
        limits.half_open = 8;
        limits.retry_above = 4;
        limits.connections = 10;
        limits.flows = 3;
        Capacity::new(limits)
    }

    fn from(network: u8) -> IpAddr {
        [192, 0, network, 1].into()
    }

    fn accepted(handshake: Handshake) -> HalfOpen {
        match handshake {
            Handshake::Accept(place) => place,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_network_has_a_quarter_of_the_handshakes_and_others_have_the_rest() {
        let capacity = capacity();
        let mut places = vec![];
        for _ in 0..2 {
            places.push(accepted(capacity.handshake(from(1), true)));
        }
        assert!(matches!(
            capacity.handshake(from(1), true),
            Handshake::Ignore
        ));
        places.push(accepted(capacity.handshake(from(2), true)));
        places.remove(0);
        places.push(accepted(capacity.handshake(from(1), true)));
    }

    #[test]
    fn under_load_an_address_is_to_be_proven_first_and_all_have_a_bound() {
        let capacity = capacity();
        let mut places = vec![];
        for network in 0..4 {
            places.push(accepted(capacity.handshake(from(network), false)));
        }
        assert!(matches!(
            capacity.handshake(from(9), false),
            Handshake::Retry
        ));
        for network in 4..8 {
            places.push(accepted(capacity.handshake(from(network), true)));
        }
        assert!(matches!(
            capacity.handshake(from(9), true),
            Handshake::Ignore
        ));
    }

    #[test]
    fn a_network_that_pays_nothing_has_a_quarter_of_the_connections() {
        let capacity = capacity();
        let connect = |network| accepted(capacity.handshake(from(network), true)).connected();
        let (first, second) = (connect(1), connect(1));
        assert!(matches!(
            capacity.handshake(from(1), true),
            Handshake::Ignore
        ));
        drop(connect(2));
        // As many as there are for those that pay.
        first.has_paid();
        first.has_paid();
        let third = connect(1);
        assert!(matches!(
            capacity.handshake(from(1), true),
            Handshake::Ignore
        ));
        drop((first, second, third));
        assert!(capacity.taken().unpaid_of.is_empty());
        assert_eq!(capacity.taken().connections, 0);
    }

    #[test]
    fn connections_and_flows_have_a_bound_and_give_their_places_back() {
        let capacity = capacity();
        let mut connections = vec![];
        for network in 0..10 {
            connections.push(accepted(capacity.handshake(from(network), true)).connected());
        }
        assert!(matches!(
            capacity.handshake(from(99), true),
            Handshake::Refuse
        ));
        connections.clear();
        accepted(capacity.handshake(from(99), true));
        assert!(capacity.taken().half_open_of.is_empty());
        let flows: Vec<_> = (0..3).map(|_| capacity.flow().unwrap()).collect();
        assert!(capacity.flow().is_none());
        drop(flows);
        assert_eq!(capacity.flows(), 0);
    }
}
