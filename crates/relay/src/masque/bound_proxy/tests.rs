use std::time::Duration;

use super::*;
use crate::masque::permissions::MAX_PERMISSIONS;
use crate::masque::test_capsules::{address, compressed, id, uncompressed};

const MS: Duration = Duration::from_millis(1);

#[expect(clippy::disallowed_methods, reason = "any time will do")]
fn start() -> Instant {
    Instant::now()
}

/// A proxy with what was said to it.
struct World {
    now: Instant,
    proxy: BoundProxy,
}

impl World {
    fn new() -> Self {
        Self::with(
            &["198.51.100.7:40000", "[2001:db8::7]:40000"],
            Admission::of_public_hosts(),
        )
    }

    fn with(bound: &[&str], admission: Admission) -> Self {
        let bound: Vec<_> = bound.iter().map(|text| address(text)).collect();
        Self {
            now: start(),
            proxy: BoundProxy::new(&bound, Arc::new(admission)),
        }
    }

    fn say(&mut self, capsule: Capsule) -> Result<Vec<Capsule>, FlowError> {
        let mut bytes = Vec::new();
        capsule::write(capsule, &mut bytes);
        self.proxy.handle_capsules(self.now, &bytes)?;
        let answers = self.proxy.poll_capsules().unwrap_or_default();
        let (mut rest, mut reader, mut capsules) = (&answers[..], CapsuleReader::default(), vec![]);
        while let Some(capsule) = reader.read(&mut rest).unwrap() {
            capsules.push(capsule);
        }
        Ok(capsules)
    }

    /// A packet of the client without compression, by context 2.
    fn send(&mut self, peer: &str) -> Result<(), DatagramRefusal> {
        let header = DatagramHeader::uncompressed(id(2), address(peer));
        let datagram = [header.as_ref(), b"check"].concat();
        let outbound = self.proxy.handle_datagram(self.now, &datagram)?;
        assert_eq!(
            (outbound.peer, outbound.payload),
            (address(peer), &b"check"[..])
        );
        Ok(())
    }

    fn receive(&self, peer: &str) -> Result<DatagramHeader, DatagramRefusal> {
        self.proxy.handle_packet(self.now, address(peer))
    }
}

const PEER: &str = "203.0.113.9:7000";

#[test]
fn packets_go_by_the_uncompressed_context_then_by_the_one_of_the_peer() {
    let mut world = World::new();
    assert_eq!(world.say(uncompressed(2)), Ok(vec![Capsule::Ack(id(2))]));
    world.send(PEER).unwrap();
    let header = DatagramHeader::uncompressed(id(2), address(PEER));
    assert_eq!(world.receive(PEER), Ok(header));
    assert_eq!(
        world.say(compressed(4, PEER)),
        Ok(vec![Capsule::Ack(id(4))])
    );
    assert_eq!(world.receive(PEER), Ok(DatagramHeader::compressed(id(4))));
    let outbound = world
        .proxy
        .handle_datagram(world.now, b"\x04voice")
        .unwrap();
    assert_eq!(
        (outbound.peer, outbound.payload),
        (address(PEER), &b"voice"[..])
    );
    // The IPv4 address of a socket that has both.
    let mapped = "[::ffff:203.0.113.9]:7000";
    assert_eq!(world.receive(mapped), Ok(DatagramHeader::compressed(id(4))));
}

#[test]
fn without_the_uncompressed_context_the_exit_is_a_firewall() {
    let mut world = World::new();
    world.say(uncompressed(2)).unwrap();
    world.say(compressed(4, PEER)).unwrap();
    // The same host from another port, as through a NAT that the peer is behind.
    let other_port = "203.0.113.9:7001";
    assert!(world.receive(other_port).is_ok());
    assert_eq!(world.say(Capsule::Close(id(2))), Ok(vec![]));
    assert_eq!(world.receive(other_port), Err(DatagramRefusal::NoContext));
    assert!(world.receive(PEER).is_ok());
    assert_eq!(world.send(PEER), Err(DatagramRefusal::UnknownContext));
    // For an ICE restart there is another one.
    assert_eq!(world.say(uncompressed(6)), Ok(vec![Capsule::Ack(id(6))]));
    assert!(world.receive(other_port).is_ok());
    world.say(Capsule::Close(id(4))).unwrap();
    assert_eq!(
        world.receive(PEER),
        Ok(DatagramHeader::uncompressed(id(6), address(PEER)))
    );
}

