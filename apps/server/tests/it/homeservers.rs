//! A real Synapse and a real Dendrite, whose registration is closed.

use std::net::SocketAddr;

use securecall_contact::enrolment::{EnrolmentOutcome, EnrolmentRequest, Refusal};
use securecall_interop::{Homeserver, HomeserverKind, HomeserverOptions, Registration, WebServer};
use serde_json::{Value, json};

use crate::client::{Answer, Person, post, say};
use crate::process::{Lab, SECRET};
use crate::tokens::{buy, issuer_settings};

const ENROLLED: Result<EnrolmentOutcome, Refusal> = Ok(EnrolmentOutcome::Enrolled);

pub(crate) fn closed(kind: HomeserverKind) -> Box<dyn Homeserver> {
    kind.start(HomeserverOptions {
        registration: Registration::Closed,
        registration_secret: Some(SECRET.to_owned()),
        ..HomeserverOptions::default()
    })
    .unwrap()
}

pub(crate) fn ask(homeserver: SocketAddr, path: &str, token: Option<&str>, body: &Value) -> Answer {
    let authorization = token.map_or_else(String::new, |token| {
        format!("authorization: Bearer {token}\r\n")
    });
    let headers = format!("content-type: application/json\r\n{authorization}");
    let mut answer = post(homeserver, path, &headers, body.to_string().as_bytes());
    answer.body = unchunked(&answer);
    answer
}

/// Homeservers that do not know the length beforehand send chunks.
fn unchunked(answer: &Answer) -> Vec<u8> {
    if answer.header("transfer-encoding") != Some("chunked") {
        return answer.body.clone();
    }
    let mut whole = Vec::new();
    let mut rest = answer.body.as_slice();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let length = std::str::from_utf8(&rest[..end]).unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            break;
        }
        whole.extend(&rest[end + 2..end + 2 + length]);
        rest = &rest[end + 2 + length + 2..];
    }
    whole
}

pub(crate) fn log_in(homeserver: SocketAddr, person: &Person) -> Answer {
    ask(
        homeserver,
        "/_matrix/client/v3/login",
        None,
        &json!({
            "type": "m.login.password",
            "identifier": { "type": "m.id.user", "user": person.matrix_id().as_str() },
            "password": person.password.expose(),
        }),
    )
}

/// What somebody who is logged in is told.
pub(crate) fn look(homeserver: SocketAddr, path: &str, token: &str) -> Answer {
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    let mut answer = say(homeserver, request.as_bytes());
    answer.body = unchunked(&answer);
    answer
}

fn devices(homeserver: SocketAddr, token: &str) -> usize {
    let answer = look(homeserver, "/_matrix/client/v3/devices", token);
    answer.json()["devices"].as_array().unwrap().len()
}

fn from_proof_to_account(kind: HomeserverKind, name: &str) {
    let homeserver = closed(kind);
    let address = homeserver.address();
    let lab = Lab::of_kind(name, address, "sqlite:server.db", "");
    let issuer = issuer_settings(&lab, 2);
    let settings = std::fs::read_to_string(lab.settings()).unwrap();
    std::fs::write(lab.settings(), format!("{settings}{}", issuer.settings)).unwrap();
    let server = lab.start();

    // Nobody registers there by themselves.
    let person = Person::new(1);
    let registered = ask(
        address,
        "/_matrix/client/v3/register",
        None,
        &json!({
            "username": person.matrix_id().localpart(),
            "password": person.password.expose(),
            "auth": { "type": "m.login.dummy" },
        }),
    );
    assert_eq!(registered.status, 403, "{registered:?}");
    assert_eq!(log_in(address, &person).status, 403);

    assert_eq!(person.enroll(server.address()), ENROLLED);
    let session = log_in(address, &person);
    assert_eq!(session.status, 200, "{session:?}");
    let session = session.json();
    assert_eq!(session["user_id"], person.matrix_id().as_str());
    let token = session["access_token"].as_str().unwrap();
    // Enrolment has left no device: calls would be sent to it.
    assert_eq!(devices(address, token), 1);
    // Again, as after a lost answer; the session goes on.
    assert_eq!(person.enroll(server.address()), ENROLLED);
    assert_eq!(devices(address, token), 1);

    // Tokens for users of this homeserver, and so many.
    let open_id = ask(
        address,
        &format!(
            "/_matrix/client/v3/user/{}/openid/request_token",
            person.matrix_id()
        ),
        Some(token),
        &json!({}),
    );
    assert_eq!(open_id.status, 200, "{open_id:?}");
    let open_id = open_id.json()["access_token"].as_str().unwrap().to_owned();
    for status in [200, 200, 429] {
        assert_eq!(buy(&issuer, server.address(), Some(&open_id)), status);
    }
    assert_eq!(buy(&issuer, server.address(), Some("made up")), 401);

    // Shut out: the session ends, and nothing is to be had.
    server
        .lab
        .told(&["user", "disable", person.matrix_id().as_str()]);
    assert_eq!(log_in(address, &person).status, 403);
    let asked = ask(
        address,
        "/_matrix/client/v3/keys/query",
        Some(token),
        &json!({ "device_keys": {} }),
    );
    assert_eq!(asked.status, 401, "{asked:?}");
    assert_eq!(person.enroll(server.address()), Err(Refusal::Disabled));
    assert_eq!(buy(&issuer, server.address(), Some(&open_id)), 401);
    // Others are not touched, and it works a second time.
    assert_eq!(Person::new(2).enroll(server.address()), ENROLLED);
    server
        .lab
        .told(&["user", "disable", &Person::new(2).id().to_string()]);
}

