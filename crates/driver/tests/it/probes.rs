//! Servers that operators run, and NATs of all kinds, tried from behind them.

use std::net::IpAddr;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use securecall_driver::probe::{
    Evidence, FilteringBehavior, MappingBehavior, NamedBy, NamedServer, NatBehavior, NatFinding,
    NatReport, ProbeAnswer, ProbeFailure, Relaying, ResolveError, ServerProbe, TurnFailure,
    discover_nat, named_servers, probe_server,
};
use securecall_driver::{
    Credentials, Network, Reach, ServerSources, ServerUri, TlsTrust, TurnLogin,
};
use securecall_interop::network::{self, Host, Nat, Segment};
use securecall_interop::{Coturn, CoturnUsers};
use securecall_matrix::TurnCredentials;
use zeroize::Zeroizing;

const USER: &str = "ada";
const PASSWORD: &str = "secret";

fn users() -> CoturnUsers {
    CoturnUsers::Static {
        username: USER.to_owned(),
        password: PASSWORD.to_owned(),
    }
}

fn named(uri: &str, password: &str) -> NamedServer {
    let credentials = Credentials::new(USER, Zeroizing::new(password.to_owned())).unwrap();
    NamedServer {
        uri: ServerUri::parse(uri).unwrap(),
        named_by: NamedBy::User,
        login: Some(TurnLogin::Password(credentials)),
    }
}

/// Runs something at a host, as a program there would.
fn at<T: Send>(host: &Host, what: impl Future<Output = T> + Send) -> T {
    host.enter(|| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap().block_on(what)
    })
    .unwrap()
}

fn nat_at(host: &Host, servers: &[NamedServer]) -> NatReport {
    at(host, discover_nat(servers, &Network::default()))
}

fn behavior(finding: NatFinding) -> NatBehavior {
    match finding {
        NatFinding::Behavior(behavior) => behavior,
        other => panic!("{other:?}"),
    }
}

/// The four kinds, and what they are called.
fn kinds() -> [(Nat, MappingBehavior, FilteringBehavior); 4] {
    use {FilteringBehavior as Filtering, MappingBehavior as Mapping};
    let one = Mapping::EndpointIndependent;
    let strict = Filtering::AddressAndPortDependent;
    [
        (Nat::full_cone(), one, Filtering::EndpointIndependent),
        (Nat::address_restricted(), one, Filtering::AddressDependent),
        (Nat::port_restricted(), one, strict),
        (Nat::symmetric(), Mapping::AddressAndPortDependent, strict),
    ]
}

/// A server on the internet.
fn coturn(internet: &Segment, label: &str, extra: &[&str]) -> Coturn {
    Coturn::start_at(internet.host(label).unwrap(), users(), extra).unwrap()
}

#[test]
fn each_kind_of_nat_is_found_by_a_server_of_two_addresses() {
    let network = network::Network::new().unwrap();
    let internet = network.internet();
    let host = internet.host("stun").unwrap();
    let other = host.add_address().unwrap();
    let more = format!("listening-ip={other}");
    let coturn = Coturn::start_at(host, users(), &[&more]).unwrap();
    let servers = [named(&format!("stun:{}", coturn.address()), PASSWORD)];
    let try_nat = |nat: Nat, mapping, filtering, hairpin| {
        let nat = if hairpin { nat.with_hairpin() } else { nat };
        let home = internet.nat("home", nat).unwrap();
        let host = home.host("ada").unwrap();
        let NatReport { ipv4, ipv6 } = nat_at(&host, &servers);
        let found = behavior(ipv4);
        assert_eq!(found.evidence, Evidence::Rfc5780, "{nat:?}");
        assert_eq!(found.mapping, Some(mapping), "{nat:?}");
        assert_eq!(found.filtering, Some(filtering), "{nat:?}");
        let outside = home.outside_address().map(IpAddr::from);
        assert_eq!(Some(found.mapped.ip()), outside);
        assert_eq!(found.socket.ip(), host.address());
        assert!(found.has_nat);
        // Without one address for all, two sockets cannot be at each other's.
        let one = mapping == MappingBehavior::EndpointIndependent;
        assert_eq!(found.hairpin, one.then_some(hairpin), "{nat:?}");
        assert_eq!(ipv6, NatFinding::NoServer);
    };
    thread::scope(|scope| {
        for (nat, mapping, filtering) in kinds() {
            for hairpin in [false, true] {
                scope.spawn(move || try_nat(nat, mapping, filtering, hairpin));
            }
        }
    });
    // And who has none.
    let found = behavior(nat_at(&internet.host("ben").unwrap(), &servers).ipv4);
    assert_eq!((found.has_nat, found.mapped), (false, found.socket));
    let open = FilteringBehavior::EndpointIndependent;
    assert_eq!((found.filtering, found.hairpin), (Some(open), None));
}

