//! What the homeserver and the Matrix store say, told to a person.

use securecall_contact::enrolment::Refusal;
use securecall_matrix::{
    DiscoveryError, EnrolmentError, HomeserverAddressError, HomeserverError, LoginError,
    LogoutError, ProfileError, RegisterError, RestoreError, ServerError, StoreError,
};

use super::{ErrorKind, Failure};

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        let message = error.to_string();
        match error {
            ServerError::Unreachable { .. } | ServerError::TimedOut => Self::new(ErrorKind::HomeserverUnreachable, message)
                .help("check the network, and the address that was given with --homeserver"),
            ServerError::CertificateRefused { .. } => Self::new(ErrorKind::CertificateRefused, message)
                .help("check the URL and this machine's clock; --ca-file FILE adds a certificate authority of your own"),
            ServerError::NotMatrix { .. } => Self::new(ErrorKind::HomeserverFault, message)
                .help("check the address: it is the homeserver's, such as https://matrix.example.org"),
            ServerError::WebPage | ServerError::Redirected { .. } => Self::new(ErrorKind::HomeserverFault, message)
                .help("open a web page in a browser and log in to the network if it asks; else give the homeserver's own address, such as https://matrix.example.org"),
            ServerError::Misbehaves { .. } => Self::new(ErrorKind::HomeserverFault, message)
                .help("ask the owner of the homeserver, or use another one; on a network with a login page, log in there first"),
            ServerError::SessionEnded { .. } => Self::new(ErrorKind::SignedOut, message)
                .help("`securecall logout`, then `securecall register` or `securecall login` again"),
            ServerError::TooManyRequests { .. } => Self::new(ErrorKind::HomeserverFault, message).help("wait, then try again"),
            ServerError::Refused { .. } => {
                Self::new(ErrorKind::HomeserverFault, message).help("ask the owner of the homeserver, or use another one")
            }
            ServerError::Store { .. } => Self::new(ErrorKind::StorageFailed, message)
                .help("check that the disk has room and that the profile directory can be written; nothing else was lost"),
            ServerError::Internal { .. } => Self::bug(message),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::WrongKey | StoreError::Damaged { .. } | StoreError::OtherAccount => {
                Self::new(ErrorKind::DamagedStore, message).help(
                    "restore the directory `matrix` of the profile from a backup; without one, remove it and `securecall register` or `login` again: identity and contacts stay",
                )
            }
            StoreError::Newer { .. } => {
                Self::new(ErrorKind::NewerStore, message).help("update securecall; nothing was changed")
            }
            StoreError::Io { path, source } => Self::storage(&path, &source),
        }
    }
}

impl From<HomeserverError> for Failure {
    fn from(error: HomeserverError) -> Self {
        let message = error.to_string();
        match error {
            HomeserverError::Address(HomeserverAddressError::NotEncrypted { .. }) => {
                Self::new(ErrorKind::CertificateRefused, message)
                    .help("use https://; http:// is for a homeserver on this machine")
            }
            HomeserverError::Address(_) => Self::new(ErrorKind::InvalidServer, message)
                .help("a homeserver looks like example.org or https://matrix.example.org"),
            HomeserverError::CertificateFile { .. } | HomeserverError::NoCertificate { .. } => {
                Self::new(ErrorKind::InvalidFile, message)
                    .help("--ca-file takes a file with certificates in PEM form")
            }
        }
    }
}

impl From<DiscoveryError> for Failure {
    fn from(error: DiscoveryError) -> Self {
        const OWN_ADDRESS: &str = "give the homeserver's own address with --homeserver, such as https://matrix.example.org, or ask its owner";
        let message = error.to_string();
        match error {
            DiscoveryError::Unusable { .. } => {
                Self::new(ErrorKind::HomeserverFault, message).help(OWN_ADDRESS)
            }
            DiscoveryError::NotEncrypted { .. } => {
                Self::new(ErrorKind::CertificateRefused, message).help(OWN_ADDRESS)
            }
            DiscoveryError::Delegate { fault, .. } | DiscoveryError::Unclear { fault, .. } => {
                let failure = Self::from(fault);
                // A bug is ours, whoever was asked.
                match failure.kind {
                    ErrorKind::Bug => failure,
                    kind => Self::new(kind, message).help(OWN_ADDRESS),
                }
            }
            DiscoveryError::Server(error) => error.into(),
        }
    }
}

impl From<ProfileError> for Failure {
    fn from(error: ProfileError) -> Self {
        let message = error.to_string();
        match error {
            ProfileError::NameTooLong { .. } => {
                Self::new(ErrorKind::Usage, message).help("give a shorter name")
            }
            ProfileError::NameCharacter { .. } => {
                Self::new(ErrorKind::Usage, message).help("leave it out")
            }
            // We set only what the homeserver has given us.
            ProfileError::BadAvatar => Self::bug(message),
            ProfileError::Server(error) => error.into(),
        }
    }
}

