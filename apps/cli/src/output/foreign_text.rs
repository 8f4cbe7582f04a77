//! What holds for every text that comes from outside, whichever way it comes and goes: it moves no cursor, turns no line
//! around, draws nothing invisible, and one line stays one line.

use std::ffi::OsStr;
use std::io;
use std::time::Duration;

use clap::Parser as _;
use proptest::prelude::*;
use securecall_audio_device::{DeviceFault, OpenError, WavProblem};
use securecall_contact::{Address, MAX_MARKS, NameLabel, is_harmful, is_mark};
use securecall_contact_qr::PictureError;
use securecall_matrix::{
    DiscoveryError, HomeserverAddressError, HomeserverError, LoginError, LogoutError, ProfileError,
    RegisterError, RestoreError, ServerError, StoreError,
};

use super::event::{Previous, SettingSource};
use super::json_line::json_line;
use super::{Event, GroupEvent, IncomingGroup, LegEvent, Peer, RoomCallEvent};
use crate::cli::Cli;
use crate::error::{ErrorKind, Failure};
use crate::harmless::Printable;

/// Characters by themselves, and the beginnings of sequences that terminals obey.
const NASTY: [&str; 28] = [
    "\u{1b}[2J",
    "\u{1b}[31m",
    "\u{1b}[8m",
    "\u{1b}]0;",
    "\u{1b}]52;c;",
    "\u{1b}P",
    "\u{1b}c",
    "\u{1b}",
    "\u{7}",
    "\u{8}",
    "\r",
    "\n",
    "\n  help: ",
    "\r\n",
    "\t",
    "\u{0}",
    "\u{7f}",
    "\u{85}",
    "\u{9b}",
    "\u{9d}",
    "\u{202e}",
    "\u{2066}",
    "\u{200b}",
    "\u{200d}",
    "\u{2028}",
    "\u{feff}",
    "\u{e0041}",
    "\u{fe0f}",
];

fn foreign_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(&NASTY[..]).prop_map(str::to_owned),
        2 => "[a-z0-9:/@. ]{1,8}",
        1 => any::<char>().prop_map(String::from),
        1 => (1..40_usize).prop_map(|marks| "\u{301}".repeat(marks)),
        1 => Just("山🦊é".to_owned()),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Every way a foreign text gets into a failure.
