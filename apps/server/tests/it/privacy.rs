//! What is written down: nothing of who asks.

use crate::client::{Person, get};
use crate::process::{Lab, obliging};

#[test]
fn neither_names_nor_addresses_nor_codes_are_in_the_log_or_the_figures() {
    let homeserver = obliging();
    let server = Lab::new(homeserver.address(), "").start();
    let mut person = Person::new(1);
    person.from = Some("203.0.113.77".to_owned());
    let made = server.lab.told(&["invite", "new"]);
    let code = made[0]["code"].as_str().unwrap().to_owned();
    person.invitation = Some(code.clone());
    person.enroll(server.address()).unwrap();
    person.send_bytes(server.address(), b"rubbish of 203.0.113.77");
    homeserver.answer("POST /_synapse/admin/v1/register", "500 Oops", "");
    Person::new(2).enroll(server.address()).unwrap_err();
    let figures = get(server.lab.figures, "/metrics").text();
    let password = person.password.expose().to_owned();
    let id = person.id().to_string();
    // At the most that can be asked for: `-vv`.
    let (log, lab) = server.killed();
    assert!(log.contains("an account is not made"), "{log}");
    let plain = code.replace('-', "");
    for secret in ["203.0.113.77", &id, &password, &code, &plain, "sc_"] {
        assert!(!log.contains(secret), "{secret} in {log}");
        assert!(!figures.contains(secret), "{secret} in {figures}");
    }
    // The database knows who is in, and nothing else of them.
    let mut kept = Vec::new();
    for name in ["server.db", "server.db-wal"] {
        kept.extend(std::fs::read(lab.path(name)).unwrap_or_default());
    }
    let has = |text: &str| kept.windows(text.len()).any(|it| it == text.as_bytes());
    assert!(has(&id));
    for secret in ["203.0.113.77", "203.0.113", &password, &plain] {
        assert!(!has(secret), "{secret}");
    }
}