#[test]
fn only_hosts_that_the_client_sends_to_may_send_and_not_for_ever() {
    let mut world = World::new();
    world.say(uncompressed(2)).unwrap();
    assert_eq!(world.receive(PEER), Err(DatagramRefusal::NotPermitted));
    world.send(PEER).unwrap();
    assert_eq!(
        world.receive("203.0.113.10:7000"),
        Err(DatagramRefusal::NotPermitted)
    );
    world.now += 300_000 * MS - MS;
    assert!(world.receive(PEER).is_ok());
    world.now += MS;
    assert_eq!(world.receive(PEER), Err(DatagramRefusal::NotPermitted));
    // A context of its own lets it in for as long, and what is sent by it for as long again.
    world.say(compressed(4, PEER)).unwrap();
    world.now += 299_999 * MS;
    world
        .proxy
        .handle_datagram(world.now, b"\x04voice")
        .unwrap();
    world.now += 299_999 * MS;
    assert!(world.receive(PEER).is_ok());
    world.now += MS;
    assert_eq!(world.receive(PEER), Err(DatagramRefusal::NotPermitted));
}

#[test]
fn nothing_is_sent_to_where_the_exit_must_not() {
    let mut world = World::new();
    world.say(uncompressed(2)).unwrap();
    for (number, peer) in [
        (4, "10.0.0.1:80"),
        (6, "127.0.0.1:22"),
        (8, "169.254.169.254:80"),
        (10, "224.0.0.251:5353"),
        (12, "203.0.113.9:0"),
        (14, "[::1]:22"),
        (16, "[::ffff:203.0.113.9]:7000"),
        (18, "[64:ff9b::10.0.0.1]:80"),
    ] {
        assert_eq!(
            world.send(peer),
            Err(DatagramRefusal::NotAdmitted),
            "{peer}"
        );
        let refused = Ok(vec![Capsule::Close(id(number))]);
        assert_eq!(world.say(compressed(number, peer)), refused, "{peer}");
        assert_eq!(
            world.receive(peer),
            Err(DatagramRefusal::NotPermitted),
            "{peer}"
        );
    }
    // A family that is not bound.
    let mut world = World::with(&["198.51.100.7:40000"], Admission::of_public_hosts());
    world.say(uncompressed(2)).unwrap();
    assert_eq!(
        world.send("[2001:db8::9]:7000"),
        Err(DatagramRefusal::NotAdmitted)
    );
    let refused = Ok(vec![Capsule::Close(id(4))]);
    assert_eq!(world.say(compressed(4, "[2001:db8::9]:7000")), refused);
    let mut world = World::with(&["[2001:db8::7]:40000"], Admission::of_public_hosts());
    world.say(uncompressed(2)).unwrap();
    assert_eq!(world.send(PEER), Err(DatagramRefusal::NotAdmitted));
    // In a lab this machine is reached.
    let mut world = World::with(&["127.0.0.1:40000"], Admission::of_any_host());
    world.say(uncompressed(2)).unwrap();
    assert_eq!(world.send("127.0.0.1:7000"), Ok(()));
}

#[test]
fn what_a_client_must_not_say_ends_the_flow() {
    let mut other = World::new();
    for (number, capsules, error) in [
        (0, vec![uncompressed(0)], FlowError::ForeignId),
        (1, vec![uncompressed(3)], FlowError::ForeignId),
        (2, vec![compressed(5, PEER)], FlowError::ForeignId),
        (
            3,
            vec![uncompressed(2), compressed(2, PEER)],
            FlowError::RepeatedId,
        ),
        (
            4,
            vec![uncompressed(2), Capsule::Close(id(2)), uncompressed(2)],
            FlowError::RepeatedId,
        ),
        // What was refused was used all the same.
        (
            5,
            vec![compressed(2, "10.0.0.1:1"), uncompressed(2)],
            FlowError::RepeatedId,
        ),
        (
            6,
            vec![uncompressed(2), uncompressed(4)],
            FlowError::Uncompressed,
        ),
        (
            7,
            vec![compressed(2, PEER), compressed(4, PEER)],
            FlowError::RepeatedPeer,
        ),
        (
            8,
            vec![uncompressed(2), Capsule::Ack(id(2))],
            FlowError::UnaskedAck,
        ),
        (9, vec![Capsule::Ack(id(3))], FlowError::UnaskedAck),
        (10, vec![Capsule::Close(id(0))], FlowError::ClosedZero),
    ] {
        let mut world = World::new();
        let (last, before) = capsules.split_last().unwrap();
        for capsule in before {
            world.say(*capsule).unwrap();
        }
        assert_eq!(world.say(*last), Err(error), "{number}");
        // And it stays over, in both directions.
        assert_eq!(world.say(uncompressed(20)), Err(error), "{number}");
        assert_eq!(world.send(PEER), Err(DatagramRefusal::FlowOver), "{number}");
        assert_eq!(
            world.receive(PEER),
            Err(DatagramRefusal::FlowOver),
            "{number}"
        );
    }
    let malformed = other.proxy.handle_capsules(other.now, &[0x12, 0]);
    assert!(matches!(malformed, Err(FlowError::Capsule(_))));
    // What was closed or never there is closed without harm.
    let mut world = World::new();
    assert_eq!(world.say(Capsule::Close(id(8))), Ok(vec![]));
    assert_eq!(world.say(Capsule::Close(id(7))), Ok(vec![]));
}

