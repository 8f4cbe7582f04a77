//! A translator between IPv6 and IPv4 (RFC 7915): a program at a TUN device of the router. NAT of IPv4 does the rest of NAT64.

use std::{
    io::{self, Write as _},
    net::{Ipv4Addr, Ipv6Addr},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use super::{
    NetworkError,
    namespace::{Namespace, path_of_root},
};

/// What stands before an IPv4 address in the IPv6 address by which hosts of an IPv6-only network reach it (RFC 6052,
/// section 2.2). Not the well-known prefix: behind that nobody translates addresses that are reserved for documentation.
const PREFIX: [u16; 6] = [0x2001, 0xdb8, 0x64, 0, 0, 0];

/// IPv6 hosts are these towards the NAT of the same router (RFC 7335 has a smaller part of them for the same use).
const IPV4_POOL: &str = "192.0.0.0/24";
const OWN_IPV4: &str = "192.0.0.1";

const PROGRAM: &str = "tayga";

/// How often one looks for the device, and how many times.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
const LOOKS: usize = 1000;

/// Where a host with IPv6 only finds an IPv4 address: what a name service of its network (DNS64) would say.
#[must_use]
pub fn nat64_address(ipv4: Ipv4Addr) -> Ipv6Addr {
    let [a, b, c, d, e, f] = PREFIX;
    let [w, x, y, z] = ipv4.octets();
    let (high, low) = (u16::from_be_bytes([w, x]), u16::from_be_bytes([y, z]));
    Ipv6Addr::new(a, b, c, d, e, f, high, low)
}

/// A running translator at the device `nat64`.
#[derive(Debug)]
pub(super) struct Nat64 {
    program: Child,
}

impl Nat64 {
    /// Translates for all behind this router.
    pub(super) fn start(router: &Namespace) -> Result<Self, NetworkError> {
        let mut command = Command::new(PROGRAM);
        command
            .env("PATH", path_of_root())
            .args(["-d", "-c", "/dev/stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let program = router.enter(|| command.spawn())?.map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                return NetworkError::Missing {
                    program: PROGRAM,
                    package: PROGRAM,
                };
            }
            NetworkError::io(PROGRAM)(error)
        })?;
        let mut translator = Self { program };
        translator.configure(router)?;
        Ok(translator)
    }

    fn configure(&mut self, router: &Namespace) -> Result<(), NetworkError> {
        let prefix = nat64_address(Ipv4Addr::UNSPECIFIED);
        let settings = format!(
            "tun-device nat64\nipv4-addr {OWN_IPV4}\nprefix {prefix}/96\ndynamic-pool {IPV4_POOL}\n"
        );
        if let Some(mut stdin) = self.program.stdin.take() {
            stdin
                .write_all(settings.as_bytes())
                .map_err(NetworkError::io(PROGRAM))?;
        }
        self.wait_for_device(router)?;
        // Its packets are IPv6 too, which routers here have switched off for new interfaces.
        router.set("net/ipv6/conf/nat64/disable_ipv6", "0")?;
        router.ip(&format!(
            "link set nat64 up
             route add {IPV4_POOL} dev nat64
             route add {prefix}/96 dev nat64"
        ))
    }

    /// The program makes it once it has read its settings.
    fn wait_for_device(&mut self, router: &Namespace) -> Result<(), NetworkError> {
        for _ in 0..LOOKS {
            if router.has_setting("net/ipv6/conf/nat64")? {
                return Ok(());
            }
            let ended = self.program.try_wait().map_err(NetworkError::io(PROGRAM))?;
            if let Some(status) = ended {
                return Err(NetworkError::Command {
                    command: PROGRAM.to_owned(),
                    said: format!("it ended at once, with {status}"),
                });
            }
            thread::sleep(LOOK_AGAIN);
        }
        Err(NetworkError::io(PROGRAM)(io::ErrorKind::TimedOut.into()))
    }
}

impl Drop for Nat64 {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_address_is_the_end_of_an_ipv6_address() {
        let address = nat64_address(Ipv4Addr::new(203, 0, 113, 5));
        assert_eq!(address.to_string(), "2001:db8:64::cb00:7105");
    }
}
