//! A host: somebody's computer, or a server.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    process::{Child, Command, Output},
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{
    Capture, Link, NetworkError, Parts, Segment,
    namespace::{Namespace, lock},
};

/// The interfaces of a host: one, or for a while both.
const INTERFACES: [&str; 2] = ["eth0", "eth1"];

/// How far behind the others a default route is that is not to be used while there is another. (Lower ones go first; those that
/// name none have 0 for IPv4 and 1024 for IPv6.)
const STANDBY_METRIC: &str = "metric 2048";

/// Longer than any connection takes on one machine, and short enough to wait for one that is blocked.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);

/// Which versions of IP a host speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Families {
    All,
    Ipv6Only,
}

/// Where packets go that could leave by either interface of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// By the new one, as Wi-Fi goes before a mobile network.
    Preferred,
    /// By the one that was there before, as long as it is.
    Standby,
}

/// A computer with one network interface, or two for a while, in a namespace of its own. Files and processes are those of the machine.
///
/// A host that is dropped stays in the network, with its programs; but a delayed link is cut.
#[derive(Debug)]
pub struct Host {
    namespace: Arc<Namespace>,
    families: Families,
    place: Mutex<Place>,
    /// Another network that it is in as well.
    beside: Mutex<Option<Place>>,
}

/// Where a host is at the moment, by one interface.
#[derive(Debug)]
struct Place {
    interface: &'static str,
    network: Segment,
    link: Arc<Link>,
    addresses: Vec<IpAddr>,
}

impl Host {
    pub(super) fn new(
        label: &str,
        network: &Segment,
        families: Families,
        parts: &Parts,
    ) -> Result<Self, NetworkError> {
        let namespace = parts.namespace(label)?;
        let addresses = network.free_addresses(families)?;
        let standing = Standing::Preferred;
        let place = Place::take(&namespace, INTERFACES[0], network, addresses, standing)?;
        Ok(Self {
            namespace,
            families,
            place: Mutex::new(place),
            beside: Mutex::new(None),
        })
    }

