//! Relays of GhostNet: who lists them, whether each answers as the one it should be, and what they are paid with.

use std::time::Duration;

use securecall_driver::probe::{ListedIssuer, ListedRelay, RelayFault, Survey, survey_ghostnet};
use securecall_driver::{GhostNetSources, Reach, TlsTrust};
use securecall_ghostnet::choice::NoRelay;
use securecall_ghostnet::directory::{DirectoryError, Role};
use securecall_profile::SealedMemory;
use tokio::task::JoinSet;

use super::check::Check;
use super::names::Name;
use super::teller::Teller;
use crate::config::Settings;
use crate::error::{ErrorKind, Failure};

/// A list that ends so soon should have been followed by another.
const ENDS_SOON: Duration = Duration::from_secs(24 * 3600);

const ALL: [Name; 3] = [Name::GhostNet, Name::GhostNetRelay, Name::GhostNetTokens];

/// The checks of GhostNet.
#[derive(Debug)]
pub(crate) struct GhostNetChecks {
    sources: Sources,
    reach: Reach,
    is_wanted: bool,
    teller: Teller,
}

/// How its relays are found.
#[derive(Debug)]
enum Sources {
    Named(Box<GhostNetSources>),
    None,
    /// The settings do not go together.
    Wrong(Failure),
    /// What it would need is not there.
    Unknown(&'static str),
}

impl GhostNetChecks {
    /// Those of the settings, with what the profile remembers.
    pub(crate) fn new(
        settings: Option<&Settings>,
        memory: Option<SealedMemory>,
        teller: Teller,
    ) -> Self {
        let sources = match (settings, memory) {
            (None, _) => Sources::Unknown("the settings are not valid (above)"),
            (Some(_), None) => Sources::Unknown("the profile has no identity (above)"),
            (Some(settings), Some(memory)) => match settings.ghostnet(memory) {
                Ok(Some(sources)) => Sources::Named(Box::new(sources)),
                Ok(None) => Sources::None,
                Err(failure) => Sources::Wrong(failure),
            },
        };
        Self {
            sources,
            reach: settings.map(Settings::reach).unwrap_or_default(),
            is_wanted: settings.is_some_and(Settings::wants_ghostnet),
            teller,
        }
    }

