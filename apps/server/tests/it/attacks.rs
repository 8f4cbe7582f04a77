//! Who gets no account, and why: each attack beside a request that is right but for one thing.

use std::thread;
use std::time::{Duration, Instant};

use securecall_contact::enrolment::{ChallengeId, EnrolmentOutcome, EnrolmentRequest, Refusal};
use securecall_crypto::{EnrolmentProof, RemoteEnrolmentKey};
use securecall_interop::Postgres;

use crate::client::{HOST, Person, post};
use crate::process::{Lab, obliging};

#[test]
fn a_right_proof_is_taken_once_and_a_repeat_with_a_new_challenge_has_the_same_answer() {
    let homeserver = obliging();
    let server = Lab::new(homeserver.address(), "").start();
    let person = Person::new(1);
    let challenge = person.challenge(server.address());
    let request = person.request(&challenge);
    let enrolled = Ok(EnrolmentOutcome::Enrolled);
    assert_eq!(person.send(server.address(), &request), enrolled);
    // Replayed.
    assert_eq!(
        person.send(server.address(), &request),
        Err(Refusal::ChallengeOver)
    );
    // The answer was lost.
    assert_eq!(person.enroll(server.address()), enrolled);
    assert_eq!(server.figure("enrolments_total{outcome=\"enrolled\"}"), 2);
    assert_eq!(
        server.figure("enrolments_total{outcome=\"challenge_over\"}"),
        1
    );
}

#[test]
fn nobody_gets_the_name_of_another_key() {
    let homeserver = obliging();
    let server = Lab::new(homeserver.address(), "").start();
    let (mallory, victim) = (Person::new(1), Person::new(2));
    let challenge = mallory.challenge(server.address());
    let right = mallory.request(&challenge);
    let refused = |request: EnrolmentRequest, why: &str| {
        let refusal = Refusal::ProofWrong;
        assert_eq!(
            mallory.send(server.address(), &request),
            Err(refusal),
            "{why}"
        );
    };

    let theirs = victim.matrix_id();
    refused(
        EnrolmentRequest {
            proof: mallory.prove(&challenge, HOST, &theirs),
            matrix_id: theirs.clone(),
            ..right.clone()
        },
        "a proof by the wrong key",
    );
    refused(
        EnrolmentRequest {
            matrix_id: theirs,
            ..right.clone()
        },
        "a right proof under another name",
    );
    refused(
        EnrolmentRequest {
            proof: EnrolmentProof::from_bytes([0; 32]),
            ..right.clone()
        },
        "no proof at all",
    );
    refused(
        EnrolmentRequest {
            password: victim.password,
            ..right.clone()
        },
        "another password than was proven",
    );
    let elsewhere = format!("@sc_{}:elsewhere.test", mallory.id())
        .parse()
        .unwrap();
    refused(
        EnrolmentRequest {
            proof: mallory.prove(&challenge, HOST, &elsewhere),
            matrix_id: elsewhere,
            ..right.clone()
        },
        "a name of another server",
    );
    refused(
        EnrolmentRequest {
            proof: mallory.prove(&challenge, "matrix.elsewhere.test", &right.matrix_id),
            ..right.clone()
        },
        "a proof that a server elsewhere was given",
    );
    let mut other_key = challenge;
    other_key.key = RemoteEnrolmentKey::from_bytes([9; 32]);
    refused(
        EnrolmentRequest {
            proof: mallory.prove(&other_key, HOST, &right.matrix_id),
            ..right.clone()
        },
        "a proof for another server's key",
    );
    // Two challenges, and the proof of the one with the name of the other.
    let second = mallory.challenge(server.address());
    refused(
        EnrolmentRequest {
            challenge: second.id,
            ..right.clone()
        },
        "swapped proofs",
    );
    // No account was asked for, and nothing of it all has used the challenge up.
    assert!(
        !homeserver
            .requests()
            .iter()
            .any(|it| it.line.starts_with("POST"))
    );
    assert_eq!(
        mallory.send(server.address(), &right),
        Ok(EnrolmentOutcome::Enrolled)
    );
}

