//! Whatever comes from outside: no panic, nothing without bound.

use proptest::prelude::*;
use securecall_relay::stun::{AttributeType, Message};
use securecall_relay::turn::{MAX_FRAME_LEN, ServerUri, StreamBuffer};
use securecall_relay::{CandidateSource as _, TurnSource};

use crate::network::{MS, Network, address, ids};
use crate::scripted_server::{Scripted, key, server_at};

proptest! {
    #[test]
    fn any_bytes_are_a_message_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = Message::parse(&bytes) {
            let _ = message.error_code();
            let _ = message.xor_address(AttributeType::XOR_MAPPED_ADDRESS);
            prop_assert!(!message.is_authentic(&key()));
        }
    }

    #[test]
    fn frames_of_a_stream_do_not_depend_on_how_it_is_cut(
        contents in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..6),
        cuts in proptest::collection::vec(1..40_usize, 1..40),
    ) {
        let mut stream = Vec::new();
        for data in &contents {
            stream.extend_from_slice(&[0x40, 0x01, 0, data.len() as u8]);
            stream.extend_from_slice(data);
            stream.resize(stream.len().next_multiple_of(4), 0);
        }
        let mut buffer = StreamBuffer::default();
        let mut frames = Vec::new();
        let mut rest = &stream[..];
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, more) = rest.split_at((*cut).min(rest.len()));
            buffer.take(piece, |frame| frames.push(frame[4..].to_vec())).unwrap();
            prop_assert!(buffer.waiting() <= MAX_FRAME_LEN);
            rest = more;
        }
        prop_assert_eq!(frames, contents);
    }

    #[test]
    fn any_text_is_a_uri_or_refused(text in "(stun|turn|turns|TURN)?:?(//)?\\PC{0,40}(\\?transport=[a-z]{0,4})?") {
        if let Ok(uri) = ServerUri::parse(&text) {
            prop_assert_eq!(ServerUri::parse(&uri.to_string()), Ok(uri));
        }
    }

    #[test]
    fn a_server_that_says_anything_at_all_does_no_harm(
        datagrams in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..20),
        heads in proptest::collection::vec(0..4_usize, 20),
    ) {
        let listen = "198.51.100.8:3478";
        let source = TurnSource::new([server_at(listen)], ids(5));
        let mut network = Network::new(source)
            .with_server("turn", Scripted::granting(listen));
        network.gather(&["10.0.0.2:5000"]);
        network.run_for(200 * MS);
        network.drive(|source, now| source.allow_peer(now, address("203.0.113.9:1")));
        network.run_for(200 * MS);
        for (data, head) in datagrams.iter().zip(heads) {
            // Headers of messages, of channel data, or none.
            let head: &[u8] = match head {
                0 => b"\x01\x17\x00\x40\x21\x12\xa4\x42",
                1 => b"\x01\x04\x00\x20\x21\x12\xa4\x42",
                2 => b"\x40\x00\x00\x10",
                _ => b"",
            };
            network.inject(address(listen), address("10.0.0.2:5000"), &[head, data].concat());
            network.run_for(50 * MS);
        }
        prop_assert_eq!(network.addresses().len(), 1);
        prop_assert_eq!(&network.lost, &[]);
    }
}
