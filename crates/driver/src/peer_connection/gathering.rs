//! Candidates of all sources, and when gathering counts as complete.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use securecall_media::{Datagram, LocalCandidate};
use securecall_session::Route;
use web_time::Instant;

use super::candidate_source::{CandidateSource, Claim, Inbound, SourceOutput};

/// How long gathering waits for a source. What comes later is told when it comes: a peer that waits
/// for the end of candidates waits no longer for a server of ours that is slow.
const GATHERING_TIMEOUT: Duration = Duration::from_millis(200);

/// What there is to do, or was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum GatheringOutput {
    /// Send this datagram.
    Transmit(Datagram),
    /// A candidate was found.
    Candidate(LocalCandidate),
    /// Every source has answered, or had time to. Comes once for each gathering.
    Complete,
    /// Nothing more to do now: call `handle_timeout` at this time, if there is one.
    Timeout(Option<Instant>),
}

/// The sources of one peer connection.
pub(super) struct Gathering {
    sources: Vec<Asked>,
    /// Until when gathering waits; `None` while there is none.
    until: Option<Instant>,
    outputs: VecDeque<GatheringOutput>,
}

struct Asked {
    source: Box<dyn CandidateSource>,
    answered: bool,
    deadline: Option<Instant>,
}

impl Gathering {
    /// Nothing is asked yet.
    pub(super) fn new(sources: Vec<Box<dyn CandidateSource>>) -> Self {
        let sources = sources.into_iter().map(|source| Asked {
            source,
            answered: false,
            deadline: None,
        });
        Self {
            sources: sources.collect(),
            until: None,
            outputs: VecDeque::new(),
        }
    }

    /// From now on only sources of this route are asked.
    pub(super) fn set_route(&mut self, route: Route) {
        self.sources.retain(|asked| asked.source.serves(route));
    }

    /// Whether nobody is to be asked, and so no socket needed.
    pub(super) fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Asks all sources, about these new sockets too.
    pub(super) fn begin(&mut self, now: Instant, sockets: &[SocketAddr]) {
        self.until = Some(now + GATHERING_TIMEOUT);
        for asked in &mut self.sources {
            asked.answered = false;
            asked.source.gather(now, sockets);
        }
        self.settle(now);
    }

    /// What the transport gets of a datagram that came in.
    pub(super) fn handle_datagram<'a>(
        &mut self,
        now: Instant,
        datagram: Inbound<'a>,
    ) -> Option<Inbound<'a>> {
        for asked in &mut self.sources {
            match asked.source.handle_datagram(now, datagram) {
                Claim::NotOurs => {}
                Claim::Peer(inbound) => return Some(inbound),
                Claim::Taken => {
                    self.settle(now);
                    return None;
                }
            }
        }
        None
    }

    /// To be called at the time that [`GatheringOutput::Timeout`] names.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for asked in &mut self.sources {
            if asked.deadline.is_some_and(|at| at <= now) {
                asked.source.handle_timeout(now);
            }
        }
        self.settle(now);
    }

    /// What the transport sends, as a socket sends it; `None` if no candidate has such a base.
    pub(super) fn wrap(&self, datagram: Datagram) -> Option<Datagram> {
        let mut datagram = datagram;
        for asked in &self.sources {
            match asked.source.wrap(datagram) {
                Ok(wrapped) => return Some(wrapped),
                Err(unclaimed) => datagram = unclaimed,
            }
        }
        None
    }

    /// The next thing to do.
    pub(super) fn poll_output(&mut self) -> GatheringOutput {
        self.outputs
            .pop_front()
            .unwrap_or_else(|| GatheringOutput::Timeout(self.deadline()))
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub(super) fn deadline(&self) -> Option<Instant> {
        let deadlines = self.sources.iter().filter_map(|asked| asked.deadline);
        deadlines.chain(self.until).min()
    }

    /// Drains the sources, as it must be after whatever they were told.
    fn settle(&mut self, now: Instant) {
        for asked in &mut self.sources {
            loop {
                let output = match asked.source.poll_output() {
                    SourceOutput::Transmit(datagram) => GatheringOutput::Transmit(datagram),
                    SourceOutput::Candidate(found) => GatheringOutput::Candidate(found),
                    SourceOutput::Answered => {
                        asked.answered = true;
                        continue;
                    }
                    SourceOutput::Timeout(at) => {
                        asked.deadline = at;
                        break;
                    }
                };
                self.outputs.push_back(output);
            }
        }
        let all_answered = self.sources.iter().all(|asked| asked.answered);
        if self.until.is_some_and(|until| all_answered || until <= now) {
            self.until = None;
            self.outputs.push_back(GatheringOutput::Complete);
        }
    }
}

#[cfg(test)]
mod tests {
    use securecall_media::CandidateKind;

