//! The cable between a host or a router and the network it is in.

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex},
};

use super::{
    Delay, Impairment, NetworkError,
    delay_line::DelayLine,
    namespace::{Namespace, lock},
};

/// The cable between a [`Host`](super::Host), or the router of a [`Segment`](super::Segment), and the network that it is in.
/// It loses and delays in both directions alike.
#[derive(Debug)]
pub struct Link {
    router: Arc<Namespace>,
    /// The port's number in its router: `p3` for 3.
    number: u32,
    delay_line: Mutex<Option<DelayLine>>,
}

impl Link {
    /// Lays a cable from the bridge of a router to a new interface of another namespace.
    pub(super) fn lay(
        router: &Arc<Namespace>,
        number: u32,
        end: &Namespace,
        interface: &str,
    ) -> Result<Self, NetworkError> {
        router.ip(&format!(
            "link add p{number} type veth peer name {interface} netns {}
             link set p{number} master br0 up",
            end.name()
        ))?;
        end.ip(&format!("link set {interface} up"))?;
        Ok(Self {
            router: Arc::clone(router),
            number,
            delay_line: Mutex::default(),
        })
    }

    /// From now on loses so many packets of a hundred, by chance, each way. With 100 the path is dead, and nobody is told.
    /// What finds the neighbour's hardware address (ARP, neighbour discovery) is not lost.
    ///
    /// # Errors
    ///
    /// When the system refuses; when the network is torn down.
    pub fn set_loss(&self, percent: u8) -> Result<(), NetworkError> {
        let number = self.number;
        // To delete a table that is not there is an error, to add one that is there is none.
        let mut rules =
            format!("add table bridge loss{number}\ndelete table bridge loss{number}\n");
        let chance = match percent {
            0 => return self.router.nft(&rules),
            1..100 => format!("numgen random mod 100 < {percent}"),
            _ => String::new(),
        };
        let _ = writeln!(rules, "table bridge loss{number} {{");
        for (hook, port) in [("prerouting", "iifname"), ("postrouting", "oifname")] {
            let _ = writeln!(
                rules,
                "chain {hook} {{ type filter hook {hook} priority filter;
                 {port} p{number} ether type ip {chance} drop
                 {port} p{number} ether type ip6 ip6 nexthdr != ipv6-icmp {chance} drop
                 }}"
            );
        }
        rules.push('}');
        self.router.nft(&rules)
    }

    /// From now on packets take so long, each way. The seed, which counts only the first time, decides about the jitter.
    ///
    /// It needs `python3`, and `/dev/net/tun`.
    ///
    /// # Errors
    ///
    /// When the system refuses; when the network is torn down.
    pub fn set_delay(&self, delay: Delay, seed: u64) -> Result<(), NetworkError> {
        self.with_delay_line(seed, |line| line.set(delay))
    }

    /// From now on this happens to UDP, each way, in place of what [`set_delay`](Self::set_delay) says; with nothing, UDP is as
    /// all the rest again. TCP and the rest are as they were.
    ///
    /// It needs `python3`, and `/dev/net/tun`.
    ///
    /// # Errors
    ///
    /// When the system refuses; when the network is torn down.
    pub fn impair_udp(&self, impairment: Option<Impairment>) -> Result<(), NetworkError> {
        self.with_delay_line(0, |line| line.impair_udp(impairment))
    }

    fn with_delay_line(
        &self,
        seed: u64,
        order: impl FnOnce(&mut DelayLine) -> Result<(), NetworkError>,
    ) -> Result<(), NetworkError> {
        let mut delay_line = lock(&self.delay_line);
        let line = match &mut *delay_line {
            Some(line) => line,
            None => delay_line.insert(self.insert_delay_line(seed)?),
        };
        order(line)
    }

    /// Cuts the cable in the middle: host, port, a bridge of their own, TAP; the other TAP, and the router's bridge.
    /// The interface of the host does not notice. The bridge of its own is none of the router's interfaces, so it answers
    /// nobody who asks for the router's address: it would be faster than the router, and packets would come in by it.
    fn insert_delay_line(&self, seed: u64) -> Result<DelayLine, NetworkError> {
        let number = self.number;
        let near = format!("t{number}a");
        let far = format!("t{number}b");
        let line = DelayLine::start(&self.router, [&near, &far], seed)?;
        self.router.ip(&format!(
            "link add c{number} type bridge mcast_snooping 0
             link set c{number} arp off up
             link set {near} master c{number} up
             link set {far} master br0 up
             link set p{number} master c{number}"
        ))?;
        Ok(line)
    }
}