fn failures(text: &str) -> Vec<Failure> {
    let own = || text.to_owned();
    let io = || io::Error::other(own());
    let path = || own().into();
    let server_errors = || {
        [
            ServerError::Unreachable {
                reason: own(),
                may_have_arrived: true,
            },
            ServerError::CertificateRefused { reason: own() },
            ServerError::NotMatrix { reason: own() },
            ServerError::Redirected { to: Some(own()) },
            ServerError::Refused {
                code: own(),
                message: own(),
            },
            ServerError::Store { reason: own() },
            ServerError::Internal { reason: own() },
            ServerError::TooManyRequests {
                retry_after: Some(Duration::from_secs(1)),
            },
        ]
    };
    let mut failures: Vec<Failure> = server_errors().map(Failure::from).into();
    failures.extend(server_errors().map(|error| RegisterError::from(error).into()));
    failures.extend(server_errors().map(|error| LoginError::from(error).into()));
    failures.extend(server_errors().map(|error| RestoreError::from(error).into()));
    failures.extend(server_errors().map(|error| LogoutError::from(error).into()));
    failures.extend(server_errors().map(|error| ProfileError::from(error).into()));
    failures.extend(
        text.chars()
            .next()
            .map(|character| ProfileError::NameCharacter { character }.into()),
    );
    failures.extend(
        ErrorKind::ALL
            .iter()
            .map(|kind| Failure::new(*kind, text).help(text)),
    );
    failures.extend([
        Failure::bug(text),
        RegisterError::Closed { message: own() }.into(),
        RegisterError::TokenRefused { message: own() }.into(),
        RegisterError::Unsupported {
            needed: vec![own(), own()],
        }
        .into(),
        RegisterError::NameTaken { name: own() }.into(),
        LoginError::Unsupported {
            offered: vec![own(), own()],
        }
        .into(),
        LoginError::OtherUser {
            expected: own(),
            got: own(),
        }
        .into(),
        LoginError::AlreadyLoggedIn { user: own() }.into(),
        StoreError::Damaged { reason: own() }.into(),
        StoreError::Io {
            path: path(),
            source: io(),
        }
        .into(),
        LoginError::OtherServer {
            asked: own(),
            homeserver: own(),
            answered: own(),
        }
        .into(),
        LoginError::ClaimedServer {
            homeserver: own(),
            id: own(),
            elsewhere: own(),
        }
        .into(),
        HomeserverError::from(HomeserverAddressError::NotAnAddress {
            given: own(),
            reason: own(),
        })
        .into(),
        HomeserverError::from(HomeserverAddressError::NotEncrypted { given: own() }).into(),
        DiscoveryError::Unusable {
            name: own(),
            base_url: own(),
            reason: own(),
        }
        .into(),
        DiscoveryError::NotEncrypted {
            name: own(),
            base_url: own(),
        }
        .into(),
        DiscoveryError::Delegate {
            name: own(),
            url: own(),
            fault: ServerError::WebPage,
        }
        .into(),
        DiscoveryError::Unclear {
            name: own(),
            reason: own(),
            fault: ServerError::Redirected { to: Some(own()) },
        }
        .into(),
        HomeserverError::CertificateFile {
            path: own(),
            source: io(),
        }
        .into(),
        OpenError::NotFound { path: path() }.into(),
        OpenError::Io {
            path: path(),
            source: io(),
        }
        .into(),
        OpenError::Wav {
            path: path(),
            problem: WavProblem::BadHeader(own()),
        }
        .into(),
        OpenError::NoDevice {
            role: "microphone",
            available: vec![own()],
        }
        .into(),
        OpenError::DeviceUnusable {
            role: "speaker",
            device: own(),
            detail: own(),
        }
        .into(),
        PictureError::Damaged(own()).into(),
        Failure::storage(text.as_ref(), &io()),
    ]);
    failures.extend(text.parse::<Address>().err().map(|fault| {
        PictureError::NoContact {
            codes: 1,
            fault: Some(fault),
        }
        .into()
    }));
    let wrong_name = securecall_profile::contact_book::given_name(text).err();
    failures.extend(wrong_name.map(Failure::from));
    failures.extend(crate::calling::order_fault(text));
    let domain = securecall_contact::ServerName::default_domain();
    let nobody = securecall_profile::who::resolve(text, &[], &domain).err();
    failures.extend(nobody.map(Failure::from));
    failures
}

fn peer(text: &str) -> Peer {
    Peer {
        id: None,
        matrix_id: Some(text.to_owned()),
        name: Some(text.to_owned()),
        new_address: true,
        verified: false,
        device_id: Some(text.to_owned()),
    }
}

/// Every way a foreign text gets into an event.
fn events(text: &str) -> Vec<Event> {
    let own = || text.to_owned();
    let fault = |fault: DeviceFault| Event::Notice {
        message: fault.to_string().into(),
    };
    vec![
        Event::Account {
            matrix_id: own(),
            device_id: own(),
            homeserver: own(),
        },
        Event::Contact {
            name: own(),
            id: Some(own()),
            matrix_id: own(),
            link: Some(own()),
            verified: true,
            blocked: true,
            require: None,
            previous: Some(Previous {
                name: own(),
                id: Some(own()),
                matrix_id: own(),
            }),
        },
        Event::PublicProfile {
            matrix_id: own(),
            display_name: Some(own()),
            avatar: Some(own()),
        },
        Event::Person {
            id: Some(own()),
            matrix_id: own(),
            blocked: true,
        },
        Event::Setting {
            key: "turn",
            value: Some(own().into()),
            source: SettingSource::File,
            secret: false,
            about: "TURN servers",
            alone: false,
        },
        Event::Link {
            deep_link: own(),
            https: own(),
            text: own(),
            qr: None,
        },
        Event::Handler {
            installed: true,
            path: own(),
        },
        Event::Incoming {
            call_id: own(),
            peer: peer(text),
            tier: "matrix",
            answered: false,
            group: None,
        },
        Event::Incoming {
            call_id: own(),
            peer: peer(text),
            tier: "securecall",
            answered: false,
            group: Some(IncomingGroup {
                conference_id: own(),
                members: vec![peer(text), peer(text)],
            }),
        },
        Event::Group(GroupEvent::MemberJoined {
            conference_id: own(),
            call_id: own(),
            peer: peer(text),
            brought_by: Some(peer(text)),
        }),
        Event::RoomCall(RoomCallEvent::RoomKeeps {
            conference_id: own(),
            room_id: own(),
            encrypted: true,
            public: true,
            people: 2,
            starts: false,
            in_clear: true,
        }),
        Event::RoomCall(RoomCallEvent::SealedInstead {
            conference_id: own(),
            peer: peer(text),
        }),
        Event::RoomCall(RoomCallEvent::MemberInClear {
            conference_id: own(),
            peer: peer(text),
        }),
        Event::Leg(Box::new(LegEvent::new(
            Event::Ringing { call_id: own() },
            own(),
            peer(text),
        ))),
        Event::Inviting {
            call_id: own(),
            peer: peer(text),
        },
        Event::Missed {
            call_id: own(),
            peer: peer(text),
            why: "busy",
            calls: 2,
        },
        fault(DeviceFault::Lost {
            device: own(),
            detail: own(),
        }),
        fault(DeviceFault::ReadFailed {
            path: own().into(),
            detail: own(),
        }),
    ]
}