#[test]
fn a_challenge_of_another_server_or_of_nobody_is_none() {
    let homeserver = obliging();
    let server = Lab::new(homeserver.address(), "").start();
    let lab = Lab::new(homeserver.address(), "");
    lab.secret("secret", "another secret of another server");
    let other = lab.start();
    let person = Person::new(1);
    let theirs = person.challenge(other.address());
    assert_eq!(
        person.send(server.address(), &person.request(&theirs)),
        Err(Refusal::ChallengeOver)
    );
    let mut invented = person.challenge(server.address());
    invented.id = ChallengeId::from_bytes(vec![0xff; 40]).unwrap();
    assert_eq!(
        person.send(server.address(), &person.request(&invented)),
        Err(Refusal::ChallengeOver)
    );
    // Of two servers with one secret and one database any takes what the other has asked.
    let lab = Lab::new(homeserver.address(), "");
    let database = format!("sqlite:{}", server.lab.path("server.db").display());
    lab.change("sqlite:server.db", &database);
    let twin = lab.start();
    let challenge = person.challenge(twin.address());
    let request = person.request(&challenge);
    assert_eq!(
        person.send(server.address(), &request),
        Ok(EnrolmentOutcome::Enrolled)
    );
    assert_eq!(
        person.send(twin.address(), &request),
        Err(Refusal::ChallengeOver)
    );
}

#[test]
fn keys_of_low_order_and_accounts_without_a_key_have_no_request() {
    let homeserver = obliging();
    let server = Lab::new(homeserver.address(), "").start();
    let person = Person::new(1);
    let challenge = person.challenge(server.address());
    let right = String::from_utf8(person.request(&challenge).to_json().to_vec()).unwrap();
    let name = person.matrix_id().localpart().to_owned();
    // The ID of the key 0, with its right checksum.
    let low_order = low_order_id();
    for other in [low_order.as_str(), "alice", "sc_", &name[..20], "sc_aaaa"] {
        let request = right.replace(&name, other);
        let answer = person.send_bytes(server.address(), request.as_bytes());
        assert_eq!(answer.status, 400, "{other}: {answer:?}");
        assert_eq!(answer.json()["error"], "malformed");
    }
}

/// base32 of `key ‖ SHA-256("securecall id" ‖ key ‖ version)[..2] ‖ version` for a key of zeros.
fn low_order_id() -> String {
    use sha2::{Digest as _, Sha256};

    let mut bytes = vec![0; 32];
    let checksum = Sha256::new()
        .chain_update("securecall id")
        .chain_update([0; 32])
        .chain_update([1])
        .finalize();
    bytes.extend(&checksum[..2]);
    bytes.push(1);
    format!(
        "sc_{}",
        data_encoding::BASE32_NOPAD.encode(&bytes).to_lowercase()
    )
}

