//! An exit lends addresses, for packets to and from whom the client has sent to.

use std::net::SocketAddr;
use std::time::Duration;

use crate::client::{Client, PATIENCE, receive};
use crate::daemon::{Lab, lab_with, tokio_udp};

#[tokio::test]
async fn packets_go_to_a_peer_and_its_answer_comes_back_in_either_context() {
    let daemon = lab_with("").start();
    let peer = tokio_udp().await;
    let peer_address = peer.local_addr().unwrap();
    let mut client = Client::connect(daemon.address()).await;
    let mut bound = client.bound().await;
    assert_eq!(bound.answer.field("connect-udp-bind"), "?1");
    assert_eq!(bound.answer.field("capsule-protocol"), "?1");
    for _ in 0..2 {
        bound.send(peer_address, b"question");
        let (question, from) = receive(&peer).await;
        assert_eq!(
            (question.as_slice(), from),
            (&b"question"[..], bound.public)
        );
        peer.send_to(b"answer", from).await.unwrap();
        assert_eq!(bound.receive().await, (peer_address, b"answer".to_vec()));
        if bound.contexts.is_open() {
            bound.contexts.prefer(peer_address);
            bound.exchange().await;
        }
    }
    assert_eq!(daemon.figure("flows{role=\"exit\"}"), 1);
}

#[tokio::test]
async fn who_was_not_sent_to_does_not_reach_the_client() {
    let daemon = lab_with("").start();
    let mut client = Client::connect(daemon.address()).await;
    let bound = client.bound().await;
    let peer = tokio_udp().await;
    peer.send_to(b"uninvited", bound.public).await.unwrap();
    daemon
        .figure_becomes("dropped_total{reason=\"not_allowed\"}", |count| count == 1)
        .await;
    bound.send(peer.local_addr().unwrap(), b"now");
    receive(&peer).await;
    peer.send_to(b"invited", bound.public).await.unwrap();
    assert_eq!(bound.receive().await.1, b"invited");
}

#[tokio::test]
async fn each_flow_has_an_address_of_its_own_and_gives_it_back() {
    let daemon = lab_with("").start();
    let mut client = Client::connect(daemon.address()).await;
    let one = client.bound().await;
    let mut other = client.bound().await;
    assert_ne!(one.public, other.public);
    let public = other.public;
    other.answer.stream.finish().await.unwrap();
    assert!(other.answer.ends().await);
    daemon
        .figure_becomes("flows{role=\"exit\"}", |count| count == 1)
        .await;
    // Its socket is closed by the last of its tasks, which may come behind what counts flows.
    let given_back = async {
        while std::net::UdpSocket::bind(public).is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, given_back).await.unwrap();
}

#[tokio::test]
async fn ports_come_from_the_range_and_when_it_is_full_there_is_no_flow() {
    let lab = lab_with("flows_per_connection = 16");
    let free = crate::daemon::udp().local_addr().unwrap().port();
    let first = free.min(65_000);
    let ports = format!(
        "addresses = [\"127.0.0.1\"]\nports = [{first}, {}]",
        first + 3
    );
    lab.write("exit", "", &ports, "flows_per_connection = 16");
    let daemon = lab.start();
    let mut client = Client::connect(daemon.address()).await;
    let mut flows = Vec::new();
    loop {
        let answer = client.bind().await;
        if answer.status() == 503 {
            assert_eq!(
                answer.field("proxy-status"),
                "securecall-relay; error=proxy_internal_error"
            );
            break;
        }
        let public: SocketAddr = answer
            .field("proxy-public-address")
            .trim_matches('"')
            .parse()
            .unwrap();
        assert!((first..first + 4).contains(&public.port()), "{public}");
        flows.push(answer);
    }
    assert!((1..=4).contains(&flows.len()));
}

