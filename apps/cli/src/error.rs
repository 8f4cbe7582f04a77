//! What the program says when something does not work: one type for people and scripts.

use std::fmt;
use std::io;
use std::path::Path;

use securecall_contact::{
    AddressError, ContactLinkError, MatrixIdError, SecureCallIdError, ServerNameError,
};

use securecall_contact_qr::{PictureError, QrCodeError};

use crate::exit_code::ExitCode;
use crate::harmless::Line;

mod from_contact_book;
mod from_driver;
mod from_matrix;
mod from_profile;
mod from_sources;

/// Makes [`ErrorKind`] with the name of each kind in `error.kind` and the exit code it is tied to.
macro_rules! error_kinds {
    ($($(#[$doc:meta])* $kind:ident => $name:literal, $code:ident;)+) => {
        /// The closed list of `error.kind`, each tied to one exit code. `docs/cli.md` lists them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum ErrorKind {
            $($(#[$doc])* $kind,)+
        }

        impl ErrorKind {
            /// Every kind there is.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$kind,)+];

            /// The name in events.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }

            /// The exit code of a command that ends so.
            pub(crate) const fn exit_code(self) -> ExitCode {
                match self {
                    $(Self::$kind => ExitCode::$code,)+
                }
            }
        }
    };
}

error_kinds! {
    /// A fault of this program.
    Bug => "bug", Bug;

    /// Options or arguments that do not fit.
    Usage => "usage", Usage;
    /// A text that is no SecureCall ID.
    InvalidId => "invalid_id", Usage;
    /// A text that is no Matrix ID.
    InvalidMatrixId => "invalid_matrix_id", Usage;
    /// A text that is no contact link.
    InvalidLink => "invalid_link", Usage;
    /// A picture that holds no contact.
    InvalidPicture => "invalid_picture", Usage;
    /// A text that is no server name or homeserver URL.
    InvalidServer => "invalid_server", Usage;
    /// A phrase that is not 24 words of the list, or whose checksum is wrong.
    InvalidPhrase => "invalid_phrase", Usage;
    /// No contact has this name.
    UnknownContact => "unknown_contact", Usage;
    /// There is no such room, or the text names none.
    UnknownRoom => "unknown_room", Usage;
    /// A contact whose key is not known cannot be verified.
    KeyUnknown => "key_unknown", Usage;
    /// Another contact has this name.
    NameInUse => "name_in_use", Usage;
    /// The profile has no identity yet.
    NoIdentity => "no_identity", Usage;
    /// The profile has another identity already.
    IdentityExists => "identity_exists", Usage;
    /// The profile has no account yet.
    NoAccount => "no_account", Usage;
    /// The profile has another account already.
    AccountExists => "account_exists", Usage;
    /// `config.toml` or an environment variable is wrong.
    InvalidConfig => "invalid_config", Usage;
    /// A file that was named cannot be read.
    InvalidFile => "invalid_file", Usage;
    /// A microphone or speaker that was named cannot be used as given.
    InvalidAudio => "invalid_audio", Usage;
    /// A question has to be asked and nobody can answer.
    NeedsTerminal => "needs_terminal", Usage;
    /// A command that does not fit what the call is doing.
    NotNow => "not_now", Usage;

    /// A key of low order.
    LowOrderKey => "low_order_key", Security;
    /// Two addresses that must hold the same key do not.
    KeyMismatch => "key_mismatch", Security;
    /// The call would not have the tier that is required.
    TierTooLow => "tier_too_low", Security;
    /// The user has blocked the person who is to be called.
    Blocked => "blocked", Security;
    /// A stranger would learn our network address, and there is no relay.
    NoRelay => "no_relay", Security;
    /// The homeserver's certificate is refused, or the connection would not be encrypted.
    CertificateRefused => "certificate_refused", Security;
    /// The homeserver sent a call in plain text.
    PlainTextRefused => "plain_text_refused", Security;

    /// The peer has no device that SecureCall can call.
    NoSecureCallDevice => "no_securecall_device", Peer;
    /// The group call of a room is of a kind that this program does not take part in.
    UnsupportedCall => "unsupported_call", Peer;

    /// The homeserver cannot be reached.
    HomeserverUnreachable => "homeserver_unreachable", Network;
    /// The homeserver answered with something unusable.
    HomeserverFault => "homeserver_fault", Network;
    /// A room does not let this account in.
    RoomRefused => "room_refused", Network;
    /// The server's owner has to approve the account first.
    AwaitingApproval => "awaiting_approval", Network;
    /// The homeserver does not allow registration.
    RegistrationClosed => "registration_closed", Network;
    /// The registration token is wrong or used up, or one is needed.
    TokenRefused => "token_refused", Network;
    /// The homeserver offers no way to log in or register that this program knows.
    UnsupportedLogin => "unsupported_login", Network;
    /// Somebody else holds the name on the homeserver.
    NameTaken => "name_taken", Network;
    /// Wrong user name or password.
    LoginRefused => "login_refused", Network;
    /// The homeserver has signed this device out.
    SignedOut => "signed_out", Network;
    /// A STUN or TURN server, or a relay of GhostNet, cannot be used.
    RelayFailed => "relay_failed", Network;

    /// Another process uses the profile.
    ProfileInUse => "profile_in_use", Machine;
    /// No key for the profile: no passphrase, no keyring, nobody to ask.
    NoKey => "no_key", Machine;
    /// The passphrase is not the profile's.
    WrongPassphrase => "wrong_passphrase", Machine;
    /// The operating system's keyring does not work.
    KeyringFailed => "keyring_failed", Machine;
    /// The profile's store is damaged.
    DamagedStore => "damaged_store", Machine;
    /// The profile's store was written by a newer version.
    NewerStore => "newer_store", Machine;
    /// Reading or writing failed: disk full, no permission.
    StorageFailed => "storage_failed", Machine;
    /// This machine's clock is wrong.
    ClockWrong => "clock_wrong", Machine;
    /// This desktop takes no handler for links.
    NoDesktop => "no_desktop", Machine;
    /// There is no such sound device, or it cannot be opened.
    AudioUnavailable => "audio_unavailable", Machine;
}

/// Something that did not work, told to a person: what was wrong, and what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    pub(crate) message: Line,
    pub(crate) help: Option<Line>,
}

impl Failure {
    /// A failure without advice.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Line>) -> Self {
        Self {
            kind,
            message: message.into(),
            help: None,
        }
    }

    /// The same with what to do about it.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<Line>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// A fault of this program: something that cannot be, was.
    pub(crate) fn bug(message: impl fmt::Display) -> Self {
        Self::new(
            ErrorKind::Bug,
            format!("this is a fault of securecall: {message}"),
        )
        .help(REPORT)
    }

    /// The operating system has no randomness to give: nothing is sealed with less.
    pub(crate) fn no_randomness(error: impl fmt::Display) -> Self {
        Self::new(
            ErrorKind::StorageFailed,
            format!("the operating system gives no random numbers: {error}"),
        )
        .help(WITHOUT_RANDOMNESS)
    }

    /// Reading or writing below `path` failed.
    pub(crate) fn storage(path: &Path, error: &io::Error) -> Self {
        let failure = Self::new(
            ErrorKind::StorageFailed,
            format!("{}: {error}", path.display()),
        );
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                failure.help("the disk is full: make room and try again; nothing was lost")
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => failure
                .help("check who owns the profile directory, or name another with --profile DIR"),
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => Self::new(
                ErrorKind::StorageFailed,
                format!("{} is not a directory", there(path).display()),
            )
            .help("name a directory for the profile with --profile DIR"),
            _ => failure,
        }
    }
}

