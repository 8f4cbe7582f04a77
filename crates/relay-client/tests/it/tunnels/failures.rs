//! Relays that are not there, or refuse.

use std::time::Instant;

use securecall_interop::{Flow, UdpForwarder};
use securecall_relay::HopProof;
use securecall_relay_client::TlsTrust;
use tokio::time::sleep;

use super::*;

/// A relay that answers with a status.
fn refusing(status: u16) -> TestRelay {
    TestRelay::with_manner(Manner {
        status: Some(status),
        ..Manner::default()
    })
}

#[tokio::test]
async fn what_a_relay_refuses_is_said_of_this_relay() {
    for (status, kind) in [
        (401, TunnelFailureKind::Unauthorized),
        (403, TunnelFailureKind::Refused(403)),
        (429, TunnelFailureKind::Busy),
        (503, TunnelFailureKind::Busy),
    ] {
        let at_entry = failure_through(&refusing(status), &TestRelay::start()).await;
        assert_eq!(at_entry, (HopRole::Entry, kind));
        let at_exit = failure_through(&TestRelay::start(), &refusing(status)).await;
        assert_eq!(at_exit, (HopRole::Exit, kind));
    }
}

#[tokio::test]
async fn a_relay_with_another_key_is_not_the_one() {
    let (relay, other) = (TestRelay::start(), TestRelay::start());
    let mut impostor = other.hop();
    impostor.proof = relay.hop().proof;
    for (entry, exit, role) in [
        (impostor.clone(), relay.hop(), HopRole::Entry),
        (relay.hop(), impostor.clone(), HopRole::Exit),
    ] {
        let mut tunnels = Tunnels::new(None).in_laboratory();
        open(&mut tunnels, ONE, entry, exit);
        assert_eq!(
            failure(&mut tunnels, ONE).await,
            (role, TunnelFailureKind::WrongCertificate)
        );
    }
}

#[tokio::test]
async fn an_authority_vouches_for_the_name_of_a_relay() {
    let (entry, exit) = (TestRelay::start(), TestRelay::start());
    let by_authority = |relay: &TestRelay| Hop {
        proof: HopProof::Authorities,
        ..relay.hop()
    };
    let trust = TlsTrust::only([&entry.certificate[..], &exit.certificate[..]]).unwrap();
    let mut tunnels = Tunnels::new(Some(trust.clone())).in_laboratory();
    open(&mut tunnels, ONE, by_authority(&entry), by_authority(&exit));
    opened(&mut tunnels, ONE).await;

    let others = TlsTrust::only([&exit.certificate[..]]).unwrap();
    let mut misnamed = by_authority(&entry);
    misnamed.name = "other.example".to_owned();
    for (trust, entry) in [
        (None, by_authority(&entry)),
        (Some(others), by_authority(&entry)),
        (Some(trust), misnamed),
    ] {
        let mut tunnels = Tunnels::new(trust).in_laboratory();
        open(&mut tunnels, ONE, entry, exit.hop());
        assert_eq!(
            failure(&mut tunnels, ONE).await,
            (HopRole::Entry, TunnelFailureKind::WrongCertificate)
        );
    }
}

#[tokio::test]
async fn whoever_does_not_answer_is_silent_at_each_step_and_after_a_bounded_time() {
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let silent = |relay: &TestRelay| Hop {
        address: nobody.local_addr().unwrap(),
        ..relay.hop()
    };
    let mute = || {
        TestRelay::with_manner(Manner {
            is_mute: true,
            ..Manner::default()
        })
    };
    let relay = TestRelay::start();
    let (mute_entry, mute_exit) = (mute(), mute());
    let mut tunnels = Tunnels::new(None).in_laboratory();
    let tried = [
        (silent(&relay), relay.hop(), HopRole::Entry),
        (relay.hop(), silent(&relay), HopRole::Exit),
        (mute_entry.hop(), relay.hop(), HopRole::Entry),
        (relay.hop(), mute_exit.hop(), HopRole::Exit),
    ];
    let mut expected = Vec::new();
    for (index, (entry, exit, role)) in (0..).zip(tried) {
        open(&mut tunnels, TunnelId(index), entry, exit);
        expected.push((TunnelId(index), role));
    }
    let mut failed = Vec::new();
    while failed.len() < expected.len() {
        let news = next(&mut tunnels).await;
        match news.event() {
            TunnelEvent::Closed(TunnelFailure {
                hop,
                kind: TunnelFailureKind::Silent,
            }) => failed.push((news.tunnel, hop)),
            other => panic!("{other:?}"),
        }
    }
    failed.sort_unstable();
    assert_eq!(failed, expected);
}

