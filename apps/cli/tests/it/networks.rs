//! Calls between networks: NATs of all kinds, firewalls, relays. Each person's program runs in a namespace of its own.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use securecall_interop::network::{Host, Nat, Network, Segment};
use securecall_interop::{Coturn, CoturnUsers};
use serde_json::Value;

use crate::talker::{Talker, User, homeserver, last};

const SECRET: &str = "a secret of both";
const AUDIO: [&str; 4] = ["--mic", "tone:300", "--speaker", "null"];

/// An internet with a TURN server.
struct World {
    network: Network,
    coturn: Coturn,
}

impl World {
    fn new() -> Self {
        let network = Network::new().unwrap();
        let server = network.internet().host("turn").unwrap();
        let users = CoturnUsers::SharedSecret(SECRET.to_owned());
        let coturn = Coturn::start_at(server, users, &[]).unwrap();
        Self { network, coturn }
    }

    fn behind(&self, label: &str, nat: Nat) -> Segment {
        self.network.internet().nat(label, nat).unwrap()
    }
}

/// Somebody at a host.
struct Place<'a> {
    world: &'a World,
    host: Host,
    user: &'a User,
}

impl<'a> Place<'a> {
    fn new(world: &'a World, segment: &Segment, user: &'a User, label: &str) -> Self {
        let host = segment.host(label).unwrap();
        // The homeserver is reached on this host's own loopback interface: which way it is reached is not what is tried.
        let port = homeserver_port();
        let listener = host
            .enter(|| TcpListener::bind((Ipv4Addr::LOCALHOST, port)))
            .unwrap()
            .unwrap();
        thread::spawn(move || carry(&listener, (Ipv4Addr::LOCALHOST, port).into()));
        Self { world, host, user }
    }

    /// Runs a command there, with these settings of servers.
    fn talk(&self, arguments: &[&str], servers: &str) -> Talker {
        let arguments = [&["--json"], arguments, &AUDIO].concat();
        let mut command: Command = self.user.machine.command(&arguments);
        let address = self.world.coturn.address();
        if !servers.is_empty() {
            let turn = servers.replace("SERVER", &address.to_string());
            command
                .env("SECURECALL_TURN", turn)
                .env("SECURECALL_TURN_SECRET", SECRET);
        }
        command.env_remove("SECURECALL_LOOPBACK");
        Talker::start_by(command, |command| self.host.spawn(command).unwrap())
    }
}

fn homeserver_port() -> u16 {
    let url = homeserver().base_url();
    url.rsplit(':')
        .next()
        .unwrap()
        .trim_end_matches('/')
        .parse()
        .unwrap()
}

/// Carries connections that come in a namespace to a server outside it.
fn carry(listener: &TcpListener, to: SocketAddr) {
    for inbound in listener.incoming().map_while(Result::ok) {
        let Ok(outbound) = TcpStream::connect(to) else {
            continue;
        };
        for (from, to) in [(&inbound, &outbound), (&outbound, &inbound)] {
            let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            thread::spawn(move || {
                let _ = io::copy(&mut from, &mut to);
                let _ = to.shutdown(std::net::Shutdown::Write);
            });
        }
    }
}

/// Calls, and gives the route of the call.
fn route(caller: &Place<'_>, callee: &Place<'_>, servers: &str) -> String {
    let listen = ["listen", "--answer", "contacts", "--once"];
    let mut listening = callee.talk(&listen, servers);
    listening.wait_for("ready");
    let mut calling = caller.talk(&["call", "peer", "--duration", "2"], servers);
    let connected = calling.wait_for("connected");
    let there = listening.wait_for("connected");
    assert_eq!(connected["safety_words"], there["safety_words"]);
    calling.wait_for("first_audio");
    let (code, rest) = calling.end();
    // A relay may have been faster than the better way.
    let mut changes = rest
        .iter()
        .filter(|event| event["event"] == "route_changed");
    let route = changes.next_back().unwrap_or(&connected)["route"].clone();
    assert_eq!(
        (code, &last(&rest, "ended")["reason"]),
        (0, &Value::from("local_hangup"))
    );
    assert_eq!(listening.end().0, 0);
    route.as_str().unwrap().to_owned()
}

const TURN: &str = "turn:SERVER";

#[test]
fn two_people_behind_nats_talk_directly_unless_one_is_symmetric() {
    let world = World::new();
    let (ada, bo) = User::acquainted();
    let kinds = [
        ("full", Nat::full_cone()),
        ("address", Nat::address_restricted()),
        ("port", Nat::port_restricted()),
        ("symmetric", Nat::symmetric()),
    ];
    let at = |user, label: &str, nat| {
        let segment = world.behind(label, nat);
        Place::new(&world, &segment, user, &format!("{label}host"))
    };
    let adas = kinds.map(|(label, nat)| (label, at(&ada, &format!("a{label}"), nat)));
    let bos = kinds.map(|(label, nat)| (label, at(&bo, &format!("b{label}"), nat)));
    for (first, (of_ada, adas_place)) in adas.iter().enumerate() {
        for (of_bo, bos_place) in &bos[first..] {
            let relayed = *of_bo == "symmetric" && ["port", "symmetric"].contains(of_ada);
            let expected = if relayed { "relay" } else { "direct" };
            let found = route(adas_place, bos_place, TURN);
            assert_eq!(found, expected, "{of_ada} and {of_bo}");
        }
    }
}

#[test]
fn where_udp_is_blocked_a_call_goes_through_the_relay_by_tcp() {
    let world = World::new();
    let (ada, bo) = User::acquainted();
    let office = world.behind("office", Nat::port_restricted().web_only());
    let home = world.behind("home", Nat::port_restricted());
    let ada = Place::new(&world, &office, &ada, "ada");
    let bo = Place::new(&world, &home, &bo, "bo");
    let servers = "turn:SERVER turn:SERVER?transport=tcp";
    assert_eq!(route(&ada, &bo, servers), "relay");
}

#[test]
fn without_a_server_two_people_behind_nats_do_not_find_each_other_and_nobody_is_blamed() {
    let world = World::new();
    let (ada, bo) = User::acquainted();
    let of_ada = world.behind("ada", Nat::port_restricted());
    let of_bo = world.behind("bo", Nat::port_restricted());
    let ada = Place::new(&world, &of_ada, &ada, "adahost");
    let bo = Place::new(&world, &of_bo, &bo, "bohost");
    let mut listening = bo.talk(&["listen", "--answer", "contacts", "--once"], "");
    listening.wait_for("ready");
    let mut calling = ada.talk(&["call", "peer"], "");
    for talker in [&mut calling, &mut listening] {
        assert_eq!(talker.wait_for("ended")["reason"], "ice_failed");
    }
    assert_eq!((calling.end().0, listening.end().0), (5, 5));
}
