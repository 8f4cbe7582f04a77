//! Calls somebody from another program, sends a tone, and records what they say.
//!
//! `cargo run --example place_call -- HOMESERVER_URL OUR_PHRASE THEIR_CONTACT_LINK`

use std::{env, error::Error, path::Path, time::Duration};

use securecall_contact::{ContactLink, SecureCallId, ServerName};
use securecall_crypto::{IdentityKeyPair, IdentitySeed};
use securecall_driver::{
    AudioSpec, CallEvent, CallOptions, Callee, Client, ClientConfig, Event, Route,
};
use securecall_matrix::{Account, AccountStore, Homeserver, Registration, StoreKey};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [url, phrase, link] = &env::args().skip(1).collect::<Vec<_>>()[..] else {
        return Err("expected HOMESERVER_URL OUR_PHRASE THEIR_CONTACT_LINK".into());
    };
    let (homeserver, seed) = (Homeserver::new(url)?, IdentitySeed::from_phrase(phrase)?);
    let identity = IdentityKeyPair::from_seed(&seed);
    let store = AccountStore::new(Path::new("place_call.profile"), StoreKey::new([0; 32]));
    let account = if store.exists() {
        Account::restore(&store).await?
    } else {
        let localpart = format!("sc_{}", SecureCallId::new(&identity.public()));
        let password = seed.account_password(homeserver.host());
        let registration = Registration {
            localpart: &localpart,
            password: &password,
            token: None,
        };
        Account::register(&homeserver, &store, registration).await?
    };
    let peer: ContactLink = link.parse()?;
    let matrix_id = peer.matrix_id(&ServerName::default_domain());
    let callee = Callee {
        identity: peer.id().identity_key(),
        matrix_id,
    };

    let mut config = ClientConfig::new(identity, "place_call.replay");
    config.audio = AudioSpec {
        microphone: "tone:440".parse()?,
        speaker: "call.wav".parse()?,
        ..AudioSpec::default()
    };
    let mut client = Client::start(config, account).await?;
    let options = CallOptions {
        route: Some(Route::Direct),
        ..CallOptions::default()
    };
    client.handle().call(callee, options).await?;
    while let Some(event) = client.next_event().await {
        match event {
            Event::Call(CallEvent::Connected {
                call, safety_words, ..
            }) => {
                println!("connected; compare these words: {safety_words}");
                let handle = client.handle();
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_secs(10)).await;
                    handle.hangup(call).await
                });
            }
            Event::Call(CallEvent::Ended { reason, .. }) => {
                println!("ended: {reason}");
                break;
            }
            event => println!("{event:?}"),
        }
    }
    client.stop().await;
    Ok(())
}
