//! Relays that mean ill.

use super::*;

fn exit_that_answers(fields: &[(&'static str, &str)]) -> TestRelay {
    let fields = fields
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()));
    TestRelay::with_manner(Manner {
        fields: Some(fields.collect()),
        ..Manner::default()
    })
}

#[tokio::test]
async fn an_exit_that_has_bound_nothing_is_none() {
    let bind = ("connect-udp-bind", "?1");
    let public = ("proxy-public-address", "\"198.51.100.1:4711\"");
    for fields in [&[][..], &[bind], &[public]] {
        let exit = exit_that_answers(fields);
        assert_eq!(
            failure_through(&TestRelay::start(), &exit).await,
            (HopRole::Exit, TunnelFailureKind::Protocol)
        );
    }
}

#[tokio::test]
async fn outside_of_a_laboratory_an_exit_has_addresses_of_the_internet() {
    let (entry, exit) = (TestRelay::start(), TestRelay::start());
    let mut tunnels = Tunnels::new(None);
    open(&mut tunnels, ONE, entry.hop(), exit.hop());
    assert_eq!(
        failure(&mut tunnels, ONE).await,
        (HopRole::Exit, TunnelFailureKind::Protocol)
    );
    let honest = exit_that_answers(&[
        ("connect-udp-bind", "?1"),
        ("proxy-public-address", "\"198.51.100.1:4711\""),
    ]);
    open(&mut tunnels, OTHER, entry.hop(), honest.hop());
    let public = opened(&mut tunnels, OTHER).await;
    assert_eq!(public, "198.51.100.1:4711".parse().unwrap());
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_refused() {
    let large = "a".repeat(20_000);
    for name in ["server", "proxy-public-address"] {
        let exit = exit_that_answers(&[("connect-udp-bind", "?1"), (name, &large)]);
        // The client says how much it takes, and an honest server does not send more: it resets the stream.
        let failed = failure_through(&TestRelay::start(), &exit).await;
        assert_eq!(failed.0, HopRole::Exit);
    }
}

/// What a server says before it answers: its control stream with SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 9220 section 3) and
/// SETTINGS_H3_DATAGRAM (RFC 9297 section 2.1.1).
async fn settings(connection: &quinn::Connection, settings: &[u8]) -> quinn::SendStream {
    let mut control = connection.open_uni().await.unwrap();
    let frame = [&[0, 4, settings.len() as u8], settings].concat();
    control.write_all(&frame).await.unwrap();
    control
}

#[tokio::test]
async fn an_answer_without_end_does_not_fill_the_memory() {
    let sent = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&sent);
    let entry = TestRelay::raw(move |connection| {
        let count = std::sync::Arc::clone(&count);
        async move {
            let _control = settings(&connection, &[8, 1, 0x33, 1]).await;
            let (mut answer, _request) = connection.accept_bi().await.unwrap();
            // HEADERS of a gigabyte.
            let mut bytes = vec![1, 0xc0, 0, 0, 0, 0x40, 0, 0, 0];
            bytes.resize(16 * 1024, 0);
            while answer.write_all(&bytes).await.is_ok() {
                count.fetch_add(bytes.len(), std::sync::atomic::Ordering::SeqCst);
            }
        }
    });
    let (hop, kind) = failure_through(&entry, &TestRelay::start()).await;
    assert_eq!(hop, HopRole::Entry);
    // On a busy machine the time for an answer may be over before there is too much of it.
    let ends = [TunnelFailureKind::Protocol, TunnelFailureKind::Silent];
    assert!(ends.contains(&kind), "{kind:?}");
    // A quarter of a second of what the loopback interface carries through a window of 16 KiB.
    let sent = sent.load(std::sync::atomic::Ordering::SeqCst);
    assert!(sent < 200 << 20, "{sent}");
}

#[tokio::test]
async fn whoever_knows_no_datagrams_or_no_connect_udp_is_no_relay() {
    for known in [&[][..], &[8, 1], &[0x33, 1]] {
        let entry = TestRelay::raw(move |connection| async move {
            let _control = settings(&connection, known).await;
            connection.closed().await;
        });
        assert_eq!(
            failure_through(&entry, &TestRelay::start()).await,
            (HopRole::Entry, TunnelFailureKind::Protocol)
        );
    }
}

#[tokio::test]
async fn few_datagrams_are_kept_before_the_answer_and_of_a_flood_the_newest() {
    let exit = TestRelay::with_manner(Manner {
        flood: (100, 0),
        ..Manner::default()
    });
    let entry = TestRelay::start();
    let mut tunnels = open_tunnel(entry.hop(), exit.hop()).await;
    for number in 92..100 {
        let news = next(&mut tunnels).await;
        assert_eq!(news.event(), TunnelEvent::Datagram(&[2, number]));
    }
    // Whoever does not read loses what is old, and nothing waits for him.
    echoed(&mut tunnels, ONE).await;

    let flooding = TestRelay::with_manner(Manner {
        flood: (0, 5000),
        ..Manner::default()
    });
    let mut tunnels = open_tunnel(entry.hop(), flooding.hop()).await;
    next(&mut tunnels).await;
    // It has begun; in this time more of it comes than is kept.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut count = 0;
    while tunnels.try_next().is_some() {
        count += 1;
    }
    assert!(count <= 64, "{count}");
    echoed(&mut tunnels, ONE).await;
}

#[tokio::test]
async fn capsules_that_nobody_reads_are_read_no_further_and_datagrams_go_on() {
    let exit = TestRelay::with_manner(Manner {
        capsules: 32 << 20,
        ..Manner::default()
    });
    let mut tunnels = open_tunnel(TestRelay::start().hop(), exit.hop()).await;
    let mut unread = Some(next(&mut tunnels).await);
    // They have begun; in this time more of them would come than is read.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut len = 0;
    while let Some(news) = unread {
        match news.event() {
            TunnelEvent::Capsules(bytes) => len += bytes.len(),
            other => panic!("{other:?}"),
        }
        unread = tunnels.try_next();
    }
    assert!(len > 0 && len < 512 * 1024, "{len}");
    // It goes on when they are read; and whoever says so much is no relay.
    assert_eq!(
        failure(&mut tunnels, ONE).await,
        (HopRole::Exit, TunnelFailureKind::Protocol)
    );
}

#[tokio::test]
async fn an_entry_that_makes_up_packets_of_the_exit_does_no_harm() {
    // Datagrams of a context that nobody has asked for, and (below) of context 0 that are no QUIC.
    let liar = TestRelay::with_manner(Manner {
        flood: (8, 2000),
        ..Manner::default()
    });
    let mut tunnels = open_tunnel(liar.hop(), TestRelay::start().hop()).await;
    echoed(&mut tunnels, ONE).await;
}
