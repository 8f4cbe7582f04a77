//! Who is let in: everybody within limits, who is invited, whom the operator approves, nobody.

use securecall_contact::enrolment::{EnrolmentOutcome, Refusal};

use crate::client::{Person, get};
use crate::process::{Lab, Server, obliging};

const ENROLLED: Result<EnrolmentOutcome, Refusal> = Ok(EnrolmentOutcome::Enrolled);

fn server(enrolment: &str) -> (securecall_interop::WebServer, Server) {
    let homeserver = obliging();
    let lab = Lab::new(
        homeserver.address(),
        &format!("[enrolment]\n{enrolment}\n[limits]\nper_network_per_minute = 1000\n"),
    );
    (homeserver, lab.start())
}

fn code(server: &Server, options: &[&str]) -> String {
    let mut arguments = vec!["invite", "new"];
    arguments.extend(options);
    let lines = server.lab.told(&arguments);
    lines[0]["code"].as_str().unwrap().to_owned()
}

fn invited(number: u64, code: &str) -> Person {
    let mut person = Person::new(number);
    person.invitation = Some(code.to_owned());
    person
}

#[test]
fn open_means_so_many_a_day_and_so_many_of_a_network() {
    let (_homeserver, server) = server("per_day = 4\nper_network_per_hour = 2");
    let of_one_network = |number| {
        let mut person = Person::new(number);
        person.from = Some("2001:db8:0:1::1".to_owned());
        person.enroll(server.address())
    };
    assert_eq!(of_one_network(1), ENROLLED);
    assert_eq!(of_one_network(2), ENROLLED);
    assert_eq!(of_one_network(3), Err(Refusal::TooMany));
    // Who has an account may ask as often as answers get lost.
    for _ in 0..5 {
        assert_eq!(of_one_network(1), ENROLLED);
    }
    assert_eq!(Person::new(4).enroll(server.address()), ENROLLED);
    assert_eq!(Person::new(5).enroll(server.address()), ENROLLED);
    assert_eq!(
        Person::new(6).enroll(server.address()),
        Err(Refusal::TooMany)
    );
    // Who is invited is not counted.
    let code = code(&server, &[]);
    assert_eq!(invited(7, &code).enroll(server.address()), ENROLLED);
}

#[test]
fn an_invitation_is_good_for_as_many_as_it_says() {
    let (_homeserver, server) = server("policy = \"invitation\"");
    let address = server.address();
    assert_eq!(
        Person::new(1).enroll(address),
        Err(Refusal::InvitationRequired)
    );
    assert_eq!(
        invited(1, "aaaa-bbbb-cccc-dddd").enroll(address),
        Err(Refusal::InvitationRefused)
    );
    let code = code(&server, &["--uses", "2", "--note", "for the choir"]);
    assert_eq!(invited(1, &code).enroll(address), ENROLLED);
    // A repeat takes no second place.
    assert_eq!(invited(1, &code).enroll(address), ENROLLED);
    assert_eq!(Person::new(1).enroll(address), ENROLLED);
    // As people type it.
    let typed = code.to_uppercase().replace('-', " ");
    assert_eq!(invited(2, &typed).enroll(address), ENROLLED);
    assert_eq!(
        invited(3, &code).enroll(address),
        Err(Refusal::InvitationRefused)
    );
    let list = server.lab.told(&["invite", "list"]);
    assert_eq!(list.len(), 1);
    assert_eq!(list[0]["note"], "for the choir");
    assert_eq!(
        (&list[0]["used"], &list[0]["over"]),
        (&2.into(), &true.into())
    );
    // The code is in no file.
    for file in ["server.db", "server.db-wal"] {
        let bytes = std::fs::read(server.lab.path(file)).unwrap_or_default();
        let plain = code.replace('-', "");
        assert!(!bytes.windows(plain.len()).any(|it| it == plain.as_bytes()));
    }
}

#[test]
fn a_house_full_of_invited_people_is_let_in() {
    let (_homeserver, server) = server("per_network_per_hour = 1\nper_day = 1");
    let code = code(&server, &["--uses", "8"]);
    for number in 0..8 {
        let mut person = invited(number, &code);
        person.from = Some("192.0.2.50".to_owned());
        assert_eq!(person.enroll(server.address()), ENROLLED);
    }
}

#[test]
fn a_revoked_invitation_lets_nobody_in() {
    let (_homeserver, server) = server("policy = \"invitation\"");
    let code = code(&server, &["--uses", "5"]);
    let id = server.lab.told(&["invite", "list"])[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(invited(1, &code).enroll(server.address()), ENROLLED);
    server.lab.told(&["invite", "revoke", &id]);
    assert_eq!(
        invited(2, &code).enroll(server.address()),
        Err(Refusal::InvitationRefused)
    );
    assert_eq!(invited(1, &code).enroll(server.address()), ENROLLED);
    let (code, lines) = server.lab.ended(&["invite", "revoke", &id]);
    assert_eq!((code, &lines[0]["type"]), (2, &"error".into()));
}

#[test]
fn whoever_is_approved_gets_the_account_when_they_ask_again() {
    let (homeserver, server) = server("policy = \"approval\"\nwaiting = 2");
    let address = server.address();
    let waiting = Ok(EnrolmentOutcome::Waiting);
    assert_eq!(Person::new(1).enroll(address), waiting);
    assert_eq!(Person::new(1).enroll(address), waiting);
    assert_eq!(Person::new(2).enroll(address), waiting);
    assert_eq!(Person::new(3).enroll(address), Err(Refusal::TooMany));
    assert!(
        !homeserver
            .requests()
            .iter()
            .any(|it| it.line.starts_with("POST"))
    );

    let list = server.lab.told(&["user", "list", "--waiting"]);
    assert_eq!(list.len(), 2);
    let (first, second) = (Person::new(1), Person::new(2));
    server
        .lab
        .told(&["user", "approve", first.matrix_id().as_str()]);
    assert_eq!(first.enroll(address), ENROLLED);
    assert_eq!(second.enroll(address), waiting);
    server
        .lab
        .told(&["user", "approve", &second.id().to_string()]);
    assert_eq!(second.enroll(address), ENROLLED);
    // There is nobody to approve any more.
    let (code, _) = server
        .lab
        .ended(&["user", "approve", &second.id().to_string()]);
    assert_eq!(code, 2);
    // An invitation stands for an approval.
    let code = self::code(&server, &[]);
    assert_eq!(invited(4, &code).enroll(address), ENROLLED);
}

#[test]
fn closed_is_closed_but_for_those_who_are_in() {
    let (homeserver, server) = server("policy = \"open\"");
    assert_eq!(Person::new(1).enroll(server.address()), ENROLLED);
    let code = code(&server, &[]);
    let (_, lab) = server.killed();
    lab.change("policy = \"open\"", "policy = \"closed\"");
    let server = lab.start();
    assert_eq!(Person::new(1).enroll(server.address()), ENROLLED);
    assert_eq!(
        Person::new(2).enroll(server.address()),
        Err(Refusal::Closed)
    );
    assert_eq!(
        invited(2, &code).enroll(server.address()),
        Err(Refusal::Closed)
    );
    // Nobody is led here who would be sent away.
    let document = get(server.address(), "/.well-known/securecall/server.json").json();
    assert!(document.get("enrolment").is_none(), "{document}");
    drop(homeserver);
}
