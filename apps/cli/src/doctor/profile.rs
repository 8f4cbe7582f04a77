//! The profile: who can look into it, whether its settings are valid, whether it opens and what it holds.

use std::path::Path;

use securecall_matrix::AccountStore;
use securecall_profile::{
    OpenToOthers, Profile, SealedMemory, SessionLock, SessionLockError, open_to_others,
};

use super::Stopwatch;
use super::check::Check;
use super::names::Name;
use super::report::Report;
use crate::config::Settings;
use crate::error::{ErrorKind, Failure};
use crate::output::OutputError;
use crate::passphrases::GivenOrTyped;

/// What further checks start from.
#[derive(Debug)]
pub(crate) struct Found {
    /// `None` if they are not valid.
    pub(crate) settings: Option<Settings>,
    pub(crate) session: Session,
    /// What GhostNet remembers; `None` without a profile that opens.
    pub(crate) ghostnet: Option<SealedMemory>,
}

/// What there is of an account.
#[derive(Debug)]
pub(crate) enum Session {
    /// One that is stored.
    Of(Stored),
    /// None.
    None {
        /// Why not, in a few words; `None` of the identity is told already, of the account not.
        why: Missing,
    },
}

/// A stored account.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(super) store: AccountStore,
    /// The right to use it; another process may have it.
    pub(super) lock: Result<SessionLock, SessionLockError>,
}

/// Why there is no account.
#[derive(Debug)]
pub(crate) enum Missing {
    /// Nor an identity, as was told.
    Identity,
    /// None was made yet.
    Account(Failure),
}

/// Looks at the profile, and tells of it as it goes.
///
/// # Errors
///
/// It cannot be told.
pub(crate) fn look_at_profile(directory: &Path, report: &mut Report) -> Result<Found, OutputError> {
    report.add(rights(directory))?;
    let settings = match Settings::read(directory).and_then(with_servers) {
        Ok(settings) => {
            report.add(Check::good(Name::Config, "the settings are valid"))?;
            Some(settings)
        }
        Err(failure) => {
            report.add(Check::bad(Name::Config, failure))?;
            None
        }
    };
    let watch = Stopwatch::start();
    let opened = Profile::open(directory, &GivenOrTyped)
        .and_then(|profile| Ok((profile.identity()?.id(), profile)));
    let profile = match opened {
        Ok((id, profile)) => {
            let check = Check::good(Name::Identity, format!("{id}"));
            report.add(check.took(watch.took()))?;
            Some(profile)
        }
        Err(failure) => {
            report.add(Check::bad(Name::Identity, failure))?;
            None
        }
    };
    let ghostnet = profile.as_ref().map(Profile::ghostnet_memory);
    let session = session(profile);
    Ok(Found {
        settings,
        session,
        ghostnet,
    })
}

/// Settings of servers may be wrong together only.
fn with_servers(settings: Settings) -> Result<Settings, Failure> {
    settings.servers()?;
    Ok(settings)
}

fn session(profile: Option<Profile>) -> Session {
    let Some(profile) = profile else {
        let why = Missing::Identity;
        return Session::None { why };
    };
    match profile.account() {
        Ok(_) => Session::Of(Stored {
            store: profile.account_store(),
            lock: profile.lock_session("doctor"),
        }),
        Err(error) => {
            let why = Missing::Account(error.into());
            Session::None { why }
        }
    }
}

fn rights(directory: &Path) -> Check {
    let shown = directory.display();
    match open_to_others(directory) {
        Err(error) => Check::bad(Name::Profile, error),
        Ok(open) => match open.first() {
            Some(open) => Check::bad(Name::Profile, too_open(open)),
            None if directory.is_dir() => {
                Check::good(Name::Profile, format!("{shown} is yours alone"))
            }
            None if directory.exists() => {
                let failure =
                    Failure::new(ErrorKind::StorageFailed, format!("{shown} is no directory"));
                Check::bad(
                    Name::Profile,
                    failure.help("name a directory for the profile with --profile DIR"),
                )
            }
            None => Check::good(Name::Profile, format!("{shown} is not there yet")),
        },
    }
}

fn too_open(open: &OpenToOthers) -> Failure {
    let OpenToOthers { path, mode, wanted } = open;
    let path = path.display();
    Failure::new(
        ErrorKind::StorageFailed,
        format!("others can look into {path} (its rights are {mode:o})"),
    )
    .help(format!("close it: chmod {wanted:o} '{path}'"))
}
