//! Calls between networks: NATs of all kinds, firewalls, relays. Each person's program runs in a namespace of its own.

mod dns64;
mod ghostnet;
mod homeserver;
mod ipv6;
mod joining;
mod keep_alives;
mod loss;
mod nats;
mod rebinding;
mod relay_only;
mod roaming;
mod stopped;
mod translation;

use std::net::{Ipv6Addr, SocketAddr};
use std::process::Command;
use std::thread;

use securecall_interop::network::{Host, Names, Nat, Network, Segment};
use securecall_interop::{Coturn, CoturnError, CoturnUsers};
use serde_json::Value;

use self::homeserver::Homeserver;
use crate::talker::{Talker, User, homeserver, last};

const SECRET: &str = "a secret of both";
const AUDIO: [&str; 4] = ["--mic", "tone:300", "--speaker", "null"];
const TURN: &str = "turn:SERVER";

/// Half of the frames of a second: so many in one second are a voice.
const A_VOICE: u64 = 25;

/// An internet with a TURN server.
struct World {
    network: Network,
    coturn: Coturn,
    /// Where the TURN server is by IPv6, if it is there.
    turn_ipv6: Ipv6Addr,
}

impl World {
    /// The TURN server has IPv4 only.
    fn new() -> Self {
        Self::with_turn_server(|_| Vec::new())
    }

    /// The TURN server listens at its IPv6 address too, and has such addresses to lend.
    fn dual_stack() -> Self {
        Self::with_turn_server(|ipv6| {
            let settings = ["listening-ip", "relay-ip"];
            settings.map(|name| format!("{name}={ipv6}")).to_vec()
        })
    }

    /// The TURN server speaks TLS at port 443, and nothing else there.
    fn with_tls_at_443() -> Self {
        Self::with_server(|host, users| Coturn::start_with_tls_at_443(host, users, &[]))
    }

    fn with_turn_server(settings: impl FnOnce(Ipv6Addr) -> Vec<String>) -> Self {
        Self::with_server(|host, users| {
            let settings = settings(host.ipv6_address().unwrap());
            let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
            Coturn::start_at(host, users, &settings)
        })
    }

    fn with_server(start: impl FnOnce(Host, CoturnUsers) -> Result<Coturn, CoturnError>) -> Self {
        let network = Network::new().unwrap();
        let server = network.internet().host("turn").unwrap();
        let turn_ipv6 = server.ipv6_address().unwrap();
        let coturn = start(server, CoturnUsers::SharedSecret(SECRET.to_owned())).unwrap();
        Self {
            network,
            coturn,
            turn_ipv6,
        }
    }

    fn behind(&self, label: &str, nat: Nat) -> Segment {
        self.network.internet().nat(label, nat).unwrap()
    }
}

/// Somebody at a host.
struct Place<'a> {
    host: Host,
    user: &'a User,
    /// Where the TURN server is, seen from there.
    turn: SocketAddr,
    /// Names of servers that are reached through the network, the homeserver among them or not.
    names: Option<&'a Names>,
    /// What is logged, as `SECURECALL_LOG` says it.
    log: &'a str,
}

impl<'a> Place<'a> {
    fn new(world: &World, segment: &Segment, user: &'a User, label: &str) -> Self {
        Self::at(world, segment.host(label).unwrap(), user)
    }

    fn at(world: &World, host: Host, user: &'a User) -> Self {
        // The homeserver is reached on this host's own loopback interface: which way it is reached is not what is tried.
        let homeserver = homeserver().address();
        host.forward(homeserver, homeserver).unwrap();
        Self {
            host,
            user,
            turn: world.coturn.address(),
            names: None,
            log: "",
        }
    }

