//! What a peer connection opens and tells while it gathers.

#[cfg(target_os = "linux")]
mod handed_over;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use securecall_media::{Codec, PathKind, PeerReport, SelectedPair, TICK_SAMPLES, TransportEvent};
use securecall_relay::stun::{AttributeType, Class, Message, MessageBuilder, Method};
use securecall_session::{CallHandle, CallHandles, NamedCall, Route, Tier, WireCallId};

use super::rtp_voice::{RtpVoice, agreed};
use super::*;
use crate::media_output::MediaOutput;
use crate::queue::{Receiver, queue};

type Outputs = Receiver<(CallHandle, MediaOutput)>;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A connection that has made its offer, and what it says.
fn offered(route: Route) -> (PeerConnection, Outputs) {
    offered_at(vec![LOCALHOST], route, Servers::default())
}

/// The same where these addresses are bound, or those that the machine has, and with servers.
fn offered_at(bind: Vec<IpAddr>, route: Route, servers: Servers) -> (PeerConnection, Outputs) {
    let (sender, receiver) = queue();
    let call = NamedCall {
        handle: CallHandles::default().issue(),
        id: WireCallId::parse("call").unwrap(),
    };
    let outputs = MediaOutputs::of(call, sender);
    let network = Network {
        bind,
        reach: Reach::ThisMachine,
        ..Network::default()
    };
    let mut peer = PeerConnection::new(outputs, network, &watch::channel(servers).1);
    peer.create_offer(clock::now(), Tier::SecureCall, route)
        .unwrap();
    (peer, receiver)
}

/// What it said after its offer: how many candidates each time, whether that was all, and notices.
async fn told(peer: PeerConnection, mut outputs: Outputs) -> (Vec<(usize, bool)>, usize) {
    drop(peer);
    let (mut candidates, mut notices) = (Vec::new(), 0);
    while let Some((_, output)) = outputs.next().await {
        match output {
            MediaOutput::Event(MediaEvent::LocalCandidates {
                candidates: lines,
                complete,
            }) => candidates.push((lines.len(), complete)),
            MediaOutput::Told(event) if matches!(*event, Event::Notice { .. }) => notices += 1,
            MediaOutput::Event(MediaEvent::LocalOffer { .. } | MediaEvent::RestartOffer { .. }) => {
            }
            other => panic!("{other:?}"),
        }
    }
    (candidates, notices)
}

#[tokio::test]
async fn what_the_network_lost_is_not_called_a_fault_of_this_machine() {
    for (error, expected) in [
        (TransportError::HandshakeTimedOut, MediaFailure::NoPath),
        (TransportError::HandshakeBroken, MediaFailure::NoPath),
        (TransportError::Engine(String::new()), MediaFailure::Local),
    ] {
        let (mut peer, mut outputs) = offered(Route::Direct);
        peer.fail(&error);
        drop(peer);
        let mut failures = Vec::new();
        while let Some((_, output)) = outputs.next().await {
            if let MediaOutput::Event(MediaEvent::Failed { reason }) = output {
                failures.push(reason);
            }
        }
        assert_eq!(failures, [expected], "{error}");
    }
}

/// Half a minute of plain packets to a peer whose checks take so long from the eleventh second on, and which tells of loss. Gives the bit
/// rate at the end.
async fn bit_rate_after(slow: Duration, happens: Option<TransportEvent>) -> u32 {
    let (mut peer, _outputs) = offered(Route::Direct);
    let voice = RtpVoice::new(agreed(Codec::Opus)).unwrap();
    peer.voice = Some(PeerVoice::Rtp(Box::new(voice)));
    let start = clock::now();
    for second in 0..30_u64 {
        if second == 10 {
            let report = PeerReport { loss_percent: 10 };
            peer.handle_event(TransportEvent::PeerReport(report));
            happens
                .clone()
                .into_iter()
                .for_each(|event| peer.handle_event(event));
        }
        let round_trip = match second {
            ..10 => Duration::from_millis(50),
            _ => slow,
        };
        peer.handle_event(TransportEvent::RoundTrip(round_trip));
        let Some(PeerVoice::Rtp(voice)) = &mut peer.voice else {
            panic!("it is gone");
        };
        for tick in 0..100 {
            let now = start + Duration::from_millis(1_000 * second + 10 * tick);
            voice.push(now, &[0.0; TICK_SAMPLES]);
        }
    }
    match &peer.voice {
        Some(PeerVoice::Rtp(voice)) => voice.bit_rate(),
        _ => panic!("it is gone"),
    }
}

