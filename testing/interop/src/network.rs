//! Networks with NATs on one machine, of Linux network namespaces, veth pairs, bridges and nftables.
//!
//! ```text
//!                    internet 203.0.113.0/24, 2001:db8::/64
//!       ┌──────────┬────────┴─┬──────────────────────┐
//!     server     a host    NAT router              NAT router
//!                             │ 192.168.1.0/24       │ 192.168.2.0/24
//!                          ┌──┴──┐              ┌────┴─────┐
//!                         Ada   Ben          NAT router    Cem
//!                                               │ 192.168.3.0/24
//!                                              Dan
//! ```
//!
//! Each host and each router is a namespace. A [`Segment`] is a network: the router with a bridge, and whoever is plugged
//! into it. Behind a NAT there can be another one, and so on. Nothing of it is connected with the machine, or with another
//! [`Network`]; so addresses repeat, and tests run side by side.
//!
//! ```no_run
//! use securecall_interop::network::{Delay, Nat, Network};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let network = Network::new()?;
//! let internet = network.internet();
//! let server = internet.host("server")?;
//! let home = internet.nat("home", Nat::port_restricted().with_hairpin())?;
//! let ada = home.host("ada")?;
//!
//! // Sockets of the test's own process, and programs.
//! let (at_server, of_ada) = (server.udp_socket()?, ada.udp_socket()?);
//! of_ada.send_to(b"hello", at_server.local_addr()?)?;
//! let (_, seen) = at_server.recv_from(&mut [0; 16])?;
//! assert_eq!(Some(seen.ip()), home.outside_address().map(Into::into));
//! ada.run(std::process::Command::new("ip").args(["address", "show"]))?;
//!
//! // What happens during a call.
//! ada.link().set_loss(5)?;
//! let (least, jitter) = (std::time::Duration::from_millis(40), std::time::Duration::from_millis(20));
//! ada.link().set_delay(Delay { least, jitter }, 1)?;
//! home.forget_mappings()?;
//! ada.move_to(&internet)?;
//! # Ok(())
//! # }
//! ```
//!
//! When the [`Network`] is dropped, after a panic too, everything is: programs that run in its hosts are killed, namespaces
//! removed. What a killed process left behind goes when the next one makes a network: namespaces have its ID in their name.
//!
//! It needs Linux, `ip` (iproute2), `nft` (nftables 1.0 or later), root, for [`Link::set_delay`] and
//! [`Link::impair_udp`] `python3` and for [`Segment::nat64`] `tayga`, all with `/dev/net/tun`. Without them it is an error that says what is missing.
//!
//! What is as in the world, and what is not:
//!
//! * Mappings of UDP never expire by themselves, but for symmetric NATs, and filters that depend on the port: there it is
//!   Linux's 30 seconds without a packet, two minutes if both sides have sent.
//! * NATs are for IPv4. IPv6 is in the internet, and in networks directly behind a router there that ask for it
//!   ([`Nat::with_ipv6`], [`Segment::nat64`]). There is no
//!   name service but those that a test starts ([`NameServer`]), with DNS64 or without, and no names but those that programs are
//!   given ([`Names`]).
//! * Whoever sends to an address that is not there gets no answer, but in its own network, where the neighbour is missed.
//! * Loss is by the kernel's own randomness; jitter is by seed, and nothing is reordered. What [`Link::impair_udp`] does to UDP
//!   is by seed, and reorders.

mod capture;
mod conntrack;
mod delay_line;
mod error;
mod host;
mod link;
mod name_server;
mod names;
mod namespace;
mod nat;
mod nat64;
mod port_forward;
mod segment;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU8, Ordering},
};

use self::namespace::{Namespace, lock};
pub use self::{
    capture::{Capture, Packet},
    delay_line::{Delay, Impairment, Outages},
    error::NetworkError,
    host::{Host, Standing},
    link::Link,
    name_server::{NameServer, Synthesis},
    names::Names,
    nat::Nat,
    nat64::nat64_address,
    segment::Segment,
};

/// An internet of its own with all that hangs on it, which lives as long as this value.
#[derive(Debug)]
pub struct Network {
    internet: Segment,
    parts: Arc<Parts>,
}

/// All namespaces of one network, in the order in which they were made.
#[derive(Debug, Default)]
struct Parts {
    namespaces: Mutex<Vec<Arc<Namespace>>>,
    private_networks: AtomicU8,
}

impl Network {
    /// Makes an internet in which nobody is so far.
    ///
    /// # Errors
    ///
    /// When programs or permissions are missing; the error says which.
    pub fn new() -> Result<Self, NetworkError> {
        namespace::look_for_programs()?;
        namespace::remove_leftovers();
        let parts = Arc::new(Parts::default());
        // What a network that fails half-way has made goes with its parts.
        let internet = Segment::internet(&parts)?;
        Ok(Self { internet, parts })
    }

    /// Where servers are, and hosts with an address of their own.
    #[must_use]
    pub fn internet(&self) -> Segment {
        self.internet.clone()
    }

    /// The names of all its namespaces, as `ip netns list` shows them.
    #[must_use]
    pub fn namespaces(&self) -> Vec<String> {
        lock(&self.parts.namespaces)
            .iter()
            .map(|namespace| namespace.name().to_owned())
            .collect()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // Hosts and segments may live on, and fail.
        for namespace in lock(&self.parts.namespaces).iter() {
            namespace.remove();
        }
    }
}

impl Parts {
    fn namespace(&self, label: &str) -> Result<Arc<Namespace>, NetworkError> {
        let namespace = Arc::new(Namespace::new(label)?);
        lock(&self.namespaces).push(Arc::clone(&namespace));
        Ok(namespace)
    }

    /// The third part of the addresses of a network behind a NAT.
    fn next_private_network(&self) -> Result<u8, NetworkError> {
        self.private_networks
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
                last.checked_add(1)
            })
            .map(|last| last.saturating_add(1))
            .map_err(|_| NetworkError::NoAddressLeft)
    }
}
