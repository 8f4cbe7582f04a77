//! What a server is worth: enrolments a second beside Synapse's own registration, relay tokens a second of one core, memory; and
//! whether the time of an answer says that a name exists.
//!
//! `cargo bench --locked --package securecall-server --bench figures [-- enrolments|names|tokens]`, on a machine that does nothing
//! else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    dead_code,
    unused_imports,
    missing_docs
)]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use securecall_contact::enrolment::EnrolmentRequest;
use securecall_interop::{
    HomeserverKind, HomeserverOptions, Registration, Synapse, proportional_kib,
};
use serde_json::json;

#[path = "../tests/it/client.rs"]
mod client;
#[path = "../tests/it/process.rs"]
mod process;
#[path = "figures/ranks.rs"]
mod ranks;
#[path = "../tests/it/tokens.rs"]
mod tokens;

use client::{Person, post};
use process::{Lab, SECRET, obliging};

/// Clients at once.
const CLIENTS: u64 = 4;

/// Who enrols at once: an answer takes a quarter of a second or more, however little there is to do.
const ENROLLING: u64 = 64;

/// Accounts in one round of either kind.
const ACCOUNTS: u64 = 512;

/// Rounds of either kind, by turns.
const ROUNDS: u64 = 5;

const NO_LIMITS: &str = "[limits]\nper_network_per_minute = 1000000\nrequests = 1000\n";

fn main() {
    // Cargo asks benches of all kinds for their list.
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let parts: [(&str, fn()); 3] = [
        ("enrolments", enrolments),
        ("names", names),
        ("tokens", issues),
    ];
    for (name, part) in parts {
        if wanted.is_empty() || wanted.iter().any(|it| it == name) {
            part();
        }
    }
}

/// Both kinds make two requests for an account, each on a connection of its own.
fn enrolments() {
    let synapse = Synapse::start(HomeserverOptions {
        registration: Registration::Open,
        registration_secret: Some(SECRET.to_owned()),
        ..HomeserverOptions::default()
    })
    .unwrap();
    let more =
        format!("[enrolment]\nper_day = 1000000\nper_network_per_hour = 1000000\n{NO_LIMITS}");
    let server = Lab::new(synapse.address(), &more).start();
    println!(
        "memory, idle: {} KiB (PSS)",
        proportional_kib(server.process_id()).unwrap()
    );
    let address = server.address();
    let mut numbers = AtomicU64::new(0);
    let (mut ours, mut own) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(rate(&numbers, |number| {
            Person::new(number).enroll(address).unwrap();
        }));
        own.push(rate(&numbers, |number| register(synapse.address(), number)));
    }
    println!(
        "enrolments a second: {} (each round: {ours:.1?})",
        median(&mut ours.clone())
    );
    println!(
        "Synapse's own:       {} (each round: {own:.1?})",
        median(&mut own.clone())
    );
    println!("ratio: {:.2}", median(&mut ours) / median(&mut own));
    println!(
        "memory, after {} accounts: {} KiB (PSS)",
        *numbers.get_mut(),
        proportional_kib(server.process_id()).unwrap()
    );
}

/// By user-interactive authentication with a stage that asks for nothing, as clients do.
fn register(synapse: SocketAddr, number: u64) {
    let body = |auth: serde_json::Value| {
        let person = Person::new(number);
        let mut body = json!({
            "username": person.matrix_id().localpart(),
            "password": person.password.expose(),
            "inhibit_login": true,
        });
        if !auth.is_null() {
            body["auth"] = auth;
        }
        body.to_string().into_bytes()
    };
    let path = "/_matrix/client/v3/register";
    let asked = post(synapse, path, "", &body(serde_json::Value::Null));
    assert_eq!(asked.status, 401, "{asked:?}");
    let session = asked.text();
    let session = session.split("\"session\":\"").nth(1).unwrap();
    let session = session.split('"').next().unwrap();
    let auth = json!({ "type": "m.login.dummy", "session": session });
    let done = post(synapse, path, "", &body(auth));
    assert_eq!(done.status, 200, "{done:?}");
}

/// So many accounts a second.
fn rate(numbers: &AtomicU64, make: impl Fn(u64) + Sync) -> f64 {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..ENROLLING {
            scope.spawn(|| {
                for _ in 0..ACCOUNTS / ENROLLING {
                    make(numbers.fetch_add(1, Ordering::Relaxed));
                }
            });
        }
    });
    ACCOUNTS as f64 / begun.elapsed().as_secs_f64()
}