impl From<RestoreError> for Failure {
    fn from(error: RestoreError) -> Self {
        match error {
            RestoreError::NotLoggedIn => {
                Self::new(ErrorKind::NoAccount, "this profile is not logged in")
                    .help("`securecall register` or `securecall login`")
            }
            RestoreError::Store(error) => error.into(),
            RestoreError::Homeserver(error) => error.into(),
            RestoreError::Server(error) => error.into(),
        }
    }
}

impl From<LogoutError> for Failure {
    fn from(error: LogoutError) -> Self {
        match error {
            LogoutError::Server(error) => error.into(),
            LogoutError::Store(error) => error.into(),
        }
    }
}

impl From<LoginError> for Failure {
    fn from(error: LoginError) -> Self {
        let message = error.to_string();
        match error {
            LoginError::WrongPassword => Self::new(ErrorKind::LoginRefused, message)
                .help("check --user and the password (typed, on standard input, or in SECURECALL_PASSWORD)"),
            LoginError::Deactivated | LoginError::OtherUser { .. } => {
                Self::new(ErrorKind::LoginRefused, message).help("use another account")
            }
            LoginError::OtherServer { answered, homeserver, .. } => Self::new(ErrorKind::HomeserverFault, message)
                .help(format!("for an account of {answered}, give --homeserver {homeserver}; else ask the owner of the name that you gave")),
            LoginError::ClaimedServer { homeserver, id, .. } => Self::new(ErrorKind::HomeserverFault, message)
                .help(format!("use another homeserver; if you know that this is right, `securecall login --homeserver {homeserver} --user {id}`")),
            LoginError::Unsupported { .. } => Self::new(ErrorKind::UnsupportedLogin, message)
                .help("securecall logs in with a password; use a homeserver that offers it"),
            LoginError::AlreadyLoggedIn { .. } => Self::new(ErrorKind::AccountExists, message)
                .help("`securecall logout` first, or use another profile with --profile DIR"),
            LoginError::Server(error) => error.into(),
            LoginError::Store(error) => error.into(),
        }
    }
}

impl From<EnrolmentError> for Failure {
    fn from(error: EnrolmentError) -> Self {
        const OWNER: &str = "ask the owner of the server, or use another one";
        let message = error.to_string();
        match error {
            EnrolmentError::Refused(refusal) => match refusal {
                Refusal::Closed => Self::new(ErrorKind::RegistrationClosed, message)
                    .help("use another homeserver, or an account you have with `securecall login`"),
                Refusal::InvitationRequired => Self::new(ErrorKind::TokenRefused, message)
                    .help("give the invitation with --token TOKEN or in SECURECALL_TOKEN"),
                Refusal::InvitationRefused => Self::new(ErrorKind::TokenRefused, message)
                    .help("check the invitation, or ask for a new one"),
                Refusal::TooMany => Self::new(ErrorKind::HomeserverFault, message)
                    .help("try again in an hour or tomorrow, or ask the owner of the server for an invitation"),
                Refusal::Disabled => Self::new(ErrorKind::LoginRefused, message).help(OWNER),
                Refusal::Unavailable => Self::new(ErrorKind::HomeserverFault, message)
                    .help("try again later: nothing is lost"),
                Refusal::Malformed | Refusal::ChallengeOver | Refusal::ProofWrong => {
                    Self::new(ErrorKind::HomeserverFault, message).help(OWNER)
                }
            },
            EnrolmentError::Malformed(_) => {
                Self::new(ErrorKind::HomeserverFault, message).help(OWNER)
            }
            EnrolmentError::Server(error) => error.into(),
        }
    }
}

impl From<RegisterError> for Failure {
    fn from(error: RegisterError) -> Self {
        let message = error.to_string();
        match error {
            RegisterError::Closed { .. } => Self::new(ErrorKind::RegistrationClosed, message)
                .help("use another homeserver, or an account you have with `securecall login`"),
            RegisterError::TokenRequired => {
                Self::new(ErrorKind::TokenRefused, message).help("give the token with --token TOKEN or in SECURECALL_TOKEN")
            }
            RegisterError::TokenRefused { .. } => {
                Self::new(ErrorKind::TokenRefused, message).help("check the token, or ask for a new one")
            }
            RegisterError::Unsupported { .. } => Self::new(ErrorKind::UnsupportedLogin, message)
                .help("use another homeserver, or make the account there by its own means and `securecall login`"),
            RegisterError::NoWay => Self::new(ErrorKind::UnsupportedLogin, message)
                .help("use another homeserver, or make the account there by its own means and `securecall login`"),
            RegisterError::Endless => Self::new(ErrorKind::HomeserverFault, message)
                .help("ask the owner of the homeserver, or use another one"),
            RegisterError::NameTaken { .. } => Self::new(ErrorKind::NameTaken, message)
                .help("if it is you who made it, give --homeserver the address that it was made at; else use another homeserver: your SecureCall ID stays the same there"),
            RegisterError::Login(error) => error.into(),
            RegisterError::Server(error) => error.into(),
            RegisterError::Store(error) => error.into(),
        }
    }
}
