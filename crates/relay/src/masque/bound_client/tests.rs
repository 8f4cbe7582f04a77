use super::*;
use crate::masque::test_capsules::{address, compressed, id, uncompressed};

const PEER: &str = "203.0.113.9:7000";
const OTHER: &str = "203.0.113.10:7000";

fn client() -> BoundClient {
    BoundClient::new(&[address("198.51.100.7:40000")])
}

/// What the client has to say.
fn said(client: &mut BoundClient) -> Vec<Capsule> {
    let bytes = client.poll_capsules().unwrap_or_default();
    let (mut rest, mut reader, mut capsules) = (&bytes[..], CapsuleReader::default(), vec![]);
    while let Some(capsule) = reader.read(&mut rest).unwrap() {
        capsules.push(capsule);
    }
    capsules
}

fn tell(client: &mut BoundClient, capsule: Capsule) -> Result<Vec<Capsule>, FlowError> {
    let mut bytes = Vec::new();
    capsule::write(capsule, &mut bytes);
    client.handle_capsules(&bytes)?;
    Ok(said(client))
}

/// One whose uncompressed context, 2, is agreed.
fn open_client() -> BoundClient {
    let mut client = client();
    client.open();
    assert_eq!(said(&mut client), [uncompressed(2)]);
    tell(&mut client, Capsule::Ack(id(2))).unwrap();
    client
}

#[test]
fn the_uncompressed_context_is_closed_once_the_proxy_knows_the_peer() {
    let mut client = open_client();
    let peer = address(PEER);
    client.prefer(peer);
    assert_eq!(said(&mut client), [compressed(4, PEER)]);
    // A packet that overtook the registration would be lost.
    let header = DatagramHeader::uncompressed(id(2), peer);
    assert_eq!(client.header(peer), Ok(header));
    // The proxy may use it at once.
    assert_eq!(
        client.handle_datagram(b"\x04voice"),
        Ok((peer, &b"voice"[..]))
    );
    assert_eq!(
        tell(&mut client, Capsule::Ack(id(4))),
        Ok(vec![Capsule::Close(id(2))])
    );
    assert_eq!(client.header(peer), Ok(DatagramHeader::compressed(id(4))));
    assert_eq!(client.datagram(peer, b"voice"), Ok(b"\x04voice".to_vec()));
    assert_eq!(
        client.header(address(OTHER)),
        Err(DatagramRefusal::NoContext)
    );
    let late = [DatagramHeader::uncompressed(id(2), peer).as_ref(), b"late"].concat();
    assert_eq!(
        client.handle_datagram(&late),
        Err(DatagramRefusal::UnknownContext)
    );
    // Twice is once.
    client.prefer(peer);
    assert_eq!(said(&mut client), []);
    // For a restart there is another one, with another ID.
    client.open();
    client.open();
    assert_eq!(said(&mut client), [uncompressed(6)]);
    assert!(client.header(address(OTHER)).is_ok());
    assert_eq!(tell(&mut client, Capsule::Ack(id(6))), Ok(vec![]));
    client.prefer(peer);
    assert_eq!(said(&mut client), [Capsule::Close(id(6))]);
}

#[test]
fn a_peer_that_the_proxy_does_not_register_stays_uncompressed() {
    let mut client = open_client();
    client.prefer(address(PEER));
    said(&mut client);
    assert_eq!(tell(&mut client, Capsule::Close(id(4))), Ok(vec![]));
    let header = DatagramHeader::uncompressed(id(2), address(PEER));
    assert_eq!(client.header(address(PEER)), Ok(header));
    assert!(client.is_open() && client.is_answered() && client.is_of_use());
}

#[test]
fn a_proxy_that_closes_the_context_of_a_call_gets_another_way_once() {
    let mut client = open_client();
    client.prefer(address(PEER));
    tell(&mut client, Capsule::Ack(id(4))).unwrap();
    assert_eq!(
        tell(&mut client, Capsule::Close(id(4))),
        Ok(vec![uncompressed(6)])
    );
    assert!(client.is_of_use());
    assert_eq!(tell(&mut client, Capsule::Close(id(6))), Ok(vec![]));
    assert!(!client.is_of_use());
}