    /// Its first address: IPv4, if it has that.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.addresses()
            .first()
            .copied()
            .unwrap_or(Ipv4Addr::UNSPECIFIED.into())
    }

    /// Its first address of IPv6, which most of those behind a NAT do not have.
    #[must_use]
    pub fn ipv6_address(&self) -> Option<Ipv6Addr> {
        self.addresses()
            .into_iter()
            .find_map(|address| match address {
                IpAddr::V6(address) => Some(address),
                IpAddr::V4(_) => None,
            })
    }

    /// All addresses it has, without those of the link alone.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        let mut addresses = lock(&self.place).addresses.clone();
        if let Some(beside) = &*lock(&self.beside) {
            addresses.extend_from_slice(&beside.addresses);
        }
        addresses
    }

    /// Gives it one more address beside those it has, of the version of the first.
    ///
    /// # Errors
    ///
    /// When the system refuses, or the network is torn down; when the network it is in is full.
    pub fn add_address(&self) -> Result<IpAddr, NetworkError> {
        let mut place = lock(&self.place);
        let free = place.network.free_addresses(self.families)?;
        let address = free.first().copied().ok_or(NetworkError::NoAddressLeft)?;
        self.namespace
            .ip(&place.network.address_lines(address, place.interface))?;
        place.addresses.push(address);
        Ok(address)
    }

    /// Gives it an address that is in no network of its own: the router of the network that it is in leads there. So servers have
    /// networks far from each other. In the internet only: nobody else is told.
    ///
    /// # Errors
    ///
    /// When the system refuses, or the network is torn down.
    pub fn add_routed_address(&self, address: Ipv4Addr) -> Result<(), NetworkError> {
        let mut place = lock(&self.place);
        let first = place.addresses.iter().find(|address| address.is_ipv4());
        let first = *first.ok_or(NetworkError::NoCommonAddressFamily)?;
        self.namespace
            .ip(&format!("addr add {address}/32 dev {}", place.interface))?;
        place.network.lead(address, first)?;
        place.addresses.push(address.into());
        Ok(())
    }

    /// Takes all its addresses away and gives it others in the same network, as a router does that was switched on again.
    ///
    /// # Errors
    ///
    /// As with [`add_address`](Self::add_address).
    pub fn change_addresses(&self) -> Result<(), NetworkError> {
        let mut place = lock(&self.place);
        let addresses = place.network.free_addresses(self.families)?;
        let interface = place.interface;
        let mut lines = format!("addr flush dev {interface} scope global\n");
        for address in &addresses {
            lines.push_str(&place.network.address_lines(*address, interface));
        }
        self.namespace.ip(&lines)?;
        place.addresses = addresses;
        Ok(())
    }

    /// Takes it into another network, as somebody who leaves the house: the interface goes with all its addresses, and one of
    /// the same name comes. Its [`Link`] is a new one, which neither loses nor delays.
    ///
    /// # Errors
    ///
    /// When the system refuses, or the network is torn down; when the other network is full, or lacks IPv6 that the host needs.
    pub fn move_to(&self, network: &Segment) -> Result<(), NetworkError> {
        let mut place = lock(&self.place);
        // First, so that a host which cannot be there stays where it is.
        let addresses = network.free_addresses(self.families)?;
        let interface = place.interface;
        self.namespace.ip(&format!("link del {interface}"))?;
        let standing = Standing::Preferred;
        *place = Place::take(&self.namespace, interface, network, addresses, standing)?;
        Ok(())
    }

    /// Takes it into another network beside the one it is in, by an interface of its own. It can be in two at most: one that it was
    /// in beside the first is left.
    ///
    /// # Errors
    ///
    /// As with [`move_to`](Self::move_to).
    pub fn join(&self, network: &Segment, standing: Standing) -> Result<(), NetworkError> {
        let addresses = network.free_addresses(self.families)?;
        let (place, mut beside) = (lock(&self.place), lock(&self.beside));
        if let Some(left) = beside.take() {
            self.namespace.ip(&format!("link del {}", left.interface))?;
        }
        let other = INTERFACES[usize::from(place.interface == INTERFACES[0])];
        if standing == Standing::Preferred {
            // First, for the new one takes its place.
            self.namespace.ip(&place.standby_routes())?;
        }
        let new = Place::take(&self.namespace, other, network, addresses, standing)?;
        *beside = Some(new);
        Ok(())
    }

    /// The network that it was in first is gone, and it stays in the one that it has joined. In one alone it stays there.
    ///
    /// # Errors
    ///
    /// When the system refuses, or the network is torn down.
    pub fn leave_first(&self) -> Result<(), NetworkError> {
        let (mut place, mut beside) = (lock(&self.place), lock(&self.beside));
        if let Some(stays) = beside.take() {
            self.namespace
                .ip(&format!("link del {}", place.interface))?;
            *place = stays;
        }
        Ok(())
    }

    /// The cable to the network that it is in at the moment.
    #[must_use]
    pub fn link(&self) -> Arc<Link> {
        Arc::clone(&lock(&self.place).link)
    }

    /// Records, from now on, what it receives and sends.
    ///
    /// # Errors
    ///
    /// When the system refuses, or the network is torn down.
    pub fn capture(&self) -> Result<Capture, NetworkError> {
        Capture::start(&self.namespace)
    }

    /// Runs the job on a thread of its own that is inside the host. Sockets that it opens stay there, whoever uses them later:
    /// this is how a test gets any kind of socket. Threads that it starts stay there too, a runtime's for example.
    ///
    /// # Errors
    ///
    /// When the network is torn down.
    pub fn enter<T: Send>(&self, job: impl FnOnce() -> T + Send) -> Result<T, NetworkError> {
        self.namespace.enter(job)
    }

    /// Runs a program inside the host to its end, and collects what it writes.
    ///
    /// # Errors
    ///
    /// When it does not start; when the network is torn down.
    pub fn run(&self, command: &mut Command) -> Result<Output, NetworkError> {
        let output = self.enter(|| command.output())?;
        output.map_err(NetworkError::io(format!("{command:?}")))
    }

    /// Starts a program inside the host. It is killed, with all that it started, when the [`Network`](super::Network) is torn
    /// down. The thread that started it ends at once, so it cannot ask for a signal then (`PR_SET_PDEATHSIG`).
    ///
    /// # Errors
    ///
    /// When it does not start; when the network is torn down.
    pub fn spawn(&self, command: &mut Command) -> Result<Child, NetworkError> {
        let child = self.enter(|| command.spawn())?;
        child.map_err(NetworkError::io(format!("{command:?}")))
    }

    /// A socket at the host's first address, at any free port.
    ///
    /// # Errors
    ///
    /// When there is none to be had; when the network is torn down.
    pub fn udp_socket(&self) -> Result<UdpSocket, NetworkError> {
        self.udp_socket_at(SocketAddr::new(self.address(), 0))
    }

    /// A socket at an address of the host.
    ///
    /// # Errors
    ///
    /// When it is not to be had; when the network is torn down.
    pub fn udp_socket_at(&self, address: SocketAddr) -> Result<UdpSocket, NetworkError> {
        self.enter(|| UdpSocket::bind(address))?
            .map_err(NetworkError::io(format!("a UDP socket at {address}")))
    }

    /// Waits for connections at the host's first address.
    ///
    /// # Errors
    ///
    /// When the port is not to be had; when the network is torn down.
    pub fn tcp_listener(&self, port: u16) -> Result<TcpListener, NetworkError> {
        let address = SocketAddr::new(self.address(), port);
        self.enter(|| TcpListener::bind(address))?
            .map_err(NetworkError::io(format!("a TCP socket at {address}")))
    }

    /// A connection from the host, for which it waits two seconds.
    ///
    /// # Errors
    ///
    /// When nobody answers; when the network is torn down.
    pub fn tcp_stream(&self, to: SocketAddr) -> Result<TcpStream, NetworkError> {
        self.enter(|| TcpStream::connect_timeout(&to, CONNECT_PATIENCE))?
            .map_err(NetworkError::io(format!("a TCP connection to {to}")))
    }
}

impl Place {
    fn take(
        namespace: &Namespace,
        interface: &'static str,
        network: &Segment,
        addresses: Vec<IpAddr>,
        standing: Standing,
    ) -> Result<Self, NetworkError> {
        let place = Self {
            interface,
            network: network.clone(),
            link: Arc::new(network.plug_in(namespace, interface)?),
            addresses,
        };
        let addresses = place.addresses.iter().copied();
        let lines: String = match standing {
            Standing::Preferred => addresses
                .map(|address| network.address_lines(address, interface))
                .collect(),
            Standing::Standby => addresses
                .map(|address| network.address_line(address, interface))
                .chain([place.standby_routes()])
                .collect(),
        };
        namespace.ip(&lines)?;
        Ok(place)
    }

    /// The lines for `ip` by which packets leave here where there is no other way.
    fn standby_routes(&self) -> String {
        let lines = self.addresses.iter();
        let lines = lines.map(|address| {
            let route = self.network.route(*address, self.interface);
            format!("route replace {route} {STANDBY_METRIC}\n")
        });
        lines.collect()
    }
}
