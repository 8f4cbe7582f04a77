//! Administrators of the homeserver: each for one command, and none is left.

use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::time::Duration;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use securecall_contact::enrolment::{EnrolmentOutcome, Refusal};
use securecall_interop::{HomeserverKind, Request, WebServer};
use serde_json::{Value, json};
use sha2::Sha256;
use sqlx::Row as _;

use crate::client::{Answer, Person};
use crate::homeservers::{ask, closed, log_in, look};
use crate::process::{Lab, SECRET, command, obeys_operators, obliging};
use crate::registration;

const ENROLLED: Result<EnrolmentOutcome, Refusal> = Ok(EnrolmentOutcome::Enrolled);

/// Asks the server's database.
fn rows(lab: &Lab, query: &'static str) -> Vec<String> {
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}", lab.path("server.db").display());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let pool = sqlx::AnyPool::connect(&url).await.unwrap();
        let rows = sqlx::query(query).fetch_all(&pool).await.unwrap();
        pool.close().await;
        rows.iter().map(|row| row.get(0)).collect()
    })
}

/// Those that are not known to be gone.
fn operators(lab: &Lab) -> Vec<String> {
    rows(lab, "SELECT name FROM operators ORDER BY name")
}

/// As after the time that a command may take.
fn time_passes(lab: &Lab) {
    rows(lab, "UPDATE operators SET not_after = 0");
}

fn disable(lab: &Lab, person: &Person) -> (i32, Vec<Value>) {
    lab.ended(&["user", "disable", person.matrix_id().as_str()])
}

