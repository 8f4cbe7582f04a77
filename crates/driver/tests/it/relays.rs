//! Calls through a TURN server that operators run.

use securecall_driver::{
    CallError, CallEvent, Client, ClientConfig, EndReason, Event, PathRoute, PlaceError, Servers,
};
use securecall_interop::{Coturn, CoturnUsers, Synapse, SynapseOptions, TurnServers};
use securecall_relay::{Credentials, ServerLink, TurnServer};
use securecall_relay_client::TlsTrust;
use zeroize::Zeroizing;

use crate::people::{InCall, Person, by_relay, ended, hears, placed_with, synapse, wait_for};
use crate::tone::median_amplitude;

const USER: &str = "ada";
const PASSWORD: &str = "secret";

fn coturn() -> Coturn {
    let users = CoturnUsers::Static {
        username: USER.to_owned(),
        password: PASSWORD.to_owned(),
    };
    Coturn::start(users, &[]).unwrap()
}

/// The server over these links.
fn servers(coturn: &Coturn, links: &[ServerLink]) -> Servers {
    let turn = links.iter().map(|link| TurnServer {
        address: match link {
            ServerLink::Udp | ServerLink::Tcp => coturn.address(),
            ServerLink::Tls(_) => coturn.tls_address(),
        },
        link: link.clone(),
        credentials: Credentials::new(USER, Zeroizing::new(PASSWORD.to_owned())).unwrap(),
    });
    Servers {
        turn: turn.collect(),
        trust: Some(TlsTrust::only([coturn.certificate()]).unwrap()),
        ..Servers::default()
    }
}

/// Two people who tell each other nothing but addresses at the server, in a call.
async fn in_relayed_call(servers: &Servers) -> InCall {
    let (caller, callee) = (Person::new(synapse()).await, Person::new(synapse()).await);
    let of = |person: &Person, tone| -> ClientConfig {
        let mut config = person.config(tone);
        config.inbound = by_relay();
        config.network.servers = servers.clone();
        config
    };
    let configs = [of(&caller, 440), of(&callee, 1000)];
    InCall::with_options(caller, callee, configs, by_relay()).await
}

async fn hear_each_other(servers: &Servers) {
    let mut call = in_relayed_call(servers).await;
    for client in [&mut call.calling, &mut call.called] {
        hears(client).await;
    }
    call.hang_up().await;
    call.calling.stop().await;
    call.called.stop().await;
    for (person, theirs) in [(&call.caller, 1000.0), (&call.callee, 440.0)] {
        // A busy machine holds up a stream, and what is late is lost: the tone has gaps then.
        let heard = median_amplitude(&person.recording(), theirs);
        assert!((0.1..0.3).contains(&heard), "it came as {heard}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_hear_each_other_through_a_relay_by_datagrams() {
    let coturn = coturn();
    hear_each_other(&servers(&coturn, &[ServerLink::Udp])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_hear_each_other_where_only_tls_gets_through() {
    let coturn = coturn();
    let tls = ServerLink::Tls("localhost".to_owned());
    hear_each_other(&servers(&coturn, &[tls])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_by_relay_says_so_and_survives_a_server_that_is_started_anew() {
    let mut coturn = coturn();
    let links = [ServerLink::Udp, ServerLink::Tcp];
    let mut call = in_relayed_call(&servers(&coturn, &links)).await;
    coturn.restart().unwrap();
    // Only who has lost the path is told so. That it was lost is not waited for: to a reader who is late, this is told in its place.
    let reconnected =
        |event: &Event| matches!(event, Event::Call(CallEvent::Reconnected { .. })).then_some(());
    tokio::join!(
        wait_for(&mut call.calling, reconnected),
        wait_for(&mut call.called, reconnected)
    );
    call.calling.stop().await;
    call.called.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_answer_of_the_relay_nobody_learns_an_address() {
    let mut coturn = coturn();
    let servers = servers(&coturn, &[ServerLink::Udp]);
    coturn.stop().unwrap();
    let (caller, callee) = (Person::new(synapse()).await, Person::new(synapse()).await);
    let mut of_caller = caller.config(440);
    of_caller.network.servers = servers;
    let (mut calling, mut called, _) = placed_with(
        &caller,
        &callee,
        [of_caller, callee.config(1000)],
        by_relay(),
    )
    .await;
    let reason = ended(&mut calling).await;
    assert!(
        matches!(reason, EndReason::IceFailed | EndReason::IceTimeout),
        "{reason:?}"
    );
    ended(&mut called).await;
    calling.stop().await;
    called.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_people_one_may_go_by_relay_alone() {
    let coturn = coturn();
    let (caller, callee) = (Person::new(synapse()).await, Person::new(synapse()).await);
    let mut of_caller = caller.config(440);
    of_caller.network.servers = servers(&coturn, &[ServerLink::Udp]);
    let (mut calling, mut called, _) = placed_with(
        &caller,
        &callee,
        [of_caller, callee.config(1000)],
        by_relay(),
    )
    .await;
    assert_eq!(route_of_connection(&mut calling).await, PathRoute::Relay);
    // Where the homeserver is slower than the path, the callee learns later that its peer's address is at a relay.
    wait_for(&mut called, |event| {
        let is_relay = matches!(
            event,
            Event::Call(
                CallEvent::Connected {
                    route: PathRoute::Relay,
                    ..
                } | CallEvent::RouteChanged {
                    route: PathRoute::Relay,
                    ..
                }
            )
        );
        is_relay.then_some(())
    })
    .await;
    calling.stop().await;
    called.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_relay_that_the_homeserver_names_is_used() {
    let secret = "what both servers know";
    let coturn = Coturn::start(CoturnUsers::SharedSecret(secret.to_owned()), &[]).unwrap();
    let synapse = Synapse::start(SynapseOptions {
        turn: Some(TurnServers {
            uris: vec![
                format!("turn:{}?transport=udp", coturn.address()),
                "turn:unusable?transport=carrier-pigeon".to_owned(),
            ],
            shared_secret: secret.to_owned(),
            ttl_seconds: 3600,
        }),
        ..SynapseOptions::default()
    })
    .unwrap();
    let (caller, callee) = (Person::new(&synapse).await, Person::new(&synapse).await);
    let of = |person: &Person, tone| {
        let mut config = person.config(tone);
        config.inbound = by_relay();
        config.servers.homeserver = true;
        config
    };
    let configs = [of(&caller, 440), of(&callee, 1000)];
    let (mut calling, mut called, _) = placed_with(&caller, &callee, configs, by_relay()).await;
    for client in [&mut calling, &mut called] {
        assert_eq!(route_of_connection(client).await, PathRoute::Relay);
    }
    calling.stop().await;
    called.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_relay_a_call_by_relay_is_not_placed() {
    let (caller, callee) = (Person::new(synapse()).await, Person::new(synapse()).await);
    let mut config = caller.config(440);
    // This homeserver has none.
    config.servers.homeserver = true;
    let calling = Client::start(config, caller.account.clone()).await.unwrap();
    let refused = calling.handle().call(callee.as_callee(), by_relay()).await;
    assert!(
        matches!(
            refused,
            Err(PlaceError::Refused(CallError::RelayUnavailable))
        ),
        "{refused:?}"
    );
    calling.stop().await;
}

async fn route_of_connection(client: &mut Client) -> PathRoute {
    wait_for(client, |event| match event {
        Event::Call(CallEvent::Connected { route, .. }) => Some(*route),
        _ => None,
    })
    .await
}
