//! Calls somebody, sends a tone, records what they say, prints the safety words, and hangs up after 15 s.
//!
//! `cargo run --example place_call -- HOMESERVER_URL OUR_PHRASE THEIR_CONTACT_LINK`

use std::{env, error::Error, path::Path, time::Duration};

use securecall_contact::{ContactLink, SecureCallId, ServerName};
use securecall_crypto::{IdentityKeyPair, IdentitySeed};
use securecall_driver::{CallEvent, CallOptions, Callee, Client, ClientConfig, Event};
use securecall_matrix::{Account, AccountStore, Homeserver, Purpose, Registration, StoreKey};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [url, phrase, link] = &env::args().skip(1).collect::<Vec<_>>()[..] else {
        return Err("expected HOMESERVER_URL OUR_PHRASE THEIR_CONTACT_LINK".into());
    };
    let seed = IdentitySeed::from_phrase(phrase)?;
    let identity = IdentityKeyPair::from_seed(&seed);
    let key = StoreKey::new(*seed.as_bytes()); // who has the phrase, and nobody else, may open it
    let store = AccountStore::new(Path::new("place_call.profile"), key);
    let account = if store.exists() {
        Account::restore(&store).await?
    } else {
        let localpart = &format!("sc_{}", SecureCallId::new(&identity.public()));
        let homeserver = Homeserver::new(url)?.discover(Purpose::NewAccount).await?;
        let (password, token) = (&seed.account_password(homeserver.host()), None);
        let registration = Registration {
            localpart,
            password,
            token,
        };
        Account::register(&homeserver, &store, registration).await?
    };
    let link = link.parse::<ContactLink>()?;
    let matrix_id = link.matrix_id(&ServerName::default_domain());
    let mut config = ClientConfig::new(identity, "place_call.replay");
    config = config.with_contact("peer", link.id().identity_key(), matrix_id.clone());
    config.audio.microphone = "tone:440".parse()?;
    config.audio.speaker = "call.wav".parse()?;
    let mut client = Client::start(config, account).await?;
    let identity = link.id().identity_key();
    let callee = Callee {
        identity: Some(identity),
        matrix_id,
    };
    let handle = client.handle();
    let call = handle.call(callee, CallOptions::default()).await?;
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(15)).await;
        handle.hangup(call.handle).await
    });
    while let Some(event) = client.next_event().await {
        match event {
            Event::Call(CallEvent::Connected {
                safety_words: Some(words),
                ..
            }) => println!("{words}"),
            Event::Call(CallEvent::Ended { .. }) => break,
            event => println!("{event:?}"),
        }
    }
    client.stop().await;
    Ok(())
}
