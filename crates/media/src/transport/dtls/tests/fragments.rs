//! Handshake messages in pieces (RFC 6347 section 4.2.3): however a peer cuts them, and whatever becomes of the pieces on the way.

use std::collections::BTreeMap;

use securecall_netem::{Conditions, Link};

use super::super::records::{HANDSHAKE, MESSAGE_HEADER, RECORD_HEADER};
use super::old_peers::{Client, Outcome, ecdsa, large_certificate, rsa, server};
use super::*;

const CHANGE_CIPHER_SPEC: u8 = 20;

/// How a flight is cut.
#[derive(Clone, Copy, Debug)]
struct Cut {
    /// Bytes of a message in a fragment.
    fragment: usize,
    /// Fragments in a record.
    in_record: usize,
    /// Records in a datagram.
    in_datagram: usize,
}

/// Whole messages as they come, each fragment in a datagram of its own, several in a record, several records in a datagram, and all
/// of a flight in one of each.
const CUTS: [Cut; 6] = [
    Cut::new(16_000, 1, 1),
    Cut::new(700, 1, 1),
    Cut::new(150, 1, 1),
    Cut::new(150, 3, 1),
    Cut::new(150, 1, 3),
    Cut::new(150, 100, 100),
];

/// Cuts what a client sends in clear anew. Its messages are the same, so it never learns of it.
struct Cutter {
    cut: Cut,
    /// The next record's number.
    number: u8,
}

/// A flight of a client.
#[derive(Default)]
struct Flight {
    /// By their number: type, length and number as in their header, and all that comes behind it.
    messages: BTreeMap<u16, ([u8; 6], Vec<u8>)>,
    has_cipher_change: bool,
    encrypted: Vec<Vec<u8>>,
}

impl Cut {
    const fn new(fragment: usize, in_record: usize, in_datagram: usize) -> Self {
        Self {
            fragment,
            in_record,
            in_datagram,
        }
    }
}

impl Flight {
    fn read(datagrams: &[Vec<u8>]) -> Self {
        let mut flight = Self::default();
        for datagram in datagrams {
            let mut rest = &datagram[..];
            while let Some(header) = rest.first_chunk::<RECORD_HEADER>() {
                let length = usize::from(u16::from_be_bytes([header[11], header[12]]));
                let (record, after) = rest.split_at(RECORD_HEADER + length);
                rest = after;
                match (record[0], record[4]) {
                    (HANDSHAKE, 0) => flight.read_fragments(&record[RECORD_HEADER..]),
                    (CHANGE_CIPHER_SPEC, 0) => flight.has_cipher_change = true,
                    _ => flight.encrypted.push(record.to_vec()),
                }
            }
        }
        flight
    }

    fn read_fragments(&mut self, mut rest: &[u8]) {
        while let Some(header) = rest.first_chunk::<MESSAGE_HEADER>() {
            let long = |at: usize| {
                u32::from_be_bytes([0, header[at], header[at + 1], header[at + 2]]) as usize
            };
            let (whole, offset, length) = (long(1), long(6), long(9));
            let number = u16::from_be_bytes([header[4], header[5]]);
            let head = *header.first_chunk().unwrap();
            let (_, body) = self
                .messages
                .entry(number)
                .or_insert_with(|| (head, vec![0; whole]));
            let (fragment, after) = rest[MESSAGE_HEADER..].split_at(length);
            body[offset..offset + length].copy_from_slice(fragment);
            rest = after;
        }
    }
}

impl Cutter {
    fn new(cut: Cut) -> Self {
        Self { cut, number: 0 }
    }

    /// The datagrams of a flight; each time with new numbers, as a client gives them when it repeats itself.
    fn datagrams(&mut self, flight: &Flight) -> Vec<Vec<u8>> {
        let mut fragments = Vec::new();
        for (head, body) in flight.messages.values() {
            for (index, part) in body.chunks(self.cut.fragment).enumerate() {
                let offset = ((index * self.cut.fragment) as u32).to_be_bytes();
                let length = (part.len() as u32).to_be_bytes();
                fragments.push([&head[..], &offset[1..], &length[1..], part].concat());
            }
        }
        let fragments = fragments.chunks(self.cut.in_record);
        let mut records: Vec<_> = fragments
            .map(|it| self.record(HANDSHAKE, &it.concat()))
            .collect();
        if flight.has_cipher_change {
            records.push(self.record(CHANGE_CIPHER_SPEC, &[1]));
        }
        records.extend(flight.encrypted.iter().cloned());
        records
            .chunks(self.cut.in_datagram)
            .map(|it| it.concat())
            .collect()
    }

