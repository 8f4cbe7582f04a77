//! Start, orderly end, limits of time.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use securecall_contact::enrolment::EnrolmentOutcome;

use crate::client::{Person, get};
use crate::process::{Lab, obliging};

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a port is looked at until it is closed"
)]
fn a_request_under_way_is_finished_before_the_end() {
    let homeserver = obliging();
    homeserver.hold("POST /_synapse/admin/v1/register");
    let mut server = Lab::new(homeserver.address(), "").start();
    let address = server.address();
    let outcome = std::thread::scope(|scope| {
        let asking = scope.spawn(move || Person::new(1).enroll(address));
        homeserver
            .wait_for("POST /_synapse/admin/v1/register")
            .unwrap();
        server.signal(Signal::TERM);
        while TcpStream::connect(address).is_ok() {
            std::thread::sleep(Duration::from_millis(10));
        }
        homeserver.release();
        asking.join().unwrap()
    });
    assert_eq!(outcome, Ok(EnrolmentOutcome::Enrolled));
    assert!(server.wait().success());
}

#[test]
fn an_end_does_not_wait_for_ever() {
    let homeserver = obliging();
    homeserver.hold("POST /_synapse/admin/v1/register");
    let mut server = Lab::new(homeserver.address(), "").start();
    let address = server.address();
    std::thread::scope(|scope| {
        let asking = scope.spawn(move || {
            let person = Person::new(1);
            let challenge = person.challenge(address);
            let mut stream = TcpStream::connect(address).unwrap();
            let body = person.request(&challenge).to_json();
            let head = format!(
                "POST /_securecall/v1/enrolment HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(&body).unwrap();
            let mut said = Vec::new();
            let _ = stream.read_to_end(&mut said);
            said
        });
        homeserver
            .wait_for("POST /_synapse/admin/v1/register")
            .unwrap();
        server.signal(Signal::TERM);
        // `drain_seconds` is 3; waited for, it would have been told 20 s later that the homeserver does not answer.
        assert!(server.wait().success());
        assert_eq!(asking.join().unwrap(), b"");
        homeserver.release();
    });
}

#[test]
fn who_never_ends_a_head_is_hung_up_on_and_does_not_hold_up_others() {
    let homeserver = obliging();
    let server = Lab::new(homeserver.address(), "").start();
    let mut slow: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = TcpStream::connect(server.address()).unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nx: ").unwrap();
            stream
        })
        .collect();
    assert_eq!(get(server.address(), "/health").status, 200);
    let mut one = slow.pop().unwrap();
    one.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut said = Vec::new();
    // Hung up on, with or without a word.
    let ended = one.read_to_end(&mut said);
    assert!(
        !matches!(&ended, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock),
        "{ended:?}"
    );
}

#[test]
fn one_connection_more_than_there_is_room_for_is_closed_at_once() {
    // As many as the server takes, and what tests beside this one have; the server inherits the limit.
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let current = maximum;
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).unwrap();
    let homeserver = obliging();
    let server = Lab::new(homeserver.address(), "").start();
    let connect = || TcpStream::connect(server.address()).unwrap();
    let crowd: Vec<TcpStream> = (0..1024).map(|_| connect()).collect();
    let mut late = connect();
    assert_eq!(late.read(&mut [0]).unwrap(), 0);
    assert_eq!(server.figure("connections_refused_total"), 1);
    drop(crowd);
}
