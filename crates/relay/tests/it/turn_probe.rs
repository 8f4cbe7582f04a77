//! TURN servers, tried: those that relay, those that only grant, and those that lie. On virtual time.

use std::net::SocketAddr;
use std::time::Duration;

use securecall_relay::probe::{Allocated, Probe as _, Relaying, TurnProbe, TurnProbeSockets};
use securecall_relay::stun::{AttributeType, Message, Method};
use securecall_relay::{
    Credentials, Datagram, ServerLink, StreamEvent, StreamId, TurnFailure, TurnServer,
};
use web_time::Instant;

use crate::network::{Server as _, address, ids, start};
use crate::probe_world::{Carrier, World};
use crate::scripted_server::{Scripted, credentials, grant, refusal, server_at};
use crate::turn_server::{LISTEN, OtherAuthors};

const SOCKETS: [&str; 3] = ["10.0.0.2:5000", "10.0.0.2:5001", "10.0.0.2:5002"];
const SCRIPTED: &str = "198.51.100.8:3478";
/// What [`grant`] grants.
const GRANTED: &str = "198.51.100.8:50000";
const PATIENCE: Duration = Duration::from_secs(12);

fn sockets() -> TurnProbeSockets {
    let [first, second, peer] = SOCKETS.map(address);
    TurnProbeSockets {
        control: [first, second],
        peer,
    }
}

fn probe(server: TurnServer) -> TurnProbe {
    let mut seed = 0;
    TurnProbe::new(start(), server, sockets(), || {
        seed += 1;
        ids(seed)
    })
}

/// A server of other authors, behind a firewall.
struct Firewalled {
    server: OtherAuthors,
    /// Nothing from outside comes to the ports at which it relays.
    closed: bool,
    /// It does not reach itself either.
    mute: bool,
}

impl Firewalled {
    fn open() -> Self {
        Self {
            server: OtherAuthors::new(),
            closed: false,
            mute: false,
        }
    }
}

impl Carrier for Firewalled {
    fn carry(&mut self, now: Instant, packet: Datagram) -> Vec<Datagram> {
        let mut arriving = Vec::new();
        let mut on_the_way = vec![packet];
        while let Some(packet) = on_the_way.pop() {
            let to_relay = packet.destination != address(LISTEN);
            if !self.server.owns(packet.destination) {
                arriving.push(packet);
            } else if !to_relay
                || (!self.closed && packet.source.ip() == address(SOCKETS[2]).ip())
                || (!self.mute && self.server.owns(packet.source))
            {
                on_the_way.extend(self.server.handle(now, packet));
            }
        }
        arriving
    }
}

/// A server that follows a script. What goes to the addresses it grants is lost.
impl Carrier for Scripted {
    fn carry(&mut self, now: Instant, packet: Datagram) -> Vec<Datagram> {
        if self.owns(packet.destination) {
            self.handle(now, packet)
        } else {
            Vec::new()
        }
    }
}

fn allocated(carrier: impl Carrier, server: &str) -> Allocated {
    World::new(probe(server_at(server)), carrier)
        .run(PATIENCE)
        .0
        .unwrap()
}

#[test]
fn a_server_that_relays_is_shown_to_and_the_address_is_given_back() {
    let mut world = World::new(probe(server_at(LISTEN)), Firewalled::open());
    let (outcome, took) = world.run(PATIENCE);
    let Allocated {
        grant,
        took: granted,
        relaying,
    } = outcome.unwrap();
    assert_eq!(grant.mapped, Some(address(SOCKETS[0])));
    assert_eq!(grant.relayed.len(), 2, "of both versions of IP");
    assert_eq!(grant.lifetime, Duration::from_secs(600));
    let round_trip = Duration::from_millis(40);
    assert_eq!(granted, 2 * round_trip, "the first request is refused");
    // There through the relay, and back through the relay.
    let shown = Relaying::Shown {
        round_trip: 2 * round_trip,
    };
    assert_eq!(relaying, shown);
    assert_eq!(took, 5 * round_trip);
    let last = &world.sent.last().unwrap().contents;
    let last = Message::parse(last).unwrap();
    assert_eq!(last.method(), Method::Refresh);
    assert_eq!(last.number(AttributeType::LIFETIME), Some(0));
}

#[test]
fn where_the_ports_of_the_relay_are_closed_only_two_of_its_addresses_talk() {
    let carrier = Firewalled {
        closed: true,
        ..Firewalled::open()
    };
    assert_eq!(allocated(carrier, LISTEN).relaying, Relaying::WithinServer);
}

#[test]
fn a_server_that_relays_nothing_is_told_from_one_that_shows_nothing() {
    let carrier = Firewalled {
        closed: true,
        mute: true,
        ..Firewalled::open()
    };
    assert_eq!(allocated(carrier, LISTEN).relaying, Relaying::Nothing);
}

/// A server that grants two addresses and says this to whoever wants packets let through.
fn scripted(permission: u16, mapped: bool) -> Scripted {
    Scripted::new(SCRIPTED, move |request| {
        let answer = match request.method() {
            Method::CreatePermission if permission != 0 => refusal(request, permission),
            Method::Allocate if mapped => {
                grant(request).xor_address(AttributeType::XOR_MAPPED_ADDRESS, address(SOCKETS[0]))
            }
            _ => grant(request),
        };
        Some(answer.integrity(&crate::scripted_server::key()).finish())
    })
}

