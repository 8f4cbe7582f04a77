//! TURN over TCP and TLS, and which link wins.

use std::time::Duration;

use securecall_relay::turn::{MAX_FRAME_LEN, StreamBuffer};
use securecall_relay::{
    CandidateSource as _, ServerLink, StreamEvent, StreamId, TurnFailure, TurnServer, TurnSource,
};

use crate::network::{MS, Network, address, ids};
use crate::scripted_server::{Scripted, key, server_at};

const LISTEN: &str = "198.51.100.8:443";
const UDP: &str = "198.51.100.9:3478";
const SOCKET: &str = "10.0.0.2:5000";
const PEER: &str = "203.0.113.9:7000";

fn by(link: ServerLink) -> TurnServer {
    TurnServer {
        link,
        ..server_at(LISTEN)
    }
}

/// A device whose TCP stream to the server is open, and the server at its other end.
struct Stream {
    network: Network<TurnSource>,
    server: Scripted,
    /// What of the written bytes the server has read.
    read: usize,
    buffer: StreamBuffer,
}

impl Stream {
    fn opened(link: ServerLink) -> Self {
        let source = TurnSource::new([by(link)], ids(4));
        let mut network = Network::new(source);
        network.gather(&[SOCKET]);
        assert_eq!(network.opened.len(), 1);
        let mut stream = Self {
            network,
            server: Scripted::granting(LISTEN),
            read: 0,
            buffer: StreamBuffer::default(),
        };
        stream.event(StreamEvent::Opened);
        stream
    }

    fn event(&mut self, event: StreamEvent<'_>) {
        let ours = self
            .network
            .drive(|source, now| source.handle_stream(now, StreamId(0), event));
        assert!(ours);
    }

    /// The server answers what was written, until nothing more is.
    fn exchange(&mut self) {
        while let Some((_, bytes)) = self.network.written.get(self.read).cloned() {
            self.read += 1;
            let mut answers = Vec::new();
            let server = &mut self.server;
            let taken = self.buffer.take(&bytes, |frame| {
                answers.extend(server.answer(frame));
            });
            assert_eq!(taken, Ok(()));
            for answer in answers {
                // In small pieces, as a slow network delivers them.
                for piece in answer.chunks(7) {
                    self.event(StreamEvent::Bytes(piece));
                }
            }
        }
    }
}

#[test]
fn an_address_is_granted_in_a_stream_and_packets_go_both_ways() {
    let mut stream = Stream::opened(ServerLink::Tcp);
    stream.exchange();
    let own = stream.network.addresses()[0];
    stream
        .network
        .drive(|source, now| source.allow_peer(now, address(PEER)));
    stream.exchange();
    stream
        .network
        .drive(|source, now| source.prefer_peer(now, own, address(PEER)));
    stream.exchange();
    stream.network.send(own, PEER, b"seven 7");
    let (_, written) = stream.network.written.last().unwrap();
    // In a stream channel data is padded, so that the next frame begins on a 4-byte boundary.
    assert_eq!(&written[..], b"\x40\x00\x00\x07seven 7\0");
    stream.event(StreamEvent::Bytes(
        b"\x40\x00\x00\x05hello\0\0\0\x40\x00\x00\x02",
    ));
    stream.event(StreamEvent::Bytes(b"hi\0\0"));
    let contents: Vec<&[u8]> = stream
        .network
        .packets
        .iter()
        .map(|packet| &packet.contents[..])
        .collect();
    assert_eq!(contents, [&b"hello"[..], b"hi"]);
}

#[test]
fn a_name_is_to_be_proved_where_tls_is_asked_for() {
    let stream = Stream::opened(ServerLink::Tls("turn.example.org".to_owned()));
    let (_, target) = &stream.network.opened[0];
    assert_eq!(target.tls_name.as_deref(), Some("turn.example.org"));
    assert_eq!(target.address, address(LISTEN));
    let stream = Stream::opened(ServerLink::Tcp);
    assert_eq!(stream.network.opened[0].1.tls_name, None);
}