/// Networks of the operator, in a lab: what is refused outside of one is refused by the same rule.
#[tokio::test]
async fn refused_networks_get_nothing_and_a_scan_is_counted() {
    let daemon = Lab::new(
        "relays = [\"127.0.0.1:9\"]",
        "addresses = [\"127.0.0.1\"]\nrefuse = [\"127.0.0.0/30\", \"10.0.0.0/8\"]",
        "",
    )
    .start();
    let victim = tokio_udp().await;
    let allowed = tokio::net::UdpSocket::bind("127.0.0.9:0").await.unwrap();
    let mut client = Client::connect(daemon.address()).await;
    let bound = client.bound().await;
    bound.send(victim.local_addr().unwrap(), b"probe");
    for host in 1..=20_u8 {
        bound.send(SocketAddr::from(([10, 0, 0, host], 22)), b"probe");
    }
    bound.send(allowed.local_addr().unwrap(), b"last");
    assert_eq!(receive(&allowed).await.0, b"last");
    assert_eq!(daemon.figure("dropped_total{reason=\"not_allowed\"}"), 21);
    // A packet is counted behind its sending.
    daemon
        .figure_becomes("packets_total{from=\"client\"}", |count| count == 1)
        .await;
    let nothing = tokio::time::timeout(Duration::from_millis(100), victim.recv(&mut [0; 9])).await;
    assert!(nothing.is_err());
}

/// By every way that an address can be written.
#[tokio::test]
async fn on_the_internet_no_private_network_and_not_this_machine_is_reached() {
    let daemon = Lab::new(
        "relays = [\"203.0.113.9:443\"]",
        "addresses = [{ bind = \"127.0.0.1\", public = \"203.0.113.7\" }, \
         { bind = \"::1\", public = \"2001:db8::7\" }]",
        "",
    )
    .on_the_internet()
    .start();
    let here = [
        tokio_udp().await,
        tokio::net::UdpSocket::bind("[::1]:0").await.unwrap(),
    ];
    let mut targets: Vec<SocketAddr> = [
        "10.0.0.1:53",
        "172.16.0.1:80",
        "192.168.1.1:80",
        "169.254.169.254:80",
        "100.64.0.1:1",
        "0.0.0.0:80",
        "224.0.0.251:5353",
        "255.255.255.255:67",
        "203.0.113.7:22",
        "8.8.8.8:0",
        "[fd00::1]:80",
        "[fe80::1]:80",
        "[ff02::fb]:5353",
        "[::ffff:127.0.0.1]:80",
        "[::ffff:8.8.8.8]:53",
        "[64:ff9b::10.0.0.1]:80",
        "[2002:7f00:1::1]:80",
        "[::]:80",
        "[2001:db8::7]:22",
    ]
    .map(|text| text.parse().unwrap())
    .into();
    targets.extend(here.iter().map(|socket| socket.local_addr().unwrap()));
    let mut client = Client::connect(daemon.address()).await;
    let bound = client.bound().await;
    for target in &targets {
        bound.send_raw(*target, b"probe");
    }
    let count = u64::try_from(targets.len()).unwrap();
    daemon
        .figure_becomes("dropped_total{reason=\"not_allowed\"}", |dropped| {
            dropped == count
        })
        .await;
    assert_eq!(daemon.figure("packets_total{from=\"client\"}"), 0);
    for socket in &here {
        let got = socket.try_recv(&mut [0; 9]);
        assert!(got.is_err(), "{got:?}");
    }
}

/// As candidates of a peer would have it, one host after the other.
#[tokio::test]
async fn a_scan_gets_to_as_many_hosts_as_a_call_may_try_and_no_further() {
    let daemon = lab_with("packets_per_second = 10000\npacket_burst = 10000").start();
    let mut client = Client::connect(daemon.address()).await;
    let bound = client.bound().await;
    for host in 1..=200 {
        bound.send(SocketAddr::from(([127, 9, 0, host], 9)), b"probe");
    }
    daemon
        .figure_becomes("dropped_total{reason=\"not_allowed\"}", |dropped| {
            dropped == 200 - 64
        })
        .await;
    assert_eq!(daemon.figure("packets_total{from=\"client\"}"), 64);
}

