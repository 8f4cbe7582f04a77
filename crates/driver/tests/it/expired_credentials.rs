//! Credentials of a homeserver that end in the middle of a call.

use securecall_driver::{Client, ClientConfig, Event};
use securecall_interop::{
    Coturn, CoturnUsers, Lie, LyingTurn, Synapse, SynapseOptions, TurnServers, TurnUser,
};

use crate::people::{InCall, Person, by_relay, hears, log, wait_for};

const SECRET: &str = "what both servers know";
/// Longer than the test: others are asked for because these are refused, and not because it is time.
const LIFETIME_SECONDS: u64 = 3600;
/// Those of three seconds.
const FRAMES: u64 = 150;

async fn hears_more(client: &mut Client) {
    let mut first = None;
    wait_for(client, |event| match event {
        Event::Stats { stats, .. } => {
            let first = *first.get_or_insert(stats.frames_received);
            (stats.frames_received >= first + FRAMES).then_some(())
        }
        _ => None,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_by_datagrams_goes_on_with_the_next_credentials_of_the_homeserver() {
    goes_on_when_names_expire(&["udp"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_goes_on_with_the_next_credentials_of_the_homeserver_when_those_in_use_expire() {
    goes_on_when_names_expire(&["udp", "tcp"]).await;
}

/// The server keeps no address for a name that has expired, carries nothing for it, and grants none to it. (coturn looks at the
/// time of a name once, when an address is asked for.) For the next name it grants none to the same socket, for which it holds
/// another: so that is asked for from another.
async fn goes_on_when_names_expire(transports: &[&str]) {
    log();
    let coturn = Coturn::start(CoturnUsers::SharedSecret(SECRET.to_owned()), &[]).unwrap();
    let nobody = TurnUser {
        username: String::new(),
        password: String::new(),
        realm: "example.org".to_owned(),
    };
    let relay = LyingTurn::start(coturn.address(), &nobody, Lie::None).unwrap();
    let uris = transports
        .iter()
        .map(|transport| format!("turn:{}?transport={transport}", relay.address()));
    let synapse = Synapse::start(SynapseOptions {
        turn: Some(TurnServers {
            uris: uris.collect(),
            shared_secret: SECRET.to_owned(),
            ttl_seconds: LIFETIME_SECONDS,
        }),
        ..SynapseOptions::default()
    })
    .unwrap();
    let (caller, callee) = (Person::new(&synapse).await, Person::new(&synapse).await);
    let of = |person: &Person, tone| -> ClientConfig {
        let mut config = person.config(tone);
        config.inbound = by_relay();
        config.servers.homeserver = true;
        config
    };
    let configs = [of(&caller, 440), of(&callee, 1000)];
    let mut call = InCall::with_options(caller, callee, configs, by_relay()).await;
    for client in [&mut call.calling, &mut call.called] {
        hears(client).await;
    }
    // Nothing is carried before both have others.
    let expired = relay.expire_names(2);
    for client in [&mut call.calling, &mut call.called] {
        hears_more(client).await;
    }
    let others = relay.names().difference(&expired).count();
    assert!(others >= 2, "{others} names after {}", expired.len());
    call.hang_up().await;
    call.calling.stop().await;
    call.called.stop().await;
}