#[test]
fn a_probe_is_answered_either_way_and_leaves_nothing() {
    let mut client = open_client();
    assert!(client.is_answered());
    client.probe();
    client.probe();
    assert_eq!(said(&mut client), [compressed(4, "192.0.2.1:9")]);
    assert!(!client.is_answered());
    assert_eq!(
        tell(&mut client, Capsule::Ack(id(4))),
        Ok(vec![Capsule::Close(id(4))])
    );
    assert!(client.is_answered());
    client.probe();
    assert_eq!(said(&mut client), [compressed(6, "192.0.2.1:9")]);
    assert_eq!(tell(&mut client, Capsule::Close(id(6))), Ok(vec![]));
    assert!(client.is_answered() && client.compressed.is_empty());
    let mut client = BoundClient::new(&[address("[2001:db8::7]:1")]);
    client.probe();
    assert_eq!(said(&mut client), [compressed(2, "[2001:db8::1]:9")]);
}

#[test]
fn what_the_proxy_registers_is_used_while_anybody_may_send() {
    let mut client = open_client();
    assert_eq!(
        tell(&mut client, compressed(1, PEER)),
        Ok(vec![Capsule::Ack(id(1))])
    );
    assert_eq!(
        client.header(address(PEER)),
        Ok(DatagramHeader::compressed(id(1)))
    );
    assert_eq!(
        client.handle_datagram(b"\x01voice"),
        Ok((address(PEER), &b"voice"[..]))
    );
    // There is one context for a peer: ours is not asked for.
    client.prefer(address(PEER));
    assert_eq!(said(&mut client), [Capsule::Close(id(2))]);
    // Behind the firewall the proxy lets nobody in by itself.
    assert_eq!(
        tell(&mut client, compressed(3, OTHER)),
        Ok(vec![Capsule::Close(id(3))])
    );
    // Where both have registered a peer ours stays.
    let mut client = open_client();
    client.prefer(address(PEER));
    said(&mut client);
    assert_eq!(
        tell(&mut client, compressed(1, PEER)),
        Ok(vec![Capsule::Close(id(1))])
    );
    // What is of a family that is not bound, or no host.
    for (number, peer) in [
        (3, "[2001:db8::9]:1"),
        (5, "203.0.113.9:0"),
        (7, "224.0.0.1:1"),
    ] {
        assert_eq!(
            tell(&mut client, compressed(number, peer)),
            Ok(vec![Capsule::Close(id(number))])
        );
    }
}

#[test]
fn what_a_proxy_must_not_say_ends_the_flow() {
    for (capsules, error) in [
        (vec![compressed(0, PEER)], FlowError::ForeignId),
        (vec![compressed(4, PEER)], FlowError::ForeignId),
        (vec![uncompressed(1)], FlowError::Uncompressed),
        (
            vec![compressed(1, PEER), compressed(1, OTHER)],
            FlowError::RepeatedId,
        ),
        (
            vec![compressed(1, PEER), compressed(3, PEER)],
            FlowError::RepeatedPeer,
        ),
        (vec![Capsule::Ack(id(0))], FlowError::UnaskedAck),
        (vec![Capsule::Ack(id(1))], FlowError::UnaskedAck),
        (vec![Capsule::Ack(id(4))], FlowError::UnaskedAck),
        (vec![Capsule::Close(id(0))], FlowError::ClosedZero),
    ] {
        let mut client = open_client();
        let (last, before) = capsules.split_last().unwrap();
        for capsule in before {
            tell(&mut client, *capsule).unwrap();
        }
        assert_eq!(tell(&mut client, *last), Err(error), "{capsules:?}");
        assert_eq!(tell(&mut client, Capsule::Ack(id(2))), Err(error));
        assert_eq!(client.header(address(PEER)), Err(DatagramRefusal::FlowOver));
        assert_eq!(
            client.handle_datagram(b"\x02"),
            Err(DatagramRefusal::FlowOver)
        );
        assert!(!client.is_of_use());
    }
    let malformed = client().handle_capsules(&[0x13, 0]);
    assert!(matches!(malformed, Err(FlowError::Capsule(_))));
}