/// Nothing that comes to a lent port is answered by the relay itself, whoever is said to have sent it.
#[tokio::test]
async fn what_comes_uninvited_gets_no_answer() {
    let daemon = lab_with("").start();
    let mut client = Client::connect(daemon.address()).await;
    let bound = client.bound().await;
    let sender = tokio_udp().await;
    for _ in 0..50 {
        sender.send_to(&[0; 1200], bound.public).await.unwrap();
    }
    daemon
        .figure_becomes("dropped_total{reason=\"not_allowed\"}", |count| count == 50)
        .await;
    let got = sender.try_recv(&mut [0; 9]);
    assert!(got.is_err(), "{got:?}");
    assert_eq!(daemon.figure("packets_total{from=\"outside\"}"), 0);
}

#[tokio::test]
async fn a_relay_of_one_role_refuses_the_other() {
    let lab = lab_with("");
    lab.write("exit", "", "addresses = [\"127.0.0.1\"]", "");
    let daemon = lab.start();
    let mut client = Client::connect(daemon.address()).await;
    assert_eq!(
        client
            .forward("127.0.0.1:9".parse().unwrap())
            .await
            .status(),
        403
    );
    assert_eq!(client.bind().await.status(), 200);

    let lab = lab_with("");
    lab.write("entry", "relays = [\"127.0.0.1:9\"]", "", "");
    let daemon = lab.start();
    let mut client = Client::connect(daemon.address()).await;
    assert_eq!(client.bind().await.status(), 403);
    assert_eq!(
        client
            .forward("127.0.0.1:9".parse().unwrap())
            .await
            .status(),
        200
    );
}

#[tokio::test]
async fn both_families_are_lent_where_there_are_both() {
    let daemon = Lab::new(
        "relays = [\"127.0.0.1:9\"]",
        "addresses = [\"127.0.0.1\", \"::1\"]",
        "",
    )
    .start();
    let mut client = Client::connect(daemon.address()).await;
    let bound = client.bound().await;
    let four = tokio_udp().await;
    let six = tokio::net::UdpSocket::bind("[::1]:0").await.unwrap();
    for peer in [&four, &six] {
        bound.send(peer.local_addr().unwrap(), b"question");
        let (_, from) = receive(peer).await;
        peer.send_to(b"answer", from).await.unwrap();
        let (who, answer) = bound.receive().await;
        assert_eq!(
            (who, answer),
            (peer.local_addr().unwrap(), b"answer".to_vec())
        );
    }
}

#[tokio::test]
async fn an_exit_of_ipv6_alone_is_reached_by_it_and_lends_nothing_else() {
    let lab = Lab::new("relays = [\"127.0.0.1:9\"]", "addresses = [\"::1\"]", "");
    let listen = std::net::UdpSocket::bind("[::1]:0").unwrap();
    let address = listen.local_addr().unwrap();
    drop(listen);
    let settings = std::fs::read_to_string(lab.settings()).unwrap();
    let settings = settings.replace(&lab.address.to_string(), &address.to_string());
    std::fs::write(lab.settings(), settings).unwrap();
    let daemon = lab.start();
    let endpoint = quinn::Endpoint::client("[::1]:0".parse().unwrap()).unwrap();
    let mut client = Client::connect_by(endpoint, address).await;
    let mut bound = client.bound().await;
    assert!(bound.public.is_ipv6());
    let peer = tokio::net::UdpSocket::bind("[::1]:0").await.unwrap();
    let peer_address = peer.local_addr().unwrap();
    for _ in 0..2 {
        bound.send(peer_address, b"question");
        let (_, from) = receive(&peer).await;
        assert_eq!(from, bound.public);
        peer.send_to(b"answer", from).await.unwrap();
        assert_eq!(bound.receive().await, (peer_address, b"answer".to_vec()));
        if bound.contexts.is_open() {
            bound.contexts.prefer(peer_address);
            bound.exchange().await;
        }
    }
    let four = tokio_udp().await;
    let mut other = client.bound().await;
    // A client of ours would not write that: no address of this kind was bound for it.
    other.send_raw(four.local_addr().unwrap(), b"lost");
    daemon
        .figure_becomes("dropped_total{reason=\"not_allowed\"}", |count| count == 1)
        .await;
    other.answer.stream.finish().await.unwrap();
}