/// Each way, by turns.
const EACH_WAY: u64 = 200;

/// How long the answer to a proof takes, for a name that exists and for one that does not: to its owner, and to somebody else.
fn names() {
    for kind in [HomeserverKind::Synapse, HomeserverKind::Dendrite] {
        let homeserver = kind
            .start(HomeserverOptions {
                registration: Registration::Closed,
                registration_secret: Some(SECRET.to_owned()),
                ..HomeserverOptions::default()
            })
            .unwrap();
        let name = format!("{kind:?}").to_lowercase();
        let more =
            format!("[enrolment]\nper_day = 1000000\nper_network_per_hour = 1000000\n{NO_LIMITS}");
        let server = Lab::of_kind(&name, homeserver.address(), "sqlite:server.db", &more).start();
        println!("{name}: answers to proofs, in milliseconds");
        names_of(server.address());
    }
}

fn names_of(address: SocketAddr) {
    // Not among those that are measured.
    let (existing, unknown, new) = (0, 1_000_000, 2_000_000);
    for number in existing..EACH_WAY {
        Person::new(number).enroll(address).unwrap();
        // What is new is slow at first.
        Person::new(3_000_000 + number).enroll(address).unwrap();
    }
    let mallory = Person::new(4_000_000);
    let time = |person: &Person, request: &EnrolmentRequest| {
        let bytes = request.to_json();
        let begun = Instant::now();
        let answer = person.send_bytes(address, &bytes);
        (begun.elapsed().as_secs_f64() * 1_000.0, answer.status)
    };
    let own = |number| {
        let person = Person::new(number);
        let request = person.request(&person.challenge(address));
        let (time, status) = time(&person, &request);
        assert_eq!(status, 200);
        time
    };
    let others = |number| {
        let person = Person::new(number);
        let challenge = mallory.challenge(address);
        let mut request = mallory.request(&challenge);
        request.matrix_id = person.matrix_id();
        let (time, status) = time(&person, &request);
        assert_eq!(status, 403);
        time
    };
    let mut times = [const { Vec::new() }; 4];
    // Those by others first: they are quick, and what the owners' leave behind would be in them.
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for ways in [[2, 3], [0, 1]] {
        for round in 0..EACH_WAY {
            // Which of the two comes first is chance.
            let first = usize::from(rng.next_u32() % 2 == 1);
            for way in [ways[first], ways[1 - first]] {
                times[way].push(match way {
                    0 => own(existing + round),
                    1 => own(new + round),
                    2 => others(existing + round),
                    _ => others(unknown + round),
                });
            }
        }
    }
    let [own_existing, own_new, others_existing, others_unknown] = &times;
    ranks::compare("owner, exists", own_existing, "owner, does not", own_new);
    ranks::compare(
        "another, exists",
        others_existing,
        "another, does not",
        others_unknown,
    );
}

/// Tokens in the processor time of the server alone: what buys them takes the other core.
fn issues() {
    let homeserver = obliging();
    homeserver.answer(
        "/openid/userinfo",
        "200 OK",
        r#"{"sub":"@alice:homeserver.test"}"#,
    );
    let lab = Lab::new(homeserver.address(), NO_LIMITS);
    let issuer = tokens::issuer_settings(&lab, 4_000_000_000);
    let settings = std::fs::read_to_string(lab.settings()).unwrap();
    std::fs::write(lab.settings(), format!("{settings}{}", issuer.settings)).unwrap();
    let server = lab.start();
    let (_, request) = tokens::purchase(&issuer);
    let address = server.address();
    let headers =
        "content-type: application/private-token-request\r\nauthorization: Bearer alice\r\n";
    let sold = AtomicU64::new(0);
    let until = Instant::now() + Duration::from_secs(10);
    let before = processor_seconds(server.process_id());
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while Instant::now() < until {
                    let answer = post(address, "/token-request", headers, &request);
                    assert_eq!(answer.status, 200, "{answer:?}");
                    sold.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let spent = processor_seconds(server.process_id()) - before;
    let sold = sold.into_inner() as f64;
    println!(
        "relay tokens in 10 s: {sold}, in {spent:.1} s of processor time: {:.0} a second of one core",
        sold / spent
    );
    println!(
        "memory, selling: {} KiB (PSS)",
        proportional_kib(server.process_id()).unwrap()
    );
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// User and system time, of 100 ticks a second.
fn processor_seconds(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}
