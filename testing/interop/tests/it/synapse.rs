use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
};

use securecall_interop::{DatabaseSnapshot, Registration, Synapse, SynapseOptions};

fn request(synapse: &Synapse, request: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(synapse.address()).unwrap();
    write!(
        stream,
        "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn register(synapse: &Synapse, body: &str) -> String {
    request(synapse, "POST /_matrix/client/v3/register", body)
}

#[test]
fn it_takes_users_and_keeps_them_over_a_kill_and_a_restart() {
    let mut synapse = Synapse::start(SynapseOptions::default()).unwrap();
    let user = r#"{"username": "a", "password": "secret", "auth": {"type": "m.login.dummy"}}"#;
    let answer = register(&synapse, user);
    assert!(
        answer.contains(&format!("@a:{}", synapse.server_name())),
        "{answer}"
    );

    let url = synapse.base_url();
    synapse.kill().unwrap();
    assert!(TcpStream::connect(synapse.address()).is_err());
    synapse.restart().unwrap();
    assert_eq!(synapse.base_url(), url);
    assert!(register(&synapse, user).contains("M_USER_IN_USE"));

    let data = synapse.database_path().parent().unwrap().to_owned();
    let process = synapse.process_id().unwrap();
    drop(synapse);
    assert!(!data.exists());
    assert!(!Path::new(&format!("/proc/{process}")).exists());
}

#[test]
fn a_snapshot_of_a_running_server_finds_a_new_user_and_nothing_else() {
    let synapse = Synapse::start(SynapseOptions::default()).unwrap();
    let before = DatabaseSnapshot::read(&synapse.database_path()).unwrap();
    assert_eq!(before.row_count("users"), Some(0));
    register(
        &synapse,
        r#"{"username": "b", "password": "secret", "auth": {"type": "m.login.dummy"}}"#,
    );
    let after = DatabaseSnapshot::read(&synapse.database_path()).unwrap();
    assert_eq!(after.row_count("users"), Some(1));
    let report = before.compare(&after);
    assert!(report.unexplained().any(|row| row.table == "users"));
    assert!(before.compare(&before).differences.is_empty());
}

#[test]
fn a_token_or_a_closed_door_is_what_the_options_say() {
    let token = Registration::Token("admission".to_owned());
    let synapse = Synapse::start(SynapseOptions {
        registration: token,
        ..SynapseOptions::default()
    })
    .unwrap();
    let answer = register(&synapse, r#"{"username": "c", "password": "secret"}"#);
    assert!(answer.contains("m.login.registration_token"), "{answer}");
    let validity =
        "GET /_matrix/client/v1/register/m.login.registration_token/validity?token=admission";
    assert!(request(&synapse, validity, "").contains(r#""valid":true"#));

    let closed = Registration::Closed;
    let synapse = Synapse::start(SynapseOptions {
        registration: closed,
        ..SynapseOptions::default()
    })
    .unwrap();
    let answer = register(&synapse, r#"{"username": "c", "password": "secret"}"#);
    assert!(answer.contains("M_FORBIDDEN"), "{answer}");
}
