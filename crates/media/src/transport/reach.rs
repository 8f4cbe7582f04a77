//! Which addresses a call may use: the one filter for every address that comes from outside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// How far a call may reach.
///
/// Candidates of the peer, trickled or in a description, and the sources of datagrams all pass [`Reach::admits`] before the
/// engine sees them: without it a peer could have this machine send packets to services of its own, to a whole network at
/// once, or to a neighbour on the link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reach {
    /// From one machine to another.
    #[default]
    OtherMachines,
    /// Within this machine too: loopback addresses count. For tests and trials with both ends on one machine.
    ThisMachine,
}

impl Reach {
    /// Whether a peer can be at this address. Never: what is unspecified, link-local, multicast, broadcast or reserved, and an
    /// IPv4 address in the clothes of an IPv6 one. Loopback only within this machine.
    pub fn admits(self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) if address.is_loopback() => self == Self::ThisMachine,
            IpAddr::V4(address) => is_unicast_v4(address),
            IpAddr::V6(address) if address.is_loopback() => self == Self::ThisMachine,
            IpAddr::V6(address) => is_unicast_v6(address),
        }
    }

    /// Whether a peer's socket can be there.
    pub(super) fn admits_socket(self, address: SocketAddr) -> bool {
        address.port() != 0 && self.admits(address.ip())
    }
}

/// Neither "this network" (0/8), link-local, multicast nor reserved (240/4, the broadcast address with it).
fn is_unicast_v4(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    !(first == 0 || address.is_link_local() || first >= 224)
}

fn is_unicast_v6(address: Ipv6Addr) -> bool {
    // ::ffff:a.b.c.d and the older ::a.b.c.d, the unspecified address among the latter.
    let is_v4 = matches!(address.segments(), [0, 0, 0, 0, 0, 0 | 0xffff, ..]);
    !(is_v4 || address.is_unicast_link_local() || address.is_multicast())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: [&str; 16] = [
        "0.0.0.0",
        "0.1.2.3",
        "169.254.10.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::192.0.2.1",
        "::ffff:127.0.0.1",
        "::ffff:192.0.2.1",
        "::ffff:255.255.255.255",
        "fe80::1",
        "febf::1",
        "ff02::1",
        "ff0e::fb",
    ];

    #[test]
    fn a_peer_is_at_an_address_of_one_machine_that_means_the_same_everywhere() {
        for text in NEVER {
            for reach in [Reach::OtherMachines, Reach::ThisMachine] {
                assert!(!reach.admits(text.parse().unwrap()), "{text}");
            }
        }
        for text in [
            "192.0.2.1",
            "10.0.0.1",
            "100.64.0.1",
            "2001:db8::1",
            "fd00::1",
        ] {
            assert!(Reach::OtherMachines.admits(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn loopback_is_within_this_machine_alone() {
        for text in ["127.0.0.1", "127.255.1.2", "::1"] {
            let address = text.parse().unwrap();
            assert!(!Reach::OtherMachines.admits(address), "{text}");
            assert!(Reach::ThisMachine.admits(address), "{text}");
        }
    }

    #[test]
    fn no_socket_has_port_0() {
        let admits = |text: &str| Reach::OtherMachines.admits_socket(text.parse().unwrap());
        assert!(!admits("192.0.2.1:0"));
        assert!(admits("192.0.2.1:1"));
    }
}
