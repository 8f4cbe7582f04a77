//! TURN over TCP and TLS, at a server that operators run.

use std::net::SocketAddr;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use securecall_interop::{Coturn, CoturnUsers, TlsFront};
use securecall_relay::{
    CandidateSource as _, Credentials, ServerLink, SourceOutput, TransactionIds, TurnFailure,
    TurnServer, TurnSource,
};
use securecall_relay_client::{Streams, TlsTrust};
use web_time::Instant;
use zeroize::Zeroizing;

fn coturn() -> Coturn {
    let users = CoturnUsers::Static {
        username: "ada".to_owned(),
        password: "secret".to_owned(),
    };
    Coturn::start(users, &[]).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a real server has real time")]
fn now() -> Instant {
    Instant::now()
}

fn source(address: SocketAddr, link: ServerLink) -> TurnSource {
    let credentials = Credentials::new("ada", Zeroizing::new("secret".to_owned())).unwrap();
    let server = TurnServer {
        address,
        link,
        credentials,
    };
    let ids = TransactionIds::new(ChaCha8Rng::seed_from_u64(1));
    TurnSource::new([server], ids)
}

/// Runs a source until it has an answer; gives what addresses it has.
async fn gather(source: &mut TurnSource, streams: &mut Streams) -> Vec<SocketAddr> {
    let mut found = Vec::new();
    source.gather(now(), &[]);
    loop {
        match source.poll_output() {
            SourceOutput::Open { stream, target } => streams.open(stream, target),
            SourceOutput::Write {
                stream,
                bytes,
                urgency,
            } => streams.write(stream, bytes, urgency),
            SourceOutput::Close(stream) => streams.close(stream),
            SourceOutput::Candidate(candidate) => found.push(candidate.address),
            SourceOutput::Answered => return found,
            SourceOutput::Transmit(_)
            | SourceOutput::Packet(_)
            | SourceOutput::Lost(_)
            | SourceOutput::Bind(_)
            | SourceOutput::Unbind(_)
            | SourceOutput::Tunnel(_)
            | SourceOutput::RelayFailed(_)
            | SourceOutput::CredentialsRefused => {}
            SourceOutput::Timeout(at) => {
                let wait = at.map_or(std::time::Duration::from_secs(60), |at| {
                    at.saturating_duration_since(now())
                });
                tokio::select! {
                    news = streams.next() => {
                        assert!(source.handle_stream(now(), news.stream, news.event()));
                    }
                    () = tokio::time::sleep(wait) => source.handle_timeout(now()),
                }
            }
        }
    }
}

fn failures(source: &TurnSource) -> Vec<TurnFailure> {
    let failures = source.failures();
    failures.map(|(_, _, failure)| failure.clone()).collect()
}

#[tokio::test]
async fn an_address_is_granted_over_tcp() {
    let coturn = coturn();
    let mut source = source(coturn.address(), ServerLink::Tcp);
    let found = gather(&mut source, &mut Streams::new(None)).await;
    assert_eq!(found.len(), 1, "{:?}", failures(&source));
}

#[tokio::test]
async fn an_address_is_granted_over_tls_by_a_server_that_proves_its_name() {
    let coturn = coturn();
    let trust = TlsTrust::only([coturn.certificate()]).unwrap();
    let link = ServerLink::Tls("localhost".to_owned());
    let mut source = source(coturn.tls_address(), link);
    let found = gather(&mut source, &mut Streams::new(Some(trust))).await;
    assert_eq!(found.len(), 1, "{:?}", failures(&source));
}

/// Neither a server, nor with TLS 1.2 whoever listens on the way, learns by its session who comes back.
#[tokio::test]
async fn no_session_of_tls_is_gone_on_with() {
    let coturn = coturn();
    for front in [TlsFront::tls12, TlsFront::start] {
        let front = front(coturn.address()).unwrap();
        let certificate = der(front.certificate_pem());
        let trust = TlsTrust::only([certificate.as_slice()]).unwrap();
        for _ in 0..3 {
            let link = ServerLink::Tls("localhost".to_owned());
            let mut source = source(front.address(), link);
            let found = gather(&mut source, &mut Streams::new(Some(trust.clone()))).await;
            assert_eq!(found.len(), 1, "{:?}", failures(&source));
        }
        assert_eq!((front.connections(), front.resumed()), (3, 0));
    }
}

/// The one certificate of a text.
fn der(pem: &str) -> Vec<u8> {
    CertificateDer::from_pem_slice(pem.as_bytes())
        .unwrap()
        .to_vec()
}

#[tokio::test]
async fn a_server_that_cannot_prove_its_name_gets_no_word_from_us() {
    let coturn = coturn();
    let trusted = TlsTrust::only([coturn.certificate()]).unwrap();
    let machine = TlsTrust::of_this_machine().ok();
    for (trust, name) in [
        // A name that the certificate does not hold.
        (Some(trusted), "another.example.org"),
        (machine, "localhost"),
        (None, "localhost"),
    ] {
        let link = ServerLink::Tls(name.to_owned());
        let mut source = source(coturn.tls_address(), link);
        let found = gather(&mut source, &mut Streams::new(trust)).await;
        assert_eq!(found, []);
        assert_eq!(failures(&source), [TurnFailure::Tls]);
    }
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_and_one_that_is_not_there_are_told_apart() {
    let coturn = coturn();
    let trust = TlsTrust::only([coturn.certificate()]).unwrap();
    let link = ServerLink::Tls("localhost".to_owned());
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = closed.local_addr().unwrap();
    drop(closed);
    let mut source = source(nobody, link);
    let found = gather(&mut source, &mut Streams::new(Some(trust))).await;
    assert_eq!(found, []);
    assert_eq!(failures(&source), [TurnFailure::Disconnected]);
}

#[tokio::test]
async fn a_stream_is_closed_when_packets_to_its_server_leave_from_another_address() {
    let coturn = coturn();
    let mut source = source(coturn.address(), ServerLink::Tcp);
    let mut streams = Streams::new(None);
    gather(&mut source, &mut streams).await;
    assert_eq!(streams.routes_changed(|to| Some(to.ip())), []);
    // Where there is no way at all it may come back.
    assert_eq!(streams.routes_changed(|_| None), []);
    let asked = |to| {
        assert_eq!(to, coturn.address());
        Some("192.0.2.1".parse().unwrap())
    };
    let news = streams.routes_changed(asked);
    assert_eq!(news.len(), 1);
    assert!(source.handle_stream(now(), news[0].stream, news[0].event()));
    assert_eq!(streams.routes_changed(|_| None), []);
}

#[tokio::test]
async fn a_stream_from_an_address_that_is_gone_is_closed_and_asked_for_again_at_once() {
    let coturn = coturn();
    let mut source = source(coturn.address(), ServerLink::Tcp);
    let mut streams = Streams::new(None);
    let found = gather(&mut source, &mut streams).await;
    let elsewhere = "192.0.2.1".parse().unwrap();
    assert_eq!(streams.addresses_gone(&[elsewhere]), []);
    let news = streams.addresses_gone(&[coturn.address().ip()]);
    assert_eq!(news.len(), 1);
    assert!(source.handle_stream(now(), news[0].stream, news[0].event()));
    let mut lost = Vec::new();
    loop {
        match source.poll_output() {
            SourceOutput::Lost(candidate) => lost.push(candidate.address),
            // By no time-out.
            SourceOutput::Open { stream, target } => {
                assert_eq!((&lost, target.address), (&found, coturn.address()));
                streams.open(stream, target);
                break;
            }
            SourceOutput::Timeout(_) => panic!("nothing is opened"),
            _ => {}
        }
    }
    // One that is still being opened may be from there.
    assert_eq!(streams.addresses_gone(&[elsewhere]).len(), 1);
}