    /// Two people, from whom the homeserver is reached as all else, by its name.
    fn through_network(
        world: &World,
        [one, other]: [Host; 2],
        users: &'a [User; 2],
        homeserver: &'a Homeserver,
    ) -> [Self; 2] {
        [(one, &users[0]), (other, &users[1])].map(|(host, user)| Self {
            host,
            user,
            turn: world.coturn.address(),
            names: Some(homeserver.names()),
            log: "",
        })
    }

    /// The TURN server is called by this address here.
    fn with_turn(mut self, ip: Ipv6Addr) -> Self {
        self.turn.set_ip(ip.into());
        self
    }

    /// These names are known here.
    const fn with_names(mut self, names: &'a Names) -> Self {
        self.names = Some(names);
        self
    }

    /// This is logged here.
    const fn with_log(mut self, filter: &'a str) -> Self {
        self.log = filter;
        self
    }

    /// Runs a command there, with these settings of servers.
    fn talk(&self, arguments: &[&str], servers: &str) -> Talker {
        let arguments = [&["--json"], arguments, &AUDIO].concat();
        let mut command: Command = self.user.machine.command(&arguments);
        let servers = servers.replace("SERVER", &self.turn.to_string());
        if servers.starts_with("stun:") {
            command.env("SECURECALL_STUN", servers);
        } else if !servers.is_empty() {
            command
                .env("SECURECALL_TURN", servers)
                .env("SECURECALL_TURN_SECRET", SECRET);
        }
        command.env_remove("SECURECALL_LOOPBACK");
        if !self.log.is_empty() {
            command.env("SECURECALL_LOG", self.log);
        }
        if let Some(names) = self.names {
            command = names.known_to(&command);
        }
        Talker::start_by(command, |command| self.host.spawn(command).unwrap())
    }
}

/// Two new users of a homeserver, who know each other as `peer`, at these hosts.
fn acquainted_at(homeserver: &Homeserver, hosts: &[Host; 2]) -> [User; 2] {
    acquaint(hosts.each_ref().map(|host| homeserver.user(host)))
}

/// From now on they know each other as `peer`.
fn acquaint(users: [User; 2]) -> [User; 2] {
    users[0].add(&users[1], "peer");
    users[1].add(&users[0], "peer");
    users
}

/// How two people call each other.
#[derive(Clone, Copy)]
struct Way<'a> {
    /// The callee, as the caller says.
    whom: &'a str,
    /// Whom the callee answers.
    answer: &'a str,
    /// The settings of servers.
    servers: &'a str,
    /// Options of both.
    options: &'a [&'a str],
}

impl<'a> Way<'a> {
    /// As contacts do who know these servers.
    const fn of_contacts(servers: &'a str) -> Self {
        Self {
            whom: "peer",
            answer: "contacts",
            servers,
            options: &[],
        }
    }

    const fn with(self, options: &'a [&'a str]) -> Self {
        Self { options, ..self }
    }

    /// Somebody waits for a call, and would be rung by now.
    #[track_caller]
    fn listen(self, callee: &Place<'_>) -> Talker {
        let listen = ["listen", "--answer", self.answer, "--once"];
        let mut listening = callee.talk(&[&listen, self.options].concat(), self.servers);
        listening.wait_for("ready");
        listening
    }

    fn call(self, caller: &Place<'_>) -> Talker {
        caller.talk(&[&["call", self.whom], self.options].concat(), self.servers)
    }
}

/// Two people in a call.
struct InCall {
    caller: Talker,
    callee: Talker,
    /// By which route it was connected.
    route: String,
    /// What the caller and the callee have heard so far, as far as it was looked at.
    heard: [Heard; 2],
}

/// What somebody has heard of the peer.
#[derive(Clone, Copy, Default)]
struct Heard {
    /// Until when, in milliseconds since 1970.
    at_ms: u64,
    frames: u64,
}

impl InCall {
    /// Calls, until it is connected.
    #[track_caller]
    fn begin(caller: &Place<'_>, callee: &Place<'_>, way: Way<'_>) -> Self {
        let listening = way.listen(callee);
        Self::connected(way.call(caller), listening)
    }

