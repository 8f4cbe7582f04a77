//! Two transports joined by a pipe with a delay, on virtual time.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::OnceLock,
    time::Duration,
};

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use securecall_media::{
    Datagram, LocalCandidate, PathKind, Profile, Reach, ReceivedFrame, SelectedPair, StreamId,
    Transport, TransportError, TransportEvent, TransportOutput,
};
use web_time::Instant;

/// A frame of the size that sealed voice has.
pub(crate) const FRAME: [u8; 101] = [7; 101];
/// Longer than any test waits.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Caller,
    Callee,
}

/// One moment for all tests: virtual time begins here.
#[expect(
    clippy::disallowed_methods,
    reason = "an Instant cannot be made otherwise; only differences matter"
)]
pub(crate) fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

/// Which packets are lost: a fate of its own for each direction, and within one for checks and for the rest, so that the
/// engine's own randomness, which moves the one against the other, changes nobody's.
struct Loss {
    fates: BTreeMap<(Side, bool), ChaCha8Rng>,
    one_in: u64,
}

impl Loss {
    fn new(seed: u64, one_in: u64) -> Self {
        let kinds = [Side::Caller, Side::Callee]
            .into_iter()
            .flat_map(|side| [(side, false), (side, true)]);
        let fates = kinds
            .zip(4 * seed..)
            .map(|(kind, seed)| (kind, ChaCha8Rng::seed_from_u64(seed)));
        Self {
            fates: fates.collect(),
            one_in,
        }
    }

    fn takes(&mut self, from: Side, contents: &[u8]) -> bool {
        let rng = self.fates.get_mut(&(from, is_check(contents)));
        rng.is_some_and(|rng| rng.next_u64().is_multiple_of(self.one_in))
    }
}

/// Whether it is a connectivity check or the answer to one (RFC 7983).
fn is_check(contents: &[u8]) -> bool {
    contents.first().is_some_and(|byte| *byte < 4)
}

/// Whether it begins with a record of DTLS 1.3 that is not encrypted, or is under the keys of the handshake (epoch 2).
fn is_of_handshake(contents: &[u8]) -> bool {
    contents
        .first()
        .is_some_and(|byte| matches!(byte, 20..=26) || (byte & 0b1110_0011) == 0b0010_0010)
}

/// A datagram of the DTLS handshake that a side has sent.
#[derive(Clone, Debug)]
pub(crate) struct OfHandshake {
    pub(crate) at: Instant,
    pub(crate) from: Side,
    pub(crate) contents: Vec<u8>,
}

/// How many datagrams went where, and how many bytes with their headers.
pub(crate) type Sent = BTreeMap<SocketAddr, (usize, usize)>;

pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) delay: Duration,
    pub(crate) cut: bool,
    pub(crate) caller: Transport,
    pub(crate) callee: Transport,
    pub(crate) wakeups: usize,
    /// Of whose DTLS handshake nothing arrives.
    pub(crate) unheard: Option<Side>,
    /// Of whose DTLS handshake this byte of each datagram is another.
    pub(crate) breaks: Option<(Side, usize)>,
    pub(crate) handshake: Vec<OfHandshake>,
    addresses: BTreeMap<Side, Vec<SocketAddr>>,
    events: BTreeMap<Side, Vec<TransportEvent>>,
    errors: BTreeMap<Side, TransportError>,
    sent: BTreeMap<Side, usize>,
    destinations: BTreeMap<Side, BTreeSet<SocketAddr>>,
    /// Of whom it is counted what goes where, and that.
    watched: Option<(Side, Sent)>,
    deadlines: BTreeMap<Side, Option<Instant>>,
    in_flight: Vec<(Instant, Datagram)>,
    loss: Option<Loss>,
    /// Where a NAT has a side's packets come from, in place of its own address.
    mapped: BTreeMap<Side, SocketAddr>,
    /// Sides behind something that lets nothing in from where they have not sent to, and where they have.
    shields: BTreeMap<Side, BTreeSet<SocketAddr>>,
}

impl Pair {
    pub(crate) fn new() -> Self {
        Self::of(|_| Profile::SecureCall)
    }

    /// Two of the profile `Matrix`.
    pub(crate) fn of_browsers() -> Self {
        Self::of(|side| Profile::Matrix {
            stream: StreamId::new(match side {
                Side::Caller => "caller-stream",
                Side::Callee => "callee-stream",
            })
            .unwrap(),
        })
    }