#[test]
fn what_becomes_of_a_stream_is_named() {
    for (event, failure) in [
        (StreamEvent::Closed, TurnFailure::Disconnected),
        (StreamEvent::TlsFailed, TurnFailure::Tls),
        (
            StreamEvent::Bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            TurnFailure::Nonsense("what it sends is not TURN"),
        ),
    ] {
        let mut stream = Stream::opened(ServerLink::Tcp);
        stream.event(event);
        let failures: Vec<TurnFailure> = stream
            .network
            .source
            .failures()
            .map(|(_, _, failure)| failure.clone())
            .collect();
        assert_eq!(failures, [failure]);
        assert_eq!(stream.network.closed, [StreamId(0)]);
        assert_eq!(stream.network.answered.len(), 1);
        // A dead stream has nothing more to say.
        let late = StreamEvent::Bytes(b"late");
        let ours = stream
            .network
            .drive(|source, now| source.handle_stream(now, StreamId(0), late));
        assert!(!ours);
    }
}

#[test]
fn a_stream_that_does_not_open_or_a_server_that_says_nothing_in_it_is_given_up() {
    let source = TurnSource::new([by(ServerLink::Tcp)], ids(4));
    let mut network = Network::new(source);
    network.gather(&[SOCKET]);
    network.run_for(Duration::from_secs(9));
    assert_eq!(network.answered.len(), 1);

    let mut stream = Stream::opened(ServerLink::Tcp);
    // A byte now and then is no answer.
    for _ in 0..8 {
        stream.event(StreamEvent::Bytes(&[0]));
        stream.network.run_for(Duration::from_secs(1));
        if !stream.network.closed.is_empty() {
            break;
        }
    }
    assert_eq!(stream.network.closed, [StreamId(0)]);
}

#[test]
fn a_frame_longer_than_any_of_a_call_ends_the_stream_before_it_is_kept() {
    let mut buffer = StreamBuffer::default();
    let mut frames = 0;
    assert!(
        buffer
            .take(&[0x40, 0, 0xff, 0xff], |_| frames += 1)
            .is_err()
    );
    let mut buffer = StreamBuffer::default();
    assert!(buffer.take(&[0x80], |_| frames += 1).is_ok());
    assert!(buffer.take(&[0, 0, 0], |_| frames += 1).is_err());
    assert_eq!(frames, 0);
    assert!(buffer.waiting() <= MAX_FRAME_LEN);
}

#[test]
fn datagrams_win_over_a_stream_that_was_faster_if_they_come_within_a_second() {
    for (late, addresses) in [(900, 2), (1200, 1)] {
        let source = TurnSource::new([by(ServerLink::Tcp), server_at(UDP)], ids(4));
        let mut network = Network::new(source);
        network.cut = true;
        network.gather(&[SOCKET]);
        let mut stream = Stream {
            network,
            server: Scripted::granting(LISTEN),
            read: 0,
            buffer: StreamBuffer::default(),
        };
        stream.event(StreamEvent::Opened);
        stream.exchange();
        assert_eq!(stream.network.addresses().len(), 1);
        assert_eq!(stream.network.answered.len(), 1);
        stream
            .network
            .servers
            .insert("udp", Box::new(Scripted::new(UDP, grant_elsewhere)));
        stream
            .network
            .run_for(late * MS - Duration::from_millis(200));
        stream.network.cut = false;
        stream.network.run_for(Duration::from_secs(5));
        assert_eq!(stream.network.addresses().len(), addresses, "{late} ms");
        assert_eq!(
            stream.network.closed,
            [],
            "a call may be on the stream by now"
        );
    }
}

fn grant_elsewhere(request: &securecall_relay::stun::Message<'_>) -> Option<Vec<u8>> {
    use securecall_relay::stun::{AttributeType, Class, MessageBuilder};
    let granted = MessageBuilder::new(Class::Success, request.method(), request.transaction())
        .xor_address(
            AttributeType::XOR_RELAYED_ADDRESS,
            address("198.51.100.9:50000"),
        )
        .number(AttributeType::LIFETIME, 600);
    Some(granted.integrity(&key()).finish())
}

#[test]
fn a_stream_is_closed_when_datagrams_were_faster() {
    let source = TurnSource::new([by(ServerLink::Tcp), server_at(UDP)], ids(4));
    let mut network = Network::new(source).with_server("udp", Scripted::granting(UDP));
    network.gather(&[SOCKET]);
    network.run_for(500 * MS);
    assert_eq!(network.addresses().len(), 1);
    assert_eq!(network.closed, [StreamId(0)]);
}
