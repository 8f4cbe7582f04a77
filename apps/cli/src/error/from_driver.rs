//! What the driver says, told to a person.

use securecall_audio_device::{Blame, OpenError};
use securecall_driver::{
    CallError, GroupError, PlaceError, PlaceGroupError, RoomCallError, StartError,
};

use super::{ErrorKind, Failure};

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::from(&error)
    }
}

impl From<&OpenError> for Failure {
    fn from(error: &OpenError) -> Self {
        let kind = match (error, error.blame()) {
            (OpenError::DiskFull { .. }, _) => ErrorKind::StorageFailed,
            (_, Blame::Input) => ErrorKind::InvalidAudio,
            (_, Blame::Machine) => ErrorKind::AudioUnavailable,
        };
        Self::new(kind, error.to_string()).help(error.help())
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let message = error.to_string();
        match error {
            StartError::Audio(error) => error.into(),
            StartError::ReplayMemory(_) => Self::new(ErrorKind::StorageFailed, message),
            StartError::Randomness(error) => Self::no_randomness(error),
            StartError::ReplayMemoryDamaged(_) => Self::new(ErrorKind::DamagedStore, message).help(
                "remove the file `replay-memory` from the profile; until ten minutes later, an old call could ring once more",
            ),
            StartError::Sync(securecall_matrix::StartError::Server(error)) => error.into(),
            StartError::Sync(securecall_matrix::StartError::AlreadyStarted) => Self::bug(message),
        }
    }
}

impl From<PlaceError> for Failure {
    fn from(error: PlaceError) -> Self {
        let message = error.to_string();
        match error {
            PlaceError::Refused(CallError::InAnotherCall) => Self::new(ErrorKind::NotNow, message).help("hang up first"),
            PlaceError::Refused(CallError::OwnIdentity) => {
                Self::new(ErrorKind::Usage, message).help("call somebody else's")
            }
            PlaceError::Refused(CallError::IdentityMismatch) => Self::new(ErrorKind::KeyMismatch, message)
                .help("ask the person on another way for a new contact link"),
            PlaceError::Refused(CallError::Blocked) => Self::new(ErrorKind::Blocked, "this person is blocked, and so not called")
                .help("take it back with `securecall contact unblock`"),
            PlaceError::Refused(CallError::TierTooLow) => Self::new(ErrorKind::TierTooLow, message)
                .help("ask the person for a SecureCall contact link, and add it"),
            PlaceError::Refused(CallError::NoRelay) => {
                Self::new(ErrorKind::NoRelay, "calls with people who are not contacts go through a relay, and there is none").help(
                    "add the person with `securecall contact add`, name a TURN server (`turn` in config.toml), or give --route direct: then they learn your network address",
                )
            }
            PlaceError::Refused(CallError::RelayUnavailable) => {
                Self::new(ErrorKind::NoRelay, "a call by relay needs a relay, and there is none").help(
                    "the homeserver names no TURN server that can be used, and neither does `turn` in config.toml",
                )
            }
            PlaceError::Refused(CallError::GhostNetUnavailable) => {
                Self::new(ErrorKind::NoRelay, "a call by GhostNet needs two relays that go together, and there are none").help(
                    "`ghostnet_directory` and `ghostnet_key` in config.toml name the list of relays, and `securecall doctor` says what is wrong with it",
                )
            }
            PlaceError::Stopped => Self::bug(message),
        }
    }
}

impl From<PlaceGroupError> for Failure {
    fn from(error: PlaceGroupError) -> Self {
        let message = error.to_string();
        match error {
            PlaceGroupError::Refused(GroupError::Refused(error)) => {
                PlaceError::Refused(error).into()
            }
            PlaceGroupError::Refused(GroupError::NotSealed) => {
                Self::new(ErrorKind::NoSecureCallDevice, message)
                    .help("ask the person for a SecureCall contact link, and add it")
            }
            PlaceGroupError::Refused(
                GroupError::Nobody | GroupError::Twice | GroupError::TooMany | GroupError::OfARoom,
            ) => Self::new(ErrorKind::Usage, message),
            PlaceGroupError::Refused(GroupError::NoSuchCall | GroupError::NotConnected) => {
                Self::new(ErrorKind::NotNow, message)
            }
            PlaceGroupError::Stopped => Self::bug(message),
        }
    }
}

impl From<RoomCallError> for Failure {
    fn from(error: RoomCallError) -> Self {
        let message = error.to_string();
        match error {
            RoomCallError::NoSuchRoom => Self::new(ErrorKind::UnknownRoom, message)
                .help("check its alias, such as #friends:example.org, or its ID"),
            RoomCallError::NotAllowed => Self::new(ErrorKind::RoomRefused, message).help(
                "ask whoever looks after the room to invite this account",
            ),
            RoomCallError::MediaServer => Self::new(ErrorKind::UnsupportedCall, message)
                .help("Element Call and Element X make such calls; Element Web and Desktop can end it, and so make room for one of this kind"),
            RoomCallError::Refused(error) => {
                let failure = Self::from(PlaceError::Refused(error));
                match error {
                    // Whoever comes may be anybody: to know those who are there is not enough.
                    CallError::NoRelay => failure.help(
                        "name a TURN server (`turn` in config.toml), or give --route direct: then everybody in the call learns your network address",
                    ),
                    _ => failure,
                }
            }
            RoomCallError::Server(error) => error.into(),
            RoomCallError::Stopped => Self::bug(message),
        }
    }
}
