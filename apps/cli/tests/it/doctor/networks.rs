//! `doctor` behind NATs and firewalls, with servers on the Internet.

use std::process::Stdio;

use securecall_interop::network::{Host, Nat, Network};
use securecall_interop::{Coturn, CoturnUsers};
use serde_json::Value;

use crate::command::Machine;

const SECRET: &str = "a secret of both";

/// Two TURN servers on the Internet: one alone does not show how NATs behave.
struct World {
    network: Network,
    servers: [Coturn; 2],
}

impl World {
    fn new() -> Self {
        let network = Network::new().unwrap();
        let server = |label| {
            let users = CoturnUsers::SharedSecret(SECRET.to_owned());
            let host = network.internet().host(label).unwrap();
            Coturn::start_at(host, users, &[]).unwrap()
        };
        let servers = [server("turn1"), server("turn2")];
        Self { network, servers }
    }

    fn host_behind(&self, label: &str, nat: Nat) -> Host {
        let segment = self.network.internet().nat(label, nat).unwrap();
        segment.host(&format!("{label}host")).unwrap()
    }

    /// What is told there, with these transports of both servers.
    fn doctor_at(&self, host: &Host, transports: &[&str]) -> Vec<Value> {
        let (machine, _) = Machine::with_identity();
        let servers = self.servers.iter().flat_map(|server| {
            let address = server.address();
            let uri = move |transport: &&str| format!("turn:{address}?transport={transport}");
            transports.iter().map(uri)
        });
        let servers: Vec<String> = servers.collect();
        let arguments = ["--json", "doctor", "--mic", "null", "--speaker", "null"];
        let mut command = machine.command(&arguments);
        command
            .env("SECURECALL_TURN", servers.join(" "))
            .env("SECURECALL_TURN_SECRET", SECRET)
            .env_remove("SECURECALL_LOOPBACK")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let output = host
            .spawn(&mut command)
            .unwrap()
            .wait_with_output()
            .unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let checks = stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        checks.collect()
    }
}

fn named<'a>(checks: &'a [Value], name: &str) -> Vec<&'a Value> {
    checks
        .iter()
        .filter(|check| check["name"] == name)
        .collect()
}

fn text<'a>(check: &'a Value, field: &str) -> &'a str {
    check[field].as_str().unwrap_or_default()
}

#[test]
fn what_kind_of_nat_there_is_and_who_needs_a_relay_behind_it_is_said() {
    let world = World::new();
    for (label, nat, words, needs_relay) in [
        (
            "full",
            Nat::full_cone(),
            "shows the same address to everybody",
            false,
        ),
        ("symmetric", Nat::symmetric(), "a symmetric NAT", true),
    ] {
        let host = world.host_behind(label, nat);
        let checks = world.doctor_at(&host, &["udp"]);
        let relays = named(&checks, "relay");
        assert_eq!(relays.len(), 2, "{checks:#?}");
        for relay in relays {
            assert_eq!(relay["ok"], true, "{relay}");
            assert!(text(relay, "message").contains("and relays: "), "{relay}");
        }
        let nat = named(&checks, "nat")[0];
        assert!(text(nat, "message").contains(words), "{nat}");
        let hint = text(nat, "help").contains("such a NAT need a relay");
        assert_eq!(hint, needs_relay, "{nat}");
    }
}

#[test]
fn a_network_that_lets_no_udp_through_is_named_and_no_other_server_is() {
    let world = World::new();
    let host = world.host_behind("office", Nat::port_restricted().web_only());
    let checks = world.doctor_at(&host, &["udp", "tcp"]);
    let relays = named(&checks, "relay");
    assert_eq!(relays.len(), 4, "{checks:#?}");
    for relay in relays {
        let is_tcp = text(relay, "server").ends_with("?transport=tcp");
        assert_eq!(relay["ok"], is_tcp, "{relay}");
        if !is_tcp {
            assert_eq!(relay["kind"], "relay_failed");
            assert!(
                text(relay, "help").contains("lets no UDP through"),
                "{relay}"
            );
        }
    }
    let nat = named(&checks, "nat")[0];
    assert_eq!(nat["ok"], Value::Null);
    assert!(
        text(nat, "message").contains("no server answers over UDP"),
        "{nat}"
    );
}