    fn record(&mut self, kind: u8, body: &[u8]) -> Vec<u8> {
        let number = self.number;
        self.number += 1;
        let length = (body.len() as u16).to_be_bytes();
        [
            &[kind, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, number][..],
            &length,
            body,
        ]
        .concat()
    }
}

/// What becomes of the datagrams of a flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    InOrder,
    EachTwice,
    /// Each with the same number once more, after all of them.
    AllTwice,
    Backwards,
    /// Without the datagram of this number.
    Lost(usize),
}

impl Way {
    fn of(self, mut datagrams: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        match self {
            Self::InOrder => {}
            Self::EachTwice => {
                datagrams = datagrams
                    .iter()
                    .flat_map(|it| [it.clone(), it.clone()])
                    .collect();
            }
            Self::AllTwice => datagrams = [datagrams.clone(), datagrams].concat(),
            Self::Backwards => datagrams.reverse(),
            Self::Lost(number) => {
                datagrams.remove(number % datagrams.len());
            }
        }
        datagrams
    }

    /// Whether the flight has to be repeated to be understood: what comes before the message that it belongs behind may be dropped.
    fn is_enough(self) -> bool {
        matches!(self, Self::InOrder | Self::EachTwice | Self::AllTwice)
    }
}

/// A whole handshake with an OpenSSL client, whose flights are cut so and fare so, and are then repeated if they must be.
fn is_understood(client: &mut Client, cut: Cut, way: Way) -> bool {
    let (mut server, _) = server(virtual_start());
    let (mut outcome, mut cutter) = (Outcome::default(), Cutter::new(cut));
    let mut to_client = Vec::new();
    // A hello, and what answers the server's.
    for _ in 0..2 {
        let flight = Flight::read(&client.exchange(to_client));
        let mut pass = |way: Way| {
            for datagram in way.of(cutter.datagrams(&flight)) {
                let _ = server.handle_packet(&datagram);
            }
            outcome.take(&mut *server)
        };
        to_client = pass(way);
        if !way.is_enough() {
            to_client.extend(pass(Way::InOrder));
        }
    }
    client.exchange(to_client);
    client.is_connected && outcome.told.contains(&"keys")
}

#[test]
fn openssl_has_a_client_whose_messages_are_cut_in_any_way_and_come_in_any_order() {
    for key in [
        rsa(2048),
        rsa(4096),
        ecdsa(openssl::nid::Nid::X9_62_PRIME256V1),
    ] {
        for cut in CUTS {
            let ways = [Way::InOrder, Way::EachTwice, Way::AllTwice, Way::Backwards];
            for way in ways.into_iter().chain((0..12).map(Way::Lost)) {
                let mut client = Client::new(Some(&key));
                assert!(is_understood(&mut client, cut, way), "{cut:?} {way:?}");
            }
        }
    }
}

/// A peer of dimpl that cuts its messages to fit so many bytes, and shows a certificate that is as long.
fn peer(now: Instant, version: DtlsVersion, mtu: usize, size: usize) -> Box<dyn DtlsInstance> {
    let theirs = from_feature_flags().dtls_provider;
    theirs
        .new_dtls(&large_certificate(size), now, version, Some(mtu))
        .unwrap()
}