#[test]
fn from_proof_to_account_at_a_synapse() {
    from_proof_to_account(HomeserverKind::Synapse, "synapse");
}

#[test]
fn from_proof_to_account_at_a_dendrite() {
    from_proof_to_account(HomeserverKind::Dendrite, "dendrite");
}

fn fifty_at_once(kind: HomeserverKind, name: &str) {
    let homeserver = closed(kind);
    let more = "[enrolment]\nper_network_per_hour = 100\nper_day = 1\n[limits]\nper_network_per_minute = 1000\n";
    let server = Lab::of_kind(name, homeserver.address(), "sqlite:server.db", more).start();
    let address = server.address();
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..50)
            .map(|_| scope.spawn(move || Person::new(7).enroll(address)))
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(outcomes.iter().all(|it| *it == ENROLLED), "{outcomes:?}");
    assert_eq!(log_in(homeserver.address(), &Person::new(7)).status, 200);
}

#[test]
fn fifty_at_once_are_one_account_at_a_synapse() {
    fifty_at_once(HomeserverKind::Synapse, "synapse");
}

#[test]
fn fifty_at_once_are_one_account_at_a_dendrite() {
    fifty_at_once(HomeserverKind::Dendrite, "dendrite");
}

/// So it is asked three times for a new name, and twice for one that is there; that the time does not tell is for the steps of answers.
#[test]
fn a_dendrite_is_asked_for_the_end_of_the_device_that_comes_with_an_account_and_by_its_owner_alone()
{
    let homeserver = closed(HomeserverKind::Dendrite);
    let front = WebServer::in_front_of(homeserver.address()).unwrap();
    let server = Lab::of_kind("dendrite", front.address(), "sqlite:server.db", "").start();
    let (person, mallory) = (Person::new(1), Person::new(2));
    let asked = |before: usize| {
        let requests = front.requests();
        let lines = requests[before..].iter().map(|it| &it.line);
        lines
            .map(|line| line.rsplit_once(' ').unwrap().0.to_owned())
            .collect::<Vec<_>>()
    };
    let account = [
        "GET /_synapse/admin/v1/register",
        "POST /_synapse/admin/v1/register",
    ];
    let device = ["POST /_matrix/client/v3/logout"];
    for wanted in [[&account[..], &device].concat(), account.to_vec()] {
        let challenge = person.challenge(server.address());
        let request = person.request(&challenge);
        let before = front.requests().len();
        assert_eq!(person.send(server.address(), &request), ENROLLED);
        assert_eq!(asked(before), wanted);
        // Who is not the owner has nobody asked.
        let before = front.requests().len();
        let request = EnrolmentRequest {
            matrix_id: person.matrix_id(),
            ..mallory.request(&mallory.challenge(server.address()))
        };
        let refused = mallory.send(server.address(), &request);
        assert_eq!(refused, Err(Refusal::ProofWrong));
        assert_eq!(front.requests().len(), before);
    }
}
