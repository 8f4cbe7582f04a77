//! What came of a probe of one server, in plain words.

use std::net::SocketAddr;
use std::time::Duration;

use securecall_driver::probe::{
    NamedBy, ProbeAnswer, ProbeFailure, Relaying, ResolveError, ServerProbe, TurnFailure,
};
use securecall_driver::{ServerUri, TurnScheme};

use super::check::Check;
use super::names::Name;
use crate::error::{ErrorKind, Failure};

/// What came of a probe of one server at one address.
pub(super) fn of_probe(probe: &ServerProbe) -> Check {
    let ServerProbe {
        uri,
        named_by,
        address,
        outcome,
    } = probe;
    let name = match uri.scheme {
        TurnScheme::Stun => Name::Stun,
        TurnScheme::TurnUdp | TurnScheme::TurnTcp | TurnScheme::TurnTls => Name::Relay,
    };
    let transport = transport(uri.scheme);
    let place = match address {
        Some(address) => format!("{transport}, {}", address.ip()),
        None => transport.to_owned(),
    };
    let check = match outcome {
        Ok(answer) => of_answer(name, answer, uri.scheme, &place),
        // This machine or network has no IPv6, say: then that is not the way, and nobody's fault.
        Err(failure @ ProbeFailure::NoRoute) => {
            Check::not_checked(name, format!("{failure} ({place})"))
        }
        Err(failure) => {
            let message = format!("{failure} ({place})");
            let help = help(failure, *named_by, uri);
            Check::bad(
                name,
                Failure::new(ErrorKind::RelayFailed, message).help(help),
            )
        }
    };
    check.of_server(uri.to_string())
}

fn transport(scheme: TurnScheme) -> &'static str {
    match scheme {
        TurnScheme::Stun | TurnScheme::TurnUdp => "UDP",
        TurnScheme::TurnTcp => "TCP",
        TurnScheme::TurnTls => "TLS",
    }
}

fn of_answer(name: Name, answer: &ProbeAnswer, scheme: TurnScheme, place: &str) -> Check {
    match answer {
        ProbeAnswer::Seen { mapped, took } => {
            Check::good(name, format!("sees this machine as {mapped} ({place})")).took(*took)
        }
        ProbeAnswer::Allocated {
            relayed,
            took,
            lifetime,
            relaying,
            mapped: _,
        } => {
            let granted = granted_words(relayed, *lifetime);
            let is_udp = scheme == TurnScheme::TurnUdp;
            of_allocation(name, &granted, *relaying, is_udp, place).took(*took)
        }
    }
}

fn granted_words(relayed: &[SocketAddr], lifetime: Duration) -> String {
    let relayed: Vec<String> = relayed.iter().map(SocketAddr::to_string).collect();
    format!(
        "granted {} for {} s",
        relayed.join(" and "),
        lifetime.as_secs()
    )
}

fn of_allocation(
    name: Name,
    granted: &str,
    relaying: Relaying,
    is_udp: bool,
    place: &str,
) -> Check {
    match relaying {
        Relaying::Shown { round_trip } => Check::good(
            name,
            format!(
                "{granted}, and relays: {} ms there and back ({place})",
                round_trip.as_millis()
            ),
        ),
        Relaying::WithinServer => {
            // Who was granted it over UDP has a network that lets UDP out.
            let network = match is_udp {
                true => "",
                false => "this network lets no UDP out, or ",
            };
            Check::good(name, format!("{granted}, and relays within itself ({place})")).hint(format!(
                "no packet came to it from this machine: {network}the firewall of the server lets none in to the ports at which it relays (coturn: `min-port` to `max-port`)"
            ))
        }
        Relaying::NotShown => Check::good(
            name,
            format!("{granted}; whether it relays cannot be shown from here ({place})"),
        ),
        Relaying::Nothing => Check::bad(
            name,
            Failure::new(
                ErrorKind::RelayFailed,
                format!("{granted}, but relays nothing ({place})"),
            )
            .help("the owner of the server: its firewall has to let UDP through to the ports at which it relays (coturn: `min-port` to `max-port`)"),
        ),
    }
}

const TELL_OWNER: &str = "tell the owner of the server";

