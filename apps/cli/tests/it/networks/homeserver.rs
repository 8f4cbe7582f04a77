//! A homeserver that is reached through the network, by https and under a name, so that its connections break as others do.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;

use securecall_interop::TlsFront;
use securecall_interop::network::{Host, Names, Network, nat64_address};
use tempfile::TempDir;

use crate::command::{Machine, end, text};
use crate::talker::{User, homeserver};

pub(super) const NAME: &str = "matrix.example.org";

/// The homeserver of all tests, with a door in an internet: by IPv4 and by IPv6.
pub(super) struct Homeserver {
    _front: TlsFront,
    address: IpAddr,
    addresses: Vec<IpAddr>,
    names: Names,
    _directory: TempDir,
    authority: PathBuf,
}

impl Homeserver {
    pub(super) fn start(network: &Network) -> Self {
        Self::known_at(network, |host| host.addresses())
    }

    /// The same with IPv4 only. In networks that translate a name service gives the address at which it is found there.
    pub(super) fn with_ipv4_only(network: &Network) -> Self {
        Self::known_at(network, |host| ipv4_and_translated(host.address()))
    }

    fn known_at(network: &Network, addresses: impl FnOnce(&Host) -> Vec<IpAddr>) -> Self {
        let host = network.internet().host("homeserver").unwrap();
        let inside = (Ipv4Addr::LOCALHOST, 0).into();
        let behind = host.forward(inside, homeserver().address()).unwrap();
        let everywhere = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 443);
        let front = host.enter(|| TlsFront::start_at(everywhere, behind, &[NAME]));
        let front = front.unwrap().unwrap();
        let mut names = Names::new().unwrap();
        let addresses = addresses(&host);
        names.add(NAME, &addresses).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let authority = directory.path().join("ca.pem");
        fs::write(&authority, front.certificate_pem()).unwrap();
        Self {
            _front: front,
            address: host.address(),
            addresses,
            names,
            _directory: directory,
            authority,
        }
    }

    /// Where it is, by IPv4.
    pub(super) const fn address(&self) -> IpAddr {
        self.address
    }

    /// Where it is, by IPv4 and by IPv6.
    pub(super) fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// Its name, and where that leads.
    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// The same, to add others.
    pub(super) fn names_mut(&mut self) -> &mut Names {
        &mut self.names
    }

    /// A new user of it, whose machine is there.
    pub(super) fn user(&self, host: &Host) -> User {
        self.user_who_knows(host, &self.names)
    }

    /// The same, where nothing is known but these names.
    pub(super) fn user_who_knows(&self, host: &Host, names: &Names) -> User {
        User::registered_by(|machine: &Machine| {
            let url = format!("https://{NAME}");
            let register = ["--json", "register", "--homeserver", &url];
            let authority = ["--ca-file", text(&self.authority)];
            let program = machine.command(&[&register[..], &authority].concat());
            let mut command = names.known_to(&program);
            let ended = host.enter(|| end(command.stdin(Stdio::null()))).unwrap();
            assert_eq!(ended.code, 0, "{ended:?}");
            ended.events().remove(0)
        })
    }
}

/// What name services say of a server with IPv4 only: its address, and in networks that translate the one by which it is found
/// there (DNS64, RFC 6147). Who has no way to one of them takes the other.
pub(super) fn ipv4_and_translated(address: IpAddr) -> Vec<IpAddr> {
    let IpAddr::V4(ipv4) = address else {
        panic!("{address} is no IPv4 address");
    };
    vec![address, nat64_address(ipv4).into()]
}
