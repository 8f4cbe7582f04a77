//! A network with its router.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, AtomicU32, Ordering},
    },
};

use super::{
    Capture, Host, Link, Nat, NetworkError, Parts, conntrack,
    host::Families,
    namespace::{Namespace, lock},
    nat::OUT_OF_SERVICE,
    nat64::Nat64,
};

/// The router's own part of an address; hosts begin at [`FIRST_HOST`].
const ROUTER: u8 = 1;
const FIRST_HOST: u8 = 10;

/// What follows an address of IPv6: nobody asks first, for a second or so, whether somebody has it already.
const IPV6_LENGTH: &str = "64 nodad";

/// Nothing is translated, but who has not been sent anything does not get in (RFC 6092, section 3.2).
const IPV6_FIREWALL: &str = "\
table ip6 firewall {
    chain through {
        type filter hook forward priority filter; policy drop;
        ct state established,related accept
        iifname { br0, nat64 } accept
    }
}";

/// The routing table of packets from behind a NAT to its own address outside, if it has hairpins.
const HAIRPIN_TABLE: u32 = 100;

/// A network in which hosts reach each other without anybody between: the internet, or what is behind a NAT. A clone is the
/// same network.
#[derive(Clone, Debug)]
pub struct Segment {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    router: Arc<Namespace>,
    parts: Arc<Parts>,
    prefixes: Prefixes,
    next_host: AtomicU8,
    next_port: AtomicU32,
    uplink: Option<Uplink>,
}

/// The addresses of a network: a /24 and a /64, their last part zero.
#[derive(Clone, Copy, Debug)]
struct Prefixes {
    ipv4: Option<Ipv4Addr>,
    ipv6: Option<Ipv6Addr>,
}

/// How a NAT is part of the network that it is in.
#[derive(Debug)]
struct Uplink {
    nat: Nat,
    network: Segment,
    link: Arc<Link>,
    outside: Mutex<Ipv4Addr>,
    /// Translates between the versions of IP, if it does.
    _translator: Option<Nat64>,
}