/// A tunnel in which packets flow, with a cut that says where; how it fails, and how long that took.
async fn cut(
    where_: impl Fn(&UdpForwarder, &UdpForwarder),
) -> ((HopRole, TunnelFailureKind), Duration) {
    let (entry, exit) = (TestRelay::start(), TestRelay::start());
    let to_entry = UdpForwarder::in_front_of(entry.address).unwrap();
    let to_exit = UdpForwarder::in_front_of(exit.address).unwrap();
    let at = |relay: &TestRelay, forwarder: &UdpForwarder| Hop {
        address: forwarder.address(),
        ..relay.hop()
    };
    let mut tunnels = open_tunnel(at(&entry, &to_entry), at(&exit, &to_exit)).await;
    echoed(&mut tunnels, ONE).await;
    where_(&to_entry, &to_exit);
    let start = Instant::now();
    let (_peer, address) = peer().await;
    let failed = async {
        loop {
            // As a call does.
            send(&mut tunnels, ONE, to_peer(address, &[0; 160]));
            if let Ok(news) = timeout(Duration::from_millis(20), tunnels.next()).await {
                match news.event() {
                    TunnelEvent::Closed(TunnelFailure { hop, kind }) => return (hop, kind),
                    TunnelEvent::Datagram(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    };
    (timeout(PATIENCE, failed).await.unwrap(), start.elapsed())
}

#[tokio::test]
async fn a_dead_exit_behind_a_living_entry_is_known_as_such() {
    let (failed, after) = cut(|_, to_exit| to_exit.cut()).await;
    assert_eq!(failed, (HopRole::Exit, TunnelFailureKind::Silent));
    assert!(after >= Duration::from_secs(1), "{after:?}");
}

#[tokio::test]
async fn a_dead_entry_is_not_taken_for_a_dead_exit() {
    let (failed, after) = cut(|to_entry, _| to_entry.cut()).await;
    assert_eq!(failed, (HopRole::Entry, TunnelFailureKind::Silent));
    assert!(after >= Duration::from_secs(1), "{after:?}");
}

#[tokio::test]
async fn an_idle_tunnel_stays_open() {
    let (entry, exit) = (TestRelay::start(), TestRelay::start());
    let mut tunnels = open_tunnel(entry.hop(), exit.hop()).await;
    stays_open(&mut tunnels, Duration::from_secs(4)).await;
    echoed(&mut tunnels, ONE).await;
}

#[tokio::test]
async fn a_path_that_is_too_narrow_for_two_hops_is_refused() {
    let (entry, exit) = (TestRelay::start(), TestRelay::start());
    let narrow = UdpForwarder::in_front_of(entry.address).unwrap();
    // An IPv6 path of 1280 bytes.
    narrow.set_filter(|_, datagram| datagram.len() <= 1232);
    let hop = Hop {
        address: narrow.address(),
        ..entry.hop()
    };
    let mut tunnels = Tunnels::new(None).in_laboratory();
    open(&mut tunnels, ONE, hop, exit.hop());
    assert_eq!(
        failure(&mut tunnels, ONE).await,
        (HopRole::Entry, TunnelFailureKind::PathTooNarrow)
    );
}

#[tokio::test]
async fn a_path_that_is_just_wide_enough_will_do() {
    let (entry, exit) = (TestRelay::start(), TestRelay::start());
    let narrow = UdpForwarder::in_front_of(entry.address).unwrap();
    narrow.set_filter(|way, datagram| way == Flow::FromTarget || datagram.len() <= 1300);
    let hop = Hop {
        address: narrow.address(),
        ..entry.hop()
    };
    let mut tunnels = open_tunnel(hop, exit.hop()).await;
    echoed(&mut tunnels, ONE).await;
}

#[tokio::test]
async fn whoever_ends_the_flow_is_named() {
    let ending = || {
        TestRelay::with_manner(Manner {
            ends_after: Some(Duration::from_millis(300)),
            ..Manner::default()
        })
    };
    assert_eq!(
        failure_through(&ending(), &TestRelay::start()).await,
        (HopRole::Entry, TunnelFailureKind::Ended)
    );
    assert_eq!(
        failure_through(&TestRelay::start(), &ending()).await,
        (HopRole::Exit, TunnelFailureKind::Ended)
    );
}

#[tokio::test]
async fn whoever_closes_the_connection_is_named() {
    for role in [HopRole::Entry, HopRole::Exit] {
        let (entry, exit) = (TestRelay::start(), TestRelay::start());
        let mut tunnels = open_tunnel(entry.hop(), exit.hop()).await;
        let closing = match role {
            HopRole::Entry => &entry,
            HopRole::Exit => &exit,
        };
        closing.endpoint.close(0x100_u32.into(), b"");
        assert_eq!(
            failure(&mut tunnels, ONE).await,
            (role, TunnelFailureKind::Ended)
        );
    }
}

#[tokio::test]
async fn after_a_failure_the_entry_is_connected_anew() {
    let (entry, exit) = (TestRelay::start(), TestRelay::start());
    let forwarder = UdpForwarder::in_front_of(entry.address).unwrap();
    let hop = Hop {
        address: forwarder.address(),
        ..entry.hop()
    };
    let mut tunnels = open_tunnel(hop.clone(), exit.hop()).await;
    forwarder.cut();
    assert_eq!(
        failure(&mut tunnels, ONE).await,
        (HopRole::Entry, TunnelFailureKind::Silent)
    );
    forwarder.heal();
    sleep(Duration::from_millis(10)).await;
    open(&mut tunnels, OTHER, hop, exit.hop());
    opened(&mut tunnels, OTHER).await;
    assert_eq!(entry.seen.lock().unwrap().connections.len(), 2);
}
