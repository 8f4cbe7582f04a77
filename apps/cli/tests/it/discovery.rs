//! From the name of a server to its homeserver, and what no server gets on that way.

use std::fmt::Write as _;

use securecall_crypto::IdentitySeed;
use securecall_interop::{Synapse, SynapseOptions, WebServer};
use serde_json::json;

use crate::command::{Machine, expect};
use crate::talker::homeserver;
use crate::web_names::{WebNames, delegate, fish, has_seen, open_session, well_known};

/// A homeserver with a name of its own.
fn synapse(server_name: &str) -> Synapse {
    Synapse::start(SynapseOptions {
        server_name: server_name.to_owned(),
        ..SynapseOptions::default()
    })
    .unwrap()
}

/// An identity, its phrase, and a way to have it on other machines.
struct Person {
    phrase: String,
    id: String,
    seed: IdentitySeed,
}

impl Person {
    fn new() -> (Self, Machine) {
        let machine = Machine::new();
        let identity = machine.json(&["id", "new"]).remove(0);
        let field = |name: &str| identity[name].as_str().unwrap().to_owned();
        let (phrase, id) = (field("phrase"), field("id"));
        let seed = IdentitySeed::from_phrase(&phrase).unwrap();
        (Self { phrase, id, seed }, machine)
    }

    /// A new machine that has nothing but the phrase.
    fn restored(&self) -> Machine {
        let machine = Machine::new();
        let ended = machine.run_with_input(&["id", "restore"], &self.phrase);
        assert_eq!(ended.code, 0, "{ended:?}");
        machine
    }

    fn matrix_id(&self, server_name: &str) -> String {
        format!("@sc_{}:{server_name}", self.id)
    }
}

#[test]
fn a_name_leads_to_its_homeserver_and_both_yield_the_same_account() {
    let synapse = synapse("example.test");
    let mut names = WebNames::new();
    let website = names.web_server("example.test");
    delegate(&website, "https://matrix.example.test/");
    names.add("matrix.example.test", synapse.address());

    let (person, first) = Person::new();
    let account = names.json(&first, &["register", "--homeserver", "example.test"]);
    let matrix_id = person.matrix_id("example.test");
    assert_eq!(account["matrix_id"], matrix_id);
    assert_eq!(account["homeserver"], "https://matrix.example.test");
    // The name is asked where the homeserver is, and nothing else.
    let asked: Vec<String> = website.requests().into_iter().map(|it| it.line).collect();
    assert_eq!(asked, ["GET /.well-known/matrix/client HTTP/1.1"]);

    for given in [
        "https://matrix.example.test",
        "https://matrix.example.test//_matrix/client/?a=b#c",
        "https://Example.Test/",
        "example.test.",
    ] {
        let again = names.json(&person.restored(), &["register", "--homeserver", given]);
        assert_eq!(again["matrix_id"], matrix_id, "{given}");
        assert_eq!(
            again["homeserver"], "https://matrix.example.test",
            "{given}"
        );
    }
    // The Matrix ID alone says where it is.
    let again = names.json(&person.restored(), &["login", "--user", &matrix_id]);
    assert_eq!(again["matrix_id"], matrix_id);
}

#[test]
fn an_account_made_at_an_address_is_still_had_when_it_names_another() {
    let synapse = synapse("example.test");
    let mut names = WebNames::new();
    let example = WebServer::in_front_of(synapse.address()).unwrap();
    names.add("example.test", example.address());
    names.add("matrix.example.test", synapse.address());
    let given = ["register", "--homeserver", "https://example.test"];

    well_known(&example, "404 Not Found", "");
    let (person, first) = Person::new();
    let matrix_id = person.matrix_id("example.test");
    assert_eq!(
        names.json(&first, &given)["homeserver"],
        "https://example.test"
    );

    delegate(&example, "https://matrix.example.test");
    let again = names.json(&person.restored(), &given);
    assert_eq!(again["matrix_id"], matrix_id);
    assert_eq!(again["homeserver"], "https://example.test");
    let by_user = names.json(&person.restored(), &["login", "--user", &matrix_id]);
    assert_eq!(by_user["matrix_id"], matrix_id);

    // Whatever it says: for an account there is the address itself. None is made where it does not say where.
    for useless in ["nonsense", "https://nowhere.test"] {
        delegate(&example, useless);
        let by_user = names.json(&person.restored(), &["login", "--user", &matrix_id]);
        assert_eq!(by_user["homeserver"], "https://example.test", "{useless}");
        let (code, error) = names.refused(&person.restored(), &given);
        assert_eq!(code, 5, "{error}");
    }
    for useless in ["", "<html>", "{}", "[]"] {
        well_known(&example, "200 OK", useless);
        let again = names.json(&person.restored(), &given);
        assert_eq!(again["homeserver"], "https://example.test", "{useless}");
    }

    // The password is for the host that it was made for, and for no other that leads to the same homeserver.
    let other = ["register", "--homeserver", "https://matrix.example.test"];
    let error = expect(names.refused(&person.restored(), &other), 5, "name_taken");
    let help = error["help"].as_str().unwrap();
    assert!(help.contains("the address that it was made at"), "{help}");
}