impl Segment {
    /// The network that all others hang below.
    pub(super) fn internet(parts: &Arc<Parts>) -> Result<Self, NetworkError> {
        let ipv4 = Ipv4Addr::new(203, 0, 113, 0);
        let ipv6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0);
        let prefixes = Prefixes {
            ipv4: Some(ipv4),
            ipv6: Some(ipv6),
        };
        let router = router("internet", parts)?;
        bridge(&router, prefixes)?;
        // Other networks' private addresses lead nowhere, as in the world, and nobody is told so.
        router.ip("route add blackhole default\nroute add blackhole ::/0")?;
        Ok(Self::new(router, parts, prefixes, None))
    }

    /// A network of IPv4 behind a NAT, which is in this network: behind another one, if this network is. With
    /// [`Nat::with_ipv6`] it has IPv6 too.
    ///
    /// # Errors
    ///
    /// When the system refuses, or the network is torn down; when this network is full, or lacks IPv6 that is wanted.
    pub fn nat(&self, label: &str, nat: Nat) -> Result<Self, NetworkError> {
        let number = self.inner.parts.next_private_network()?;
        let prefixes = Prefixes {
            ipv4: Some(Ipv4Addr::new(192, 168, number, 0)),
            ipv6: nat.has_ipv6.then(|| routed_ipv6(number)),
        };
        self.behind(label, nat, prefixes)
    }

    /// A network in the internet that has IPv6 only, as many mobile carriers have. By IPv4 its hosts are where
    /// [`nat64_address`](super::nat64_address) says (NAT64, [RFC 6146](https://www.rfc-editor.org/rfc/rfc6146)): its router
    /// translates, maps and filters as this NAT does.
    ///
    /// It needs `tayga`, and `/dev/net/tun`.
    ///
    /// # Errors
    ///
    /// When the system refuses, or the network is torn down; when this network is full, or lacks IPv6.
    pub fn nat64(&self, label: &str, nat: Nat) -> Result<Self, NetworkError> {
        let prefixes = Prefixes {
            ipv4: None,
            ipv6: Some(routed_ipv6(self.inner.parts.next_private_network()?)),
        };
        self.behind(label, nat, prefixes)
    }

    fn behind(&self, label: &str, nat: Nat, prefixes: Prefixes) -> Result<Self, NetworkError> {
        let parts = &self.inner.parts;
        let router = router(label, parts)?;
        bridge(&router, prefixes)?;
        let link = Arc::new(self.plug_in(&router, "wan")?);
        if nat.hairpin {
            // The router hears from its own address, and sends to it: that it is its own must not be the first rule.
            router.set("net/ipv4/conf/wan/accept_local", "1")?;
            router.ip("rule add pref 2 lookup local\nrule del pref 0")?;
        }
        if let Some(ipv6) = prefixes.ipv6 {
            self.route_ipv6(&router, ipv6)?;
        }
        let translator = match prefixes.ipv4 {
            None => Some(Nat64::start(&router)?),
            Some(_) => None,
        };
        let uplink = Uplink {
            nat,
            network: self.clone(),
            link,
            outside: Mutex::new(Ipv4Addr::UNSPECIFIED),
            _translator: translator,
        };
        let behind = Self::new(router, parts, prefixes, Some(uplink));
        behind.change_outside_address()?;
        Ok(behind)
    }

    /// The way to and from a network behind a router in this one. In the internet only: no other router is told.
    fn route_ipv6(&self, router: &Namespace, network: Ipv6Addr) -> Result<(), NetworkError> {
        let outside = match (self.inner.prefixes.ipv6, &self.inner.uplink) {
            (Some(outside), None) => outside,
            _ => return Err(NetworkError::NoCommonAddressFamily),
        };
        let address = with_ipv6_host(outside, self.free_host()?);
        router.set("net/ipv6/conf/wan/disable_ipv6", "0")?;
        router.ip(&self.address_lines(address.into(), "wan"))?;
        router.nft(IPV6_FIREWALL)?;
        let way = format!("route add {network}/64 via {address} dev br0");
        self.inner.router.ip(&way)
    }

    /// A new host in this network, with an address of each version of IP that the network has.
    ///
    /// # Errors
    ///
    /// When the system refuses, or the network is torn down; when this network is full.
    pub fn host(&self, label: &str) -> Result<Host, NetworkError> {
        Host::new(label, self, Families::All, &self.inner.parts)
    }

    /// A new host in this network which has no IPv4.
    ///
    /// # Errors
    ///
    /// As with [`host`](Self::host); when this network has no IPv6, as all behind a NAT.
    pub fn ipv6_only_host(&self, label: &str) -> Result<Host, NetworkError> {
        Host::new(label, self, Families::Ipv6Only, &self.inner.parts)
    }

    /// The address that all behind this NAT have outside; nothing for the internet. Outside means in the network that the NAT
    /// is in, which may be behind another NAT.
    #[must_use]
    pub fn outside_address(&self) -> Option<Ipv4Addr> {
        self.inner
            .uplink
            .as_ref()
            .map(|uplink| *lock(&uplink.outside))
    }

    /// The cable between this NAT and the network that it is in; nothing for the internet.
    #[must_use]
    pub fn uplink(&self) -> Option<&Link> {
        self.inner.uplink.as_ref().map(|uplink| &*uplink.link)
    }

    /// The NAT gets another address outside, and with it all mappings are gone. The internet has no address: nothing happens.
    ///
    /// # Errors
    ///
    /// When the system refuses, or the network is torn down; when the network outside is full.
    pub fn change_outside_address(&self) -> Result<(), NetworkError> {
        let Some(uplink) = &self.inner.uplink else {
            return Ok(());
        };
        let address = uplink.network.free_ipv4()?;
        let gateway = uplink.network.gateway_ipv4();
        let mut lines = String::new();
        let before = *lock(&uplink.outside);
        if !before.is_unspecified() {
            lines.push_str(&format!("addr del {before}/24 dev wan\n"));
        }
        lines.push_str(&format!(
            "addr add {address}/24 dev wan
             route replace default via {gateway} dev wan\n"
        ));
        if uplink.nat.hairpin {
            // Out to the router before us, which sends it back in: so such a packet is translated and filtered both times.
            lines.push_str(&format!(
                "route replace default via {gateway} dev wan table {HAIRPIN_TABLE}
                 rule add pref 1 iif br0 to {address} lookup {HAIRPIN_TABLE}\n"
            ));
        }
        self.inner.router.ip(&lines)?;
        *lock(&uplink.outside) = address;
        self.forget_mappings()
    }

    /// The NAT forgets everything, as one that was switched off and on: whoever sends anew gets another port outside, and
    /// whoever sends to an old one reaches nobody. Of the internet there is nothing to forget.
    ///
    /// # Errors
    ///
    /// When the system refuses, or the network is torn down.
    pub fn forget_mappings(&self) -> Result<(), NetworkError> {
        let Some(uplink) = &self.inner.uplink else {
            return Ok(());
        };
        let router = &self.inner.router;
        // A packet between the two would take its old mapping over into the new maps, or the other way round.
        router.nft(OUT_OF_SERVICE)?;
        router
            .enter(conntrack::forget_connections)?
            .map_err(NetworkError::io("forgetting connections"))?;
        router.nft(&uplink.nat.rules(*lock(&uplink.outside)))
    }

    /// From now on the NAT forgets a mapping of UDP that nothing went through for so many seconds, whether or not anything came
    /// back. Linux's own figures are 30 s, and two minutes for what both sides have used.
    ///
    /// # Errors
    ///
    /// When the system refuses, or the network is torn down.
    pub fn set_udp_timeout(&self, seconds: u32) -> Result<(), NetworkError> {
        for setting in ["udp_timeout", "udp_timeout_stream"] {
            let setting = format!("net/netfilter/nf_conntrack_{setting}");
            self.inner.router.set(&setting, &seconds.to_string())?;
        }
        Ok(())
    }

    /// Records, from now on, what its router receives and sends: all that goes in or out of this network, and what its hosts
    /// send each other. A packet on its way through stands there once for each interface.
    ///
    /// # Errors
    ///
    /// When the system refuses, or the network is torn down.
    pub fn capture(&self) -> Result<Capture, NetworkError> {
        Capture::start(&self.inner.router)
    }

    /// Lays a cable to a new interface of a namespace.
    pub(super) fn plug_in(&self, end: &Namespace, interface: &str) -> Result<Link, NetworkError> {
        let port = self.inner.next_port.fetch_add(1, Ordering::Relaxed);
        Link::lay(&self.inner.router, port, end, interface)
    }

    /// Addresses that nobody has had before.
    pub(super) fn free_addresses(&self, families: Families) -> Result<Vec<IpAddr>, NetworkError> {
        let mut addresses = Vec::new();
        if families == Families::All && self.inner.prefixes.ipv4.is_some() {
            addresses.push(self.free_ipv4()?.into());
        }
        if let Some(ipv6) = self.inner.prefixes.ipv6 {
            addresses.push(with_ipv6_host(ipv6, self.free_host()?).into());
        }
        if addresses.is_empty() {
            return Err(NetworkError::NoCommonAddressFamily);
        }
        Ok(addresses)
    }

    /// From now on packets for an address go to one of the hosts in this network.
    pub(super) fn lead(&self, address: Ipv4Addr, by: IpAddr) -> Result<(), NetworkError> {
        let way = format!("route replace {address}/32 via {by} dev br0");
        self.inner.router.ip(&way)
    }

    /// The lines for `ip` that give an interface an address, and a way out.
    pub(super) fn address_lines(&self, address: IpAddr, interface: &str) -> String {
        let line = self.address_line(address, interface);
        format!("{line}route replace {}\n", self.route(address, interface))
    }

    /// The line for `ip` that gives an interface an address.
    pub(super) fn address_line(&self, address: IpAddr, interface: &str) -> String {
        let length = if address.is_ipv4() { "24" } else { IPV6_LENGTH };
        format!("addr add {address}/{length} dev {interface}\n")
    }

    /// The way out from an address, as `ip route` wants it.
    pub(super) fn route(&self, address: IpAddr, interface: &str) -> String {
        let gateway: IpAddr = match address {
            IpAddr::V4(_) => self.gateway_ipv4().into(),
            IpAddr::V6(network) => with_ipv6_host(network, ROUTER).into(),
        };
        format!("default via {gateway} dev {interface}")
    }

    fn new(
        router: Arc<Namespace>,
        parts: &Arc<Parts>,
        prefixes: Prefixes,
        uplink: Option<Uplink>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                router,
                parts: Arc::clone(parts),
                prefixes,
                next_host: AtomicU8::new(FIRST_HOST),
                next_port: AtomicU32::new(0),
                uplink,
            }),
        }
    }

    fn free_ipv4(&self) -> Result<Ipv4Addr, NetworkError> {
        let network = self.inner.prefixes.ipv4;
        let network = network.ok_or(NetworkError::NoCommonAddressFamily)?;
        Ok(with_ipv4_host(network, self.free_host()?))
    }

    fn free_host(&self) -> Result<u8, NetworkError> {
        self.inner
            .next_host
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |host| {
                // The last one is for broadcasts.
                (host < u8::MAX).then(|| host + 1)
            })
            .map_err(|_| NetworkError::NoAddressLeft)
    }

    fn gateway_ipv4(&self) -> Ipv4Addr {
        let network = self.inner.prefixes.ipv4;
        with_ipv4_host(network.unwrap_or(Ipv4Addr::UNSPECIFIED), ROUTER)
    }
}

