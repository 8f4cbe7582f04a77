//! Where the other side is to learn nothing of us, networks do not read our name on the way to a server, if that can be had.

use std::time::Duration;

use securecall_relay::stun::Message;
use securecall_relay::turn::StreamBuffer;
use securecall_relay::{
    CandidateSource as _, ServerLink, StreamEvent, StreamId, TurnServer, TurnSource,
};

use crate::network::{DELAY, MS, Network, address, ids};
use crate::scripted_server::{Scripted, credentials, server_at};

const UDP: &str = "198.51.100.8:3478";
const TLS: &str = "198.51.100.9:5349";
const SOCKET: &str = "10.0.0.2:5000";

/// One whose user name says who we are.
fn naming(link: ServerLink, at: &str) -> TurnServer {
    TurnServer {
        address: address(at),
        link,
        credentials: credentials("ada", "secret").naming_user(),
    }
}

fn tls() -> TurnServer {
    naming(ServerLink::Tls("turn.example.org".to_owned()), TLS)
}

fn plain() -> TurnServer {
    naming(ServerLink::Udp, UDP)
}

fn asked(servers: impl IntoIterator<Item = TurnServer>) -> Network<TurnSource> {
    let source = TurnSource::new(servers, ids(9));
    let mut network = Network::new(source).with_server("turn", Scripted::granting(UDP));
    network.source.be_discreet();
    network.gather(&[SOCKET]);
    network
}

#[test]
fn a_server_that_is_reached_by_tls_is_asked_alone() {
    let mut network = asked([plain(), tls()]);
    assert_eq!((network.sent.len(), network.opened.len()), (0, 1));
    // It grants, and nobody else is asked any more.
    let mut server = Scripted::granting(TLS);
    let stream = StreamId(0);
    network.drive(|source, now| source.handle_stream(now, stream, StreamEvent::Opened));
    let (mut read, mut buffer) = (0, StreamBuffer::default());
    while let Some((_, bytes)) = network.written.get(read).cloned() {
        read += 1;
        let mut answers = Vec::new();
        let taken = buffer.take(&bytes, |frame| answers.extend(server.answer(frame)));
        assert_eq!(taken, Ok(()));
        for answer in answers {
            let bytes = StreamEvent::Bytes(&answer);
            network.drive(|source, now| source.handle_stream(now, stream, bytes));
        }
    }
    assert_eq!(network.candidates.len(), 1);
    network.run_for(Duration::from_secs(60));
    assert_eq!(network.sent, []);
}

#[test]
fn where_tls_fails_the_others_are_asked_at_once() {
    for event in [StreamEvent::TlsFailed, StreamEvent::Closed] {
        let mut network = asked([plain(), tls()]);
        network.run_for(100 * MS);
        assert_eq!(network.sent, []);
        network.drive(|source, now| source.handle_stream(now, StreamId(0), event));
        assert_eq!(network.answered.len(), 0, "there is more to come");
        network.run_for(4 * DELAY);
        assert_eq!((network.candidates.len(), network.answered.len()), (1, 1));
    }
}

#[test]
fn where_tls_is_silent_the_others_are_asked_after_two_seconds() {
    let mut network = asked([plain(), tls()]);
    network.run_for(1990 * MS);
    assert_eq!(network.sent, []);
    network.run_for(10 * MS + 4 * DELAY);
    assert_eq!(network.candidates.len(), 1);
    let first = Message::parse(&network.sent[0].contents).unwrap();
    assert_eq!(network.sent[0].destination, address(UDP), "{first:?}");
}

/// As homeservers write them.
#[test]
fn where_tls_is_silent_a_matrix_id_is_shown_to_nobody_for_as_long_as_tls_is_tried() {
    let with_matrix_id = |server: TurnServer| TurnServer {
        credentials: credentials("1790000000:@ada:example.org", "secret").naming_user(),
        ..server
    };
    let mut network = asked([with_matrix_id(plain()), with_matrix_id(tls())]);
    // The stream is given up.
    network.run_for(7990 * MS);
    assert_eq!(network.sent, []);
    network.run_for(10 * MS);
    assert_eq!(network.sent.len(), 1);
    // It opens, and the server says nothing.
    let mut network = asked([with_matrix_id(plain()), with_matrix_id(tls())]);
    network.run_for(7000 * MS);
    network.drive(|source, now| source.handle_stream(now, StreamId(0), StreamEvent::Opened));
    network.run_for(2990 * MS);
    assert_eq!(network.sent, []);
    network.run_for(10 * MS);
    assert_eq!(network.sent.len(), 1);
    // It has failed: there is nothing to wait for.
    let mut network = asked([with_matrix_id(plain()), with_matrix_id(tls())]);
    network.drive(|source, now| source.handle_stream(now, StreamId(0), StreamEvent::Closed));
    assert_eq!(network.sent.len(), 1);
}

#[test]
fn a_server_that_has_no_tls_is_asked_at_once() {
    let network = asked([plain()]);
    assert_eq!(network.sent.len(), 1);
}

#[test]
fn user_names_that_say_nothing_and_calls_that_hide_nothing_race_as_always() {
    let network = asked([server_at(UDP), tls()]);
    assert_eq!((network.sent.len(), network.opened.len()), (1, 1));
    let source = TurnSource::new([plain(), tls()], ids(9));
    let mut network = Network::new(source);
    network.gather(&[SOCKET]);
    assert_eq!((network.sent.len(), network.opened.len()), (1, 1));
}

#[test]
fn after_the_end_of_a_call_nobody_is_asked() {
    let mut network = asked([plain(), tls()]);
    network.drive(|source, now| source.close(now));
    network.run_for(Duration::from_secs(60));
    assert_eq!(network.sent, []);
}

#[test]
fn a_network_that_is_new_is_told_no_name_either() {
    let mut network = asked([plain(), tls()]);
    network.run_for(2500 * MS);
    let before = network.sent.len();
    network.gather(&["10.1.0.2:5000"]);
    let new = |network: &Network<TurnSource>| {
        let mut sent = network.sent[before..].iter();
        sent.any(|sent| sent.source == address("10.1.0.2:5000"))
    };
    network.run_for(1990 * MS);
    assert!(!new(&network));
    network.run_for(100 * MS);
    assert!(new(&network));
}