/// Checks that nothing in it but `paint` does more than being drawn.
fn check_is_harmless(printable: &Printable, paint: &[&str]) -> Result<(), TestCaseError> {
    let mut text = printable.as_str().to_owned();
    for sequence in paint {
        text = text.replace(sequence, "");
    }
    let mut marks = 0;
    for character in text.chars() {
        prop_assert!(
            matches!(character, '\n' | '\t') || !is_harmful(character),
            "{text:?}"
        );
        marks = if is_mark(character) { marks + 1 } else { 0 };
        prop_assert!(marks <= MAX_MARKS, "{text:?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_failure_is_one_harmless_line_and_one_of_help(text in foreign_text()) {
        for failure in failures(&text) {
            let printable = Printable::text(&failure.to_string());
            check_is_harmless(&printable, &[])?;
            let lines = 1 + usize::from(failure.help.is_some());
            prop_assert_eq!(printable.as_str().split('\n').count(), lines, "{:?}", printable.as_str());
            prop_assert!(printable.as_str().starts_with("error: "));

            let line = json_line(&Event::from(&failure));
            check_is_harmless(&line, &[])?;
            prop_assert!(!line.as_str().contains(['\n', '\t']));
            let event: serde_json::Value = serde_json::from_str(line.as_str()).unwrap();
            prop_assert_eq!(event["message"].as_str(), Some(failure.message.as_str()));
        }
    }

    #[test]
    fn an_event_is_harmless_and_says_to_scripts_what_it_said(text in foreign_text()) {
        for event in events(&text) {
            if let Some(printable) = event.plain(true) {
                check_is_harmless(&printable, &[])?;
            }
            let line = json_line(&event);
            check_is_harmless(&line, &[])?;
            prop_assert!(!line.as_str().contains(['\n', '\t']));
            let read: serde_json::Value = serde_json::from_str(line.as_str()).unwrap();
            if let Event::Account { device_id, .. } = &event {
                prop_assert_eq!(read["device_id"].as_str(), Some(device_id.as_str()));
            }
        }
    }

    #[test]
    fn what_is_wrong_with_the_command_line_is_said_harmlessly(text in foreign_text()) {
        for arguments in [
            vec![text.as_str()],
            vec!["call"],
            vec!["listen", "--answer", &text],
            vec!["listen", "--mic", &text],
            vec!["listen", "--duration", &text],
            vec!["completions", &text],
            vec!["id", "new", &text],
            vec!["--profile"],
        ] {
            let line = std::iter::once("securecall").chain(arguments);
            let Err(error) = Cli::try_parse_from(line.map(OsStr::new)) else { continue };
            let error = crate::with_harmless_values(error);
            for colours in [false, true] {
                let painted = crate::usage_text(&error, colours);
                let paint = ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[4m", "\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m"];
                check_is_harmless(&painted, if colours { &paint } else { &[] })?;
            }
        }
    }

    #[test]
    fn a_log_line_is_harmless_and_bounded(text in foreign_text(), repeated in 1..400_usize) {
        let line = format!("WARN securecall: refused code={}\n", text.repeat(repeated));
        let printable = crate::logging::printable(line.as_bytes());
        check_is_harmless(&printable, &["\u{1b}[31m"])?;
        prop_assert!(printable.as_str().chars().count() < 5000);
    }

    #[test]
    fn a_name_is_one_harmless_line(text in foreign_text()) {
        if let Some(name) = NameLabel::new(&text) {
            prop_assert!(!name.as_str().chars().any(is_harmful), "{name:?}");
        }
    }
}