/// Lets the two talk for half a minute over a network that does this; whether both are connected then, with the same keys.
fn talk(we_begin: bool, version: DtlsVersion, mtu: usize, seed: u64, net: Conditions) -> bool {
    let start = virtual_start();
    let (mut ours, handshake) = server(start);
    let mut theirs = peer(start, version, mtu, 1500);
    ours.set_active(we_begin);
    theirs.set_active(!we_begin);
    let mut links: [Link<Vec<u8>>; 2] = [Link::new(seed, net), Link::new(seed + 1000, net)];
    let mut outcomes = [Outcome::default(), Outcome::default()];
    for step in 0..3000 {
        let now = start + step * Duration::from_millis(10);
        handshake.set_now(now);
        for (at, end) in [&mut ours, &mut theirs].into_iter().enumerate() {
            end.handle_timeout(now).unwrap();
            while let Some((_, packet)) = links[1 - at].receive(now) {
                let _: Result<(), _> = end.handle_packet(&packet);
            }
            for packet in outcomes[at].take(&mut **end) {
                links[at].send(now, packet.len(), packet);
            }
        }
        let [ours, theirs] = &outcomes;
        if !ours.keys.is_empty() && !theirs.keys.is_empty() {
            return ours.keys == theirs.keys && ours.certificate.len() > 1500;
        }
    }
    false
}

#[test]
fn long_certificates_come_in_pieces_over_networks_of_all_kinds() {
    let delay = Duration::from_millis(20);
    let clear = Conditions {
        delay,
        ..Conditions::default()
    };
    let lossy = Conditions {
        loss: 0.1,
        duplicate: 0.1,
        jitter: Duration::from_millis(30),
        ..clear
    };
    for version in [DtlsVersion::Dtls12, DtlsVersion::Dtls13] {
        for we_begin in [false, true] {
            for mtu in [400, 1200] {
                for (net, seeds) in [(clear, 1), (lossy, 8)] {
                    for seed in 0..seeds {
                        assert!(
                            talk(we_begin, version, mtu, seed, net),
                            "{version} {we_begin} {mtu} {seed} {net:?}"
                        );
                    }
                }
            }
        }
    }
}

/// What is too long for the engine's buffer made dimpl panic.
#[test]
fn a_certificate_that_nobody_has_room_for_ends_the_handshake_and_nothing_else() {
    for (version, size) in [
        (DtlsVersion::Dtls12, 2_500),
        (DtlsVersion::Dtls13, 2_500),
        (DtlsVersion::Dtls13, 6_000),
    ] {
        for we_begin in [false, true] {
            let mut now = virtual_start();
            let (mut ours, handshake) = server(now);
            let mut theirs = peer(now, version, 1200, size);
            ours.set_active(we_begin);
            theirs.set_active(!we_begin);
            let mut outcomes = [Outcome::default(), Outcome::default()];
            let refused = (0..200).any(|_| {
                now += Duration::from_millis(10);
                handshake.set_now(now);
                if ours.handle_timeout(now).is_err() {
                    return true;
                }
                let _ = theirs.handle_timeout(now);
                for packet in outcomes[0].take(&mut *ours) {
                    let _ = theirs.handle_packet(&packet);
                }
                for packet in outcomes[1].take(&mut *theirs) {
                    let _ = ours.handle_packet(&packet);
                }
                false
            });
            assert!(refused, "{version} {size} {we_begin}");
            assert!(outcomes[0].keys.is_empty() && outcomes[0].certificate.is_empty());
            let fault = handshake.blame(TransportError::Engine("x".to_owned()));
            assert_eq!(fault, TransportError::HandshakeBroken);
        }
    }
}

/// dimpl keeps datagrams as they are, so many of them.
#[test]
fn what_is_longer_than_any_datagram_is_not_looked_at_and_in_pieces_it_is() {
    let key = ecdsa(openssl::nid::Nid::X9_62_PRIME256V1);
    let mut client = Client::of_many_words(Some(&key));
    let hello = Flight::read(&client.exchange(Vec::new()));
    for (cut, is_heard) in [(Cut::new(16_000, 1, 1), false), (Cut::new(700, 1, 1), true)] {
        let (mut server, _) = server(virtual_start());
        let datagrams = Cutter::new(cut).datagrams(&hello);
        let longest = datagrams.iter().map(Vec::len).max().unwrap();
        assert_eq!(longest <= MAX_DATAGRAM, is_heard);
        for datagram in datagrams {
            let _ = server.handle_packet(&datagram);
        }
        let heard = !Outcome::default().take(&mut *server).is_empty();
        assert_eq!(heard, is_heard, "{longest}");
    }
}
