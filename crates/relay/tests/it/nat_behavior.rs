//! NATs of all kinds, found out by servers of all kinds, on virtual time.

mod internet;

use std::collections::BTreeSet;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use securecall_relay::Datagram;
use securecall_relay::probe::{
    Evidence, FilteringBehavior, MappingBehavior, NatBehavior, NatDiscovery,
};
use securecall_relay::stun::{AttributeType, Class, Message, MessageBuilder, Method};
use web_time::Instant;

use self::internet::{Change, Internet, Nat, OTHER, OUTSIDE, SERVER, SOCKETS, Server, plain};
use crate::network::{address, ids, start};
use crate::probe_world::{Carrier, World};

const PATIENCE: Duration = Duration::from_secs(8);

fn discover(nat: Nat, servers: Vec<Server>, asked: &[&str]) -> World<NatDiscovery, Internet> {
    let asked = asked.iter().map(|text| address(text));
    let discovery = NatDiscovery::new(start(), SOCKETS.map(address), asked, ids(1));
    World::new(discovery, Internet::new(nat, servers))
}

fn found(nat: Nat, servers: Vec<Server>, asked: &[&str]) -> NatBehavior {
    discover(nat, servers, asked).run(PATIENCE).0.unwrap()
}

use FilteringBehavior as Filtering;
use MappingBehavior as Mapping;

const MAPPINGS: [Mapping; 3] = [
    Mapping::EndpointIndependent,
    Mapping::AddressDependent,
    Mapping::AddressAndPortDependent,
];
const FILTERINGS: [Filtering; 3] = [
    Filtering::EndpointIndependent,
    Filtering::AddressDependent,
    Filtering::AddressAndPortDependent,
];
const CONE: Nat = Nat::new(Mapping::EndpointIndependent, Filtering::AddressDependent);
const SYMMETRIC: Nat = Nat::new(
    Mapping::AddressAndPortDependent,
    Filtering::AddressAndPortDependent,
);

#[test]
fn a_server_of_rfc_5780_shows_each_of_the_nine_kinds_and_whether_it_hairpins() {
    for mapping in MAPPINGS {
        for filtering in FILTERINGS {
            for hairpin in [false, true] {
                let nat = Nat {
                    hairpin,
                    ..Nat::new(mapping, filtering)
                };
                let found = found(nat, vec![Server::rfc_5780()], &[SERVER]);
                assert_eq!(found.mapping, Some(mapping), "{nat:?}");
                assert_eq!(found.filtering, Some(filtering), "{nat:?}");
                assert_eq!(found.evidence, Evidence::Rfc5780);
                assert!(found.has_nat);
                if mapping == Mapping::EndpointIndependent {
                    assert_eq!(found.hairpin, Some(hairpin), "{nat:?}");
                }
            }
        }
    }
}

