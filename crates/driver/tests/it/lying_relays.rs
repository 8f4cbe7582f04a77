//! Calls whose TURN servers lie: they take another way or end clearly, and nobody is blamed who is not at fault.

use std::net::SocketAddr;

use securecall_driver::{
    CallEvent, Client, ClientConfig, EndReason, Event, PathRoute, Route, Servers,
};
use securecall_interop::{Coturn, CoturnUsers, Lie, LyingTurn, TurnUser};
use securecall_relay::{Credentials, ServerLink, TurnServer};
use securecall_relay_client::TlsTrust;
use zeroize::Zeroizing;

use crate::people::{InCall, Person, by, ended, hears, placed_with, synapse, wait_for};

const USER: &str = "ada";
const PASSWORD: &str = "a password that nobody is told";
/// Of a network that this machine is not in.
const ELSEWHERE: &str = "198.51.100.77:4000";

fn coturn() -> Coturn {
    let users = CoturnUsers::Static {
        username: USER.to_owned(),
        password: PASSWORD.to_owned(),
    };
    Coturn::start(users, &[]).unwrap()
}

fn liar(coturn: &Coturn, lie: Lie) -> LyingTurn {
    let user = TurnUser {
        username: USER.to_owned(),
        password: PASSWORD.to_owned(),
        realm: "example.org".to_owned(),
    };
    LyingTurn::start(coturn.address(), &user, lie).unwrap()
}

fn servers(address: SocketAddr, links: &[ServerLink]) -> Servers {
    let turn = links.iter().map(|link| TurnServer {
        address,
        link: link.clone(),
        credentials: Credentials::new(USER, Zeroizing::new(PASSWORD.to_owned())).unwrap(),
    });
    Servers {
        turn: turn.collect(),
        ..Servers::default()
    }
}

fn config(person: &Person, tone: u32, servers: &Servers, route: Route) -> ClientConfig {
    let mut config = person.config(tone);
    config.inbound = by(route);
    config.network.servers = servers.clone();
    config
}

/// What became of a call at one end.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Connected(PathRoute),
    Ended(EndReason),
}

async fn outcome(client: &mut Client) -> Outcome {
    wait_for(client, |event| match event {
        Event::Call(CallEvent::Connected { route, .. }) => Some(Outcome::Connected(*route)),
        Event::Call(CallEvent::Ended { reason, .. }) => Some(Outcome::Ended(*reason)),
        _ => None,
    })
    .await
}

/// Two people who both use these servers call each other.
async fn outcomes(servers: Servers, route: Route) -> [Outcome; 2] {
    let (caller, callee) = (Person::new(synapse()).await, Person::new(synapse()).await);
    let configs = [
        config(&caller, 440, &servers, route),
        config(&callee, 1000, &servers, route),
    ];
    let (mut calling, mut called, _) = placed_with(&caller, &callee, configs, by(route)).await;
    let (of_caller, of_callee) = tokio::join!(outcome(&mut calling), outcome(&mut called));
    calling.stop().await;
    called.stop().await;
    [of_caller, of_callee]
}

async fn in_call(servers: &Servers, route: Route) -> InCall {
    let (caller, callee) = (Person::new(synapse()).await, Person::new(synapse()).await);
    let configs = [
        config(&caller, 440, servers, route),
        config(&callee, 1000, servers, route),
    ];
    InCall::with_options(caller, callee, configs, by(route)).await
}

/// All that a server can say in place of granting an address that is one.
fn lies() -> Vec<Lie> {
    let mut lies = vec![
        Lie::Silence,
        Lie::Garbage,
        Lie::Enormous,
        Lie::SlowLoris,
        Lie::StaleNonce,
        Lie::OtherRealms,
        Lie::Refusal(486),
    ];
    for address in [
        ELSEWHERE,
        "10.9.8.7:4000",
        "0.0.0.0:4000",
        "224.0.0.1:4000",
        "127.0.0.1:0",
    ] {
        lies.push(Lie::RelayedAddress(address.parse().unwrap()));
    }
    lies
}

