//! Kinds of NAT, and the nftables rules that make a router behave as one.

use std::{fmt::Write as _, net::Ipv4Addr};

/// What a router does to those behind it. By its constructors it is one of the four kinds of RFC 3489, section 5, in the
/// words of [RFC 4787](https://www.rfc-editor.org/rfc/rfc4787): how it maps, and whom it lets in.
///
/// Ports outside are chosen by chance; for TCP, symmetric NATs apart, they are those inside if nobody else has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nat {
    pub(super) mapping: Mapping,
    pub(super) filtering: Filtering,
    pub(super) hairpin: bool,
    pub(super) web_only: bool,
    pub(super) has_ipv6: bool,
}

/// Whether a socket has the same address outside towards everybody (RFC 4787, section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mapping {
    EndpointIndependent,
    AddressAndPortDependent,
}

/// Whose datagrams reach a socket that has sent something (RFC 4787, section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filtering {
    EndpointIndependent,
    AddressDependent,
    AddressAndPortDependent,
}

impl Nat {
    /// Once a socket has sent something, anybody can send to it.
    #[must_use]
    pub const fn full_cone() -> Self {
        Self::new(Mapping::EndpointIndependent, Filtering::EndpointIndependent)
    }

    /// A socket hears from those addresses that it has sent something to, from whatever port.
    #[must_use]
    pub const fn address_restricted() -> Self {
        Self::new(Mapping::EndpointIndependent, Filtering::AddressDependent)
    }

    /// A socket hears from those addresses and ports that it has sent something to.
    #[must_use]
    pub const fn port_restricted() -> Self {
        let filtering = Filtering::AddressAndPortDependent;
        Self::new(Mapping::EndpointIndependent, filtering)
    }

    /// A socket has another port outside for each address and port that it sends to, and hears on it from there only.
    #[must_use]
    pub const fn symmetric() -> Self {
        let filtering = Filtering::AddressAndPortDependent;
        Self::new(Mapping::AddressAndPortDependent, filtering)
    }

    /// Two hosts behind it reach each other by their addresses outside, each seen under its own (RFC 4787, section 6).
    #[must_use]
    pub const fn with_hairpin(mut self) -> Self {
        self.hairpin = true;
        self
    }

    /// Drops, without a word, all that goes out but TCP to ports 80 and 443, and UDP to port 53: a strict office or hotel.
    #[must_use]
    pub const fn web_only(mut self) -> Self {
        self.web_only = true;
        self
    }

    /// Those behind it have IPv6 as well, which is not translated; its firewall lets in answers only. In the internet only.
    #[must_use]
    pub const fn with_ipv6(mut self) -> Self {
        self.has_ipv6 = true;
        self
    }

    const fn new(mapping: Mapping, filtering: Filtering) -> Self {
        Self {
            mapping,
            filtering,
            hairpin: false,
            web_only: false,
            has_ipv6: false,
        }
    }

    /// All rules of a router: those behind it are at `br0`, or at `nat64` if their packets are translated, everybody else, to whom it has the address `outside`, at `wan`.
    ///
    /// Connection tracking of Linux alone is address and port dependent both ways. What is endpoint independent is learnt
    /// into maps, as the first packet of each connection leaves: which address and port inside has which one outside. Of an
    /// endpoint-independent filter the maps are all there is; the stricter ones also ask whom the socket has sent to.
    pub(super) fn rules(self, outside: Ipv4Addr) -> String {
        let mut rules = String::from(TABLE);
        let outgoing = match self.mapping {
            Mapping::EndpointIndependent => format!(
                "oifname wan meta l4proto udp snat ip to ip saddr . udp sport map @outside
                 oifname wan meta l4proto udp snat to {outside} fully-random
                 oifname wan snat to {outside}"
            ),
            Mapping::AddressAndPortDependent => {
                format!("oifname wan snat to {outside} fully-random")
            }
        };
        chain(
            &mut rules,
            "outwards",
            "type nat hook postrouting priority srcnat",
            &outgoing,
        );
        if self.mapping == Mapping::EndpointIndependent {
            let behind = "type filter hook postrouting priority srcnat + 10";
            chain(&mut rules, "learn", behind, LEARN);
        }
        let incoming = match self.filtering {
            Filtering::EndpointIndependent => "iifname wan dnat ip to udp dport map @inside",
            Filtering::AddressDependent => {
                "iifname wan udp dport . ip saddr @sent_to dnat ip to udp dport map @inside"
            }
            // Connection tracking lets in those who answer, and nobody else.
            Filtering::AddressAndPortDependent => "",
        };
        chain(
            &mut rules,
            "inwards",
            "type nat hook prerouting priority dstnat",
            incoming,
        );
        let forwarded = if self.web_only {
            "iifname { br0, nat64 } tcp dport { 80, 443 } accept
             iifname { br0, nat64 } udp dport 53 accept"
        } else {
            "iifname { br0, nat64 } accept"
        };
        chain(
            &mut rules,
            "through",
            "type filter hook forward priority filter; policy drop",
            &format!("{ONLY_WHOLE_CONNECTIONS}\n{forwarded}"),
        );
        // Dropped, not refused: a connection of the router itself would take the port of the mapping that two peers are about
        // to punch, and whoever is second would get another one.
        chain(
            &mut rules,
            "to_router",
            "type filter hook input priority filter; policy drop",
            "iifname lo accept",
        );
        rules.push('}');
        rules
    }
}

/// Nothing is left of rules and maps that were there before. (A table that is not there cannot be deleted, but one that is can
/// be added.) What the links lose stays as it is, in tables of their own.
const TABLE: &str = "add table ip nat
delete table ip nat
table ip nat {
    map outside { type ipv4_addr . inet_service : ipv4_addr . inet_service; flags dynamic; size 4096; }
    map inside { type inet_service : ipv4_addr . inet_service; flags dynamic; size 4096; }
    set sent_to { type inet_service . ipv4_addr; flags dynamic; size 4096; }
";

/// Behind the translation of the source, so that the packet has its port outside already.
const LEARN: &str = "\
oifname wan meta l4proto udp ct state new update @outside \
    { ct original ip saddr . ct original proto-src : ip saddr . udp sport }
oifname wan meta l4proto udp ct state new update @inside \
    { udp sport : ct original ip saddr . ct original proto-src }
oifname wan meta l4proto udp ct state new update @sent_to { udp sport . ip daddr }";

/// Lets answers through, and what the rules have let in. A connection of TCP that began before the mappings were forgotten is
/// dead: Linux would take it up again in the middle.
const ONLY_WHOLE_CONNECTIONS: &str = "ct state new tcp flags & (fin | syn | rst | ack) != syn drop
ct state established,related accept
ct status dnat accept";

/// A router that lets nothing through and learns nothing, while its connections are forgotten.
pub(super) const OUT_OF_SERVICE: &str = "add table ip nat
delete table ip nat
table ip nat {
    chain nothing { type filter hook prerouting priority raw; policy drop; }
}";

fn chain(rules: &mut String, name: &str, hook: &str, lines: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(rules, "chain {name} {{ {hook};\n{lines}\n}}");
}