#[test]
fn two_servers_of_one_address_each_show_how_a_nat_maps() {
    let network = network::Network::new().unwrap();
    let internet = network.internet();
    let first = coturn(&internet, "first", &["no-rfc5780"]);
    let second = coturn(&internet, "second", &["no-rfc5780"]);
    let uri = |coturn: &Coturn| format!("turn:{}", coturn.address());
    let both = [&first, &second].map(|coturn| named(&uri(coturn), PASSWORD));
    let try_nat = |nat: Nat, mapping| {
        let host = internet.nat("home", nat).unwrap().host("ada").unwrap();
        let found = behavior(nat_at(&host, &both).ipv4);
        assert_eq!(found.evidence, Evidence::SeveralHosts);
        assert_eq!((found.mapping, found.filtering), (Some(mapping), None));
        let found = behavior(nat_at(&host, &both[..1]).ipv4);
        assert_eq!(found.evidence, Evidence::OneServer);
        assert_eq!((found.mapping, found.has_nat), (None, true));
    };
    let try_nat = &try_nat;
    thread::scope(|scope| {
        for (nat, mapping, _) in kinds() {
            let mapping = match mapping {
                MappingBehavior::EndpointIndependent => mapping,
                _ => MappingBehavior::Dependent,
            };
            scope.spawn(move || try_nat(nat, mapping));
        }
    });
}

/// What came of a server of one address.
fn probed(host: &Host, server: &NamedServer, trust: Option<&TlsTrust>) -> ServerProbe {
    let network = Network::default();
    let mut probes = at(host, probe_server(server, &network, trust));
    assert_eq!(probes.len(), 1, "{probes:?}");
    probes.remove(0)
}

fn relaying(probe: &ServerProbe) -> Relaying {
    match &probe.outcome {
        Ok(ProbeAnswer::Allocated { relaying, .. }) => *relaying,
        other => panic!("{other:?}"),
    }
}

