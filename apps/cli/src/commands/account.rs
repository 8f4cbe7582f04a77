//! `register`, `login`, `logout`.

use std::env;

use securecall_contact::MatrixId;
use securecall_matrix::{
    Account, AccountStore, Homeserver, LogoutError, Registration, RestoreError, ServerError,
    StoreKey,
};
use zeroize::Zeroizing;

use super::Context;
use crate::calling::runtime;
use crate::cli::{HomeserverOptions, LoginOptions, RegisterOptions};
use crate::error::{ErrorKind, Failure};
use crate::exit_code::ExitCode;
use crate::output::Event;
use crate::profile::{AccountData, Profile};
use crate::prompt;
use crate::secret::Secret;

const PASSWORD: &str = "SECURECALL_PASSWORD";
const TOKEN: &str = "SECURECALL_TOKEN";

/// The Matrix store of a profile.
pub(super) fn store(profile: &Profile) -> AccountStore {
    AccountStore::new(
        profile.matrix_store(),
        StoreKey::new(*profile.matrix_store_key()),
    )
}

pub(super) fn register(context: &Context, options: &RegisterOptions) -> Result<ExitCode, Failure> {
    let homeserver = homeserver(&options.homeserver)?;
    let mut profile = Profile::open(&context.profile)?;
    let identity = profile.identity()?;
    let localpart = format!("sc_{}", identity.id());
    let password = identity.seed().account_password(homeserver.host());
    let _lock = profile.lock_session("register")?;
    check_no_account(&profile)?;
    let store = store(&profile);
    let token = match &options.token {
        Some(token) => Some(token.clone()),
        None => variable(TOKEN)?.map(Secret::from),
    };
    let registration = Registration {
        localpart: &localpart,
        password: &password,
        token: token.as_ref().map(Secret::expose),
    };
    let runtime = runtime()?;
    // The account's store can be let go of only inside the runtime.
    let _inside = runtime.enter();
    let account = runtime.block_on(Account::register(&homeserver, &store, registration))?;
    keep(context, &mut profile, &account)
}

pub(super) fn login(context: &Context, options: &LoginOptions) -> Result<ExitCode, Failure> {
    let homeserver = homeserver(&options.homeserver)?;
    let user: MatrixId = options.user.parse()?;
    let mut profile = Profile::open(&context.profile)?;
    let own_id = profile.identity()?.id();
    if user.securecall_id().is_some_and(|id| *id != own_id) {
        return Err(Failure::new(ErrorKind::KeyMismatch, "this is the address of another identity than this profile's")
            .help("use the profile of that identity, or restore it in a new one with `securecall id restore`"));
    }
    let _lock = profile.lock_session("login")?;
    check_no_account(&profile)?;
    let password = match user.securecall_id() {
        Some(_) if env::var_os(PASSWORD).is_none() => profile
            .identity()?
            .seed()
            .account_password(homeserver.host()),
        _ => password()?,
    };
    let store = store(&profile);
    let runtime = runtime()?;
    // The account's store can be let go of only inside the runtime.
    let _inside = runtime.enter();
    let account = runtime.block_on(Account::login(&homeserver, &store, &user, &password))?;
    keep(context, &mut profile, &account)
}

pub(super) fn logout(context: &Context) -> Result<ExitCode, Failure> {
    let mut profile = Profile::open(&context.profile)?;
    let account = profile.account()?.clone();
    let _lock = profile.lock_session("logout")?;
    let store = store(&profile);
    let result = runtime()?.block_on(async {
        match Account::restore(&store).await {
            Ok(account) => account.logout().await.map_err(Failure::from_logout),
            Err(RestoreError::NotLoggedIn) => Ok(()),
            Err(error) => Err(error.into()),
        }
    });
    result?;
    profile.remove_matrix_store()?;
    profile.change(|content| {
        content.account = None;
        Ok(())
    })?;
    Ok(context.tell(&event(&account)))
}

impl Failure {
    /// A log-out that failed: a session that is over already is what was asked for.
    fn from_logout(error: LogoutError) -> Self {
        let told = matches!(
            &error,
            LogoutError::Server(ServerError::Unreachable { .. } | ServerError::TimedOut)
        );
        let failure = Self::from(error);
        if told {
            failure.help("the device is still on the homeserver and the account in the profile: try again later")
        } else {
            failure
        }
    }
}

fn homeserver(options: &HomeserverOptions) -> Result<Homeserver, Failure> {
    let homeserver = Homeserver::new(&options.url)?;
    Ok(match &options.ca_file {
        Some(path) => homeserver.with_ca_file(path)?,
        None => homeserver,
    })
}

fn check_no_account(profile: &Profile) -> Result<(), Failure> {
    match &profile.content().account {
        None => Ok(()),
        Some(account) => Err(Failure::new(
            ErrorKind::AccountExists,
            format!("this profile has an account already: {}", account.matrix_id),
        )
        .help("`securecall logout` first, or use another profile with --profile DIR")),
    }
}

/// Writes the account into the profile, and tells it.
fn keep(context: &Context, profile: &mut Profile, account: &Account) -> Result<ExitCode, Failure> {
    let data = AccountData {
        matrix_id: account.matrix_id().clone(),
        device_id: account.own_device().device_id.clone(),
        homeserver: account
            .homeserver()
            .url()
            .as_str()
            .trim_end_matches('/')
            .to_owned(),
    };
    profile.change(|content| {
        content.account = Some(data.clone());
        Ok(())
    })?;
    Ok(context.tell(&event(&data)))
}

fn event(account: &AccountData) -> Event {
    Event::Account {
        matrix_id: account.matrix_id.to_string(),
        device_id: account.device_id.clone(),
        homeserver: account.homeserver.clone(),
    }
}

fn password() -> Result<Zeroizing<String>, Failure> {
    let password = match variable(PASSWORD)? {
        Some(password) => password,
        None => prompt::secret("Password of the account")?,
    };
    if password.is_empty() {
        return Err(
            Failure::new(ErrorKind::NeedsTerminal, "there is no password").help(format!(
                "type it at the prompt, give it on standard input, or set {PASSWORD}"
            )),
        );
    }
    Ok(password)
}

/// A secret in an environment variable.
fn variable(name: &str) -> Result<Option<Zeroizing<String>>, Failure> {
    match env::var(name) {
        Ok(value) => Ok(Some(Zeroizing::new(value))),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(Failure::new(
            ErrorKind::InvalidConfig,
            format!("{name} is not valid Unicode"),
        )),
    }
}
