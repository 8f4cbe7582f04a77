//! A homeserver that is down, slow or lies; a database that is gone or full.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use securecall_contact::enrolment::{EnrolmentOutcome, Refusal};
use securecall_interop::{Answer, HostileHomeserver, Postgres, free_address, resident_kib};

use crate::client::{Person, get};
use crate::process::{Lab, obliging};

const ENROLLED: Result<EnrolmentOutcome, Refusal> = Ok(EnrolmentOutcome::Enrolled);

#[test]
fn a_homeserver_that_is_down_costs_nothing_but_time() {
    let lab = Lab::new(
        free_address().unwrap(),
        "[enrolment]\npolicy = \"invitation\"\n",
    );
    let server = lab.start();
    let lines = server.lab.told(&["invite", "new"]);
    let mut person = Person::new(1);
    person.invitation = Some(lines[0]["code"].as_str().unwrap().to_owned());
    for _ in 0..3 {
        assert_eq!(person.enroll(server.address()), Err(Refusal::Unavailable));
    }
    assert_eq!(server.figure("failures_total{of=\"homeserver\"}"), 3);
    assert_eq!(get(server.address(), "/health").status, 200);
    // It comes up, elsewhere. The invitation was used once, by this person.
    let homeserver = obliging();
    let (_, lab) = server.killed();
    let settings = std::fs::read_to_string(lab.settings()).unwrap();
    let url = settings
        .lines()
        .find(|line| line.starts_with("url = \"http:"))
        .unwrap();
    lab.change(url, &format!("url = \"{}\"", homeserver.base_url()));
    let server = lab.start();
    assert_eq!(person.enroll(server.address()), ENROLLED);
    assert_eq!(server.lab.told(&["invite", "list"])[0]["used"], 1);
}