fn failure(probe: ServerProbe) -> TurnFailure {
    match probe.outcome {
        Err(ProbeFailure::Server(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

/// The server over each of its links.
fn over_all_links(coturn: &Coturn) -> [NamedServer; 3] {
    let (plain, tls) = (coturn.address(), coturn.tls_address());
    [
        format!("turn:{plain}"),
        format!("turn:{plain}?transport=tcp"),
        format!("turns:{tls}"),
    ]
    .map(|uri| named(&uri, PASSWORD))
}

#[test]
fn an_address_is_granted_over_each_link_relays_and_is_given_back() {
    let network = network::Network::new().unwrap();
    let internet = network.internet();
    // One address for a user at a time: a probe succeeds only after the one before it has given its own back.
    let coturn = coturn(&internet, "turn", &["user-quota=1"]);
    let home = internet.nat("home", Nat::symmetric()).unwrap();
    let host = home.host("ada").unwrap();
    let trust = TlsTrust::only([coturn.certificate()]).unwrap();
    let [udp, tcp, tls] = &over_all_links(&coturn);
    for server in [udp, udp, tcp, tcp] {
        let probe = probed_within_quota(&host, server);
        let Ok(ProbeAnswer::Allocated {
            relayed,
            mapped,
            lifetime,
            relaying,
            ..
        }) = &probe.outcome
        else {
            panic!("{probe:?}");
        };
        assert_eq!(relayed.len(), 1);
        assert_eq!(relayed[0].ip(), coturn.address().ip());
        let mapped = mapped.map(|mapped| mapped.ip());
        assert_eq!(mapped, home.outside_address().map(Into::into));
        assert_eq!(*lifetime, Duration::from_secs(600));
        assert!(matches!(relaying, Relaying::Shown { .. }), "{relaying:?}");
    }
    // Its certificate is for a name, and here it has only an address.
    assert_eq!(failure(probed(&host, tls, Some(&trust))), TurnFailure::Tls);
}

/// As soon as the server counts the address of the probe before as given back: coturn does so after a second or two, and
/// after ten minutes if it was not given back.
fn probed_within_quota(host: &Host, server: &NamedServer) -> ServerProbe {
    const TRIES: usize = 600;
    for _ in 0..TRIES {
        let probe = probed(host, server, None);
        let over_quota = matches!(
            probe.outcome,
            Err(ProbeFailure::Server(TurnFailure::QuotaReached))
        );
        if !over_quota {
            return probe;
        }
        at(host, async {
            tokio::time::sleep(Duration::from_millis(100)).await;
        });
    }
    panic!("the address of the probe before was not given back");
}

#[tokio::test]
async fn an_address_is_granted_over_tls_by_a_server_that_proves_its_name() {
    let coturn = Coturn::start(users(), &[]).unwrap();
    let trust = TlsTrust::only([coturn.certificate()]).unwrap();
    let port = coturn.tls_address().port();
    let server = named(&format!("turns:localhost:{port}"), PASSWORD);
    let network = Network {
        reach: Reach::ThisMachine,
        ..Network::default()
    };
    let probes = probe_server(&server, &network, Some(&trust)).await;
    // `localhost` may be an address of IPv6, too, where it does not listen.
    let granted = probes.iter().find(|probe| probe.outcome.is_ok()).unwrap();
    assert_eq!(granted.address, Some(coturn.tls_address()));
    assert!(matches!(relaying(granted), Relaying::Shown { .. }));
}

/// Forbids the server's host to take in datagrams at the ports at which it relays: from outside, or at all.
fn close_relay_ports(host: &Host, from: &str) {
    let rules = format!(
        "table ip firewall {{ chain in {{ type filter hook input priority 0
         {from} udp dport 49152-65535 drop\n}}\n}}"
    );
    let output = host.run(Command::new("nft").arg(rules)).unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_server_whose_firewall_lets_nothing_in_to_its_relay_is_found_out() {
    let network = network::Network::new().unwrap();
    let internet = network.internet();
    let home = internet.nat("home", Nat::port_restricted()).unwrap();
    let ada = home.host("ada").unwrap();
    for (from, expected) in [
        ("iifname eth0", Relaying::WithinServer),
        ("", Relaying::Nothing),
    ] {
        let host = internet.host("turn").unwrap();
        close_relay_ports(&host, from);
        let coturn = Coturn::start_at(host, users(), &[]).unwrap();
        for server in &over_all_links(&coturn)[..2] {
            let probe = probed(&ada, server, None);
            assert_eq!(relaying(&probe), expected, "{from} {server:?}");
        }
    }
}

#[test]
fn what_a_server_refuses_is_told_from_what_it_cannot_show() {
    let network = network::Network::new().unwrap();
    let internet = network.internet();
    let ada = internet.host("ada").unwrap();
    let nobody = ["denied-peer-ip=0.0.0.0-255.255.255.255"];
    let coturn = coturn(&internet, "turn", &nobody);
    let uri = format!("turn:{}", coturn.address());
    let probe = probed(&ada, &named(&uri, PASSWORD), None);
    assert_eq!(relaying(&probe), Relaying::NotShown);
    let probe = probed(&ada, &named(&uri, "wrong"), None);
    assert_eq!(failure(probe), TurnFailure::WrongCredentials);
    let probe = probed(&ada, &named("turn:203.0.113.250:443", PASSWORD), None);
    assert_eq!(failure(probe), TurnFailure::NoAnswer);
    let stun = named(&format!("stun:{}", coturn.address()), PASSWORD);
    let Ok(ProbeAnswer::Seen { mapped, .. }) = probed(&ada, &stun, None).outcome else {
        panic!("it does not answer");
    };
    assert_eq!(mapped.ip(), ada.address());
}

#[test]
fn where_udp_is_blocked_nobody_answers_over_udp_and_the_relay_works_over_tcp() {
    let network = network::Network::new().unwrap();
    let internet = network.internet();
    let coturn = coturn(&internet, "turn", &[]);
    let office = internet.nat("office", Nat::symmetric().web_only()).unwrap();
    let ada = office.host("ada").unwrap();
    let [udp, tcp, _] = over_all_links(&coturn);
    assert_eq!(
        nat_at(&ada, std::slice::from_ref(&udp)).ipv4,
        NatFinding::NoAnswer
    );
    assert_eq!(failure(probed(&ada, &udp, None)), TurnFailure::NoAnswer);
    let probe = probed(&ada, &tcp, None);
    assert_eq!(relaying(&probe), Relaying::WithinServer);
    // One that does not send to itself is not to be blamed for what this network does not let out.
    let host = internet.host("strict").unwrap();
    let not_itself = format!("denied-peer-ip={}", host.address());
    let strict = Coturn::start_at(host, users(), &[&not_itself]).unwrap();
    let [_, tcp, _] = over_all_links(&strict);
    assert_eq!(relaying(&probed(&ada, &tcp, None)), Relaying::NotShown);
}

#[test]
fn a_server_with_ipv6_is_tried_by_it_where_this_machine_has_it() {
    let network = network::Network::new().unwrap();
    let internet = network.internet();
    let host = internet.host("turn").unwrap();
    let ipv6 = host.ipv6_address().unwrap();
    let lines = [format!("listening-ip={ipv6}"), format!("relay-ip={ipv6}")];
    let lines = [
        &*lines[0],
        &*lines[1],
        "allocation-default-address-family=keep",
    ];
    let coturn = Coturn::start_at(host, users(), &lines).unwrap();
    let server = named(
        &format!("turn:[{ipv6}]:{}", coturn.address().port()),
        PASSWORD,
    );
    let ada = internet.ipv6_only_host("ada").unwrap();
    let probe = probed(&ada, &server, None);
    assert!(
        matches!(relaying(&probe), Relaying::Shown { .. }),
        "{probe:?}"
    );
    let found = behavior(nat_at(&ada, std::slice::from_ref(&server)).ipv6);
    assert!(!found.has_nat);
    // Behind a NAT there is no IPv6.
    let home = internet.nat("home", Nat::full_cone()).unwrap();
    let ben = home.host("ben").unwrap();
    let probe = probed(&ben, &server, None);
    assert!(
        matches!(probe.outcome, Err(ProbeFailure::NoRoute)),
        "{probe:?}"
    );
    let report = nat_at(&ben, std::slice::from_ref(&server));
    assert_eq!(
        (report.ipv4, report.ipv6),
        (NatFinding::NoServer, NatFinding::NoRoute)
    );
}

#[tokio::test]
async fn a_server_that_cannot_be_asked_says_why() {
    let network = Network::default();
    let probe = async |server: NamedServer| {
        let mut probes = probe_server(&server, &network, None).await;
        assert_eq!(probes.len(), 1);
        probes.remove(0).outcome.unwrap_err()
    };
    let named_by_homeserver = NamedServer {
        named_by: NamedBy::Homeserver,
        ..named("turn:192.168.1.1", PASSWORD)
    };
    let failure = probe(named_by_homeserver).await;
    assert!(matches!(
        failure,
        ProbeFailure::Name(ResolveError::NotPublic)
    ));
    let without_login = NamedServer {
        login: None,
        ..named("turn:127.0.0.1", PASSWORD)
    };
    assert!(matches!(
        probe(without_login).await,
        ProbeFailure::NoCredentials
    ));
    let failure = probe(named("turn:nobody.invalid", PASSWORD)).await;
    assert!(matches!(failure, ProbeFailure::Name(_)), "{failure:?}");
}

#[test]
fn servers_are_named_by_the_user_and_by_the_homeserver() {
    let uri = |text| ServerUri::parse(text).unwrap();
    let secret = Arc::new(Zeroizing::new("secret".to_owned()));
    let sources = ServerSources {
        stun: vec![uri("stun:a.example")],
        turn: vec![(uri("turn:b.example"), TurnLogin::SharedSecret(secret))],
        ..ServerSources::default()
    };
    let offered = TurnCredentials {
        uris: vec!["turns:c.example".to_owned(), "stuns:d.example".to_owned()],
        username: USER.to_owned(),
        password: Zeroizing::new(PASSWORD.to_owned()),
        ttl: Duration::from_secs(60),
    };
    let (servers, unusable) = named_servers(&sources, Some(&offered));
    let seen: Vec<(String, NamedBy, bool)> = servers
        .iter()
        .map(|server| {
            (
                server.uri.to_string(),
                server.named_by,
                server.login.is_some(),
            )
        })
        .collect();
    let expected = [
        ("stun:a.example:3478", NamedBy::User, false),
        ("turn:b.example:3478", NamedBy::User, true),
        ("turns:c.example:5349", NamedBy::Homeserver, true),
    ];
    assert_eq!(
        seen,
        expected.map(|(uri, by, login)| (uri.to_owned(), by, login))
    );
    assert_eq!(unusable.len(), 1);
    assert_eq!(unusable[0].text, "stuns:d.example");
    assert_eq!(named_servers(&sources, None).0.len(), 2);
}