/// What there is of a path.
fn there(path: &Path) -> &Path {
    let there = path.ancestors().find(|part| part.exists());
    there.unwrap_or(path)
}

/// What to do without random numbers.
const WITHOUT_RANDOMNESS: &str =
    "without them nothing can be encrypted; restart the machine, or ask whoever looks after it";

/// How to report a bug.
pub(crate) const REPORT: &str = "please report it with what you did, the text above and the output of `securecall --version`; leave out your phrase and passwords";

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

impl From<SecureCallIdError> for Failure {
    fn from(error: SecureCallIdError) -> Self {
        let failure = Self::new(
            id_kind(&error, ErrorKind::InvalidId),
            format!("this is not a SecureCall ID: {error}"),
        );
        match error {
            SecureCallIdError::LowOrderKey => {
                failure.help("do not use this ID: whoever made it wanted the call to be readable")
            }
            SecureCallIdError::Version { .. } => {
                failure.help("update securecall, or ask for an ID of this version")
            }
            _ => failure.help("copy the whole ID again; better still, ask for a contact link"),
        }
    }
}

impl From<MatrixIdError> for Failure {
    fn from(error: MatrixIdError) -> Self {
        let kind = match &error {
            MatrixIdError::SecureCallId(inner) => id_kind(inner, ErrorKind::InvalidMatrixId),
            _ => ErrorKind::InvalidMatrixId,
        };
        Self::new(kind, format!("this is not a Matrix ID: {error}"))
            .help("a Matrix ID looks like @alice:example.org")
    }
}