#[test]
fn a_server_that_lets_nobody_through_shows_nothing() {
    for mapped in [false, true] {
        let Allocated { relaying, .. } = allocated(scripted(403, mapped), SCRIPTED);
        assert_eq!(relaying, Relaying::NotShown);
    }
}

#[test]
fn packets_that_do_not_come_are_held_against_a_server_only_if_it_let_us_through() {
    let mut world = World::new(probe(server_at(SCRIPTED)), scripted(0, true));
    let (outcome, _) = world.run(PATIENCE);
    assert_eq!(outcome.unwrap().relaying, Relaying::Nothing);
    let to_relay = world
        .sent
        .iter()
        .filter(|sent| sent.destination == address(GRANTED));
    assert_eq!(to_relay.count(), 6);
}

#[test]
fn a_quota_of_one_address_does_not_make_a_good_server_look_bad() {
    let mut granted = 0;
    let carrier = Scripted::new(SCRIPTED, move |request| {
        let answer = match request.method() {
            Method::Allocate => {
                granted += 1;
                if granted > 1 {
                    refusal(request, 486)
                } else {
                    grant(request)
                }
            }
            _ => grant(request),
        };
        Some(answer.integrity(&crate::scripted_server::key()).finish())
    });
    assert_eq!(allocated(carrier, SCRIPTED).relaying, Relaying::NotShown);
}

#[test]
fn an_address_in_our_own_network_is_not_sent_to() {
    for relayed in ["10.0.0.1:53", "127.0.0.1:53", "169.254.169.254:80"] {
        let carrier = Scripted::new(SCRIPTED, move |request| {
            let answer = match request.method() {
                Method::Allocate => grant_of(request, address(relayed)),
                _ => grant(request),
            };
            Some(answer.integrity(&crate::scripted_server::key()).finish())
        });
        let mut world = World::new(probe(server_at(SCRIPTED)), carrier);
        world.run(PATIENCE).0.unwrap();
        let mut sent = world.sent.iter();
        assert!(
            sent.all(|sent| sent.destination == address(SCRIPTED)),
            "{relayed}"
        );
    }
}

fn grant_of(request: &Message<'_>, relayed: SocketAddr) -> securecall_relay::stun::MessageBuilder {
    use securecall_relay::stun::{Class, MessageBuilder};
    MessageBuilder::new(Class::Success, request.method(), request.transaction())
        .xor_address(AttributeType::XOR_RELAYED_ADDRESS, relayed)
        .xor_address(AttributeType::XOR_MAPPED_ADDRESS, address(SOCKETS[0]))
        .number(AttributeType::LIFETIME, 600)
}

#[test]
fn each_refusal_is_told_as_what_it_is() {
    for (code, failure) in [
        (401, TurnFailure::WrongCredentials),
        (403, TurnFailure::Forbidden),
        (437, TurnFailure::AllocationMismatch),
        (441, TurnFailure::WrongCredentials),
        (486, TurnFailure::QuotaReached),
        (508, TurnFailure::NoCapacity),
        (500, TurnFailure::Refused(500)),
    ] {
        let carrier = Scripted::new(SCRIPTED, move |request| {
            Some(
                refusal(request, code)
                    .integrity(&crate::scripted_server::key())
                    .finish(),
            )
        });
        let mut world = World::new(probe(server_at(SCRIPTED)), carrier);
        assert_eq!(world.run(PATIENCE).0, Err(failure), "{code}");
    }
}

#[test]
fn a_server_that_does_not_answer_is_given_up_after_five_seconds() {
    struct Nobody;
    impl Carrier for Nobody {
        fn carry(&mut self, _now: Instant, _packet: Datagram) -> Vec<Datagram> {
            Vec::new()
        }
    }
    let mut world = World::new(probe(server_at(SCRIPTED)), Nobody);
    let (outcome, took) = world.run(PATIENCE);
    assert_eq!(outcome, Err(TurnFailure::NoAnswer));
    assert_eq!(took, Duration::from_secs(5));
    for link in [
        ServerLink::Tcp,
        ServerLink::Tls("turn.example.org".to_owned()),
    ] {
        let server = TurnServer {
            link,
            ..server_at(SCRIPTED)
        };
        let mut world = World::new(probe(server), Nobody);
        let (outcome, took) = world.run(PATIENCE);
        assert_eq!(outcome, Err(TurnFailure::NoAnswer));
        assert_eq!(took, Duration::from_secs(5));
        assert_eq!((world.opened.len(), world.closed.len()), (1, 1));
    }
}

#[test]
fn a_stream_that_closes_and_a_name_that_is_not_proven_are_told_apart() {
    for (event, failure) in [
        (StreamEvent::Closed, TurnFailure::Disconnected),
        (StreamEvent::TlsFailed, TurnFailure::Tls),
    ] {
        let server = TurnServer {
            address: address(SCRIPTED),
            link: ServerLink::Tls("turn.example.org".to_owned()),
            credentials: ada(),
        };
        let mut world = World::new(probe(server), Firewalled::open());
        world.probe.handle_stream(start(), StreamId(0), event);
        assert_eq!(world.run(PATIENCE).0, Err(failure));
    }
}

fn ada() -> Credentials {
    credentials("ada", "secret")
}