#[tokio::test]
async fn what_the_transport_tells_of_the_path_comes_to_the_encoder_of_plain_packets() {
    let [fast, slow] = [50, 350].map(Duration::from_millis);
    assert_eq!(bit_rate_after(fast, None).await, 32_000);
    assert!(bit_rate_after(slow, None).await < 32_000);
    let another = TransportEvent::PathChanged {
        kind: PathKind::Direct,
        pair: SelectedPair {
            local: (LOCALHOST, 1).into(),
            remote: (LOCALHOST, 2).into(),
        },
    };
    assert_eq!(bit_rate_after(slow, Some(another)).await, 32_000);
}

#[tokio::test]
async fn host_candidates_are_told_at_once_with_the_end_of_them() {
    let (mut peer, outputs) = offered(Route::Direct);
    assert_eq!(peer.sockets.bases(), []);
    peer.gather(clock::now()).unwrap();
    assert_eq!(peer.sockets.bases().len(), 1);
    // Nothing is waited for.
    assert_eq!(peer.gathering.deadline(), None);
    // Nothing was said that was not news.
    peer.take_candidates(clock::now()).unwrap();
    assert_eq!(told(peer, outputs).await, (vec![(1, true)], 0));
}

#[tokio::test]
async fn a_later_gathering_without_a_new_address_is_no_lack_of_one() {
    let (mut peer, outputs) = offered(Route::Direct);
    peer.gather(clock::now()).unwrap();
    peer.gather(clock::now()).unwrap();
    let expected = vec![(1, true), (0, true)];
    assert_eq!(told(peer, outputs).await, (expected, 0));
}

#[tokio::test]
async fn where_only_a_relay_may_be_used_and_none_is_there_no_socket_is_opened() {
    let (mut peer, outputs) = offered(Route::Relay);
    peer.gather(clock::now()).unwrap();
    assert_eq!(peer.sockets.bases(), []);
    assert_eq!(told(peer, outputs).await, (vec![(0, true)], 1));
}

/// What the peer is told after its offer: lines of candidates.
async fn lines(peer: PeerConnection, mut outputs: Outputs) -> Vec<String> {
    drop(peer);
    let mut lines = Vec::new();
    while let Some((_, output)) = outputs.next().await {
        if let MediaOutput::Event(MediaEvent::LocalCandidates { candidates, .. }) = output {
            lines.extend(candidates);
        }
    }
    lines
}

/// A machine at these addresses.
fn at(addresses: Vec<IpAddr>) -> NetworkState {
    NetworkState {
        addresses,
        ..NetworkState::default()
    }
}

fn here() -> NetworkState {
    at(crate::host_addresses::all(Reach::ThisMachine))
}

#[tokio::test]
async fn sockets_go_with_their_addresses_and_new_ones_are_told() {
    let (mut peer, outputs) = offered_at(Vec::new(), Route::Direct, Servers::default());
    peer.network_changed(clock::now(), &here());
    assert_eq!(peer.sockets.bases(), [], "nothing was asked for");
    peer.gather(clock::now()).unwrap();
    let before = peer.sockets.bases();
    assert_eq!(before.len(), here().addresses.len());
    // The same once more is no change.
    peer.network_changed(clock::now(), &here());
    assert_eq!(peer.sockets.bases(), before);
    peer.network_changed(clock::now(), &at(Vec::new()));
    // What is bound is what the machine has, whatever it was said to have: nothing is gone any more.
    let after = peer.sockets.bases();
    assert!(after.iter().all(|base| !before.contains(base)), "{after:?}");
    assert_eq!(after.len(), before.len());
    let told = lines(peer, outputs).await;
    let expected: Vec<String> = [&before[..], &after[..]]
        .concat()
        .iter()
        .map(|base| format!("{} {}", base.ip(), base.port()))
        .collect();
    assert_eq!(told.len(), expected.len());
    for (line, address) in told.iter().zip(expected) {
        assert!(
            line.contains(&address) && line.contains("typ host"),
            "{line}"
        );
    }
}

#[tokio::test]
async fn who_goes_by_relay_alone_tells_no_address_after_a_move_either() {
    let servers = Servers {
        turn: vec![securecall_relay::TurnServer {
            // Discards what it gets.
            address: "127.0.0.1:9".parse().unwrap(),
            link: securecall_relay::ServerLink::Udp,
            credentials: securecall_relay::Credentials::new("ada", String::from("secret").into())
                .unwrap(),
        }],
        stun: vec!["127.0.0.1:9".parse().unwrap()],
        ..Servers::default()
    };
    let (mut peer, outputs) = offered_at(Vec::new(), Route::Relay, servers);
    peer.network_changed(clock::now(), &here());
    peer.gather(clock::now()).unwrap();
    let before = peer.sockets.bases();
    assert!(!before.is_empty());
    peer.network_changed(clock::now(), &at(Vec::new()));
    assert!(
        peer.sockets
            .bases()
            .iter()
            .all(|base| !before.contains(base))
    );
    peer.network_changed(clock::now(), &here());
    assert_eq!(lines(peer, outputs).await, Vec::<String>::new());
}

