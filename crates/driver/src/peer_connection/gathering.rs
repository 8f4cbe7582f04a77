//! Candidates of all sources, and when gathering counts as complete.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use securecall_relay::{
    Candidate, CandidateSource, Claim, Datagram, Inbound, SourceOutput, StreamEvent, StreamId,
    StreamTarget, Urgency,
};
use securecall_session::Route;
use web_time::Instant;

/// How long gathering waits for a source. What comes later is told when it comes: a peer that waits
/// for the end of candidates waits no longer for a server of ours that is slow.
const GATHERING_TIMEOUT: Duration = Duration::from_millis(200);
/// The bits of a stream's name that are its source's own; the rest says which source.
const STREAM_BITS: u32 = 24;

/// What there is to do, or was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum GatheringOutput {
    /// Send this datagram from the socket it names.
    Transmit(Datagram),
    /// Open a stream.
    Open(StreamId, StreamTarget),
    /// Write to a stream.
    Write(StreamId, Vec<u8>, Urgency),
    /// Close a stream.
    Close(StreamId),
    /// A candidate was found.
    Candidate(Candidate),
    /// A candidate is no more.
    Lost(Candidate),
    /// A packet of the peer came through a relay.
    Packet(Datagram),
    /// Every source has answered, or had time to. Comes once for each gathering.
    Complete,
    /// Nothing more to do now: call `handle_timeout` at this time, if there is one.
    Timeout(Option<Instant>),
}

