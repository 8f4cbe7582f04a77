//! Why a call cannot go through relays.

use thiserror::Error;

use crate::time::UnixTime;

/// Why there are no two relays for a call. Such a call is not made: never by another route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
pub enum NoRelay {
    /// None was fetched, or none is configured.
    #[error("no relay directory is known: configure one, or ask whoever runs your server")]
    NoDirectory,
    /// The last that was fetched is out of date.
    #[error("the relay directory was valid until {0}, and there is no newer one")]
    Expired(UnixTime),
    /// Its time has not come.
    #[error("the relay directory is valid from {0} on only: is the clock right?")]
    NotYetValid(UnixTime),
    /// No relay of it is an entry.
    #[error("the relay directory has no relay that is an entry")]
    NoEntry,
    /// No relay of it is an exit.
    #[error("the relay directory has no relay that is an exit")]
    NoExit,
    /// All are of one operator, who would see both ends.
    #[error("all relays are of one operator, who would see both of you: two are needed")]
    OneOperator,
    /// All are in one network, where both ends could be seen.
    #[error("the relays of different operators are all in one network: two networks are needed")]
    OneNetwork,
    /// None has an address that can be reached from here.
    #[error("no relay has an address of the kind that this machine has, IPv4 or IPv6")]
    Families,
    /// There are relays, and no two of them go together.
    #[error(
        "no two relays go together: of different operators, in different networks, within reach"
    )]
    NoPair,
    /// All entries that may be tried are silent. Others are not tried: each more could be a bad one.
    #[error("no entry relay answers: is the network down, or does it block relays?")]
    EntriesFailed,
    /// All exits are silent.
    #[error("no exit relay answers")]
    ExitsFailed,
    /// There is no token that the relays take.
    #[error(
        "there are no tokens for the relays: they are bought while no call is on, from your server"
    )]
    NoTokens,
}