    use super::super::candidate_source;
    use super::*;
    use crate::clock;
    use crate::config::Network;

    const SERVER: &str = "192.0.2.3:3478";
    const MS: Duration = Duration::from_millis(1);

    /// A relay of sorts: it asks a server, once more after 100 ms, and takes the answer for the
    /// address it has there. What goes through it has a mark in front.
    #[derive(Default)]
    struct FakeRelay {
        socket: Option<SocketAddr>,
        again_at: Option<Instant>,
        relayed: Option<SocketAddr>,
        outputs: VecDeque<SourceOutput>,
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn datagram(source: SocketAddr, destination: SocketAddr, contents: &[u8]) -> Datagram {
        Datagram {
            source,
            destination,
            contents: contents.to_vec(),
        }
    }

    impl FakeRelay {
        fn ask(&mut self) {
            let request = datagram(self.socket.unwrap(), address(SERVER), b"an address, please");
            self.outputs.push_back(SourceOutput::Transmit(request));
        }
    }

    impl CandidateSource for FakeRelay {
        fn serves(&self, _route: Route) -> bool {
            true
        }

        fn gather(&mut self, now: Instant, sockets: &[SocketAddr]) {
            self.socket = sockets.first().copied().or(self.socket);
            self.again_at = Some(now + 100 * MS);
            self.ask();
        }

        fn handle_datagram<'a>(&mut self, _now: Instant, inbound: Inbound<'a>) -> Claim<'a> {
            if inbound.source != address(SERVER) {
                return Claim::NotOurs;
            }
            if let (Some(relayed), Some(contents)) =
                (self.relayed, inbound.contents.strip_prefix(b"#"))
            {
                return Claim::Peer(Inbound {
                    source: address("198.51.100.1:9"),
                    destination: relayed,
                    contents,
                });
            }
            let relayed = address(std::str::from_utf8(inbound.contents).unwrap());
            self.relayed = Some(relayed);
            self.again_at = None;
            let candidate = LocalCandidate::relay(relayed);
            self.outputs.push_back(SourceOutput::Candidate(candidate));
            self.outputs.push_back(SourceOutput::Answered);
            Claim::Taken
        }

        fn handle_timeout(&mut self, _now: Instant) {
            self.again_at = None;
            self.ask();
        }

        fn wrap(&self, inner: Datagram) -> Result<Datagram, Datagram> {
            if Some(inner.source) != self.relayed {
                return Err(inner);
            }
            let contents = [b"#", &inner.contents[..]].concat();
            Ok(datagram(self.socket.unwrap(), address(SERVER), &contents))
        }

