//! The account and its homeserver.

use std::sync::Arc;
use std::time::Duration;

use securecall_contact::enrolment::ServerDocument;
use securecall_matrix::{
    Account, Checkup, PublishedKeys, Reached, RoundTripError, ServerError, TokenOwner,
};
use securecall_profile::SessionLockError;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::check::Check;
use super::clock::clock;
use super::names::Name;
use super::profile::{Missing, Stored};
use super::teller::Teller;
use super::{PATIENCE, Stopwatch};
use crate::error::{ErrorKind, Failure};

/// What needs a homeserver that answers, besides it.
const BEHIND_HOMESERVER: [Name; 5] = [
    Name::Clock,
    Name::Login,
    Name::DeviceKeys,
    Name::OneTimeKeys,
    Name::RoundTrip,
];

/// What needs a login that it takes.
const BEHIND_LOGIN: [Name; 3] = [Name::DeviceKeys, Name::OneTimeKeys, Name::RoundTrip];

/// Why the homeserver cannot be asked for its TURN servers.
pub(super) type NoHomeserver = &'static str;

const NO_ACCOUNT: NoHomeserver = "there is no account that could be used";

/// The checks of the account and its homeserver, one after the other.
#[derive(Debug)]
pub(crate) struct Homeserver {
    stored: Stored,
    teller: Teller,
    /// Told when the homeserver can be asked for its TURN servers.
    ready: oneshot::Sender<Result<Arc<Checkup>, NoHomeserver>>,
}

impl Homeserver {
    /// The homeserver of a stored account. Others who ask it are told by `ready` that they can.
    pub(crate) fn new(
        stored: Stored,
        teller: Teller,
        ready: oneshot::Sender<Result<Arc<Checkup>, NoHomeserver>>,
    ) -> Self {
        Self {
            stored,
            teller,
            ready,
        }
    }

    /// Tells that there is none.
    pub(crate) fn cannot_be_asked(teller: &Teller, why: Missing) {
        match why {
            Missing::Identity => {
                teller.cannot(
                    &[Name::Account],
                    "the profile does not open, or has no identity",
                );
            }
            Missing::Account(failure) => teller.tell(Check::bad(Name::Account, failure)),
        }
        teller.cannot(&[Name::Homeserver], NO_ACCOUNT);
        teller.cannot(&BEHIND_HOMESERVER, NO_ACCOUNT);
    }

    /// Checks all of it.
    pub(crate) async fn run(self) {
        let Self {
            stored,
            teller,
            ready,
        } = self;
        let Some(checkup) = open(&stored, &teller).await else {
            let _ = ready.send(Err(NO_ACCOUNT));
            return;
        };
        let checkup = Arc::new(checkup);
        let usable = is_usable(&checkup, &teller).await;
        // The servers for calls need no more than that.
        let _ = ready.send(usable.map(|()| checkup.clone()));
        if usable.is_ok() {
            keys_and_round_trip(stored, &checkup, &teller).await;
        }
    }
}

async fn open(stored: &Stored, teller: &Teller) -> Option<Checkup> {
    let watch = Stopwatch::start();
    match Checkup::open(&stored.store).await {
        Ok(checkup) => {
            let words = format!(
                "{}, device {}",
                checkup.matrix_id(),
                checkup.own_device().device_id
            );
            teller.tell(Check::good(Name::Account, words).took(watch.took()));
            Some(checkup)
        }
        Err(error) => {
            teller.tell(Check::bad(Name::Account, error).took(watch.took()));
            teller.cannot(&[Name::Homeserver], NO_ACCOUNT);
            teller.cannot(&BEHIND_HOMESERVER, NO_ACCOUNT);
            None
        }
    }
}