/// A namespace that forwards, and believes any source of a packet.
fn router(label: &str, parts: &Parts) -> Result<Arc<Namespace>, NetworkError> {
    let router = parts.namespace(label)?;
    for (setting, value) in [
        ("net/ipv4/ip_forward", "1"),
        ("net/ipv6/conf/all/forwarding", "1"),
        ("net/ipv4/conf/all/rp_filter", "0"),
        ("net/ipv4/conf/default/rp_filter", "0"),
        // A hairpin goes out where it came in, which is no reason to tell the sender of a better way.
        ("net/ipv4/conf/all/send_redirects", "0"),
        ("net/ipv4/conf/default/send_redirects", "0"),
        // Ports and TAP devices need no address of their own.
        ("net/ipv6/conf/default/disable_ipv6", "1"),
    ] {
        router.set(setting, value)?;
    }
    // All that comes is the affair of one processor: two packets of one socket that pass at once would each be given a port
    // outside before that of the other is learnt. (Linux 6.4; before, that is a rare chance.)
    let processors = "net/core/rps_default_mask";
    if router.has_setting(processors)? {
        router.set(processors, "1")?;
    }
    // Between hosts of one network nothing is routed, so nothing is translated.
    for setting in ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"] {
        let setting = format!("net/bridge/{setting}");
        if router.has_setting(&setting)? {
            router.set(&setting, "0")?;
        }
    }
    Ok(router)
}