#[test]
fn an_answer_to_what_was_closed_meanwhile_is_no_mistake() {
    let mut client = client();
    client.open();
    client.prefer(address(PEER));
    client.closed(id(2));
    assert_eq!(tell(&mut client, Capsule::Ack(id(2))).unwrap().len(), 2);
    assert_eq!(tell(&mut client, Capsule::Ack(id(4))), Ok(vec![]));
    assert_eq!(tell(&mut client, Capsule::Ack(id(4))), Ok(vec![]));
}

#[test]
fn datagrams_that_are_none_are_refused() {
    let client = open_client();
    for (datagram, refusal) in [
        (&b"\x00payload"[..], DatagramRefusal::ContextZero),
        (b"", DatagramRefusal::Truncated),
        (b"\x06payload", DatagramRefusal::UnknownContext),
        (
            b"\x02\x05\xcb\x00\x71\x09\x1b\x58",
            DatagramRefusal::NoAddress,
        ),
        (b"\x02\x04\xcb\x00\x71\x09\x1b", DatagramRefusal::Truncated),
        // Port 0, a group, another family.
        (
            b"\x02\x04\xcb\x00\x71\x09\x00\x00x",
            DatagramRefusal::NotAdmitted,
        ),
        (
            b"\x02\x04\xe0\x00\x00\x01\x1b\x58x",
            DatagramRefusal::NotAdmitted,
        ),
        (
            b"\x02\x06\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x1b\x58x",
            DatagramRefusal::NotAdmitted,
        ),
    ] {
        assert_eq!(
            client.handle_datagram(datagram),
            Err(refusal),
            "{datagram:?}"
        );
    }
    let both = BoundClient::new(&[address("198.51.100.7:1"), address("[2001:db8::7]:1")]);
    for peer in [
        "[::ffff:203.0.113.9]:7000",
        "203.0.113.9:0",
        "255.255.255.255:1",
    ] {
        assert_eq!(
            both.header(address(peer)),
            Err(DatagramRefusal::NotAdmitted),
            "{peer}"
        );
    }
    let long = vec![0; context::MAX_UDP_PAYLOAD + 1];
    assert_eq!(
        client.datagram(address(PEER), &long),
        Err(DatagramRefusal::PayloadTooLong)
    );
    let mut datagram = client.datagram(address(PEER), &long[1..]).unwrap();
    assert!(client.handle_datagram(&datagram).is_ok());
    datagram.push(0);
    assert_eq!(
        client.handle_datagram(&datagram),
        Err(DatagramRefusal::PayloadTooLong)
    );
}

#[test]
fn contexts_and_answers_are_bounded() {
    let mut client = open_client();
    for number in 0..MAX_CONTEXTS {
        client.prefer(address(&format!("203.0.113.{number}:1")));
    }
    said(&mut client);
    // The first that is not the call's goes.
    client.prefer(address("203.0.113.0:1"));
    client.prefer(address(PEER));
    let last = compressed(2 * MAX_CONTEXTS as u64 + 4, PEER);
    assert_eq!(said(&mut client), [Capsule::Close(id(4)), last]);
    // The call's own stays, and be it the first.
    client.prefer(address("203.0.113.1:1"));
    client.probe();
    assert_eq!(said(&mut client), []);
    client
        .compressed
        .iter_mut()
        .for_each(|context| context.is_agreed = true);
    client.probe();
    assert_eq!(said(&mut client)[0], Capsule::Close(id(8)));
    assert_eq!(
        tell(&mut client, compressed(1, OTHER)),
        Ok(vec![Capsule::Close(id(1))])
    );

    let mut client = open_client();
    let mut bytes = Vec::new();
    for number in 0..MAX_CAPSULES as u64 {
        capsule::write(compressed(2 * number + 1, "224.0.0.1:1"), &mut bytes);
    }
    assert_eq!(client.handle_capsules(&bytes), Ok(()));
    let mut one_more = Vec::new();
    capsule::write(compressed(2 * MAX_CAPSULES as u64 + 1, PEER), &mut one_more);
    assert_eq!(
        client.handle_capsules(&one_more),
        Err(FlowError::TooManyAnswers)
    );
}