    fn of(profile: impl Fn(Side) -> Profile) -> Self {
        let now = start();
        let transport =
            |side| Transport::with_profile(now, Reach::OtherMachines, profile(side)).unwrap();
        Self {
            now,
            delay: Duration::from_millis(1),
            cut: false,
            caller: transport(Side::Caller),
            callee: transport(Side::Callee),
            wakeups: 0,
            unheard: None,
            breaks: None,
            handshake: Vec::new(),
            addresses: BTreeMap::from([
                (Side::Caller, vec!["10.0.0.1:5001".parse().unwrap()]),
                (Side::Callee, vec!["10.0.0.2:5002".parse().unwrap()]),
            ]),
            events: BTreeMap::new(),
            errors: BTreeMap::new(),
            sent: BTreeMap::new(),
            destinations: BTreeMap::new(),
            watched: None,
            deadlines: BTreeMap::new(),
            in_flight: Vec::new(),
            loss: None,
            mapped: BTreeMap::new(),
            shields: BTreeMap::new(),
        }
    }

    pub(crate) fn connected() -> Self {
        let mut pair = Self::new();
        pair.negotiate();
        pair.exchange_candidates();
        pair.run_until(Self::both_up);
        pair
    }

    pub(crate) fn negotiate(&mut self) {
        let offer = self.caller.create_offer(self.now).unwrap();
        let answer = self.callee.accept_offer(self.now, &offer).unwrap();
        self.caller.set_answer(self.now, &answer).unwrap();
    }

    pub(crate) fn exchange_candidates(&mut self) {
        self.exchange_candidates_of(|_, address| LocalCandidate::host(address));
    }

    pub(crate) fn exchange_candidates_of(
        &mut self,
        candidate: impl Fn(Side, SocketAddr) -> LocalCandidate,
    ) {
        for (side, peer) in [(Side::Caller, Side::Callee), (Side::Callee, Side::Caller)] {
            let (now, local) = (self.now, candidate(side, self.address(side)));
            let line = self.side(side).add_local_candidate(now, local).unwrap();
            self.side(peer).add_remote_candidate(now, &line).unwrap();
        }
    }

    /// A restart whose offer and answer come over another carrier than the path.
    pub(crate) fn restart(&mut self) {
        let offer = self.caller.create_restart_offer(self.now).unwrap();
        let answer = self.callee.accept_restart_offer(self.now, &offer).unwrap();
        self.caller.set_answer(self.now, &answer).unwrap();
    }

    /// The path is gone for four seconds; both sides get new addresses and restart, until frames flow both ways again.
    pub(crate) fn restart_at_new_addresses(&mut self) {
        self.cut = true;
        self.run_for(Duration::from_secs(4));
        self.move_to_new_addresses();
        self.restart();
        self.cut = false;
        self.clear_events();
        self.run_until(|pair| {
            let now = pair.now;
            pair.caller.send_frame(now, 960, &FRAME).unwrap();
            pair.callee.send_frame(now, 960, &FRAME).unwrap();
            !pair.frames(Side::Caller).is_empty() && !pair.frames(Side::Callee).is_empty()
        });
    }

    /// Both sides get a new address; the old ones lead nowhere.
    pub(crate) fn move_to_new_addresses(&mut self) {
        for (side, address) in [
            (Side::Caller, "10.0.1.1:6001"),
            (Side::Callee, "10.0.1.2:6002"),
        ] {
            let (now, address) = (self.now, address.parse().unwrap());
            self.addresses.insert(side, vec![address]);
            self.side(side)
                .add_local_candidate(now, LocalCandidate::host(address))
                .unwrap();
        }
    }

    /// A side is there, and nowhere else.
    pub(crate) fn set_address(&mut self, side: Side, address: SocketAddr) {
        self.addresses.insert(side, vec![address]);
    }

    /// A side is there, too.
    pub(crate) fn add_address(&mut self, side: Side, address: SocketAddr) {
        self.addresses.entry(side).or_default().push(address);
    }

    /// From now on a NAT has a side's packets come from there, and lets them in there alone.
    pub(crate) fn map(&mut self, side: Side, outside: SocketAddr) {
        self.mapped.insert(side, outside);
    }