/// The inner side of a router, with the hardware address fixed: a bridge would else change it with its ports.
fn bridge(router: &Namespace, prefixes: Prefixes) -> Result<(), NetworkError> {
    router.ip(
        "link add br0 address 02:00:00:00:00:01 type bridge mcast_snooping 0
         link set br0 up",
    )?;
    if let Some(ipv4) = prefixes.ipv4 {
        let address = with_ipv4_host(ipv4, ROUTER);
        router.ip(&format!("addr add {address}/24 dev br0"))?;
    }
    if let Some(ipv6) = prefixes.ipv6 {
        router.set("net/ipv6/conf/br0/disable_ipv6", "0")?;
        let address = with_ipv6_host(ipv6, ROUTER);
        router.ip(&format!("addr add {address}/{IPV6_LENGTH} dev br0"))?;
    }
    Ok(())
}

/// What a network behind a router in the internet has of IPv6: a /64 of its own.
fn routed_ipv6(number: u8) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0x100 + u16::from(number), 0, 0, 0, 0)
}

fn with_ipv4_host(network: Ipv4Addr, host: u8) -> Ipv4Addr {
    let [a, b, c, _] = network.octets();
    Ipv4Addr::new(a, b, c, host)
}

fn with_ipv6_host(network: Ipv6Addr, host: u8) -> Ipv6Addr {
    let [a, b, c, d, ..] = network.segments();
    Ipv6Addr::new(a, b, c, d, 0, 0, 0, host.into())
}