#[test]
fn a_name_that_leads_to_somebody_elses_homeserver_gets_no_account_and_no_password() {
    let synapse = synapse("honest.test");
    let mut names = WebNames::new();
    names.add("matrix.honest.test", synapse.address());
    let evil = names.web_server("evil.test");
    delegate(&evil, "https://matrix.honest.test");
    let (person, machine) = Person::new();
    let by_name = ["register", "--homeserver", "evil.test"];
    let error = expect(names.refused(&machine, &by_name), 5, "homeserver_fault");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("is the homeserver of honest.test"),
        "{message}"
    );
    expect(machine.refused(&["logout"]), 2, "no_account");

    // Now it would like to have the password of the account that it had made there.
    fish(&evil);
    delegate(&evil, "https://evil.test");
    for arguments in [
        by_name.as_slice(),
        &[
            "login",
            "--user",
            &person.matrix_id("honest.test"),
            "--homeserver",
            "evil.test",
        ],
        &["login", "--user", &person.matrix_id("evil.test")],
    ] {
        let (code, error) = names.refused(&person.restored(), arguments);
        assert_eq!(code, 5, "{error}");
    }
    for host in ["matrix.honest.test", "honest.test", "localhost"] {
        assert!(
            !has_seen(&evil, &person.seed.account_password(host)),
            "{host}"
        );
    }
    // What it gets is its own.
    assert!(has_seen(&evil, &person.seed.account_password("evil.test")));

    // Whose it is all the same gets it, by that homeserver's own address.
    let own = ["register", "--homeserver", "https://matrix.honest.test"];
    let account = names.json(&person.restored(), &own);
    assert_eq!(account["matrix_id"], person.matrix_id("honest.test"));
}

#[test]
fn a_homeserver_that_claims_anothers_name_is_refused_and_learns_nothing() {
    let mut names = WebNames::new();
    let honest = names.web_server("honest.test");
    delegate(&honest, "https://matrix.honest.test");
    let evil = names.web_server("evil.test");
    let (person, machine) = Person::new();
    let claim = |server_name: &str| json!({"user_id": person.matrix_id(server_name), "device_id": "D", "access_token": "t"});
    let register = ["register", "--homeserver", "https://evil.test"];

    open_session(&evil, &claim("honest.test"));
    let error = expect(names.refused(&machine, &register), 5, "homeserver_fault");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("is at matrix.honest.test"), "{message}");
    // Its session is ended again.
    assert!(has_seen(&evil, "POST /_matrix/client/v3/logout"));

    // As one that a name has led to, it may not even take a name that says nothing.
    let shop = names.web_server("shop.test");
    delegate(&shop, "https://evil.test");
    for server_name in ["evil.test", "nobody.test"] {
        open_session(&evil, &claim(server_name));
        let by_shop = ["register", "--homeserver", "shop.test"];
        let error = expect(names.refused(&machine, &by_shop), 5, "homeserver_fault");
        assert!(
            error["message"]
                .as_str()
                .unwrap()
                .contains("leads to https://evil.test")
        );
    }
    for host in [
        "matrix.honest.test",
        "honest.test",
        "shop.test",
        "nobody.test",
    ] {
        assert!(
            !has_seen(&evil, &person.seed.account_password(host)),
            "{host}"
        );
    }
    assert!(has_seen(&evil, &person.seed.account_password("evil.test")));
    expect(machine.refused(&["logout"]), 2, "no_account");
}