/// The sources of one peer connection.
pub(super) struct Gathering {
    route: Route,
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
            route: Route::Direct,
            sources: sources.collect(),
            until: None,
            outputs: VecDeque::new(),
        }
    }

    /// From now on only sources of this route are asked.
    pub(super) fn set_route(&mut self, route: Route) {
        self.route = route;
        match route {
            Route::Direct => {}
            Route::Relay => {
                self.sources.retain(|asked| asked.source.hides_address());
                for asked in &mut self.sources {
                    asked.source.be_discreet();
                }
            }
        }
    }

    /// Why the other side is told no address, in words. By relay that is not this machine's fault.
    pub(super) const fn without_candidates(&self) -> &'static str {
        match self.route {
            Route::Direct => {
                "this machine has no network address that could be told to the other side"
            }
            Route::Relay => {
                "no TURN server has given an address yet; by relay the other side is told no other"
            }
        }
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

    /// These sockets are closed: their addresses are gone.
    pub(super) fn sockets_closed(&mut self, now: Instant, sockets: &[SocketAddr]) {
        self.tell_all(now, |source| source.sockets_closed(now, sockets));
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

    /// Something happened to a stream.
    pub(super) fn handle_stream(&mut self, now: Instant, stream: StreamId, event: StreamEvent<'_>) {
        let (index, own) = split(stream);
        if let Some(asked) = self.sources.get_mut(index) {
            asked.source.handle_stream(now, own, event);
            self.settle(now);
        }
    }

    /// The peer may be there.
    pub(super) fn allow_peer(&mut self, now: Instant, peer: SocketAddr) {
        self.tell_all(now, |source| source.allow_peer(now, peer));
    }

    /// The call goes this way from now on.
    pub(super) fn prefer_peer(&mut self, now: Instant, base: SocketAddr, peer: SocketAddr) {
        self.tell_all(now, |source| source.prefer_peer(now, base, peer));
    }

    /// Nothing comes any more.
    pub(super) fn check(&mut self, now: Instant) {
        self.tell_all(now, |source| source.check(now));
    }

    /// The call is over.
    pub(super) fn close(&mut self, now: Instant) {
        self.tell_all(now, |source| source.close(now));
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

    /// What the transport sends, through the source of the candidate that it sends from. From a candidate that is no
    /// more, nothing is sent.
    pub(super) fn send(&mut self, now: Instant, datagram: Datagram) {
        let mut datagram = datagram;
        for asked in &mut self.sources {
            match asked.source.send(now, datagram) {
                Ok(()) => return self.settle(now),
                Err(unclaimed) => datagram = unclaimed,
            }
        }
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

    fn tell_all(&mut self, now: Instant, tell: impl Fn(&mut dyn CandidateSource)) {
        for asked in &mut self.sources {
            tell(asked.source.as_mut());
        }
        self.settle(now);
    }

    /// Drains the sources, as it must be after whatever they were told.
    fn settle(&mut self, now: Instant) {
        for (index, asked) in self.sources.iter_mut().enumerate() {
            loop {
                let output = match asked.source.poll_output() {
                    SourceOutput::Transmit(datagram) => GatheringOutput::Transmit(datagram),
                    SourceOutput::Open { stream, target } => {
                        GatheringOutput::Open(joined(index, stream), target)
                    }
                    SourceOutput::Write {
                        stream,
                        bytes,
                        urgency,
                    } => GatheringOutput::Write(joined(index, stream), bytes, urgency),
                    SourceOutput::Close(stream) => GatheringOutput::Close(joined(index, stream)),
                    SourceOutput::Candidate(found) => GatheringOutput::Candidate(found),
                    SourceOutput::Lost(candidate) => GatheringOutput::Lost(candidate),
                    SourceOutput::Packet(packet) => GatheringOutput::Packet(packet),
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

/// The name of a stream among those of all sources.
fn joined(index: usize, own: StreamId) -> StreamId {
    // A call has a handful of sources, and opens no sixteen million streams.
    StreamId((index as u32) << STREAM_BITS | own.0 & ((1 << STREAM_BITS) - 1))
}

fn split(stream: StreamId) -> (usize, StreamId) {
    let own = StreamId(stream.0 & ((1 << STREAM_BITS) - 1));
    ((stream.0 >> STREAM_BITS) as usize, own)
}

#[cfg(test)]
mod tests {
    use securecall_relay::{CandidateKind, Credentials, ServerLink, TurnServer};
    use tokio::sync::watch;
    use zeroize::Zeroizing;

    use super::super::sources;
    use super::*;
    use crate::clock;
    use crate::config::{CandidateMap, Servers};

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
        fn hides_address(&self) -> bool {
            true
        }

        fn gather(&mut self, now: Instant, sockets: &[SocketAddr]) {
            self.socket = sockets.first().copied().or(self.socket);
            self.again_at = Some(now + 100 * MS);
            self.ask();
        }

        fn sockets_closed(&mut self, _now: Instant, sockets: &[SocketAddr]) {
            self.socket.take_if(|socket| sockets.contains(socket));
        }

        fn handle_datagram<'a>(&mut self, _now: Instant, inbound: Inbound<'a>) -> Claim<'a> {
            if inbound.source != address(SERVER) {
                return Claim::NotOurs;
            }
            if let (Some(relayed), Some(contents)) =
                (self.relayed, inbound.contents.strip_prefix(b"#"))
            {
                let packet = datagram(address("198.51.100.1:9"), relayed, contents);
                self.outputs.push_back(SourceOutput::Packet(packet));
                return Claim::Taken;
            }
            let relayed = address(std::str::from_utf8(inbound.contents).unwrap());
            self.relayed = Some(relayed);
            self.again_at = None;
            let candidate = Candidate::relayed(relayed);
            self.outputs.push_back(SourceOutput::Candidate(candidate));
            self.outputs.push_back(SourceOutput::Answered);
            Claim::Taken
        }

        fn handle_timeout(&mut self, _now: Instant) {
            self.again_at = None;
            self.ask();
        }

        fn send(&mut self, _now: Instant, inner: Datagram) -> Result<(), Datagram> {
            if Some(inner.source) != self.relayed {
                return Err(inner);
            }
            let contents = [b"#", &inner.contents[..]].concat();
            let wrapped = datagram(self.socket.unwrap(), address(SERVER), &contents);
            self.outputs.push_back(SourceOutput::Transmit(wrapped));
            Ok(())
        }

        fn poll_output(&mut self) -> SourceOutput {
            self.outputs
                .pop_front()
                .unwrap_or(SourceOutput::Timeout(self.again_at))
        }
    }

    /// The sources of a call without any server.
    fn sources_of(map: Option<CandidateMap>) -> Vec<Box<dyn CandidateSource>> {
        let (_, servers) = watch::channel(Servers::default());
        sources::all(map, &servers)
    }

    fn host_alone() -> Gathering {
        Gathering::new(sources_of(None))
    }

    fn host_and_relay() -> Gathering {
        let mut sources: Vec<Box<dyn CandidateSource>> = vec![Box::new(FakeRelay::default())];
        sources.extend(sources_of(None));
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
        let found = sockets.map(Candidate::host);
        let [first, second] = found.map(GatheringOutput::Candidate);
        let expected = (vec![first, second, GatheringOutput::Complete], None);
        assert_eq!(outputs(&mut gathering), expected);
    }

    #[test]
    fn the_peer_is_told_the_address_in_front_of_a_socket() {
        let front = address("203.0.113.1:7000");
        let map: CandidateMap = std::sync::Arc::new(move |_| front);
        let mut gathering = Gathering::new(sources_of(Some(map)));
        let base = address("10.0.0.1:5000");
        gathering.begin(clock::now(), &[base]);
        let expected = Candidate {
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
        let host = GatheringOutput::Candidate(Candidate::host(socket));
        assert!(begun.contains(&host) && !begun.contains(&GatheringOutput::Complete));
        assert_eq!(wake, Some(now + 100 * MS));
        let inbound = answer(socket, b"192.0.2.3:6000");
        assert_eq!(gathering.handle_datagram(now + 50 * MS, inbound), None);
        let relay = Candidate::relayed(address("192.0.2.3:6000"));
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
        let relay = Candidate::relayed(address("192.0.2.3:6000"));
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
        outputs(&mut gathering);

        let direct = datagram(socket, peer, b"check");
        let wrapped = datagram(socket, address(SERVER), b"#check");
        gathering.send(now, direct.clone());
        gathering.send(now, datagram(relayed, peer, b"check"));
        gathering.send(now, datagram(address("10.9.9.9:1"), peer, b"check"));
        let sent = [direct, wrapped].map(GatheringOutput::Transmit);
        assert_eq!(outputs(&mut gathering).0, sent);

        let from_peer = Inbound {
            source: peer,
            destination: socket,
            contents: b"reply",
        };
        let handled = gathering.handle_datagram(now, from_peer);
        assert_eq!(handled, Some(from_peer));
        let handled = gathering.handle_datagram(now, answer(socket, b"#reply"));
        assert_eq!(handled, None);
        let unwrapped = GatheringOutput::Packet(datagram(peer, relayed, b"reply"));
        assert_eq!(outputs(&mut gathering).0, [unwrapped]);
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
        assert!(gathering.without_candidates().contains("this machine"));
        gathering.set_route(Route::Relay);
        assert!(gathering.is_empty());
        // What servers did not give is not this machine's fault.
        assert!(gathering.without_candidates().contains("no TURN server"));
        gathering.begin(clock::now(), &[]);
        let complete = vec![GatheringOutput::Complete];
        assert_eq!(outputs(&mut gathering), (complete, None));
    }

    #[test]
    fn where_the_peer_may_not_learn_an_address_of_ours_networks_do_not_read_our_name() {
        let credentials = Credentials::new("@ada:example.org", Zeroizing::new("s".to_owned()));
        let server = |link| TurnServer {
            address: address(SERVER),
            link,
            credentials: credentials.clone().unwrap().naming_user(),
        };
        let tls = ServerLink::Tls("turn.example.org".to_owned());
        let (_known, servers) = watch::channel(Servers {
            turn: vec![server(ServerLink::Udp), server(tls)],
            ..Servers::default()
        });
        for (route, in_plain_text) in [(Route::Direct, 1), (Route::Relay, 0)] {
            let mut gathering = Gathering::new(sources::all(None, &servers));
            gathering.set_route(route);
            gathering.begin(clock::now(), &[address("10.0.0.1:5000")]);
            let (begun, _) = outputs(&mut gathering);
            let sent = begun.iter();
            let sent = sent.filter(|output| matches!(output, GatheringOutput::Transmit(_)));
            assert_eq!(sent.count(), in_plain_text, "{route:?}");
            let opened = |output: &GatheringOutput| matches!(output, GatheringOutput::Open(..));
            assert!(begun.iter().any(opened), "{route:?}");
        }
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
        let host = GatheringOutput::Candidate(Candidate::host(other));
        assert!(begun.contains(&host) && !begun.contains(&GatheringOutput::Complete));
        assert!(wake.is_some());
    }
}