#[test]
fn fifty_at_once_for_one_name_are_one_account_and_count_once() {
    let homeserver = obliging();
    let lab = Lab::new(
        homeserver.address(),
        "[enrolment]\nper_day = 1\n[limits]\nper_network_per_minute = 1000\n",
    );
    let server = lab.start();
    let address = server.address();
    let outcomes: Vec<_> = thread::scope(|scope| {
        let all: Vec<_> = (0..50)
            .map(|_| scope.spawn(move || Person::new(7).enroll(address)))
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    // One network, five an hour: who comes before the first is known may be refused for that; nobody is told anything else.
    let enrolled = outcomes.iter().filter(|it| it.is_ok()).count();
    assert!(enrolled >= 1, "{outcomes:?}");
    for outcome in &outcomes {
        assert!(
            matches!(
                outcome,
                Ok(EnrolmentOutcome::Enrolled) | Err(Refusal::TooMany)
            ),
            "{outcome:?}"
        );
    }
    // It was counted once: the day's only place is taken, and the same name is let in still.
    assert_eq!(Person::new(8).enroll(address), Err(Refusal::TooMany));
    assert_eq!(
        Person::new(7).enroll(address),
        Ok(EnrolmentOutcome::Enrolled)
    );
    let users = server.lab.told(&["user", "list"]);
    assert_eq!(users.len(), 1, "{users:?}");
    assert_eq!(users[0]["state"], "enrolled");
}

#[test]
fn a_flood_of_one_network_is_refused_and_others_are_served() {
    let homeserver = obliging();
    let server = Lab::new(
        homeserver.address(),
        "[limits]\nper_network_per_minute = 20\n",
    )
    .start();
    let flood = "x-forwarded-for: 192.0.2.1\r\n";
    let statuses: Vec<u16> = (0..60)
        .map(|_| {
            post(
                server.address(),
                "/_securecall/v1/enrolment/challenge",
                flood,
                b"{}",
            )
            .status
        })
        .collect();
    let refused = statuses.iter().filter(|status| **status == 429).count();
    assert!((30..=40).contains(&refused), "{statuses:?}");
    // Who writes the header itself is still who the proxy says.
    let forged = "x-forwarded-for: 203.0.113.99, 192.0.2.1\r\n";
    let answer = post(
        server.address(),
        "/_securecall/v1/enrolment/challenge",
        forged,
        b"{}",
    );
    assert_eq!(answer.status, 429);
    assert_eq!(answer.header("retry-after"), Some("60"));
    assert_eq!(
        Person::new(1).enroll(server.address()),
        Ok(EnrolmentOutcome::Enrolled)
    );
}

#[test]
fn rubbish_is_refused_and_changes_nothing() {
    let homeserver = obliging();
    let server = Lab::new(homeserver.address(), "").start();
    let person = Person::new(1);
    for body in [
        &b""[..],
        b"{}",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"{\"version\":1}",
        &[b'['; 4000],
    ] {
        let answer = person.send_bytes(server.address(), body);
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    let answer = person.send_bytes(server.address(), &[b' '; 5000]);
    assert_eq!(answer.status, 413, "{answer:?}");
    assert_eq!(
        person.enroll(server.address()),
        Ok(EnrolmentOutcome::Enrolled)
    );
}

#[test]
fn who_proves_nothing_learns_nothing_of_a_name_for_nobody_is_asked() {
    let mut database = Postgres::start().unwrap();
    let homeserver = obliging();
    let server = Lab::of_kind("synapse", homeserver.address(), &database.url(), "").start();
    let (mallory, victim, nobody) = (Person::new(1), Person::new(2), Person::new(3));
    let enrolled = Ok(EnrolmentOutcome::Enrolled);
    assert_eq!(victim.enroll(server.address()), enrolled);
    // Whoever asked the database or the homeserver could not answer.
    database.kill().unwrap();
    let asked = homeserver.requests().len();
    for person in [&victim, &nobody] {
        let challenge = mallory.challenge(server.address());
        let request = EnrolmentRequest {
            matrix_id: person.matrix_id(),
            ..mallory.request(&challenge)
        };
        let refused = mallory.send(server.address(), &request);
        assert_eq!(refused, Err(Refusal::ProofWrong));
    }
    assert_eq!(server.figure("failures_total{of=\"database\"}"), 0);
    assert_eq!(homeserver.requests().len(), asked);
    // The owner's proof is what they are asked for.
    assert_eq!(victim.enroll(server.address()), Err(Refusal::Unavailable));
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "an answer is not to come before its time"
)]
fn a_right_proof_is_answered_after_the_same_steps_whether_the_name_is_there_or_not() {
    let homeserver = obliging();
    let server = Lab::new(homeserver.address(), "").start();
    let person = Person::new(1);
    let made = format!(r#"{{"user_id":"{}"}}"#, person.matrix_id());
    let taken = r#"{"errcode":"M_USER_IN_USE"}"#;
    for (status, body) in [("200 OK", made.as_str()), ("400 Bad Request", taken)] {
        homeserver.answer("POST /_synapse/admin/v1/register", status, body);
        let challenge = person.challenge(server.address());
        let request = person.request(&challenge);
        let (before, begun) = (homeserver.requests().len(), Instant::now());
        assert_eq!(
            person.send(server.address(), &request),
            Ok(EnrolmentOutcome::Enrolled)
        );
        // No clock goes off early.
        assert!(begun.elapsed() >= Duration::from_millis(250), "{status}");
        assert_eq!(homeserver.requests().len(), before + 2, "{status}");
    }
}