const LINKS: [ServerLink; 2] = [ServerLink::Udp, ServerLink::Tcp];

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_has_another_way_takes_it_whatever_the_relay_says() {
    let coturn = coturn();
    for lie in lies() {
        let liar = liar(&coturn, lie.clone());
        let servers = servers(liar.address(), &LINKS);
        let connected = || Outcome::Connected(PathRoute::Direct);
        let outcomes = outcomes(servers, Route::Direct).await;
        assert_eq!(outcomes, [connected(), connected()], "{lie:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_by_a_lying_relay_alone_finds_no_path_and_blames_nobody() {
    let coturn = coturn();
    let mut calls = tokio::task::JoinSet::new();
    for lie in lies() {
        let liar = liar(&coturn, lie.clone());
        calls.spawn(async move {
            let outcomes = outcomes(servers(liar.address(), &LINKS), Route::Relay).await;
            (lie, liar, outcomes)
        });
    }
    while let Some(done) = calls.join_next().await {
        let (lie, liar, outcomes) = done.unwrap();
        let failed = || Outcome::Ended(EndReason::IceFailed);
        assert_eq!(outcomes, [failed(), failed()], "{lie:?}");
        assert_tells_no_password(&liar);
    }
}

fn assert_tells_no_password(liar: &LyingTurn) {
    let heard = liar.heard();
    assert!(!heard.is_empty());
    let password = PASSWORD.as_bytes();
    for message in heard {
        let mut windows = message.windows(password.len());
        assert!(windows.all(|window| window != password));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_send_us_to_each_other_are_left() {
    let coturn = coturn();
    let (first, second) = (liar(&coturn, Lie::None), liar(&coturn, Lie::None));
    first.lie(Lie::Redirect(second.address()));
    second.lie(Lie::Redirect(first.address()));
    let servers = servers(first.address(), &LINKS);
    let failed = || Outcome::Ended(EndReason::IceFailed);
    assert_eq!(outcomes(servers, Route::Relay).await, [failed(), failed()]);
    let asked = first.heard().len() + second.heard().len();
    assert!(asked < 200, "{asked} messages of two people");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_without_a_certificate_that_counts_gets_no_word_and_nobody_is_blamed() {
    let (coturn, other) = (coturn(), coturn());
    let tls = ServerLink::Tls("localhost".to_owned());
    let servers = Servers {
        trust: Some(TlsTrust::only([other.certificate()]).unwrap()),
        ..servers(coturn.tls_address(), &[tls])
    };
    let failed = || Outcome::Ended(EndReason::IceFailed);
    let by_relay = outcomes(servers.clone(), Route::Relay).await;
    assert_eq!(by_relay, [failed(), failed()]);
    let connected = || Outcome::Connected(PathRoute::Direct);
    let directly = outcomes(servers, Route::Direct).await;
    assert_eq!(directly, [connected(), connected()]);
}

/// What a relay claims to be its address is told to the peer, who tries it.
#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_address_gets_a_bounded_number_of_checks_and_one_flight() {
    let coturn = coturn();
    let victim = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let liar = liar(&coturn, Lie::RelayedAddress(victim.local_addr().unwrap()));
    let (caller, callee) = (Person::new(synapse()).await, Person::new(synapse()).await);
    let configs = [
        config(&caller, 440, &servers(liar.address(), &LINKS), Route::Relay),
        // A peer without a relay, which does reach what it is told.
        config(&callee, 1000, &Servers::default(), Route::Direct),
    ];
    let (mut calling, mut called, _) =
        placed_with(&caller, &callee, configs, by(Route::Relay)).await;
    // The server does carry packets, from another address than it says, and of that the callee cannot know whose it is.
    for (client, route) in [
        (&mut calling, PathRoute::Relay),
        (&mut called, PathRoute::Direct),
    ] {
        assert_eq!(outcome(client).await, Outcome::Connected(route));
        hears(client).await;
    }
    calling.stop().await;
    called.stop().await;
    let (mut checks, mut flights, mut buffer) = (0, 0, [0; 2048]);
    while let Ok(len) = victim.try_recv(&mut buffer) {
        match buffer[..2] {
            [0, 1] => checks += 1,
            // A record of a DTLS handshake: the first flight, which goes with the first check of each pair.
            [22, _] => flights += 1,
            _ => panic!("{len} bytes that are neither"),
        }
    }
    assert!((1..=40).contains(&checks), "{checks} checks");
    assert!(flights <= 1, "{flights} flights");
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_that_a_relay_makes_up_change_nothing() {
    let coturn = coturn();
    let mut calls = tokio::task::JoinSet::new();
    for link in LINKS {
        let liar = liar(&coturn, Lie::ForgedPeers);
        calls.spawn(async move {
            let servers = servers(liar.address(), &[link]);
            let mut call = in_call(&servers, Route::Relay).await;
            for client in [&mut call.calling, &mut call.called] {
                hears(client).await;
            }
            call.hang_up().await;
            call.calling.stop().await;
            call.called.stop().await;
        });
    }
    while let Some(done) = calls.join_next().await {
        done.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_refuses_to_keep_an_address_is_asked_for_another() {
    let coturn = coturn();
    let mut calls = tokio::task::JoinSet::new();
    for code in [401, 403, 437] {
        let liar = liar(&coturn, Lie::None);
        calls.spawn(async move {
            let servers = servers(liar.address(), &[ServerLink::Udp]);
            let mut call = in_call(&servers, Route::Relay).await;
            let before = allocations(&liar);
            liar.lie(Lie::RefusedRefresh(code));
            // Nothing is carried before somebody has asked for another address.
            for client in [&mut call.calling, &mut call.called] {
                hears_five_seconds_more(client).await;
            }
            assert!(allocations(&liar) > before, "{code}");
            call.hang_up().await;
            call.calling.stop().await;
            call.called.stop().await;
        });
    }
    while let Some(done) = calls.join_next().await {
        done.unwrap();
    }
}

/// How often a client has asked for an address.
fn allocations(liar: &LyingTurn) -> usize {
    let heard = liar.heard();
    let asks = heard.iter().filter(|message| message.starts_with(&[0, 3]));
    asks.count()
}

async fn hears_five_seconds_more(client: &mut Client) {
    let mut first = None;
    wait_for(client, |event| match event {
        Event::Stats { stats, .. } => {
            let first = *first.get_or_insert(stats.frames_received);
            (stats.frames_received >= first + 250).then_some(())
        }
        _ => None,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_refuses_everything_in_a_call_ends_it_and_nobody_is_blamed() {
    let coturn = coturn();
    let mut calls = tokio::task::JoinSet::new();
    for lie in [
        Lie::Refusal(401),
        Lie::Refusal(403),
        Lie::Refusal(437),
        Lie::Silence,
        Lie::Garbage,
    ] {
        let liar = liar(&coturn, Lie::None);
        calls.spawn(async move {
            let servers = servers(liar.address(), &LINKS);
            let mut call = in_call(&servers, Route::Relay).await;
            liar.lie(lie.clone());
            let reasons = tokio::join!(ended(&mut call.calling), ended(&mut call.called));
            call.calling.stop().await;
            call.called.stop().await;
            (lie, reasons)
        });
    }
    while let Some(done) = calls.join_next().await {
        let (lie, reasons) = done.unwrap();
        assert_eq!(
            reasons,
            (EndReason::IceTimeout, EndReason::IceTimeout),
            "{lie:?}"
        );
    }
}