    /// From now on nothing comes in to a side but from where it has sent to.
    pub(crate) fn shield(&mut self, side: Side) {
        self.shields.insert(side, BTreeSet::new());
    }

    /// Loses one packet in `one_in`, by a seed: each direction has a fate of its own.
    pub(crate) fn lose(&mut self, seed: u64, one_in: u64) {
        self.loss = Some(Loss::new(seed, one_in));
    }

    pub(crate) fn lose_nothing(&mut self) {
        self.loss = None;
    }

    pub(crate) fn side(&mut self, side: Side) -> &mut Transport {
        match side {
            Side::Caller => &mut self.caller,
            Side::Callee => &mut self.callee,
        }
    }

    /// Runs until something holds; gives how long that took in virtual time.
    pub(crate) fn run_until(&mut self, mut done: impl FnMut(&mut Self) -> bool) -> Duration {
        let began = self.now;
        while !done(self) {
            assert!(
                self.now - began < PATIENCE,
                "it never came: {:?} {:?}",
                self.errors,
                self.events
            );
            self.step(self.now + Duration::from_millis(10));
        }
        self.now - began
    }

    pub(crate) fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            self.step(end);
        }
    }

    pub(crate) fn both_up(&mut self) -> bool {
        self.caller.is_path_up() && self.callee.is_path_up()
    }

    pub(crate) fn both_channels_open(&mut self) -> bool {
        [Side::Caller, Side::Callee]
            .iter()
            .all(|&side| self.count(side, &TransportEvent::ChannelOpen) > 0)
    }

    pub(crate) fn address(&self, side: Side) -> SocketAddr {
        self.addresses[&side][0]
    }

    pub(crate) fn sent(&self, side: Side) -> usize {
        self.sent.get(&side).copied().unwrap_or(0)
    }

    pub(crate) fn error(&self, side: Side) -> Option<&TransportError> {
        self.errors.get(&side)
    }

    pub(crate) fn clear_events(&mut self) {
        self.events.clear();
    }

    pub(crate) fn count(&self, side: Side, event: &TransportEvent) -> usize {
        self.events_of(side)
            .filter(|happened| *happened == event)
            .count()
    }

    /// What a side said of its path when it came up.
    pub(crate) fn path_up(&self, side: Side) -> Option<(PathKind, Option<SelectedPair>)> {
        self.events_of(side).find_map(|event| match event {
            TransportEvent::PathUp { kind, pair } => Some((*kind, *pair)),
            _ => None,
        })
    }

    pub(crate) fn frames(&self, side: Side) -> Vec<ReceivedFrame> {
        let frames = self.events_of(side).filter_map(|event| match event {
            TransportEvent::Frame(frame) => Some(frame.clone()),
            _ => None,
        });
        frames.collect()
    }

    pub(crate) fn control(&self, side: Side) -> Vec<Vec<u8>> {
        let messages = self.events_of(side).filter_map(|event| match event {
            TransportEvent::Control(message) => Some(message.clone()),
            _ => None,
        });
        messages.collect()
    }

    /// Where a side has sent something to, each address once.
    pub(crate) fn destinations(&self, side: Side) -> impl Iterator<Item = SocketAddr> {
        self.destinations.get(&side).into_iter().flatten().copied()
    }

    /// The datagram that arrives next at a side.
    pub(crate) fn under_way_to(&self, side: Side) -> Option<&Datagram> {
        let address = self.address(side);
        self.in_flight
            .iter()
            .map(|(_, datagram)| datagram)
            .find(|datagram| datagram.destination == address)
    }

    /// A socket of this side at this address.
    pub(crate) fn own(&mut self, side: Side, address: SocketAddr) {
        self.addresses.entry(side).or_default().push(address);
    }

    /// Counts from now on what this side sends where.
    pub(crate) fn watch_sent(&mut self, side: Side) {
        self.watched = Some((side, BTreeMap::new()));
    }

    /// How many datagrams went where, and how many bytes, from whom is watched.
    pub(crate) fn sent_to(&self) -> Sent {
        let watched = self.watched.as_ref();
        watched.map(|(_, sent)| sent.clone()).unwrap_or_default()
    }

    /// Somebody on the way sends this, as if it came from the one to the other.
    pub(crate) fn throw_in(&mut self, from: Side, to: Side, contents: &[u8]) {
        let (source, destination) = (self.address(from), self.address(to));
        let now = self.now;
        let result = self
            .side(to)
            .handle_datagram(now, source, destination, contents);
        self.note(to, result);
        self.drain(to);
    }

    pub(crate) fn events_of(&self, side: Side) -> impl Iterator<Item = &TransportEvent> {
        self.events.get(&side).into_iter().flatten()
    }

    /// Goes to the next thing that is due, at most to `end`.
    fn step(&mut self, end: Instant) {
        self.drain(Side::Caller);
        self.drain(Side::Callee);
        let due = self
            .in_flight
            .iter()
            .map(|(at, _)| *at)
            .chain(self.deadlines.values().flatten().copied())
            .min();
        self.now = due.unwrap_or(end).clamp(self.now, end);
        self.deliver();
        for side in [Side::Caller, Side::Callee] {
            if self
                .deadlines
                .get(&side)
                .copied()
                .flatten()
                .is_some_and(|at| at <= self.now)
            {
                self.wakeups += 1;
                let now = self.now;
                let result = self.side(side).handle_timeout(now);
                self.note(side, result);
            }
            self.drain(side);
        }
    }

    fn deliver(&mut self) {
        let now = self.now;
        let (due, later) = self.in_flight.drain(..).partition(|(at, _)| *at <= now);
        self.in_flight = later;
        let due: Vec<(Instant, Datagram)> = due;
        for (_, mut datagram) in due {
            let side = [Side::Caller, Side::Callee]
                .into_iter()
                .find(|side| self.leads_to(*side, datagram.destination));
            let Some(side) = side else { continue };
            let lets_in = |open: &BTreeSet<_>| open.contains(&datagram.source);
            if !self.shields.get(&side).is_none_or(lets_in) {
                continue;
            }
            if self.mapped.contains_key(&side) {
                datagram.destination = self.address(side);
            }
            let result = self.side(side).handle_datagram(
                now,
                datagram.source,
                datagram.destination,
                &datagram.contents,
            );
            self.note(side, result);
            self.drain(side);
        }
    }

    fn leads_to(&self, side: Side, address: SocketAddr) -> bool {
        match self.mapped.get(&side) {
            Some(outside) => *outside == address,
            None => self.addresses[&side].contains(&address),
        }
    }

    fn drain(&mut self, side: Side) {
        loop {
            match self.side(side).poll_output() {
                TransportOutput::Timeout(at) => {
                    self.deadlines.insert(side, at);
                    return;
                }
                TransportOutput::Event(event) => self.events.entry(side).or_default().push(event),
                TransportOutput::Transmit(datagram) => self.transmit(side, datagram),
            }
        }
    }

    fn transmit(&mut self, side: Side, mut datagram: Datagram) {
        *self.sent.entry(side).or_default() += 1;
        self.destinations
            .entry(side)
            .or_default()
            .insert(datagram.destination);
        if let Some((watched, sent)) = &mut self.watched
            && *watched == side
        {
            let (count, bytes) = sent.entry(datagram.destination).or_default();
            *count += 1;
            // With its headers of IPv4 and UDP.
            *bytes += datagram.contents.len() + 28;
        }
        let of_handshake = is_of_handshake(&datagram.contents);
        if of_handshake {
            self.handshake.push(OfHandshake {
                at: self.now,
                from: side,
                contents: datagram.contents.clone(),
            });
        }
        if let Some((broken, place)) = self.breaks
            && of_handshake
            && broken == side
            && let Some(byte) = datagram.contents.get_mut(place)
        {
            *byte ^= 0x20;
        }
        let lost = self
            .loss
            .as_mut()
            .is_some_and(|loss| loss.takes(side, &datagram.contents));
        let unheard = of_handshake && self.unheard == Some(side);
        if !lost && !unheard && !self.cut && self.addresses[&side].contains(&datagram.source) {
            if let Some(open) = self.shields.get_mut(&side) {
                open.insert(datagram.destination);
            }
            let mut datagram = datagram;
            if let Some(outside) = self.mapped.get(&side) {
                datagram.source = *outside;
            }
            self.in_flight.push((self.now + self.delay, datagram));
        }
    }

    fn note(&mut self, side: Side, result: Result<(), TransportError>) {
        if let Err(error) = result {
            self.errors.entry(side).or_insert(error);
        }
    }
}