/// Whether the homeserver answers, and takes the login.
async fn is_usable(checkup: &Checkup, teller: &Teller) -> Result<(), NoHomeserver> {
    let address = checkup.homeserver().url().as_str().trim_end_matches('/');
    let (answer, took) = asked(checkup.reach()).await;
    match answer {
        Ok(reached) => {
            let beside = timeout(PATIENCE, checkup.offers()).await;
            let beside = beside.ok().and_then(Result::ok).flatten();
            let beside = beside.map_or_else(String::new, |document| beside_words(&document));
            let words = format!("{address} answers{}{beside}", version_words(&reached));
            teller.tell(Check::good(Name::Homeserver, words).took(reached.took));
            teller.tell(clock(&reached));
        }
        Err(error) => {
            const WHY: NoHomeserver = "the homeserver does not answer as one does";
            let failure = of_homeserver(address, error);
            teller.tell(Check::bad(Name::Homeserver, failure).took(took));
            teller.cannot(&BEHIND_HOMESERVER, WHY);
            return Err(WHY);
        }
    }
    let (answer, took) = asked(checkup.token_owner()).await;
    let failure = match answer {
        Ok(TokenOwner::Us) => {
            let words = "the homeserver takes this device's";
            teller.tell(Check::good(Name::Login, words).took(took));
            return Ok(());
        }
        Ok(TokenOwner::Other(owner)) => Failure::new(
            ErrorKind::HomeserverFault,
            format!("the homeserver takes this device's login for that of {owner}"),
        )
        .help(LOG_IN_AGAIN),
        Err(error) => error.into(),
    };
    const WHY: NoHomeserver = "the homeserver does not take the login";
    teller.tell(Check::bad(Name::Login, failure).took(took));
    teller.cannot(&BEHIND_LOGIN, WHY);
    Err(WHY)
}

/// A question with an end, and how long the answer took.
async fn asked<T>(
    question: impl Future<Output = Result<T, ServerError>>,
) -> (Result<T, ServerError>, Duration) {
    let watch = Stopwatch::start();
    let answer = timeout(PATIENCE, question).await;
    let answer = answer.unwrap_or(Err(ServerError::TimedOut));
    (answer, watch.took())
}

/// The address is the account's own: nobody has just given it.
fn of_homeserver(address: &str, error: ServerError) -> Failure {
    let failure = Failure::from(error);
    let message = format!("{address}: {}", failure.message);
    let help = match failure.kind {
        ErrorKind::HomeserverUnreachable => {
            Some("check this machine's network; if other sites work, the homeserver is down".into())
        }
        _ => failure.help,
    };
    Failure {
        message: message.into(),
        help,
        ..failure
    }
}

/// What a server of ours offers beside the homeserver.
fn beside_words(document: &ServerDocument) -> String {
    let ServerDocument {
        enrolment,
        issuer,
        relays,
        turn,
    } = document;
    let offers: Vec<&str> = [
        (enrolment, "enrolment"),
        (issuer, "relay tokens"),
        (relays, "a list of relays"),
        (turn, "TURN credentials without names"),
    ]
    .into_iter()
    .filter_map(|(offer, words)| offer.as_ref().map(|_| words))
    .collect();
    if offers.is_empty() {
        return "; a SecureCall server stands beside it".to_owned();
    }
    format!(
        "; a SecureCall server beside it offers {}",
        offers.join(", ")
    )
}

fn version_words(reached: &Reached) -> String {
    let newest = reached.versions.iter().max_by_key(|version| {
        let mut numbers = version.trim_start_matches('v').split('.');
        let mut number = || numbers.next()?.parse::<u32>().ok();
        (number(), number())
    });
    newest.map_or_else(String::new, |version| {
        let others = reached.versions.len() - 1;
        match others {
            0 => format!(" with Matrix {version}"),
            _ => format!(" with Matrix {version} and {others} earlier versions"),
        }
    })
}

const LOG_IN_AGAIN: &str =
    "`securecall logout`, then `securecall register` or `securecall login` again";

async fn keys_and_round_trip(stored: Stored, checkup: &Checkup, teller: &Teller) {
    let (device_keys, (count, took)) =
        tokio::join!(device_keys(checkup), asked(checkup.one_time_keys()));
    teller.tell(device_keys);
    let account = match (&stored.lock, &count) {
        (Ok(_), Ok(_)) => Some(Account::restore(&stored.store).await),
        _ => None,
    };
    let count = match (count, &account) {
        (Ok(0), Some(Ok(account))) => replenished(checkup, account).await,
        (count, _) => count.map(Count::There),
    };
    let has_keys = matches!(count, Ok(Count::There(1..) | Count::Replenished(1..)));
    teller.tell(one_time_keys(count).took(took));
    let round_trip = match (&stored.lock, account) {
        (Err(SessionLockError::InUse { holder }), _) => Check::not_checked(
            Name::RoundTrip,
            format!("the account is in use by {holder}, whose message it would take away"),
        ),
        (Err(error), _) => Check::not_checked(Name::RoundTrip, error.to_string()),
        (Ok(_), Some(Err(error))) => Check::bad(Name::RoundTrip, error),
        (Ok(_), Some(Ok(account))) if has_keys => round_trip(&account).await,
        (Ok(_), _) => Check::not_checked(Name::RoundTrip, "there is no one-time key to write with"),
    };
    teller.tell(round_trip);
}

