//! Somebody who listens on the way to a server, and is faster than it: no address is lost by what they say.

use std::net::SocketAddr;
use std::time::Duration;

use securecall_relay::stun::{AttributeType, Message, Method};
use securecall_relay::{CandidateSource as _, Datagram, TurnSource};
use web_time::Instant;

use crate::network::{DELAY, MS, Network, Server, address, answer_to, ids};
use crate::scripted_server::{
    LISTEN, PEER, SOCKET, Scripted, challenge, failures, grant, key, network, refusal, server_at,
};

/// What they say to a request, if anything.
type Forge = Box<dyn FnMut(&Message<'_>) -> Option<Vec<u8>>>;

/// A server whose requests are heard by somebody else, too.
struct Overheard {
    server: Scripted,
    forge: Forge,
    /// The server's answers to so many requests get lost.
    lost: usize,
}

impl Server for Overheard {
    fn owns(&self, address: SocketAddr) -> bool {
        self.server.owns(address)
    }

    fn handle(&mut self, now: Instant, packet: Datagram) -> Vec<Datagram> {
        let request = Message::parse(&packet.contents).ok();
        let is_authenticated =
            |request: &Message<'_>| request.attribute(AttributeType::USERNAME).is_some();
        let request = request.filter(is_authenticated);
        let forged = request.and_then(|request| (self.forge)(&request));
        let is_forged = forged.is_some();
        let forged = forged.map(|contents| answer_to(&packet, contents));
        let mut answers = self.server.handle(now, packet);
        if is_forged && self.lost > 0 {
            self.lost -= 1;
            answers.clear();
        }
        forged.into_iter().chain(answers).collect()
    }
}

/// A server that knows its own nonce alone.
fn careful() -> Scripted {
    Scripted::new(LISTEN, |request| {
        let nonce = request.text(AttributeType::NONCE, 763);
        Some(if nonce == Some("a nonce") {
            grant(request).integrity(&key()).finish()
        } else {
            challenge(request, 438)
        })
    })
}

/// A source with an address, that has a peer.
fn granted(
    lost: usize,
    forge: impl FnMut(&Message<'_>) -> Option<Vec<u8>> + 'static,
) -> Network<TurnSource> {
    let source = TurnSource::new([server_at(LISTEN)], ids(2));
    let overheard = Overheard {
        server: careful(),
        forge: Box::new(forge),
        lost,
    };
    let mut network = Network::new(source).with_server("turn", overheard);
    network.gather(&[SOCKET]);
    network.run_for(4 * DELAY);
    assert_eq!(network.candidates.len(), 1);
    network
}

fn forged(request: &Message<'_>, code: u16, nonce: Option<&[u8]>, algorithms: bool) -> Vec<u8> {
    let alternate = [0, 1, 13, 150, 203, 0, 113, 66];
    let mut forged = refusal(request, code)
        .attribute(AttributeType::ALTERNATE_SERVER, &alternate)
        .attribute(AttributeType::REALM, b"example.org");
    if let Some(nonce) = nonce {
        forged = forged.attribute(AttributeType::NONCE, nonce);
    }
    if algorithms {
        // SHA-256, which the server has never named.
        forged = forged.attribute(AttributeType::PASSWORD_ALGORITHMS, &[0, 2, 0, 0]);
    }
    forged.finish()
}

#[test]
fn no_refusal_of_somebody_else_costs_an_address_whatever_is_asked_for() {
    let nonces = [Some(&b"of somebody else"[..]), None];
    for (code, nonce) in [300, 400, 401, 403, 437, 438, 486, 500]
        .into_iter()
        .flat_map(|code| nonces.map(|nonce| (code, nonce)))
    {
        for algorithms in [false, true] {
            for lost in [0, 1] {
                let mut network = granted(lost, move |request| {
                    let is_first = request.method() == Method::Allocate;
                    (!is_first).then(|| forged(request, code, nonce, algorithms))
                });
                let what = format!("{code} {nonce:?} {algorithms} {lost}");
                let own = network.addresses()[0];
                network.drive(|source, now| source.allow_peer(now, address(PEER)));
                network.run_for(Duration::from_secs(2));
                network.drive(|source, now| source.prefer_peer(now, own, address(PEER)));
                network.drive(|source, now| source.check(now));
                // It is kept after five minutes, and the peer's way in after four.
                network.run_for(Duration::from_secs(310));
                assert_eq!(network.lost, [], "{what}");
                assert_eq!(failures(&network), [], "{what}");
                let peer = address(PEER).ip();
                assert_eq!(network.source.permits(own, peer), Some(true), "{what}");
                assert!(
                    network.sent.len() < 60,
                    "{what}: {} requests",
                    network.sent.len()
                );
            }
        }
    }
}

#[test]
fn who_forges_an_answer_to_every_question_for_minutes_gets_no_further() {
    for code in [401, 437, 438] {
        let mut count = 0_u32;
        let mut network = granted(0, move |request| {
            count += 1;
            let nonce = count.to_string();
            let is_first = request.method() == Method::Allocate;
            (!is_first).then(|| forged(request, code, Some(nonce.as_bytes()), false))
        });
        for _ in 0..300 {
            network.drive(|source, now| source.check(now));
            network.run_for(Duration::from_secs(1));
        }
        assert_eq!((&network.lost[..], failures(&network)), (&[][..], vec![]));
        // Each question is asked once more for each nonce that is shown, thrice at most.
        let sent = network.sent.len();
        assert!((300..1300).contains(&sent), "{code}: {sent}");
    }
}

#[test]
fn whoever_keeps_the_servers_answers_away_as_well_has_no_more_asked_by_new_nonces() {
    let mut count = 0_u32;
    let mut network = granted(usize::MAX, move |request| {
        count += 1;
        let nonce = count.to_string();
        let is_first = request.method() == Method::Allocate;
        (!is_first).then(|| forged(request, 438, Some(nonce.as_bytes()), false))
    });
    let before = network.sent.len();
    network.drive(|source, now| source.check(now));
    network.run_for(Duration::from_secs(5));
    // The question, once more for each of three nonces, and the last of these five times in all.
    assert_eq!(network.sent.len() - before, 3 + 5);
}

#[test]
fn the_servers_own_nonce_is_used_again_once_it_has_taken_it_whatever_others_were_named() {
    let mut has_forged = false;
    let mut network = granted(0, move |request| {
        let is_first = request.method() == Method::Allocate;
        let forges = !is_first && !std::mem::replace(&mut has_forged, !is_first);
        forges.then(|| forged(request, 438, Some(b"of somebody else"), false))
    });
    for asked in [2, 1] {
        let before = network.sent.len();
        network.drive(|source, now| source.check(now));
        network.run_for(Duration::from_secs(3));
        assert_eq!(network.sent.len() - before, asked);
    }
}

#[test]
fn a_refusal_of_another_realm_is_not_even_doubted() {
    let mut network = granted(3, |request| {
        let refused = refusal(request, 401)
            .attribute(AttributeType::REALM, b"example.net")
            .attribute(AttributeType::NONCE, b"a nonce");
        (request.method() == Method::Refresh).then(|| refused.finish())
    });
    // It is kept after five minutes. Three answers are lost, which takes longer than any doubt.
    network.run_for(Duration::from_secs(310));
    assert_eq!((&network.lost[..], failures(&network)), (&[][..], vec![]));
}

#[test]
fn what_the_server_says_itself_is_believed_half_a_second_after_it_without_a_signature_and_at_once_with_one()
 {
    for (code, signed, after) in [
        (401, false, 500),
        (437, false, 500),
        (500, false, 500),
        (437, true, 0),
        (403, true, 0),
    ] {
        let mut network = network(Scripted::new(LISTEN, move |request| {
            Some(match request.method() {
                Method::Refresh => {
                    let refused = refusal(request, code)
                        .attribute(AttributeType::REALM, b"example.org")
                        .attribute(AttributeType::NONCE, b"a nonce");
                    if signed {
                        refused.integrity(&key()).finish()
                    } else {
                        refused.finish()
                    }
                }
                _ => grant(request).integrity(&key()).finish(),
            })
        }));
        network.run_for(500 * MS);
        assert_eq!(network.candidates.len(), 1);
        network.drive(|source, now| source.check(now));
        network.run_for(2 * DELAY + after * MS - MS);
        assert_eq!(network.lost, [], "{code}");
        network.run_for(MS);
        assert_eq!(network.lost.len(), 1, "{code}");
        network.run_for(4 * DELAY);
        assert_eq!(network.candidates.len(), 2, "{code}: another is asked for");
    }
}