        fn poll_output(&mut self) -> SourceOutput {
            self.outputs
                .pop_front()
                .unwrap_or(SourceOutput::Timeout(self.again_at))
        }
    }

    fn host_alone() -> Gathering {
        Gathering::new(candidate_source::all(&Network::default()))
    }

    fn host_and_relay() -> Gathering {
        let mut sources: Vec<Box<dyn CandidateSource>> = vec![Box::new(FakeRelay::default())];
        sources.extend(candidate_source::all(&Network::default()));
        Gathering::new(sources)
    }

    fn outputs(gathering: &mut Gathering) -> (Vec<GatheringOutput>, Option<Instant>) {
        let mut outputs = Vec::new();
        loop {
            match gathering.poll_output() {
                GatheringOutput::Timeout(at) => return (outputs, at),
                output => outputs.push(output),
            }
        }
    }

    fn answer<'a>(socket: SocketAddr, contents: &'a [u8]) -> Inbound<'a> {
        Inbound {
            source: address(SERVER),
            destination: socket,
            contents,
        }
    }

    #[test]
    fn with_host_candidates_alone_gathering_takes_no_time() {
        let mut gathering = host_alone();
        let sockets = [address("10.0.0.1:5000"), address("10.0.0.2:5000")];
        gathering.begin(clock::now(), &sockets);
        let found = sockets.map(LocalCandidate::host);
        let [first, second] = found.map(GatheringOutput::Candidate);
        let expected = (vec![first, second, GatheringOutput::Complete], None);
        assert_eq!(outputs(&mut gathering), expected);
    }

    #[test]
    fn the_peer_is_told_the_address_in_front_of_a_socket() {
        let front = address("203.0.113.1:7000");
        let network = Network {
            candidate_map: Some(std::sync::Arc::new(move |_| front)),
            ..Network::default()
        };
        let mut gathering = Gathering::new(candidate_source::all(&network));
        let base = address("10.0.0.1:5000");
        gathering.begin(clock::now(), &[base]);
        let expected = LocalCandidate {
            kind: CandidateKind::Host,
            base,
            address: front,
        };
        assert_eq!(
            gathering.poll_output(),
            GatheringOutput::Candidate(expected)
        );
    }

    #[test]
    fn it_is_complete_as_soon_as_every_source_has_answered() {
        let (now, socket) = (clock::now(), address("10.0.0.1:5000"));
        let mut gathering = host_and_relay();
        gathering.begin(now, &[socket]);
        let (begun, wake) = outputs(&mut gathering);
        let host = GatheringOutput::Candidate(LocalCandidate::host(socket));
        assert!(begun.contains(&host) && !begun.contains(&GatheringOutput::Complete));
        assert_eq!(wake, Some(now + 100 * MS));
        let inbound = answer(socket, b"192.0.2.3:6000");
        assert_eq!(gathering.handle_datagram(now + 50 * MS, inbound), None);
        let relay = LocalCandidate::relay(address("192.0.2.3:6000"));
        let expected = vec![GatheringOutput::Candidate(relay), GatheringOutput::Complete];
        assert_eq!(outputs(&mut gathering), (expected, None));
    }

    #[test]
    fn a_slow_source_is_waited_for_200_ms_and_its_candidates_trickle() {
        let (now, socket) = (clock::now(), address("10.0.0.1:5000"));
        let mut gathering = host_and_relay();
        gathering.begin(now, &[socket]);
        outputs(&mut gathering);
        gathering.handle_timeout(now + 100 * MS);
        let (again, wake) = outputs(&mut gathering);
        assert!(matches!(again[..], [GatheringOutput::Transmit(_)]));
        assert_eq!(wake, Some(now + 200 * MS));
        gathering.handle_timeout(now + 199 * MS);
        assert_eq!(outputs(&mut gathering).0, []);
        gathering.handle_timeout(now + 200 * MS);
        let complete = vec![GatheringOutput::Complete];
        assert_eq!(outputs(&mut gathering), (complete, None));
        let late = answer(socket, b"192.0.2.3:6000");
        gathering.handle_datagram(now + 900 * MS, late);
        let relay = LocalCandidate::relay(address("192.0.2.3:6000"));
        let trickled = vec![GatheringOutput::Candidate(relay)];
        assert_eq!(outputs(&mut gathering), (trickled, None));
    }

    #[test]
    fn what_a_candidate_sends_and_gets_goes_through_its_source() {
        let (now, socket) = (clock::now(), address("10.0.0.1:5000"));
        let (relayed, peer) = (address("192.0.2.3:6000"), address("198.51.100.1:9"));
        let mut gathering = host_and_relay();
        gathering.begin(now, &[socket]);
        gathering.handle_datagram(now, answer(socket, b"192.0.2.3:6000"));

        let direct = datagram(socket, peer, b"check");
        assert_eq!(gathering.wrap(direct.clone()), Some(direct));
        let wrapped = gathering.wrap(datagram(relayed, peer, b"check"));
        assert_eq!(wrapped, Some(datagram(socket, address(SERVER), b"#check")));
        let stranger = datagram(address("10.9.9.9:1"), peer, b"check");
        assert_eq!(gathering.wrap(stranger), None);

        let from_peer = Inbound {
            source: peer,
            destination: socket,
            contents: b"reply",
        };
        let handled = gathering.handle_datagram(now, from_peer);
        assert_eq!(handled, Some(from_peer));
        let unwrapped = Inbound {
            destination: relayed,
            ..from_peer
        };
        let handled = gathering.handle_datagram(now, answer(socket, b"#reply"));
        assert_eq!(handled, Some(unwrapped));
        let elsewhere = Inbound {
            destination: address("10.9.9.9:1"),
            ..from_peer
        };
        assert_eq!(gathering.handle_datagram(now, elsewhere), None);
    }

    #[test]
    fn where_the_peer_may_not_learn_an_address_of_ours_host_candidates_are_not_even_asked_for() {
        let mut gathering = host_alone();
        gathering.set_route(Route::Direct);
        assert!(!gathering.is_empty());
        gathering.set_route(Route::Relay);
        assert!(gathering.is_empty());
        gathering.begin(clock::now(), &[]);
        let complete = vec![GatheringOutput::Complete];
        assert_eq!(outputs(&mut gathering), (complete, None));
        assert!(!candidate_source::relay_available(&Network::default()));
    }

    #[test]
    fn a_second_gathering_is_complete_by_itself() {
        let (now, socket) = (clock::now(), address("10.0.0.1:5000"));
        let mut gathering = host_and_relay();
        gathering.begin(now, &[socket]);
        gathering.handle_datagram(now, answer(socket, b"192.0.2.3:6000"));
        outputs(&mut gathering);
        let other = address("10.0.0.2:5000");
        gathering.begin(now, &[other]);
        let (begun, wake) = outputs(&mut gathering);
        let host = GatheringOutput::Candidate(LocalCandidate::host(other));
        assert!(begun.contains(&host) && !begun.contains(&GatheringOutput::Complete));
        assert!(wake.is_some());
    }
}
