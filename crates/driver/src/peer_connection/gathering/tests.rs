//! Gathering from a relay of sorts.

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
    wants_another: bool,
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
        if let Some(socket) = self.socket.filter(|_| self.wants_another) {
            self.outputs.push_back(SourceOutput::Bind(socket));
        }
    }

    fn socket_bound(&mut self, _now: Instant, beside: SocketAddr, bound: Option<SocketAddr>) {
        assert_eq!(self.socket, Some(beside));
        self.socket = bound;
        self.ask();
    }

    fn sockets_closed(&mut self, _now: Instant, sockets: &[SocketAddr]) {
        self.socket.take_if(|socket| sockets.contains(socket));
    }

    fn handle_datagram<'a>(&mut self, _now: Instant, inbound: Inbound<'a>) -> Claim<'a> {
        if inbound.source != address(SERVER) {
            return Claim::NotOurs;
        }
        if let (Some(relayed), Some(contents)) = (self.relayed, inbound.contents.strip_prefix(b"#"))
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
    sources::all(map, &servers).0
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
fn a_socket_that_a_source_asks_for_is_its_own() {
    let (now, socket) = (clock::now(), address("10.0.0.1:5000"));
    let relay = FakeRelay {
        wants_another: true,
        ..FakeRelay::default()
    };
    let mut sources = sources_of(None);
    sources.push(Box::new(relay));
    let mut gathering = Gathering::new(sources);
    gathering.begin(now, &[socket]);
    let (begun, _) = outputs(&mut gathering);
    let wanted = begun.iter().find_map(|output| match output {
        GatheringOutput::Bind(wanted) => Some(*wanted),
        _ => None,
    });
    let wanted = wanted.unwrap();
    assert_eq!(wanted.beside, socket);
    let another = address("10.0.0.1:5001");
    gathering.socket_bound(now, wanted, Some(another));
    // It is no candidate of this machine.
    let asked = datagram(another, address(SERVER), b"an address, please");
    assert_eq!(
        outputs(&mut gathering).0,
        [GatheringOutput::Transmit(asked)]
    );
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
    assert!(gathering.needs_sockets());
    let why = |gathering: &Gathering| gathering.without_candidates().unwrap();
    assert!(why(&gathering).contains("this machine"));
    gathering.set_route(Route::Relay);
    assert!(!gathering.needs_sockets());
    // What servers did not give is not this machine's fault.
    assert!(why(&gathering).contains("no TURN server"));
    gathering.begin(clock::now(), &[]);
    let complete = vec![GatheringOutput::Complete];
    assert_eq!(outputs(&mut gathering), (complete, None));
}

/// A source of each kind, of which the last has two relays before it.
#[derive(Default)]
struct FakeGhostNet {
    outputs: VecDeque<SourceOutput>,
    is_slow: bool,
}

impl CandidateSource for FakeGhostNet {
    fn hides_address(&self) -> bool {
        true
    }

    fn is_anonymous(&self) -> bool {
        true
    }

    fn gather(&mut self, _now: Instant, sockets: &[SocketAddr]) {
        assert_eq!(sockets, [], "it has none of the call's");
        let close = TunnelOrder::Close(TunnelId(7));
        self.outputs.push_back(SourceOutput::Tunnel(close));
        if !self.is_slow {
            self.outputs.push_back(SourceOutput::Answered);
        }
    }

    fn sockets_closed(&mut self, _now: Instant, _sockets: &[SocketAddr]) {}

    fn handle_datagram<'a>(&mut self, _now: Instant, _datagram: Inbound<'a>) -> Claim<'a> {
        Claim::NotOurs
    }

    fn handle_tunnel(&mut self, _now: Instant, tunnel: TunnelId, event: TunnelEvent<'_>) -> bool {
        if let TunnelEvent::Opened { public } = event {
            let found = public.iter().copied().map(Candidate::relayed);
            self.outputs.extend(found.map(SourceOutput::Candidate));
        }
        tunnel == TunnelId(7)
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn send(&mut self, _now: Instant, datagram: Datagram) -> Result<(), Datagram> {
        Err(datagram)
    }

    fn poll_output(&mut self) -> SourceOutput {
        self.outputs
            .pop_front()
            .unwrap_or(SourceOutput::Timeout(None))
    }
}

#[test]
fn two_relays_are_waited_for_until_they_are_given_up() {
    let now = clock::now();
    let slow = FakeGhostNet {
        is_slow: true,
        ..FakeGhostNet::default()
    };
    let mut gathering = Gathering::new(vec![Box::new(slow)]);
    gathering.set_route(Route::GhostNet);
    gathering.begin(now, &[]);
    assert_eq!(outputs(&mut gathering).1, Some(now + 1500 * MS));
    gathering.handle_timeout(now + 1499 * MS);
    assert_eq!(outputs(&mut gathering).0, []);
    gathering.handle_timeout(now + 1500 * MS);
    assert_eq!(
        outputs(&mut gathering),
        (vec![GatheringOutput::Complete], None)
    );
}

#[test]
fn by_ghostnet_nobody_else_is_asked_and_by_other_routes_ghostnet_is_not() {
    let all = || {
        let mut sources = sources_of(None);
        sources.insert(0, Box::new(FakeRelay::default()));
        sources.insert(0, Box::new(FakeGhostNet::default()));
        Gathering::new(sources)
    };
    for (route, count, sockets) in [
        (Route::Direct, 2, true),
        (Route::Relay, 1, true),
        (Route::GhostNet, 1, false),
    ] {
        let mut gathering = all();
        gathering.set_route(route);
        assert_eq!(gathering.sources.len(), count, "{route:?}");
        assert_eq!(gathering.needs_sockets(), sockets, "{route:?}");
    }
    let mut gathering = all();
    gathering.set_route(Route::GhostNet);
    // Nobody has answered yet.
    assert_eq!(gathering.without_candidates(), None);
    let now = clock::now();
    gathering.begin(now, &[]);
    let close = TunnelOrder::Close(TunnelId(7));
    let begun = [GatheringOutput::Tunnel(close), GatheringOutput::Complete];
    assert_eq!(outputs(&mut gathering).0, begun);
    let words = gathering.without_candidates().unwrap();
    assert!(words.contains("no relay of GhostNet"));
    let public = [address("203.0.113.1:9")];
    gathering.handle_tunnel(now, TunnelId(7), TunnelEvent::Opened { public: &public });
    let found = GatheringOutput::Candidate(Candidate::relayed(public[0]));
    assert_eq!(outputs(&mut gathering).0, [found]);
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
        let mut gathering = Gathering::new(sources::all(None, &servers).0);
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
