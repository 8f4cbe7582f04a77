//! How long a sealed message takes over a real Synapse on this machine: from `send` to the other side's inbox.
//!
//! `cargo run --release -p securecall-matrix --example hop_latency`

#![allow(clippy::disallowed_methods, reason = "it measures time")]

use std::{
    error::Error,
    time::{Duration, Instant},
};

use securecall_interop::{Synapse, SynapseOptions};
use securecall_matrix::{
    Account, AccountStore, Homeserver, Inbox, Incoming, Registration, StoreKey,
};

const ROUNDS: usize = 30;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let synapse = Synapse::start(SynapseOptions::default())?;
    let homeserver = Homeserver::new(&synapse.base_url())?;
    let directory = tempfile::tempdir()?;
    let mut stores = Vec::new();
    for name in ["caller", "callee"] {
        let store = AccountStore::new(directory.path().join(name), StoreKey::new([1; 32]));
        let registration = Registration {
            localpart: name,
            password: "password",
            token: None,
        };
        let started = Instant::now();
        Account::register(&homeserver, &store, registration).await?;
        println!("{name}: registered in {:?}", started.elapsed());
        stores.push(store);
    }
    let mut ends = Vec::new();
    for store in &stores {
        let started = Instant::now();
        let account = Account::restore(store).await?;
        let open = started.elapsed();
        let inbox = account.start().await?;
        println!(
            "account open after {open:?}, synced after {:?}",
            started.elapsed()
        );
        ends.push((account, inbox));
    }
    let (Some((callee, mut callee_inbox)), Some((caller, mut caller_inbox))) =
        (ends.pop(), ends.pop())
    else {
        return Err("two ends".into());
    };

    let content = format!(r#"{{"box":"{}"}}"#, "x".repeat(8192));
    let [mut query, mut there, mut back, mut third, mut all] = [(); 5].map(|()| Vec::new());
    for _ in 0..ROUNDS {
        let started = Instant::now();
        caller.devices_of(callee.matrix_id()).await?;
        query.push(started.elapsed());
        there.push(hop(&caller, &callee, &mut callee_inbox, &content).await?);
        back.push(hop(&callee, &caller, &mut caller_inbox, &content).await?);
        third.push(hop(&caller, &callee, &mut callee_inbox, &content).await?);
        all.push(started.elapsed());
    }
    for (what, times) in [
        ("device query", query),
        ("first hop", there),
        ("second hop", back),
        ("third hop", third),
        ("all four", all),
    ] {
        println!(
            "{what}: first {:?}, median {:?}",
            times.first().unwrap_or(&Duration::ZERO),
            median(times.clone())
        );
    }
    caller.drain().await?;
    callee.drain().await?;
    Ok(())
}

async fn hop(
    from: &Account,
    to: &Account,
    inbox: &mut Inbox,
    content: &str,
) -> Result<Duration, Box<dyn Error>> {
    let started = Instant::now();
    let arrival = async {
        while let Some(incoming) = inbox.next().await {
            if matches!(incoming, Incoming::Signal { .. }) {
                return Ok(started.elapsed());
            }
        }
        Err("the inbox ended")
    };
    let (sent, arrived) = tokio::join!(
        from.send(to.matrix_id(), &to.own_device().device_id, content),
        arrival
    );
    sent?;
    Ok(arrived?)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