/// A command that goes on until it is killed or what it waits for is released.
fn disabling(lab: &Lab, person: &Person) -> Child {
    command()
        .args(["user", "disable", person.matrix_id().as_str(), "--config"])
        .arg(lab.settings())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn killed(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The deactivations that a Synapse was asked for.
fn deactivated(homeserver: &WebServer) -> Vec<String> {
    let requests = homeserver.requests();
    let names = requests.iter().filter_map(|request| {
        let path = request.line.split(' ').nth(1)?;
        path.strip_prefix("/_synapse/admin/v1/deactivate/")
    });
    names
        .map(|name| {
            name.replace("%40", "@")
                .replace("%5F", "_")
                .replace("%3A", ":")
                .replace("%2E", ".")
        })
        .collect()
}

fn named(name: &str) -> String {
    format!("@{name}:homeserver.test")
}

#[test]
fn a_command_ends_the_administrator_that_it_made() {
    let homeserver = obliging();
    let server = Lab::new(homeserver.address(), "").start();
    let person = Person::new(1);
    assert_eq!(person.enroll(server.address()), ENROLLED);
    obeys_operators(&homeserver);
    assert_eq!(disable(&server.lab, &person).0, 0);
    let gone = deactivated(&homeserver);
    assert_eq!(gone.len(), 2, "{gone:?}");
    assert_eq!(gone[0], person.matrix_id().as_str());
    let last = homeserver.requests().pop().unwrap();
    assert!(last.line.contains("operator"), "{last:?}");
    assert!(operators(&server.lab).is_empty());
    assert_eq!(person.enroll(server.address()), Err(Refusal::Disabled));
    assert_eq!(server.lab.told(&["user", "list"])[0]["state"], "disabled");
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the table is looked at until it is as it should be"
)]
fn what_a_killed_command_has_left_is_ended_by_the_server_and_not_before_its_time() {
    let homeserver = obliging();
    let server = Lab::new(homeserver.address(), "").start();
    let (first, second) = (Person::new(1), Person::new(2));
    assert_eq!(first.enroll(server.address()), ENROLLED);
    obeys_operators(&homeserver);
    homeserver.hold("/_synapse/admin/v1/deactivate/");
    let command = disabling(&server.lab, &first);
    homeserver
        .wait_for("/_synapse/admin/v1/deactivate/")
        .unwrap();
    killed(command);
    homeserver.release();
    let left = operators(&server.lab);
    assert_eq!(left.len(), 1, "{left:?}");

    // It might still be at work.
    assert_eq!(disable(&server.lab, &second).0, 0);
    assert_eq!(operators(&server.lab), left);
    let is_ended = || deactivated(&homeserver).contains(&named(&left[0]));
    assert!(!is_ended());

    let (_, lab) = server.killed();
    time_passes(&lab);
    let server = lab.start();
    while !operators(&server.lab).is_empty() {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(is_ended());
    // And the one that ended it, in the end.
    let last = deactivated(&homeserver).pop().unwrap();
    assert!(last.starts_with("@securecall_operator_"), "{last}");
    assert_ne!(last, named(&left[0]));
}

#[test]
fn whatever_fails_none_is_forgotten() {
    let homeserver = obliging();
    let server = Lab::new(homeserver.address(), "").start();
    let (lab, person) = (&server.lab, Person::new(1));
    let register = "POST /_synapse/admin/v1/register";
    let itself = "POST /_synapse/admin/v1/deactivate/%40securecall%5Foperator%5F";
    assert_eq!(person.enroll(server.address()), ENROLLED);

    // Nobody was made: there is nobody to end.
    homeserver.answer(register, "403 Forbidden", r#"{"errcode":"M_FORBIDDEN"}"#);
    assert_eq!(disable(lab, &person).0, 5);
    homeserver.answer("GET /_synapse/admin", "502 Bad Gateway", "");
    assert_eq!(disable(lab, &person).0, 5);
    homeserver.answer("GET /_synapse/admin", "200 OK", r#"{"nonce":"n"}"#);
    assert!(operators(lab).is_empty());

    // Somebody may have been made.
    homeserver.answer(register, "500 Internal Server Error", "");
    assert_eq!(disable(lab, &person).0, 5);
    homeserver.answer(
        register,
        "200 OK",
        r#"{"user_id":"@x:else.test","access_token":"t"}"#,
    );
    assert_eq!(disable(lab, &person).0, 5);
    obeys_operators(&homeserver);
    assert_eq!(operators(lab).len(), 2);

    // The administrator has done its work, and cannot be ended.
    homeserver.answer(itself, "500 Internal Server Error", "");
    assert_eq!(disable(lab, &person).0, 0);
    assert_eq!(operators(lab).len(), 3);
    // Their time is over. One of them cannot be ended; the others are.
    time_passes(lab);
    let stubborn = operators(lab).remove(0);
    homeserver.answer(itself, "200 OK", "{}");
    let path = format!("deactivate/%40{}%3A", stubborn.replace('_', "%5F"));
    homeserver.answer(&path, "500 Internal Server Error", "");
    assert_eq!(disable(lab, &person).0, 0);
    assert_eq!(operators(lab), [stubborn]);
    // The account was not to be had: the command fails, and leaves nobody.
    homeserver.answer(&path, "404 Not Found", r#"{"errcode":"M_NOT_FOUND"}"#);
    homeserver.answer("deactivate/%40sc%5F", "500 Internal Server Error", "");
    assert_eq!(disable(lab, &person).0, 5);
    assert!(operators(lab).is_empty());
    // There is no such account: it is shut out.
    homeserver.answer(
        "deactivate/%40sc%5F",
        "404 Not Found",
        r#"{"errcode":"M_NOT_FOUND"}"#,
    );
    assert_eq!(disable(lab, &Person::new(2)).0, 0);
    assert!(operators(lab).is_empty());
}

/// What administrators were made with.
fn appointments(homeserver: &WebServer) -> Vec<(String, String)> {
    let of = |request: Request| {
        let body: Value = serde_json::from_str(&request.body).ok()?;
        let text = |name: &str| Some(body[name].as_str()?.to_owned());
        let is_admin = body["admin"].as_bool()?;
        is_admin.then_some((text("username")?, text("password")?))
    };
    homeserver.requests().into_iter().filter_map(of).collect()
}

fn log_in_as(homeserver: SocketAddr, (name, password): &(String, String)) -> Answer {
    let body = json!({
        "type": "m.login.password",
        "identifier": { "type": "m.id.user", "user": name },
        "password": password,
    });
    ask(homeserver, "/_matrix/client/v3/login", None, &body)
}

/// Of an access token.
fn is_good(homeserver: SocketAddr, token: &str) -> bool {
    let answer = look(homeserver, "/_matrix/client/v3/account/whoami", token);
    assert!(matches!(answer.status, 200 | 401), "{answer:?}");
    answer.status == 200
}

fn none_is_left(kind: HomeserverKind, name: &str, work: &str) {
    let homeserver = closed(kind);
    let front = WebServer::in_front_of(homeserver.address()).unwrap();
    let server = Lab::of_kind(name, front.address(), "sqlite:server.db", "").start();
    let people: Vec<Person> = (1..=4).map(Person::new).collect();
    for person in &people {
        assert_eq!(person.enroll(server.address()), ENROLLED);
    }
    let log_in_as = |one| log_in_as(homeserver.address(), one);

    // Each command has one of its own, which lets nobody in afterwards.
    for person in &people[..2] {
        assert_eq!(disable(&server.lab, person).0, 0);
        assert_eq!(log_in(homeserver.address(), person).status, 403);
    }
    let made = appointments(&front);
    assert_eq!(made.len(), 2);
    assert!(made[0].0 != made[1].0 && made[0].1 != made[1].1, "{made:?}");
    for one in &made {
        assert_eq!(log_in_as(one).status, 403);
    }

    // One that a command has left lets in whoever knows what nobody knows.
    front.hold(work);
    let command = disabling(&server.lab, &people[2]);
    while appointments(&front).len() < 3 || operators(&server.lab).is_empty() {
        std::thread::yield_now();
    }
    wait_for_last(&front, work);
    killed(command);
    front.release();
    let left = appointments(&front).pop().unwrap();
    assert_eq!(operators(&server.lab), [left.0.as_str()]);
    let session = log_in_as(&left);
    assert_eq!(session.status, 200, "{session:?}");
    let token = session.json()["access_token"].as_str().unwrap().to_owned();
    // The next command ends it, with the session.
    time_passes(&server.lab);
    assert_eq!(disable(&server.lab, &people[3]).0, 0);
    assert_eq!(log_in_as(&left).status, 403);
    assert!(!is_good(homeserver.address(), &token));
    assert!(operators(&server.lab).is_empty());
    // One that was never made, and one that is gone already, are no trouble.
    rows(
        &server.lab,
        "INSERT INTO operators (name, not_after) VALUES ('securecall_operator_x', 0)",
    );
    let again = made[0].0.clone();
    let insert = format!("INSERT INTO operators (name, not_after) VALUES ('{again}', 0)");
    rows(&server.lab, Box::leak(insert.into_boxed_str()));
    assert_eq!(disable(&server.lab, &people[2]).0, 0);
    assert!(operators(&server.lab).is_empty());
    assert_eq!(log_in(homeserver.address(), &people[2]).status, 403);
}

/// Until the newest request is the one.
fn wait_for_last(front: &WebServer, what: &str) {
    while !front
        .requests()
        .last()
        .is_some_and(|it| it.line.contains(what))
    {
        std::thread::yield_now();
    }
}

#[test]
fn none_is_left_at_a_synapse() {
    none_is_left(HomeserverKind::Synapse, "synapse", "/deactivate/");
}

#[test]
fn none_is_left_at_a_dendrite() {
    none_is_left(HomeserverKind::Dendrite, "dendrite", "/resetPassword/");
}

/// What the first version made for all commands: a name and a password that follow from the server's secret.
fn operator_of_first_version(lab: &Lab, homeserver: SocketAddr) -> (String, String) {
    let secret = std::fs::read_to_string(lab.path("secret")).unwrap();
    let mut hmac = Hmac::<Sha256>::new_from_slice(secret.trim().as_bytes()).unwrap();
    hmac.update(b"securecall-server password\0operator");
    let password = HEXLOWER.encode(&hmac.finalize().into_bytes());
    let name = "securecall_operator".to_owned();
    let nonce = look(homeserver, registration::PATH, "").json();
    let request = registration::request(SECRET, &nonce, &name, &password, true);
    let made = ask(homeserver, registration::PATH, None, &request);
    assert_eq!(made.status, 200, "{made:?}");
    (name, password)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the table is looked at until it is as it should be"
)]
fn the_first_versions_is_ended(kind: HomeserverKind, name: &str) {
    let homeserver = closed(kind);
    let address = homeserver.address();
    let server = Lab::of_kind(name, address, "sqlite:server.db", "").start();
    let people = [1, 2].map(Person::new);
    for person in &people {
        assert_eq!(person.enroll(server.address()), ENROLLED);
    }
    // As its database was after its `user disable`.
    let (_, lab) = server.killed();
    for undo in [
        "DROP TABLE operators",
        "DELETE FROM _sqlx_migrations WHERE version = 2",
        "UPDATE users SET state = 'disabled' WHERE id = (SELECT min(id) FROM users)",
    ] {
        rows(&lab, undo);
    }
    let operator = operator_of_first_version(&lab, address);
    let session = log_in_as(address, &operator);
    assert_eq!(session.status, 200, "{session:?}");
    let token = session.json()["access_token"].as_str().unwrap().to_owned();
    assert!(is_good(address, &token));

    let server = lab.start();
    while !operators(&server.lab).is_empty() {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(log_in_as(address, &operator).status, 403);
    assert!(!is_good(address, &token));
    // The new version does without it.
    assert_eq!(disable(&server.lab, &people[0]).0, 0);
    assert_eq!(log_in(address, &people[0]).status, 403);
    assert!(operators(&server.lab).is_empty());
}

#[test]
fn that_of_the_first_version_is_ended_at_a_synapse() {
    the_first_versions_is_ended(HomeserverKind::Synapse, "synapse");
}

#[test]
fn that_of_the_first_version_is_ended_at_a_dendrite() {
    the_first_versions_is_ended(HomeserverKind::Dendrite, "dendrite");
}