    /// Checks all of it.
    pub(crate) async fn run(self) {
        let Self {
            sources,
            reach,
            is_wanted,
            teller,
        } = self;
        let sources = match sources {
            Sources::Named(sources) => sources,
            Sources::Unknown(why) => return teller.cannot(&ALL, why),
            Sources::None => return nothing(&teller, not_set_up(is_wanted)),
            Sources::Wrong(failure) => {
                return nothing(&teller, Check::bad(Name::GhostNet, failure));
            }
        };
        // Without authorities relays can still prove themselves by their keys.
        let trust = TlsTrust::of_this_machine().ok();
        let survey = survey_ghostnet(&sources, trust.as_ref(), reach).await;
        teller.tell(of_list(&survey, is_wanted).took(survey.took));
        let mut running = JoinSet::new();
        for (place, relay) in survey.relays.into_iter().enumerate() {
            let teller = teller.clone();
            running.spawn(async move { teller.tell_one(of_relay(&relay).await.at(place)) });
        }
        for (place, issuer) in survey.issuers.into_iter().enumerate() {
            let teller = teller.clone();
            running.spawn(async move { teller.tell_one(of_issuer(&issuer).await.at(place)) });
        }
        while running.join_next().await.is_some() {}
        teller.complete(Name::GhostNetRelay);
        teller.complete(Name::GhostNetTokens);
    }
}

/// The one check, and none of relays.
fn nothing(teller: &Teller, check: Check) {
    teller.tell(check);
    teller.complete(Name::GhostNetRelay);
    teller.complete(Name::GhostNetTokens);
}

const SET_UP: &str = "whoever runs relays publishes a list and the key that signs it: `securecall config set ghostnet_directory …` and `ghostnet_key …`";

fn not_set_up(is_wanted: bool) -> Check {
    if is_wanted {
        let failure = Failure::new(
            ErrorKind::NoRelay,
            "every call is to go through two relays (`route`), and nobody lists any",
        );
        return Check::bad(Name::GhostNet, failure.help(SET_UP));
    }
    Check::good(Name::GhostNet, "is not set up; calls do without")
}

fn of_list(survey: &Survey, is_wanted: bool) -> Check {
    let rest = match survey.good_for {
        Some(left) => format!("the last one is good for another {}", time_words(left)),
        None => "there is none that is good".to_owned(),
    };
    if let Some(error) = &survey.refused {
        let failure = Failure::new(ErrorKind::RelayFailed, format!("{error}; {rest}"));
        return Check::bad(Name::GhostNet, failure.help(refused_help(error)));
    }
    if let Some(error) = &survey.not_there {
        let message = format!("the list of relays is not there: {error}; {rest}");
        let failure = Failure::new(ErrorKind::RelayFailed, message);
        return Check::bad(
            Name::GhostNet,
            failure.help("look at `ghostnet_directory`, or ask whoever publishes the list"),
        );
    }
    let count = survey.relays.len();
    let left = survey.good_for.unwrap_or_default();
    let message = format!(
        "{count} relay{} listed, good for {}",
        if count == 1 { "" } else { "s" },
        time_words(left)
    );
    match &survey.ready {
        // Tokens have a check of their own.
        Ok(()) | Err(NoRelay::NoTokens) => {}
        Err(why) => {
            let failure = Failure::new(ErrorKind::NoRelay, format!("{message}, but {why}"));
            let failure = failure.help("ask whoever publishes the list");
            return match is_wanted {
                true => Check::bad(Name::GhostNet, failure),
                false => Check::good(Name::GhostNet, failure.message)
                    .hint("no call can go through GhostNet: ask whoever publishes the list"),
            };
        }
    }
    let check = Check::good(Name::GhostNet, message);
    if left < ENDS_SOON {
        return check.hint("no later list was published: ask whoever publishes it");
    }
    check
}

fn refused_help(error: &DirectoryError) -> &'static str {
    match error {
        DirectoryError::Signature => {
            "`ghostnet_key` must be the key of whoever publishes this list; if it is, somebody has put another list in its place"
        }
        DirectoryError::Older { .. } | DirectoryError::Ambiguous(_) => {
            "somebody shows you other relays than before: ask whoever publishes the list"
        }
        DirectoryError::NotYetValid(_) => "look at this machine's clock",
        DirectoryError::Expired(_) => {
            "ask whoever publishes the list for a new one, and look at this machine's clock"
        }
        DirectoryError::TooLarge | DirectoryError::Envelope | DirectoryError::Payload(_) => {
            "look at `ghostnet_directory`, and tell whoever publishes the list"
        }
    }
}

async fn of_relay(relay: &ListedRelay) -> Check {
    let role = match relay.role {
        Role::Entry => "entry",
        Role::Exit => "exit",
        Role::Both => "entry and exit",
    };
    let place = match relay.address {
        Some(address) => format!("{role} of {}, {}", relay.operator, address.ip()),
        None => format!("{role} of {}", relay.operator),
    };
    let check = match relay.probe().await {
        Ok(took) => Check::good(
            Name::GhostNetRelay,
            format!("is the one that is listed, and takes calls ({place})"),
        )
        .took(took),
        // This network has no IPv6, say: that is nobody's fault.
        Err(fault @ RelayFault::NoWay) => {
            Check::not_checked(Name::GhostNetRelay, format!("{fault} ({place})"))
        }
        Err(fault) => {
            let failure = Failure::new(ErrorKind::RelayFailed, format!("{fault} ({place})"));
            Check::bad(Name::GhostNetRelay, failure.help(fault_help(&fault)))
        }
    };
    check.of_server(relay.name.to_string())
}

