//! An Internet with STUN servers of all kinds, seen from behind a NAT of any kind.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng as _;
use securecall_relay::Datagram;
use securecall_relay::probe::{FilteringBehavior, MappingBehavior};
use securecall_relay::stun::{AttributeType, Class, Message, MessageBuilder, Method};
use web_time::Instant;

use crate::network::address;
use crate::probe_world::Carrier;
use crate::scripted_server::refusal;

pub(super) const SOCKETS: [&str; 2] = ["192.168.1.10:5000", "192.168.1.10:5001"];
pub(super) const OUTSIDE: &str = "198.51.100.1";
/// A server at two hosts and two ports.
pub(super) const SERVER: &str = "203.0.113.1:3478";
pub(super) const OTHER: &str = "203.0.113.2:3479";

/// The NAT in front of the probe.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nat {
    pub(super) translates: bool,
    pub(super) mapping: MappingBehavior,
    pub(super) filtering: FilteringBehavior,
    pub(super) hairpin: bool,
}

impl Nat {
    pub(super) const fn new(mapping: MappingBehavior, filtering: FilteringBehavior) -> Self {
        Self {
            translates: true,
            mapping,
            filtering,
            hairpin: false,
        }
    }
}

/// The Internet with its servers, and the NAT.
pub(super) struct Internet {
    pub(super) nat: Nat,
    /// Socket, and of the destination what the mapping depends on; and the port outside.
    pub(super) mappings: BTreeMap<(SocketAddr, String), u16>,
    /// Which socket has sent to whom.
    pub(super) sent_to: BTreeSet<(SocketAddr, SocketAddr)>,
    pub(super) servers: Vec<Server>,
    /// One packet in so many is lost.
    pub(super) loss: Option<(ChaCha8Rng, u32)>,
}

/// A STUN server.
pub(super) struct Server {
    /// Where it listens.
    pub(super) listens: Vec<SocketAddr>,
    /// What it says its other address is.
    pub(super) other: Option<SocketAddr>,
    pub(super) change: Change,
}

/// What it does with a CHANGE-REQUEST.
#[derive(Clone, Copy)]
pub(super) enum Change {
    Does,
    Ignores,
    Refuses,
}

impl Server {
    pub(super) fn plain(at: &[&str]) -> Self {
        Self {
            listens: at.iter().map(|text| address(text)).collect(),
            other: None,
            change: Change::Ignores,
        }
    }

    pub(super) fn rfc_5780() -> Self {
        let (server, other) = (address(SERVER), address(OTHER));
        Self {
            listens: vec![
                server,
                SocketAddr::new(server.ip(), other.port()),
                SocketAddr::new(other.ip(), server.port()),
                other,
            ],
            other: Some(other),
            change: Change::Does,
        }
    }

    pub(super) fn answer(
        &self,
        from: SocketAddr,
        at: SocketAddr,
        request: &Message<'_>,
    ) -> Datagram {
        let other = |at: SocketAddr| {
            let mut listens = self.listens.iter();
            *listens
                .find(|other| other.ip() != at.ip() && other.port() != at.port())
                .unwrap()
        };
        let answer = |source, builder: MessageBuilder| Datagram {
            source,
            destination: from,
            contents: builder.finish(),
        };
        let (source, builder) = (
            at,
            MessageBuilder::new(Class::Success, Method::Binding, request.transaction()),
        );
        let source = match (request.number(AttributeType::CHANGE_REQUEST), self.change) {
            (Some(_), Change::Refuses) => return answer(at, refusal(request, 420)),
            (Some(0x06), Change::Does) => other(at),
            (Some(0x02), Change::Does) => SocketAddr::new(at.ip(), other(at).port()),
            (_, _) => source,
        };
        let builder = builder.xor_address(AttributeType::XOR_MAPPED_ADDRESS, from);
        answer(
            source,
            match self.other {
                Some(other) => builder.attribute(AttributeType::OTHER_ADDRESS, &plain(other)),
                None => builder,
            },
        )
    }
}

/// An address as it stands in OTHER-ADDRESS.
pub(super) fn plain(address: SocketAddr) -> Vec<u8> {
    let SocketAddr::V4(address) = address else {
        panic!("{address}");
    };
    let mut value = vec![0, 1];
    value.extend_from_slice(&address.port().to_be_bytes());
    value.extend_from_slice(&address.ip().octets());
    value
}

impl Internet {
    pub(super) fn new(nat: Nat, servers: Vec<Server>) -> Self {
        Self {
            nat,
            mappings: BTreeMap::new(),
            sent_to: BTreeSet::new(),
            servers,
            loss: None,
        }
    }

    pub(super) fn outside(&mut self, socket: SocketAddr, to: SocketAddr) -> SocketAddr {
        if !self.nat.translates {
            return socket;
        }
        let depends_on = match self.nat.mapping {
            MappingBehavior::EndpointIndependent => String::new(),
            MappingBehavior::AddressDependent => to.ip().to_string(),
            _ => to.to_string(),
        };
        let next = 40_000 + self.mappings.len() as u16;
        let port = *self.mappings.entry((socket, depends_on)).or_insert(next);
        SocketAddr::new(OUTSIDE.parse().unwrap(), port)
    }

    /// The socket that a packet to an address outside comes to.
    pub(super) fn inside(&self, from: SocketAddr, to: SocketAddr) -> Option<SocketAddr> {
        let sockets = SOCKETS.map(address);
        let socket = if self.nat.translates {
            let mut mappings = self.mappings.iter();
            mappings.find(|(_, port)| **port == to.port())?.0.0
        } else {
            *sockets.iter().find(|socket| **socket == to)?
        };
        let mut sent_to = self.sent_to.iter().filter(|(by, _)| *by == socket);
        let passes = match self.nat.filtering {
            FilteringBehavior::EndpointIndependent => true,
            FilteringBehavior::AddressDependent => {
                sent_to.any(|(_, other)| other.ip() == from.ip())
            }
            FilteringBehavior::AddressAndPortDependent => sent_to.any(|(_, other)| *other == from),
        };
        passes.then_some(socket)
    }

    pub(super) fn is_lost(&mut self) -> bool {
        let lost = |(rng, one_in): &mut (ChaCha8Rng, u32)| rng.next_u32() % *one_in == 0;
        self.loss.as_mut().is_some_and(lost)
    }
}

impl Carrier for Internet {
    fn carry(&mut self, _now: Instant, packet: Datagram) -> Vec<Datagram> {
        let from = self.outside(packet.source, packet.destination);
        self.sent_to.insert((packet.source, packet.destination));
        if self.is_lost() {
            return Vec::new();
        }
        let at = packet.destination;
        let arriving = if at.ip() == from.ip() && self.nat.translates {
            let came_back = Datagram {
                source: from,
                destination: at,
                contents: packet.contents,
            };
            Some(came_back).filter(|_| self.nat.hairpin)
        } else {
            let server = self
                .servers
                .iter()
                .find(|server| server.listens.contains(&at));
            let request = Message::parse(&packet.contents).unwrap();
            server.map(|server| server.answer(from, at, &request))
        };
        let arriving = arriving.filter(|_| !self.is_lost()).and_then(|packet| {
            let destination = self.inside(packet.source, packet.destination)?;
            Some(Datagram {
                destination,
                ..packet
            })
        });
        arriving.into_iter().collect()
    }
}