async fn device_keys(checkup: &Checkup) -> Check {
    let (answer, took) = asked(checkup.published_keys()).await;
    let check = match answer {
        Ok(PublishedKeys::Ours) => {
            Check::good(Name::DeviceKeys, "the homeserver tells others those of this device")
        }
        Ok(PublishedKeys::None) => Check::bad(
            Name::DeviceKeys,
            Failure::new(
                ErrorKind::HomeserverFault,
                "the homeserver has none of this device, so nobody can call it",
            )
            .help(LOG_IN_AGAIN),
        ),
        Ok(PublishedKeys::Others) => Check::bad(
            Name::DeviceKeys,
            Failure::new(
                ErrorKind::KeyMismatch,
                "the homeserver tells others keys that are not this device's, so calls do not arrive",
            )
            .help(format!("{LOG_IN_AGAIN}; if it stays so, do not trust this homeserver, and use another one")),
        ),
        Err(error) => Check::bad(Name::DeviceKeys, error),
    };
    check.took(took)
}

/// How many one-time keys the homeserver has.
enum Count {
    There(u64),
    /// After there was none.
    Replenished(u64),
}

async fn replenished(checkup: &Checkup, account: &Account) -> Result<Count, ServerError> {
    asked(account.replenish_one_time_keys()).await.0?;
    let count = asked(checkup.one_time_keys()).await.0?;
    Ok(Count::Replenished(count))
}

fn one_time_keys(count: Result<Count, ServerError>) -> Check {
    match count {
        Ok(Count::There(0)) => Check::bad(
            Name::OneTimeKeys,
            Failure::new(
                ErrorKind::HomeserverFault,
                "the homeserver has none of this device, so nobody can call it for the first time",
            )
            .help("the process that uses the account uploads new ones; if it does not, end it and try again"),
        ),
        Ok(Count::Replenished(0)) => Check::bad(
            Name::OneTimeKeys,
            Failure::new(
                ErrorKind::HomeserverFault,
                "the homeserver has none of this device and keeps none of those that are uploaded, so nobody can call it for the first time",
            )
            .help("tell the owner of the homeserver, or use another one"),
        ),
        Ok(Count::There(count)) => {
            Check::good(Name::OneTimeKeys, format!("{count} at the homeserver"))
        }
        Ok(Count::Replenished(count)) => Check::good(
            Name::OneTimeKeys,
            format!("there was none at the homeserver; {count} are now"),
        ),
        Err(error) => Check::bad(Name::OneTimeKeys, error),
    }
}

async fn round_trip(account: &Account) -> Check {
    let watch = Stopwatch::start();
    match account.round_trip(PATIENCE).await {
        Ok(took) => {
            let words = "a sealed message to this device came back";
            Check::good(Name::RoundTrip, words).took(took)
        }
        Err(RoundTripError::InboxFull) => {
            Check::not_checked(Name::RoundTrip, RoundTripError::InboxFull.to_string())
        }
        Err(RoundTripError::Server(error)) => Check::bad(Name::RoundTrip, error).took(watch.took()),
        Err(error) => {
            let failure = Failure::new(ErrorKind::HomeserverFault, error.to_string());
            let failure = failure.help(match error {
                RoundTripError::Unreadable => LOG_IN_AGAIN,
                _ => "tell the owner of the homeserver, or use another one",
            });
            Check::bad(Name::RoundTrip, failure).took(watch.took())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_is_named_whatever_stands_in_the_list() {
        let words = |versions: &[&str]| {
            version_words(&Reached {
                versions: versions.iter().map(|text| (*text).to_owned()).collect(),
                date: None,
                took: Duration::ZERO,
            })
        };
        assert_eq!(words(&[]), "");
        assert_eq!(words(&["v1.11"]), " with Matrix v1.11");
        assert_eq!(
            words(&["r0.6.1", "v1.9", "v1.12", "v1.2"]),
            " with Matrix v1.12 and 3 earlier versions"
        );
    }
}