fn fault_help(fault: &RelayFault) -> &'static str {
    match fault {
        RelayFault::Silent => {
            "if none answers, this network lets no UDP through; if others do, tell its operator. Calls take others"
        }
        RelayFault::WrongKey => {
            "somebody may stand between you and it: no call goes through it. Tell its operator, from another network if you can"
        }
        RelayFault::TooNarrow => {
            "packets of 1,240 bytes do not get through: a VPN or a mobile network may be in the way"
        }
        RelayFault::NoSecret => {
            "ask its operator for the secret: `securecall config set ghostnet_secret …`"
        }
        RelayFault::Busy => "calls take another; if it stays so, tell its operator",
        RelayFault::NoWay
        | RelayFault::Refused(_)
        | RelayFault::Protocol
        | RelayFault::OtherTokens => "tell its operator, or whoever publishes the list",
    }
}

async fn of_issuer(issuer: &ListedIssuer) -> Check {
    let tokens = match issuer.tokens {
        0 => "no token in stock".to_owned(),
        1 => "1 token in stock".to_owned(),
        count => format!("{count} tokens in stock"),
    };
    let check = match issuer.probe().await {
        Ok(took) if issuer.tokens >= issuer.low => {
            Check::good(Name::GhostNetTokens, format!("{tokens}, and more are sold")).took(took)
        }
        Ok(took) => Check::good(Name::GhostNetTokens, format!("{tokens}; more are sold"))
            .hint("they are bought while you listen or call, not before: a call pays two")
            .took(took),
        Err(why) => {
            let message = format!("{tokens}, and none can be bought: {why}");
            let failure = Failure::new(ErrorKind::RelayFailed, message);
            Check::bad(
                Name::GhostNetTokens,
                failure.help("tell whoever runs the issuer; each call takes two tokens"),
            )
        }
    };
    check.of_server(issuer.name.as_str())
}

/// About how long.
fn time_words(time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    match minutes {
        0..120 => format!("{minutes} min"),
        120..2880 => format!("{} h", minutes / 60),
        _ => format!("{} days", minutes / 1440),
    }
}

#[cfg(test)]
mod tests {
    use securecall_ghostnet::UnixTime;

    use super::*;
    use crate::exit_code::ExitCode;

    fn survey() -> Survey {
        Survey {
            not_there: None,
            refused: None,
            good_for: Some(Duration::from_secs(7 * 24 * 3600)),
            ready: Ok(()),
            relays: Vec::new(),
            issuers: Vec::new(),
            took: Duration::ZERO,
        }
    }

    #[test]
    fn a_list_is_well_until_it_ends_and_says_so_a_day_before() {
        let check = of_list(&survey(), false);
        assert!(check.words().0.contains("good for 7 days"));
        assert!(check.words().1.is_none());
        let soon = Survey {
            good_for: Some(Duration::from_secs(3 * 3600)),
            ..survey()
        };
        let check = of_list(&soon, false);
        assert_eq!(check.exit_code(), ExitCode::Done);
        assert!(check.words().0.contains("good for 3 h"));
        assert!(check.words().1.is_some());
        let ended = Survey {
            refused: Some(DirectoryError::Expired(UnixTime::from_secs(0))),
            good_for: None,
            ..survey()
        };
        let check = of_list(&ended, false);
        assert_eq!(check.exit_code(), ExitCode::Network);
        assert!(check.words().0.contains("valid until 1970-01-01"));
    }

    #[test]
    fn that_no_two_relays_go_together_is_wrong_where_every_call_needs_them() {
        let alone = || Survey {
            ready: Err(NoRelay::OneOperator),
            ..survey()
        };
        assert_eq!(of_list(&alone(), true).exit_code(), ExitCode::Security);
        assert_eq!(of_list(&alone(), false).exit_code(), ExitCode::Done);
        assert!(of_list(&alone(), false).words().1.is_some());
        // What is only to be bought is said of the issuer.
        let unpaid = Survey {
            ready: Err(NoRelay::NoTokens),
            ..survey()
        };
        assert_eq!(of_list(&unpaid, true).exit_code(), ExitCode::Done);
        assert_eq!(not_set_up(true).exit_code(), ExitCode::Security);
        assert_eq!(not_set_up(false).exit_code(), ExitCode::Done);
    }
}
