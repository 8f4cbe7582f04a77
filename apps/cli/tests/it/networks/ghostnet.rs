//! Calls through relays of GhostNet that are hosts of their own, as caller, callee, homeserver and issuer are. What goes over each
//! link, what relays keep, and what relays that lie can do.

mod liars;
mod steadiness;
mod traces;
mod who_sees_whom;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use securecall_interop::network::{Capture, Host, Names, Nat, Network, Packet, Segment};
use securecall_interop::{GhostNetRelays, RelayPlan, RelayRole};

use super::homeserver::Homeserver;
use crate::ghostnet::daemon;
use crate::talker::{Talker, User};

/// An internet with a homeserver in it.
struct Realm {
    network: Network,
    homeserver: Homeserver,
    at_homeserver: BTreeSet<IpAddr>,
}

impl Realm {
    fn new() -> Self {
        let network = Network::new().unwrap();
        let homeserver = Homeserver::start(&network);
        let at_homeserver = homeserver.addresses().iter().copied().collect();
        Self {
            network,
            homeserver,
            at_homeserver,
        }
    }

    fn host(&self, name: &str) -> Arc<Host> {
        Arc::new(self.network.internet().host(name).unwrap())
    }

    /// A host with an address far from all others.
    fn server(&self, name: &str, address: Ipv4Addr) -> Arc<Host> {
        let host = self.host(name);
        host.add_routed_address(address).unwrap();
        host
    }

    /// Somebody at home, behind a NAT, with both versions of IP.
    fn person(&self, name: &str) -> Person {
        let nat = Nat::port_restricted().with_ipv6();
        let home = self.network.internet().nat(name, nat).unwrap();
        let host = home.host(name).unwrap();
        let user = self.homeserver.user(&host);
        Person { user, host, home }
    }

    /// Two of them, who know each other as `peer`.
    fn acquainted(&self) -> [Person; 2] {
        let pair = ["ada", "bo"].map(|name| self.person(name));
        pair[0].user.add(&pair[1].user, "peer");
        pair[1].user.add(&pair[0].user, "peer");
        pair
    }
}

/// Somebody at home.
struct Person {
    user: User,
    host: Host,
    home: Segment,
}

impl Person {
    /// Inside, outside, and by IPv6.
    fn addresses(&self) -> BTreeSet<IpAddr> {
        let outside = self.home.outside_address().unwrap();
        let mut addresses: BTreeSet<IpAddr> = self.host.addresses().into_iter().collect();
        addresses.insert(outside.into());
        assert_eq!(addresses.len(), 3);
        addresses
    }

    /// By what else one knows them.
    fn names(&self) -> Vec<String> {
        vec![self.user.matrix_id.clone(), self.user.id.clone()]
    }

    /// Runs a command there, which knows these relays, if any.
    fn talk(&self, realm: &Realm, relays: Option<&Listed>, arguments: &[&str]) -> Talker {
        let arguments = [&["--json"], arguments, &["--speaker", "null"]].concat();
        let mut command = self.user.machine.command(&arguments);
        command.env_remove("SECURECALL_LOOPBACK");
        let names = match relays {
            Some(relays) => {
                command.envs(relays.all.environment());
                &relays.names
            }
            None => realm.homeserver.names(),
        };
        let command = names.known_to(&command);
        Talker::start_by(command, |command| self.host.spawn(command).unwrap())
    }
}

/// Relays with the list that names them, and where their tokens are sold.
struct Listed {
    all: GhostNetRelays,
    shop: Arc<Host>,
    /// What a machine has to know to get at that.
    names: Names,
}

impl Listed {
    fn new(realm: &Realm, label: &str, plans: Vec<RelayPlan>) -> Self {
        let shop = realm.host(&format!("{label}-shop"));
        let all = GhostNetRelays::start_in(daemon(), plans, &shop).unwrap();
        let mut names = realm.homeserver.names().copied().unwrap();
        let at_shop = shop.addresses();
        names.add(GhostNetRelays::shop_name(), &at_shop).unwrap();
        names.trust(all.shop_certificate_pem()).unwrap();
        Self { all, shop, names }
    }
}

/// An entry and an exit: all that one of two people uses.
struct Relays {
    listed: Listed,
    entry: Arc<Host>,
    exit: Arc<Host>,
}

/// Whose relays they are, as the list says.
const ENTRY: &str = "Operator 1";
const EXIT: &str = "Operator 2";

impl Relays {
    /// In networks that begin with this number.
    fn new(realm: &Realm, label: &str, network: u8) -> Self {
        let server = |name: &str, second: u8| {
            let address = Ipv4Addr::new(network, second, 0, 10);
            let host = realm.server(&format!("{label}-{name}"), address);
            (host, IpAddr::from(address))
        };
        let (entry, exit) = (server("entry", 10), server("exit", 20));
        let plans = vec![
            RelayPlan::at(&entry.0, entry.1, RelayRole::Entry),
            RelayPlan::at(&exit.0, exit.1, RelayRole::Exit),
        ];
        Self {
            listed: Listed::new(realm, label, plans),
            entry: entry.0,
            exit: exit.0,
        }
    }
}

/// The addresses of some hosts.
fn addresses<'a>(hosts: impl IntoIterator<Item = &'a Arc<Host>>) -> BTreeSet<IpAddr> {
    let hosts = hosts.into_iter();
    hosts.flat_map(|host| host.addresses()).collect()
}

/// The ends of packets that are one of these addresses, with the ports.
fn ends(packets: &[Packet], of: &BTreeSet<IpAddr>) -> BTreeSet<SocketAddr> {
    let ends = packets
        .iter()
        .flat_map(|packet| [packet.source, packet.destination]);
    ends.filter(|end| of.contains(&end.ip())).collect()
}

/// With whom a host has exchanged packets.
fn partners(packets: &[Packet], own: &BTreeSet<IpAddr>) -> BTreeSet<IpAddr> {
    let ends = packets
        .iter()
        .flat_map(|packet| [packet.source.ip(), packet.destination.ip()]);
    ends.filter(|end| !own.contains(end)).collect()
}

/// Ends some captures.
fn packets_of(captures: Vec<Capture>) -> Vec<Packet> {
    let captures = captures.into_iter();
    captures
        .flat_map(|capture| capture.stop().unwrap())
        .collect()
}