#[test]
fn a_homeserver_that_says_something_else_is_not_believed() {
    let homeserver = obliging();
    let server = Lab::new(homeserver.address(), "").start();
    let person = Person::new(1);
    let made = format!(
        r#"{{"user_id":"{}","access_token":"of a device"}}"#,
        person.matrix_id()
    );
    homeserver.answer("GET /elsewhere", "200 OK", &made);
    let elsewhere = format!("302 Found\r\nLocation: {}/elsewhere", homeserver.base_url());
    for (status, body) in [
        ("200 OK", r#"{"user_id":"@sc_somebody:else.test"}"#),
        ("200 OK", "{}"),
        ("200 OK", "<html>"),
        ("403 Forbidden", r#"{"errcode":"M_FORBIDDEN"}"#),
        ("500 Internal Server Error", ""),
        (&elsewhere, ""),
        ("429 Too Many Requests", r#"{"errcode":"M_LIMIT_EXCEEDED"}"#),
    ] {
        homeserver.answer("POST /_synapse/admin/v1/register", status, body);
        assert_eq!(
            person.enroll(server.address()),
            Err(Refusal::Unavailable),
            "{status} {body}"
        );
    }
    homeserver.answer("POST /_synapse/admin/v1/register", "200 OK", &made);
    assert_eq!(person.enroll(server.address()), ENROLLED);
    assert_eq!(server.lab.told(&["user", "list"])[0]["state"], "enrolled");
    // The device that came with the account is nobody's.
    let last = homeserver.requests().pop().unwrap();
    assert!(
        last.line.starts_with("POST /_matrix/client/v3/logout "),
        "{last:?}"
    );
}

#[test]
fn an_answer_without_end_is_not_read_to_the_end() {
    let homeserver = HostileHomeserver::start().unwrap();
    let endless = Answer::endless("{\"nonce\":\"", "aaaaaaaaaaaaaaaa");
    homeserver.answer("/_synapse/admin/v1/register", endless);
    let url = homeserver.base_url();
    let address = url.trim_start_matches("http://").parse().unwrap();
    let server = Lab::new(address, "").start();
    assert_eq!(
        Person::new(1).enroll(server.address()),
        Err(Refusal::Unavailable)
    );
    assert!(resident_kib(server.process_id()).unwrap() < 100 * 1024);
}

#[test]
fn a_homeserver_that_never_answers_is_given_up() {
    let homeserver = obliging();
    homeserver.hold("GET /_synapse/admin/v1/register");
    let lab = Lab::new(homeserver.address(), "[limits]\nrequest_seconds = 2\n");
    let server = lab.start();
    let person = Person::new(1);
    let challenge = person.challenge(server.address());
    let answer = person.send_bytes(server.address(), &person.request(&challenge).to_json());
    assert_eq!(answer.status, 503);
    assert_eq!(server.figure("refused_total{reason=\"slow\"}"), 1);
    // They were let in before that, and are still.
    assert_eq!(server.lab.told(&["user", "list"])[0]["state"], "admitted");
    homeserver.release();
    assert_eq!(person.enroll(server.address()), ENROLLED);
}

#[test]
fn more_than_may_be_under_way_are_sent_away_at_once() {
    let homeserver = obliging();
    homeserver.hold("GET /_synapse/admin/v1/register");
    let lab = Lab::new(homeserver.address(), "[limits]\nrequests = 1\n");
    let server = lab.start();
    let address = server.address();
    std::thread::scope(|scope| {
        let first = scope.spawn(move || Person::new(1).enroll(address));
        homeserver
            .wait_for("GET /_synapse/admin/v1/register")
            .unwrap();
        let answer = get(address, "/health");
        assert_eq!(answer.status, 503);
        assert_eq!(answer.header("retry-after"), Some("60"));
        homeserver.release();
        assert_eq!(first.join().unwrap(), ENROLLED);
    });
    assert_eq!(server.figure("refused_total{reason=\"busy\"}"), 1);
    assert_eq!(get(address, "/health").status, 200);
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "what the homeserver was asked is looked at until it is there"
)]
fn postgresql_dies_between_the_steps_and_comes_back() {
    let mut database = Postgres::start().unwrap();
    let homeserver = obliging();
    let lab = Lab::of_kind("synapse", homeserver.address(), &database.url(), "");
    let server = lab.start();
    assert_eq!(Person::new(1).enroll(server.address()), ENROLLED);

    // After the homeserver was asked, and before its answer is written down.
    homeserver.hold("POST /_synapse/admin/v1/register");
    let address = server.address();
    let outcome = std::thread::scope(|scope| {
        let asking = scope.spawn(move || Person::new(2).enroll(address));
        let line = format!(
            "\"username\":\"{}\"",
            Person::new(2).matrix_id().localpart()
        );
        while !homeserver
            .requests()
            .iter()
            .any(|it| it.body.contains(&line))
        {
            std::thread::sleep(Duration::from_millis(10));
        }
        database.kill().unwrap();
        homeserver.release();
        asking.join().unwrap()
    });
    // They have the account, whatever the table says.
    assert_eq!(outcome, ENROLLED);
    assert_eq!(
        Person::new(3).enroll(server.address()),
        Err(Refusal::Unavailable)
    );
    assert_eq!(get(server.address(), "/health").status, 503);

    database.restart().unwrap();
    assert_eq!(get(server.address(), "/health").status, 200);
    assert_eq!(Person::new(2).enroll(server.address()), ENROLLED);
    assert_eq!(Person::new(3).enroll(server.address()), ENROLLED);
    let users = server.lab.told(&["user", "list"]);
    assert_eq!(users.len(), 3);
    assert!(
        users.iter().all(|user| user["state"] == "enrolled"),
        "{users:?}"
    );
}

#[test]
fn a_kill_between_the_steps_loses_nothing_with_sqlite() {
    let homeserver = obliging();
    homeserver.hold("POST /_synapse/admin/v1/register");
    let server = Lab::new(homeserver.address(), "[enrolment]\nper_day = 1\n").start();
    let address = server.address();
    let person = Person::new(1);
    let challenge = person.challenge(address);
    let request = person.request(&challenge);
    let bytes = request.to_json();
    let sending = std::thread::spawn(move || {
        use std::io::Write as _;
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let head = format!(
            "POST /_securecall/v1/enrolment HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
            bytes.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&bytes).unwrap();
        stream
    });
    homeserver
        .wait_for("POST /_synapse/admin/v1/register")
        .unwrap();
    let (_, lab) = server.killed();
    drop(sending.join().unwrap());
    homeserver.release();
    let server = lab.start();
    // The challenge was answered, the day's place is theirs.
    assert_eq!(
        person.send(server.address(), &request),
        Err(Refusal::ChallengeOver)
    );
    assert_eq!(person.enroll(server.address()), ENROLLED);
    assert_eq!(
        Person::new(2).enroll(server.address()),
        Err(Refusal::TooMany)
    );
}

#[test]
fn a_full_disk_refuses_and_takes_nothing_back() {
    let homeserver = obliging();
    let server = Lab::new(homeserver.address(), "").start();
    assert_eq!(Person::new(1).enroll(server.address()), ENROLLED);
    // As a full disk looks to it: no file may grow.
    let limit = |bytes: &str| {
        let done = std::process::Command::new("prlimit")
            .arg(format!("--pid={}", server.process_id()))
            .arg(format!("--fsize={bytes}:unlimited"))
            .status()
            .unwrap();
        assert!(done.success());
    };
    limit("0");
    assert_eq!(
        Person::new(2).enroll(server.address()),
        Err(Refusal::Unavailable)
    );
    assert!(server.figure("failures_total{of=\"database\"}") >= 1);
    limit("unlimited");
    assert_eq!(Person::new(2).enroll(server.address()), ENROLLED);
    assert_eq!(Person::new(1).enroll(server.address()), ENROLLED);
}

#[test]
fn a_backup_brings_all_back() {
    let homeserver = obliging();
    let server = Lab::new(homeserver.address(), "[enrolment]\nper_day = 2\n").start();
    assert_eq!(Person::new(1).enroll(server.address()), ENROLLED);
    let made = server.lab.told(&["invite", "new", "--uses", "2"]);
    let code = made[0]["code"].as_str().unwrap().to_owned();
    let backup = server.lab.path("backup.db");
    // As docs/operating.md has it, while it runs.
    server.lab.told(&["backup", backup.to_str().unwrap()]);
    let mode = std::fs::metadata(&backup).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it says who was enrolled");
    // A second one is refused, and takes nothing from the first.
    let (exit_code, _) = server.lab.ended(&["backup", backup.to_str().unwrap()]);
    assert_eq!(exit_code, 2);
    let (_, lab) = server.killed();
    for name in ["server.db", "server.db-wal", "server.db-shm"] {
        let _ = std::fs::remove_file(lab.path(name));
    }
    std::fs::rename(&backup, lab.path("server.db")).unwrap();
    let server = lab.start();
    let mut invited = Person::new(2);
    invited.invitation = Some(code);
    assert_eq!(invited.enroll(server.address()), ENROLLED);
    assert_eq!(Person::new(1).enroll(server.address()), ENROLLED);
    assert_eq!(server.lab.told(&["user", "list"]).len(), 2);
}
