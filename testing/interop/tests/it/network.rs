//! Networks with NATs: each behaves as its name says.
//!
//! That a datagram does *not* come is seen by one that was sent later and does come.

mod capture;
mod hairpin;
mod ipv6;
mod links;
mod nats;
mod reach;
mod roaming;
mod teardown;

use std::{
    io::ErrorKind,
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use securecall_interop::network::{Host, Nat, Network};

/// Longer than any datagram is on its way on one machine.
const PATIENCE: Duration = Duration::from_secs(5);

fn socket(host: &Host) -> UdpSocket {
    patient(host.udp_socket().unwrap())
}

fn patient(socket: UdpSocket) -> UdpSocket {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn address(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().unwrap()
}

fn send(from: &UdpSocket, what: &str, to: SocketAddr) {
    from.send_to(what.as_bytes(), to).unwrap();
}

fn next(at: &UdpSocket) -> (String, SocketAddr) {
    next_in_time(at).expect("nothing comes")
}

/// The next datagram, if it comes before the socket's patience ends.
fn next_in_time(at: &UdpSocket) -> Option<(String, SocketAddr)> {
    let mut buffer = [0; 64];
    loop {
        match at.recv_from(&mut buffer) {
            Ok((length, from)) => {
                let text = String::from_utf8_lossy(&buffer[..length]);
                return Some((text.into_owned(), from));
            }
            // The process was stopped for a while.
            Err(error) if error.kind() == ErrorKind::Interrupted => (),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            Err(error) => panic!("no socket: {error}"),
        }
    }
}

/// Where `to` sees what `from` sends.
fn seen(from: &UdpSocket, to: &UdpSocket) -> SocketAddr {
    send(from, "where am I", address(to));
    next(to).1
}

/// Two hosts behind one NAT, where a server has seen them, and the server.
fn one_home(network: &Network, nat: Nat) -> ([(UdpSocket, SocketAddr); 2], UdpSocket) {
    let internet = network.internet();
    let server = socket(&internet.host("server").unwrap());
    let home = internet.nat("home", nat).unwrap();
    let hosts = ["ada", "ben"].map(|name| {
        let socket = socket(&home.host(name).unwrap());
        let outside = seen(&socket, &server);
        (socket, outside)
    });
    (hosts, server)
}