#[tokio::test]
async fn addresses_that_were_asked_for_by_name_are_kept() {
    let (mut peer, outputs) = offered(Route::Direct);
    peer.gather(clock::now()).unwrap();
    let before = peer.sockets.bases();
    peer.network_changed(clock::now(), &at(Vec::new()));
    assert_eq!(peer.sockets.bases(), before);
    assert_eq!(lines(peer, outputs).await.len(), 1);
}

/// Two connections over the loopback interface.
struct Two {
    peers: [PeerConnection; 2],
    outputs: [Outputs; 2],
}

impl Two {
    /// With a path between them.
    async fn connected() -> Self {
        Self::connected_from(LOCALHOST).await
    }

    /// The same, where the caller has this address.
    async fn connected_from(address: IpAddr) -> Self {
        let (caller, of_caller) = offered_at(vec![address], Route::Direct, Servers::default());
        let (callee, of_callee) = offered(Route::Direct);
        let mut two = Self {
            peers: [caller, callee],
            outputs: [of_caller, of_callee],
        };
        let mut up = 0;
        while up < 2 {
            let (index, event) = two.next().await;
            let (now, peer) = (clock::now(), &mut two.peers[1 - index]);
            match event {
                // Both have made one; the first of them is taken.
                MediaEvent::LocalOffer { sdp } if index == 0 => {
                    peer.transport = None;
                    peer.accept_offer(now, Tier::SecureCall, &sdp, Route::Direct)
                        .unwrap();
                }
                MediaEvent::LocalAnswer { sdp } => {
                    peer.set_answer(now, &sdp).unwrap();
                    for peer in &mut two.peers {
                        peer.gather(now).unwrap();
                    }
                }
                MediaEvent::LocalCandidates { candidates, .. } => {
                    peer.add_remote_candidates(now, &candidates).unwrap();
                }
                MediaEvent::PathUp { .. } => up += 1,
                _ => {}
            }
        }
        two
    }

    /// The next that either has to say to its endpoint.
    async fn next(&mut self) -> (usize, MediaEvent) {
        loop {
            let event = self.step().await;
            if let Some((index, MediaOutput::Event(event))) = event {
                return (index, event);
            }
        }
    }

    /// What comes next, to either or from it.
    async fn step(&mut self) -> Option<(usize, MediaOutput)> {
        let Self {
            peers: [caller, callee],
            outputs: [of_caller, of_callee],
        } = self;
        caller.drain();
        callee.drain();
        let wake = [caller.next_wake(), callee.next_wake()];
        tokio::select! {
            biased;
            Some((_, output)) = of_caller.next() => return Some((0, output)),
            Some((_, output)) = of_callee.next() => return Some((1, output)),
            arrival = caller.receive() => caller.handle_arrival(clock::now(), &arrival),
            arrival = callee.receive() => callee.handle_arrival(clock::now(), &arrival),
            () = clock::sleep_until(wake.into_iter().flatten().min()) => {
                let now = clock::now();
                caller.handle_timeout(now, || [None; 2]);
                callee.handle_timeout(now, || [None; 2]);
            }
        }
        None
    }
}

#[tokio::test]
async fn a_machine_that_has_slept_takes_its_path_for_dead() {
    let mut two = Two::connected().await;
    two.peers[0].network_changed(clock::now(), &here());
    let awake = NetworkState { slept: 1, ..here() };
    two.peers[0].network_changed(clock::now(), &awake);
    while two.next().await != (0, MediaEvent::PathLost) {}
}

