//! An entry of other people: masque-go, which leads to our exit as to any address.

use securecall_interop::MasqueGoRelay;
use securecall_relay::HopProof;
use securecall_relay_client::TlsTrust;
use sha2::{Digest as _, Sha256};

use super::relay::NAME;
use super::*;

fn hop(relay: &MasqueGoRelay, proof: HopProof) -> Hop {
    Hop {
        address: relay.address(),
        name: NAME.to_owned(),
        proof,
        authorization: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_leads_through_an_entry_of_masque_go() {
    let entry = tokio::task::spawn_blocking(|| MasqueGoRelay::start(NAME).unwrap());
    let entry = entry.await.unwrap();
    // masque-go 0.4.0 ends a flow when a packet comes that is too large for its connection to us, so no probe of the exit may be.
    let exit = TestRelay::with_manner(Manner {
        is_narrow: true,
        ..Manner::default()
    });
    let pin = Sha256::digest(entry.spki()).into();
    let mut tunnels = Tunnels::new(Some(TlsTrust::only([entry.certificate()]).unwrap()));
    tunnels = tunnels.in_laboratory();
    open(
        &mut tunnels,
        ONE,
        hop(&entry, HopProof::Spki(pin)),
        exit.hop(),
    );
    opened(&mut tunnels, ONE).await;
    echoed(&mut tunnels, ONE).await;
    // A second flow of a connection of its own, by its certificate.
    open(
        &mut tunnels,
        OTHER,
        hop(&entry, HopProof::Authorities),
        exit.hop(),
    );
    opened(&mut tunnels, OTHER).await;
    echoed(&mut tunnels, OTHER).await;

    // It lives as long as it is needed, and follows the network.
    tunnels.addresses_gone(&[Ipv4Addr::LOCALHOST.into()]);
    echoed(&mut tunnels, OTHER).await;
    stays_open(&mut tunnels, Duration::from_secs(3)).await;
    echoed(&mut tunnels, OTHER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn masque_go_has_no_bound_flows_and_is_no_exit() {
    let exit = tokio::task::spawn_blocking(|| MasqueGoRelay::start(NAME).unwrap());
    let exit = exit.await.unwrap();
    let pin = Sha256::digest(exit.spki()).into();
    let mut tunnels = Tunnels::new(None).in_laboratory();
    let entry = TestRelay::start();
    open(
        &mut tunnels,
        ONE,
        entry.hop(),
        hop(&exit, HopProof::Spki(pin)),
    );
    let (hop, kind) = failure(&mut tunnels, ONE).await;
    assert_eq!(hop, HopRole::Exit);
    // It takes the asterisk for a host or a port that there is not.
    assert_eq!(kind, TunnelFailureKind::Refused(400));
}