#[test]
fn nobody_elsewhere_leads_to_this_machine_or_out_of_encryption() {
    let local = WebServer::start().unwrap();
    fish(&local);
    let port = local.address().port();
    let mut names = WebNames::new();
    let evil = names.web_server("evil.test");
    let (person, machine) = Person::new();
    let user = person.matrix_id("evil.test");
    let by_name = ["register", "--homeserver", "evil.test"];
    let by_user = ["login", "--user", &user];

    for (host, kind, code) in [
        ("http://127.0.0.1", "homeserver_fault", 5),
        ("http://localhost", "homeserver_fault", 5),
        ("http://a.localhost", "homeserver_fault", 5),
        ("https://localhost", "homeserver_fault", 5),
        ("http://[::ffff:127.0.0.1]", "homeserver_fault", 5),
        ("https://0.0.0.0", "homeserver_fault", 5),
        ("http://matrix.evil.test", "certificate_refused", 3),
    ] {
        delegate(&evil, &format!("{host}:{port}"));
        for arguments in [by_name.as_slice(), &by_user] {
            expect(names.refused(&machine, arguments), code, kind);
        }
    }
    for to in [
        format!("http://127.0.0.1:{port}/"),
        format!("https://localhost:{port}/"),
        "http://evil.test/".to_owned(),
        "ftp://evil.test/".to_owned(),
    ] {
        let answer = format!("302 Found\r\nLocation: {to}");
        well_known(&evil, &answer, "");
        for arguments in [by_name.as_slice(), &by_user] {
            expect(names.refused(&machine, arguments), 5, "homeserver_fault");
        }
    }
    assert_eq!(local.requests().len(), 0, "{:?}", local.requests());
}

#[test]
fn what_names_no_usable_homeserver_is_told_for_what_it_is() {
    let name = WebServer::start().unwrap();
    let elsewhere = WebServer::start().unwrap();
    let (machine, _) = Machine::with_identity();
    let (given, there) = (name.base_url(), elsewhere.base_url());
    let register = || machine.refused(&["register", "--homeserver", &given]);
    let said = |kind: &str, words: &str| {
        let error = expect(register(), 5, kind);
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(words), "{message}");
        message.to_owned()
    };

    // What it says is of no use, and it is no homeserver itself.
    let endless = "x".repeat(200_000);
    for (status, body, words) in [
        ("200 OK", "", "it is empty"),
        ("200 OK", "<!DOCTYPE html><html>", "it is a web page"),
        ("200 OK", "hello", "it is not JSON"),
        ("200 OK", "[]", "it is not JSON"),
        ("200 OK", r#"{"m.homeserver":{}}"#, "it names no homeserver"),
        ("200 OK", &endless, "longer than 65536 bytes"),
        ("403 Forbidden", "", "it answers 403"),
        ("500 Internal Server Error", "", "it answers 500"),
        ("302 Found", "", "another address"),
        (
            "302 Found\r\nLocation: /.well-known/matrix/client",
            "",
            "it redirects without end",
        ),
    ] {
        well_known(&name, status, body);
        let message = said("homeserver_fault", words);
        assert!(
            message.contains("does not say where its homeserver is"),
            "{message}"
        );
    }

    // It names one that cannot be used, or is none.
    for (base_url, words) in [
        ("matrix.example.test", "cannot be used"),
        ("https://", "cannot be used"),
        ("ftp://example.test", "begins with ftp:"),
        ("https://alice:hunter2@example.test", "no user name"),
        (&there, "it answers 404"),
    ] {
        delegate(&name, base_url);
        let message = said("homeserver_fault", words);
        assert!(!message.contains("hunter2"), "{message}");
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    delegate(&name, &nobody);
    said(
        "homeserver_unreachable",
        "as its homeserver, but the homeserver cannot be reached",
    );

    // It sends on, as often as it may, to one that is there.
    let synapse = homeserver();
    for hop in 1..=5 {
        let mut status = "302 Found\r\nLocation: ".to_owned();
        write!(status, "/hop{}", hop + 1).unwrap();
        name.answer(&format!("GET /hop{hop}"), &status, "");
    }
    delegate(&elsewhere, &synapse.base_url());
    name.answer(
        "GET /hop5",
        &format!("307 Temporary Redirect\r\nLocation: {there}/.well-known/matrix/client"),
        "",
    );
    well_known(&name, "301 Moved Permanently\r\nLocation: /hop2", "");
    let account = machine
        .json(&["register", "--homeserver", &given])
        .remove(0);
    assert_eq!(account["homeserver"], synapse.base_url());
}