    /// Waits until it is connected.
    #[track_caller]
    fn connected(mut caller: Talker, callee: Talker) -> Self {
        let connected = caller.wait_for("connected");
        Self::connected_at_caller(&connected, caller, callee)
    }

    /// The caller has said that it is connected; waits until the callee does.
    #[track_caller]
    fn connected_at_caller(connected: &Value, caller: Talker, mut callee: Talker) -> Self {
        let there = callee.wait_for("connected");
        assert_eq!(connected["safety_words"], there["safety_words"]);
        let route = connected["route"].as_str().unwrap().to_owned();
        Self {
            caller,
            callee,
            route,
            heard: Default::default(),
        }
    }

    /// Both hear each other, from now on and for a whole second. Gives the routes that the call has taken meanwhile.
    #[track_caller]
    fn hear_each_other(&mut self) -> Vec<String> {
        let [caller, callee] = thread::scope(|scope| {
            [&mut self.caller, &mut self.callee]
                .map(|talker| scope.spawn(|| hears(talker)))
                .map(|hears| hears.join().unwrap())
        });
        self.heard = [caller.0, callee.0];
        let events = [caller.1, callee.1].concat();
        let changes = events
            .iter()
            .filter(|event| event["event"] == "route_changed");
        let routes = changes.map(|event| event["route"].as_str().unwrap().to_owned());
        routes.collect()
    }

    /// The caller hangs up, and both know that it was so.
    fn hang_up(mut self) {
        self.caller.order("hangup");
        for (talker, reason) in [
            (self.caller, "local_hangup"),
            (self.callee, "remote_hangup"),
        ] {
            let (code, rest) = talker.end();
            let ended = &last(&rest, "ended")["reason"];
            assert_eq!((code, ended), (0, &Value::from(reason)), "{rest:#?}");
        }
    }

    /// The caller hangs up; gives what the caller and the callee have logged.
    fn hang_up_with_logs(mut self) -> [String; 2] {
        self.caller.order("hangup");
        [self.caller, self.callee].map(Talker::end_with_log)
    }
}

/// Waits until the peer's frames come in, from now on and for a whole second. Gives what has come by then, and what has happened
/// to the path since it was asked last.
fn hears(talker: &mut Talker) -> (Heard, Vec<Value>) {
    let mut events = talker.so_far();
    let mut before = None;
    let heard = loop {
        let event = talker.wait_for_any(&["stats", "route_changed", "reconnecting", "ended"]);
        events.push(event.clone());
        assert_ne!(event["event"], "ended", "{event}");
        let Some(frames) = event["frames_received"].as_u64() else {
            continue;
        };
        if before.is_some_and(|before| frames >= before + A_VOICE) {
            let at_ms = event["at_ms"].as_u64().unwrap();
            break Heard { at_ms, frames };
        }
        before = Some(frames);
    };
    let ended = events.iter().find(|event| event["event"] == "ended");
    assert_eq!(ended, None);
    (heard, events)
}

/// Calls, and sees that the call takes this route: a relay may be faster than a better way, and gives way to it then.
#[track_caller]
fn goes(caller: &Place<'_>, callee: &Place<'_>, servers: &str, route: &str) {
    let mut call = InCall::begin(caller, callee, Way::of_contacts(servers));
    let mut found = call.route.clone();
    let mut is_heard = false;
    // The better way may be found before or after the other is heard.
    while !is_heard || (route == "direct" && found != route) {
        let event = call.caller.wait_for_any(&["first_audio", "route_changed"]);
        match event["route"].as_str() {
            Some(changed) => found = changed.to_owned(),
            None => is_heard = true,
        }
    }
    if route != "direct" {
        // A better way would be found in the time that this takes.
        found = call.hear_each_other().pop().unwrap_or(found);
    }
    assert_eq!(found, route);
    call.hang_up();
}