#[tokio::test]
async fn a_path_whose_packets_leave_from_another_address_now_is_lost_at_once_and_no_other_is_doubted()
 {
    let other = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    // To the peer the system takes the first of them.
    for (address, is_lost) in [(LOCALHOST, false), (other, true)] {
        let mut two = Two::connected_from(address).await;
        let before = NetworkState {
            addresses: vec![address],
            default_sources: vec![address],
            slept: 0,
        };
        two.peers[0].network_changed(clock::now(), &before);
        let joined = NetworkState {
            default_sources: vec!["192.0.2.1".parse().unwrap()],
            ..before
        };
        two.peers[0].network_changed(clock::now(), &joined);
        assert!(two.peers[0].doubt.is_none());
        assert_eq!(two.peers[0].path_lost, is_lost, "{address}");
        // Whatever comes in, until it is known that what goes out gets there.
        two.peers[0].authenticated(clock::now());
        assert_eq!(two.peers[0].path_lost, is_lost, "{address}");
        while two.peers[0].transport.as_ref().unwrap().is_path_lost() {
            two.step().await;
        }
        two.peers[0].authenticated(clock::now());
        assert!(!two.peers[0].path_lost);
    }
}

#[tokio::test]
async fn a_path_that_is_doubted_is_kept_if_it_answers_and_lost_if_it_does_not() {
    let mut two = Two::connected().await;
    two.peers[0].network_changed(clock::now(), &here());
    let elsewhere = NetworkState {
        default_sources: vec!["192.0.2.1".parse().unwrap()],
        ..here()
    };
    two.peers[0].network_changed(clock::now(), &elsewhere);
    assert!(two.peers[0].doubt.is_some());
    while two.peers[0].doubt.is_some() {
        if let Some((_, output)) = two.step().await {
            assert!(
                !matches!(output, MediaOutput::Event(MediaEvent::PathLost)),
                "it answers"
            );
        }
    }
    // The other one answers nothing any more.
    two.peers[1].transport = None;
    two.peers[0].network_changed(clock::now(), &here());
    while two.next().await != (0, MediaEvent::PathLost) {}
    // Another address is a reason to try again, and the same ones are none.
    two.peers[0].network_changed(clock::now(), &here());
    two.peers[0].sockets.may_bind("127.0.0.2".parse().unwrap());
    two.peers[0].network_changed(clock::now(), &here());
    let mut told = Vec::new();
    while told.last() != Some(&MediaEvent::PathLost) {
        let (index, event) = two.next().await;
        told.extend(Some(event).filter(|_| index == 0));
    }
    let [MediaEvent::LocalCandidates { candidates, .. }, _] = &told[..] else {
        panic!("{told:?}");
    };
    assert!(candidates[0].contains("127.0.0.2"), "{candidates:?}");
}

/// A STUN server, which says that it sees everybody at this address. Gives up if nobody asks.
fn says_how_it_sees_us(server: &UdpSocket, outside: SocketAddr) {
    let mut buffer = [0; 512];
    let (length, from) = server.recv_from(&mut buffer).expect("nobody asks");
    let request = Message::parse(&buffer[..length]).unwrap();
    let answer = MessageBuilder::new(Class::Success, Method::Binding, request.transaction())
        .xor_address(AttributeType::XOR_MAPPED_ADDRESS, outside)
        .finish();
    server.send_to(&answer, from).unwrap();
}

#[tokio::test]
async fn when_the_peer_is_silent_servers_are_asked_how_they_see_us_and_what_is_new_is_told() {
    let server = UdpSocket::bind((LOCALHOST, 0)).unwrap();
    server
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let servers = Servers {
        stun: vec![server.local_addr().unwrap()],
        ..Servers::default()
    };
    let (mut peer, outputs) = offered_at(vec![LOCALHOST], Route::Direct, servers);
    peer.gather(clock::now()).unwrap();
    for port in [7000, 7001] {
        says_how_it_sees_us(&server, ([203, 0, 113, 1], port).into());
        let arrival = peer.receive().await;
        peer.handle_arrival(clock::now(), &arrival);
        peer.handle_event(TransportEvent::PathSilent);
    }
    let told = lines(peer, outputs).await;
    assert_eq!(told.len(), 3, "{told:?}");
    for (line, port) in told[1..].iter().zip(["7000", "7001"]) {
        assert!(line.contains(port) && line.contains("srflx"), "{line}");
    }
}

#[tokio::test]
async fn servers_that_are_found_elsewhere_are_heard_of_in_a_call() {
    let (known, servers) = watch::channel(Servers::default());
    let (sender, _outputs) = queue();
    let call = NamedCall {
        handle: CallHandles::default().issue(),
        id: WireCallId::parse("call").unwrap(),
    };
    let network = Network::default();
    let mut peer = PeerConnection::new(MediaOutputs::of(call, sender), network, &servers);
    known.send_replace(Servers::default());
    let arrival = tokio::time::timeout(Duration::from_secs(30), peer.receive());
    let arrival = arrival.await.expect("nothing is heard");
    assert!(matches!(arrival, Arrival::Servers));
    peer.handle_arrival(clock::now(), &arrival);
}