fn help(failure: &ProbeFailure, named_by: NamedBy, uri: &ServerUri) -> String {
    let is_udp = matches!(uri.scheme, TurnScheme::Stun | TurnScheme::TurnUdp);
    let by_whom = match named_by {
        NamedBy::User => "check `turn` and `stun` in config.toml",
        NamedBy::Homeserver => "tell the owner of the homeserver",
    };
    let credentials = match named_by {
        NamedBy::User => "check `turn_user` and `turn_password`, or `turn_secret`, in config.toml",
        NamedBy::Homeserver => {
            "tell the owner of the homeserver: its secret (`turn_shared_secret`) is not the server's, or the clock of one of them is wrong"
        }
    };
    match failure {
        ProbeFailure::Name(ResolveError::TimedOut) => "check this machine's network".to_owned(),
        ProbeFailure::Name(ResolveError::Unknown(_)) => format!(
            "{by_whom}; if other names are not found either, check this machine's network"
        ),
        ProbeFailure::Name(ResolveError::NotPublic) => {
            "name it as `turn` in config.toml, if it is yours".to_owned()
        }
        ProbeFailure::NoCredentials => credentials.to_owned(),
        ProbeFailure::NoRoute => "check this machine's network".to_owned(),
        ProbeFailure::Server(failure) => match failure {
            TurnFailure::NoAnswer if is_udp => format!(
                "this network lets no UDP through to it, or it is down; calls go by a TURN server over TCP or TLS then, if there is one; {by_whom}"
            ),
            TurnFailure::NoAnswer | TurnFailure::Disconnected => format!(
                "this network lets no connection through to it, or it is down; {by_whom}"
            ),
            TurnFailure::Tls => {
                "the owner of the server has to give it a certificate for this name; or something in this network sits in between"
                    .to_owned()
            }
            TurnFailure::WrongCredentials => credentials.to_owned(),
            TurnFailure::QuotaReached | TurnFailure::NoCapacity => {
                format!("try again later, or {TELL_OWNER}")
            }
            _ => TELL_OWNER.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit_code::ExitCode;

    fn probe(uri: &str, outcome: Result<ProbeAnswer, ProbeFailure>) -> Check {
        of_probe(&ServerProbe {
            uri: ServerUri::parse(uri).unwrap(),
            named_by: NamedBy::Homeserver,
            address: Some("192.0.2.1:3478".parse().unwrap()),
            outcome,
        })
    }

    fn allocated(relaying: Relaying) -> Check {
        allocated_at("turns:turn.example.org", relaying)
    }

    fn allocated_at(uri: &str, relaying: Relaying) -> Check {
        let answer = ProbeAnswer::Allocated {
            relayed: vec!["192.0.2.1:50000".parse().unwrap()],
            mapped: None,
            took: Duration::from_millis(30),
            lifetime: Duration::from_secs(600),
            relaying,
        };
        probe(uri, Ok(answer))
    }

    #[test]
    fn an_allocation_is_told_with_what_it_shows() {
        let round_trip = Duration::from_millis(40);
        let (words, help) = {
            let check = allocated(Relaying::Shown { round_trip });
            let (words, help) = check.words();
            (words, help.cloned())
        };
        assert_eq!(
            words,
            "turns:turn.example.org:5349: granted 192.0.2.1:50000 for 600 s, and relays: 40 ms there and back (TLS, 192.0.2.1)"
        );
        assert_eq!(help, None);
        assert_eq!(allocated(Relaying::NotShown).exit_code(), ExitCode::Done);
        for (uri, may_be_the_network) in [
            ("turn:turn.example.org", false),
            ("turn:turn.example.org?transport=tcp", true),
            ("turns:turn.example.org", true),
        ] {
            let check = allocated_at(uri, Relaying::WithinServer);
            let help = check.words().1.unwrap();
            assert!(help.contains("firewall of the server"), "{help}");
            assert_eq!(help.contains("lets no UDP out"), may_be_the_network);
        }
        assert_eq!(allocated(Relaying::Nothing).exit_code(), ExitCode::Network);
    }

    #[test]
    fn each_failure_says_whom_to_tell() {
        for (failure, said) in [
            (TurnFailure::NoAnswer, "lets no UDP through"),
            (TurnFailure::WrongCredentials, "turn_shared_secret"),
            (TurnFailure::NoCapacity, "later"),
            (TurnFailure::Refused(500), "owner of the server"),
        ] {
            let check = probe("turn:turn.example.org", Err(failure.into()));
            let (message, help) = check.words();
            let help = help.unwrap();
            assert!(help.contains(said), "{message}: {help}");
            assert_eq!(check.exit_code(), ExitCode::Network);
        }
        let check = probe("stun:stun.example.org", Err(ProbeFailure::NoRoute));
        assert_eq!(
            (check.name, check.exit_code()),
            (Name::Stun, ExitCode::Done)
        );
    }
}