#[test]
fn it_takes_no_longer_than_an_answer_that_does_not_come() {
    let mut open = discover(
        Nat {
            hairpin: true,
            ..Nat::new(Mapping::EndpointIndependent, Filtering::EndpointIndependent)
        },
        vec![Server::rfc_5780()],
        &[SERVER],
    );
    let (_, took) = open.run(PATIENCE);
    assert_eq!(took, Duration::from_millis(120), "three round trips");
    let mut closed = discover(SYMMETRIC, vec![Server::rfc_5780()], &[SERVER]);
    let (_, took) = closed.run(PATIENCE);
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn a_firewall_without_a_nat_is_told_from_a_nat() {
    let nat = Nat {
        translates: false,
        ..CONE
    };
    let found = found(nat, vec![Server::rfc_5780()], &[SERVER]);
    assert!(!found.has_nat);
    assert_eq!(found.mapped, address(SOCKETS[0]));
    assert_eq!(found.mapping, Some(Mapping::EndpointIndependent));
    assert_eq!(found.filtering, Some(Filtering::AddressDependent));
    assert_eq!(found.hairpin, None);
}

#[test]
fn servers_at_two_hosts_show_the_mapping_and_not_the_filtering() {
    let two = [SERVER, OTHER];
    let three = [SERVER, OTHER, "203.0.113.1:3479"];
    for (mapping, by_two, by_three) in [
        (
            Mapping::EndpointIndependent,
            Mapping::EndpointIndependent,
            Mapping::EndpointIndependent,
        ),
        (
            Mapping::AddressDependent,
            Mapping::Dependent,
            Mapping::AddressDependent,
        ),
        (
            Mapping::AddressAndPortDependent,
            Mapping::Dependent,
            Mapping::AddressAndPortDependent,
        ),
    ] {
        for (asked, expected) in [(&two[..], by_two), (&three[..], by_three)] {
            let nat = Nat::new(mapping, Filtering::AddressDependent);
            let found = found(nat, vec![Server::plain(asked)], asked);
            assert_eq!(found.mapping, Some(expected), "{mapping:?} by {asked:?}");
            assert_eq!(found.filtering, None);
            assert_eq!(found.evidence, Evidence::SeveralHosts);
        }
    }
}

#[test]
fn two_ports_of_one_host_show_only_a_mapping_that_depends_on_the_port() {
    let asked = [SERVER, "203.0.113.1:3479"];
    for (mapping, expected) in [
        (Mapping::EndpointIndependent, None),
        (Mapping::AddressDependent, None),
        (
            Mapping::AddressAndPortDependent,
            Some(Mapping::AddressAndPortDependent),
        ),
    ] {
        let nat = Nat::new(mapping, Filtering::AddressDependent);
        let found = found(nat, vec![Server::plain(&asked)], &asked);
        assert_eq!(
            (found.mapping, found.evidence),
            (expected, Evidence::SeveralPorts)
        );
    }
}

#[test]
fn one_plain_server_shows_that_there_is_a_nat_and_a_hairpin_if_there_is_one() {
    for hairpin in [false, true] {
        let nat = Nat { hairpin, ..CONE };
        let found = found(nat, vec![Server::plain(&[SERVER])], &[SERVER]);
        assert!(found.has_nat);
        assert_eq!((found.mapping, found.evidence), (None, Evidence::OneServer));
        assert_eq!(found.hairpin, hairpin.then_some(true));
    }
}

#[test]
fn where_nobody_answers_nothing_is_found_and_nobody_is_asked_often() {
    let mut world = discover(CONE, Vec::new(), &[SERVER, OTHER]);
    let (found, took) = world.run(PATIENCE);
    assert_eq!(found, None);
    assert_eq!(took, Duration::from_millis(2400));
    assert_eq!(world.sent.len(), 8);
}

#[test]
fn without_a_server_there_is_nothing_to_wait_for() {
    let mut world = discover(CONE, Vec::new(), &[]);
    assert_eq!(world.run(PATIENCE), (None, Duration::ZERO));
}

#[test]
fn a_dead_server_does_not_hold_up_what_another_shows() {
    let asked = ["203.0.113.77:3478", SERVER];
    let nat = Nat {
        hairpin: true,
        ..Nat::new(Mapping::EndpointIndependent, Filtering::EndpointIndependent)
    };
    let mut world = discover(nat, vec![Server::rfc_5780()], &asked);
    let (found, took) = world.run(PATIENCE);
    assert_eq!(
        found.unwrap().filtering,
        Some(Filtering::EndpointIndependent)
    );
    assert_eq!(took, Duration::from_millis(120));
}

#[test]
fn a_server_that_only_says_it_speaks_rfc_5780_shows_no_filtering() {
    for change in [Change::Ignores, Change::Refuses] {
        let server = Server {
            change,
            ..Server::rfc_5780()
        };
        let found = found(CONE, vec![server], &[SERVER]);
        assert_eq!(found.filtering, None);
        assert_eq!(found.mapping, Some(Mapping::EndpointIndependent));
    }
}

#[test]
fn where_the_other_host_is_silent_other_servers_show_the_mapping() {
    let server = Server {
        listens: vec![address(SERVER)],
        change: Change::Ignores,
        ..Server::rfc_5780()
    };
    let third = "203.0.113.3:3478";
    let servers = vec![server, Server::plain(&[third])];
    let found = found(SYMMETRIC, servers, &[SERVER, third]);
    assert_eq!(found.mapping, Some(Mapping::Dependent));
    assert_eq!(found.evidence, Evidence::SeveralHosts);
}

#[test]
fn a_server_must_not_point_us_at_machines_of_our_own_network_or_at_groups() {
    for other in [
        "192.168.1.1:3479",
        "127.0.0.1:3479",
        "169.254.169.254:80",
        "224.0.0.1:3479",
        "255.255.255.255:3479",
        "0.0.0.0:3479",
        "203.0.113.9:0",
        // No other host, no other port.
        "203.0.113.1:3479",
        "203.0.113.2:3478",
    ] {
        let server = Server {
            other: Some(address(other)),
            ..Server::rfc_5780()
        };
        let mut world = discover(SYMMETRIC, vec![server], &[SERVER]);
        let found = world.run(PATIENCE).0.unwrap();
        assert_eq!((found.mapping, found.filtering), (None, None), "{other}");
        let strangers = world
            .sent
            .iter()
            .filter(|sent| sent.destination != address(SERVER));
        let strangers = strangers.filter(|sent| sent.destination.ip().to_string() != OUTSIDE);
        assert_eq!(strangers.count(), 0, "{other}");
    }
}

/// It claims this address as its other one, and as how it sees us.
struct Liar {
    at: &'static str,
    victim: &'static str,
}

impl Carrier for Liar {
    fn carry(&mut self, _now: Instant, packet: Datagram) -> Vec<Datagram> {
        let request = Message::parse(&packet.contents).unwrap();
        let Self { at, victim } = self;
        if packet.destination != address(at) {
            return Vec::new();
        }
        let answer = MessageBuilder::new(Class::Success, Method::Binding, request.transaction())
            .xor_address(AttributeType::XOR_MAPPED_ADDRESS, address(victim))
            .attribute(AttributeType::OTHER_ADDRESS, &plain(address(victim)));
        vec![Datagram {
            source: packet.destination,
            destination: packet.source,
            contents: answer.finish(),
        }]
    }
}

/// What is found by a server that lies, and what goes to anybody but that server.
fn by_a_liar(at: &'static str, victim: &'static str) -> (Option<NatBehavior>, Vec<Datagram>) {
    let discovery = NatDiscovery::new(start(), SOCKETS.map(address), [address(at)], ids(1));
    let mut world = World::new(discovery, Liar { at, victim });
    let (found, _) = world.run(PATIENCE);
    let mut sent = world.sent;
    sent.retain(|sent| sent.destination != address(at));
    (found, sent)
}

#[test]
fn a_third_party_that_a_server_names_gets_no_more_than_a_handful_of_packets() {
    let (_, sent) = by_a_liar(SERVER, "198.51.100.99:7000");
    let bytes: usize = sent.iter().map(|sent| sent.contents.len()).sum();
    assert_eq!((sent.len(), bytes), (12, 12 * 28));
}

#[test]
fn a_machine_of_our_own_network_that_a_server_names_gets_none_unless_the_server_is_there_too() {
    for victim in ["192.168.1.1:80", "127.0.0.1:53"] {
        assert_eq!(by_a_liar(SERVER, victim).1, [], "{victim}");
        assert_eq!(by_a_liar("10.1.1.1:3478", victim).1.len(), 12);
    }
    for victim in ["224.0.0.1:7000", "255.255.255.255:7000", "10.1.1.2:0"] {
        for at in [SERVER, "10.1.1.1:3478"] {
            assert_eq!(by_a_liar(at, victim), (None, Vec::new()), "{victim}");
        }
    }
}

#[test]
fn four_servers_are_asked_and_of_several_hosts_rather_than_several_ports() {
    let asked = [
        "203.0.113.1:1",
        "203.0.113.1:2",
        "203.0.113.1:3",
        "203.0.113.1:4",
        "203.0.113.2:1",
        "203.0.113.3:1",
    ];
    let mut world = discover(CONE, Vec::new(), &asked);
    world.run(PATIENCE);
    let asked: BTreeSet<String> = world
        .sent
        .iter()
        .map(|sent| sent.destination.to_string())
        .collect();
    let expected = [
        "203.0.113.1:1",
        "203.0.113.1:2",
        "203.0.113.2:1",
        "203.0.113.3:1",
    ];
    assert_eq!(asked, expected.map(str::to_owned).into());
}

#[test]
fn a_filter_is_not_called_strict_because_nothing_of_a_socket_is_answered() {
    struct OneSocket(Internet);
    impl Carrier for OneSocket {
        fn carry(&mut self, now: Instant, packet: Datagram) -> Vec<Datagram> {
            if packet.source == address(SOCKETS[0]) {
                self.0.carry(now, packet)
            } else {
                Vec::new()
            }
        }
    }
    let discovery = NatDiscovery::new(start(), SOCKETS.map(address), [address(SERVER)], ids(1));
    let internet = Internet::new(CONE, vec![Server::rfc_5780()]);
    let (found, _) = World::new(discovery, OneSocket(internet)).run(PATIENCE);
    let found = found.unwrap();
    assert_eq!(found.mapping, Some(Mapping::EndpointIndependent));
    assert_eq!((found.filtering, found.hairpin), (None, None));
}

#[test]
fn servers_of_another_version_of_ip_and_those_that_are_none_are_not_asked() {
    let asked = [
        "[2001:db8::1]:3478",
        "203.0.113.1:0",
        "224.0.0.1:3478",
        SERVER,
        SERVER,
    ];
    let mut world = discover(CONE, Vec::new(), &asked);
    world.run(PATIENCE);
    assert_eq!(world.sent.len(), 4);
    assert!(
        world
            .sent
            .iter()
            .all(|sent| sent.destination == address(SERVER))
    );
}

#[test]
fn a_lossy_network_makes_no_nat_look_worse_than_one_of_its_kind_could() {
    let mut right = 0;
    for seed in 0..200 {
        let mut world = discover(CONE, vec![Server::rfc_5780()], &[SERVER]);
        world.carrier.loss = Some((ChaCha8Rng::seed_from_u64(seed), 5));
        let found = world.run(PATIENCE).0;
        let Some(found) = found else {
            continue;
        };
        assert!(
            matches!(found.mapping, None | Some(Mapping::EndpointIndependent)),
            "seed {seed}: {found:?}"
        );
        right += usize::from(found.filtering == Some(Filtering::AddressDependent));
    }
    assert!(right > 180, "{right} of 200");
}

#[test]
fn answers_that_are_none_are_not_taken_for_some() {
    // Requests of others, answers to what was not asked, and noise.
    struct Noise;
    impl Carrier for Noise {
        fn carry(&mut self, _now: Instant, packet: Datagram) -> Vec<Datagram> {
            let request = Message::parse(&packet.contents).unwrap();
            let builder = |class, id| MessageBuilder::new(class, Method::Binding, id);
            let foreign = securecall_relay::stun::TransactionId::from_random([7; 12]);
            let mapped = |builder: MessageBuilder| {
                builder
                    .xor_address(AttributeType::XOR_MAPPED_ADDRESS, packet.source)
                    .finish()
            };
            let answers = [
                mapped(builder(Class::Success, foreign)),
                mapped(builder(Class::Indication, request.transaction())),
                mapped(builder(Class::Request, request.transaction())),
                builder(Class::Success, request.transaction()).finish()[..12].to_vec(),
                vec![0xff; 40],
            ];
            answers
                .into_iter()
                .map(|contents| Datagram {
                    source: packet.destination,
                    destination: packet.source,
                    contents,
                })
                .collect()
        }
    }
    let discovery = NatDiscovery::new(start(), SOCKETS.map(address), [address(SERVER)], ids(1));
    let (found, took) = World::new(discovery, Noise).run(PATIENCE);
    assert_eq!(found, None);
    assert_eq!(took, Duration::from_millis(2400));
}