#[test]
fn datagrams_that_are_none_are_refused() {
    let mut world = World::new();
    world.say(uncompressed(2)).unwrap();
    let now = world.now;
    let mut refused = |datagram: &[u8]| world.proxy.handle_datagram(now, datagram).unwrap_err();
    assert_eq!(refused(b"\x00payload"), DatagramRefusal::ContextZero);
    assert!(DatagramRefusal::ContextZero.ends_flow());
    assert_eq!(refused(b""), DatagramRefusal::Truncated);
    assert_eq!(refused(b"\x40"), DatagramRefusal::Truncated);
    assert_eq!(refused(b"\x08payload"), DatagramRefusal::UnknownContext);
    assert_eq!(refused(b"\x02"), DatagramRefusal::Truncated);
    assert_eq!(
        refused(b"\x02\x04\xcb\x00\x71\x09\x1b"),
        DatagramRefusal::Truncated
    );
    assert_eq!(
        refused(b"\x02\x06\xcb\x00\x71\x09\x1b\x58payload"),
        DatagramRefusal::Truncated
    );
    assert_eq!(refused(b"\x02\x00payload"), DatagramRefusal::NoAddress);
    assert!(!DatagramRefusal::NoAddress.ends_flow());
    let mut long = b"\x02\x04\xcb\x00\x71\x09\x1b\x58".to_vec();
    long.resize(8 + context::MAX_UDP_PAYLOAD, 0);
    assert!(world.proxy.handle_datagram(now, &long).is_ok());
    long.push(0);
    let refused = world.proxy.handle_datagram(now, &long).unwrap_err();
    assert!(refused == DatagramRefusal::PayloadTooLong && refused.ends_flow());
}

#[test]
fn contexts_hosts_and_answers_are_bounded() {
    let mut world = World::new();
    for number in 1..=MAX_CONTEXTS as u64 {
        let peer = format!("203.0.113.{number}:7000");
        let accepted = Ok(vec![Capsule::Ack(id(2 * number))]);
        assert_eq!(world.say(compressed(2 * number, &peer)), accepted);
    }
    let refused = Ok(vec![Capsule::Close(id(100))]);
    assert_eq!(world.say(compressed(100, "203.0.113.99:1")), refused);
    world.say(Capsule::Close(id(2))).unwrap();
    assert_eq!(
        world.say(compressed(102, "203.0.113.99:1")),
        Ok(vec![Capsule::Ack(id(102))])
    );

    // Hosts: one more goes in only for one that was not sent to for ten seconds.
    let mut world = World::new();
    world.say(uncompressed(2)).unwrap();
    for number in 0..MAX_PERMISSIONS {
        world.send(&format!("203.0.113.{number}:7000")).unwrap();
    }
    assert_eq!(
        world.send("192.0.2.1:1"),
        Err(DatagramRefusal::TooManyHosts)
    );
    let refused = Ok(vec![Capsule::Close(id(4))]);
    assert_eq!(world.say(compressed(4, "192.0.2.1:1")), refused);
    // Another port of a host is no other host.
    world.send("203.0.113.0:9").unwrap();
    world.now += 9_999 * MS;
    world.send("203.0.113.0:9").unwrap();
    assert_eq!(
        world.send("192.0.2.1:1"),
        Err(DatagramRefusal::TooManyHosts)
    );
    world.now += MS;
    world.send("192.0.2.1:1").unwrap();
    assert_eq!(
        world.receive("203.0.113.1:7000"),
        Err(DatagramRefusal::NotPermitted)
    );
    assert!(world.receive("203.0.113.0:7000").is_ok());

    // Answers that nobody reads.
    let mut world = World::new();
    let mut bytes = Vec::new();
    for number in 1..=MAX_ANSWERS as u64 {
        capsule::write(compressed(2 * number, "10.0.0.1:1"), &mut bytes);
    }
    assert_eq!(world.proxy.handle_capsules(world.now, &bytes), Ok(()));
    assert_eq!(world.say(uncompressed(900)), Err(FlowError::TooManyAnswers));
}