impl From<ContactLinkError> for Failure {
    fn from(error: ContactLinkError) -> Self {
        let kind = match &error {
            ContactLinkError::AnotherKey => ErrorKind::KeyMismatch,
            ContactLinkError::Id(inner)
            | ContactLinkError::MatrixId(MatrixIdError::SecureCallId(inner)) => {
                id_kind(inner, ErrorKind::InvalidLink)
            }
            _ => ErrorKind::InvalidLink,
        };
        let failure = Self::new(kind, format!("this is not a contact link: {error}"));
        match kind {
            ErrorKind::KeyMismatch => failure.help("do not use this link: somebody may have changed it on its way"),
            _ => failure.help("copy the whole link again; it looks like securecall://contact/… or https://…/add/#…"),
        }
    }
}

impl From<AddressError> for Failure {
    fn from(error: AddressError) -> Self {
        match error {
            AddressError::Link(error) => error.into(),
            AddressError::MatrixId(error) => error.into(),
            AddressError::Id(error) => error.into(),
            AddressError::TooMany => Self::new(ErrorKind::InvalidLink, error.to_string())
                .help("give a shorter text, or the links one by one"),
        }
    }
}

impl From<PictureError> for Failure {
    fn from(error: PictureError) -> Self {
        if let PictureError::NoContact {
            fault: Some(fault), ..
        } = &error
        {
            let failure = Self::from(fault.clone());
            return Self {
                message: format!("the QR code holds no valid contact: {}", failure.message).into(),
                ..failure
            };
        }
        let help = match &error {
            PictureError::NoCode => {
                "take the picture anew: the whole code, sharp, with its white border"
            }
            PictureError::NoContact { .. } => {
                "ask for the QR code of `securecall contact share --qr`"
            }
            PictureError::TooLarge { .. }
            | PictureError::FileTooLarge
            | PictureError::TooMuchMemory { .. } => {
                "make it smaller, or cut out the part with the QR code"
            }
            _ => "name a PNG, JPEG or WebP picture with a QR code in it",
        };
        Self::new(ErrorKind::InvalidPicture, error.to_string()).help(help)
    }
}

impl From<QrCodeError> for Failure {
    fn from(error: QrCodeError) -> Self {
        Self::new(ErrorKind::Usage, error.to_string()).help("give a shorter --name")
    }
}

impl From<ServerNameError> for Failure {
    fn from(error: ServerNameError) -> Self {
        Self::new(
            ErrorKind::InvalidServer,
            format!("this is not a server name: {error}"),
        )
        .help("a server name looks like example.org or example.org:8448")
    }
}

fn id_kind(error: &SecureCallIdError, otherwise: ErrorKind) -> ErrorKind {
    match error {
        SecureCallIdError::LowOrderKey => ErrorKind::LowOrderKey,
        _ => otherwise,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_its_own_name_and_is_in_the_manual_with_its_code() {
        let manual = include_str!("../../../docs/cli.md");
        let names: BTreeSet<_> = ErrorKind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), ErrorKind::ALL.len());
        for kind in ErrorKind::ALL {
            let row = format!("| `{}` | {} |", kind.name(), kind.exit_code().number());
            assert!(manual.contains(&row), "docs/cli.md lacks: {row}");
        }
    }

    #[test]
    fn a_low_order_key_is_a_matter_of_security_in_every_form() {
        let failure = Failure::from(SecureCallIdError::LowOrderKey);
        assert_eq!(failure.kind.exit_code(), ExitCode::Security);
        let failure = Failure::from(ContactLinkError::Id(SecureCallIdError::LowOrderKey));
        assert_eq!(failure.kind.exit_code(), ExitCode::Security);
        let failure = Failure::from(MatrixIdError::SecureCallId(SecureCallIdError::LowOrderKey));
        assert_eq!(failure.kind.exit_code(), ExitCode::Security);
        assert_eq!(
            Failure::from(SecureCallIdError::Checksum).kind.exit_code(),
            ExitCode::Usage
        );
    }
}
