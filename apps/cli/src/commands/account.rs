//! `register`, `login`, `logout`.

use std::env;

use securecall_contact::MatrixId;
use securecall_crypto::IdentitySeed;
use securecall_matrix::{
    Account, AccountStore, Enrolment, Homeserver, LoginError, LogoutError, Purpose, RegisterError,
    Registration, RestoreError, ServerError,
};
use securecall_profile::{AccountData, Profile};
use zeroize::Zeroizing;

use crate::cli::{AuthorityOptions, LoginOptions, RegisterOptions};
use crate::context::Context;
use crate::error::{ErrorKind, Failure};
use crate::exit_code::ExitCode;
use crate::output::Event;
use crate::prompt;
use crate::runtime::runtime;
use crate::secret::Secret;

mod enrolment;

const PASSWORD: &str = "SECURECALL_PASSWORD";
const TOKEN: &str = "SECURECALL_TOKEN";

pub(super) fn register(context: &Context, options: &RegisterOptions) -> Result<ExitCode, Failure> {
    // What is wrong with the arguments is told before a passphrase is asked for.
    let given = homeserver(options.homeserver.expose(), &options.authority)?;
    let mut profile = context.open_profile()?;
    profile.identity()?;
    let _lock = context.lock_session(&mut profile, "register")?;
    let identity = profile.identity()?;
    let localpart = format!("sc_{}", identity.id());
    check_no_account(&profile)?;
    let store = profile.account_store();
    let token = match &options.token {
        Some(token) => Some(token.clone()),
        None => variable(TOKEN)?.map(Secret::from),
    };
    let runtime = runtime()?;
    // The account's store can be let go of only inside the runtime.
    let _inside = runtime.enter();
    let token = token.as_ref().map(Secret::expose);
    let account = runtime.block_on(async {
        let found = given.discover(Purpose::NewAccount).await?;
        match Enrolment::find(&found).await? {
            Some(server) => enrolment::enroll(&server, &found, &store, identity, token).await,
            None => make_account(&found, &store, identity.seed(), &localpart, token).await,
        }
    })?;
    keep(context, &mut profile, &account)
}

/// Makes the account of an identity, or logs in to it, with the password for wherever it is.
async fn make_account(
    found: &Homeserver,
    store: &AccountStore,
    seed: &IdentitySeed,
    localpart: &str,
    token: Option<&str>,
) -> Result<Account, Failure> {
    let registration = Registration {
        localpart,
        password: &seed.account_password(found.host()),
        token,
    };
    let error = match Account::register(found, store, registration).await {
        Err(error @ (RegisterError::NameTaken { .. } | RegisterError::Closed { .. })) => error,
        outcome => return Ok(outcome?),
    };
    // It may have been made at the address that was given, before that named another.
    if let Some(earlier) = found.found_by() {
        let password = seed.account_password(earlier.host());
        match Account::login_by_localpart(&earlier, store, localpart, &password).await {
            Ok(account) => return Ok(account),
            Err(error) => tracing::debug!(%error, "no account at the address that was given"),
        }
    }
    Err(error.into())
}

pub(super) fn login(context: &Context, options: &LoginOptions) -> Result<ExitCode, Failure> {
    let user: MatrixId = options.user.parse()?;
    let given = match &options.homeserver {
        Some(given) => homeserver(given.expose(), &options.authority)?,
        // The port of a server name is that of other servers: discovery asks its host.
        None => homeserver(user.server_name().host(), &options.authority)?,
    };
    let mut profile = context.open_profile()?;
    let identity = profile.identity()?;
    let own_id = identity.id();
    if user.securecall_id().is_some_and(|id| *id != own_id) {
        return Err(Failure::new(ErrorKind::KeyMismatch, "this is the address of another identity than this profile's")
            .help("use the profile of that identity, or restore it in a new one with `securecall id restore`"));
    }
    let _lock = context.lock_session(&mut profile, "login")?;
    let identity = profile.identity()?;
    check_no_account(&profile)?;
    // Only now: nobody is to type a password for what is refused anyhow.
    let typed = match user.securecall_id() {
        Some(_) if env::var_os(PASSWORD).is_none() => None,
        _ => Some(password()?),
    };
    let store = profile.account_store();
    let runtime = runtime()?;
    // The account's store can be let go of only inside the runtime.
    let _inside = runtime.enter();
    let account = runtime.block_on(async {
        let found = given.discover(Purpose::ExistingAccount).await?;
        match &typed {
            Some(password) => Ok(Account::login(&found, &store, &user, password).await?),
            None => log_in_by_identity(&found, &store, identity.seed(), &user).await,
        }
    })?;
    keep(context, &mut profile, &account)
}

/// Logs in to the account of an identity, with the password for wherever it is.
async fn log_in_by_identity(
    found: &Homeserver,
    store: &AccountStore,
    seed: &IdentitySeed,
    user: &MatrixId,
) -> Result<Account, Failure> {
    let password = seed.account_password(found.host());
    match Account::login(found, store, user, &password).await {
        Err(LoginError::WrongPassword) => {}
        outcome => return Ok(outcome?),
    }
    // It may have been made at the address that was given, before that named another.
    if let Some(earlier) = found.found_by() {
        let password = seed.account_password(earlier.host());
        match Account::login(&earlier, store, user, &password).await {
            Ok(account) => return Ok(account),
            Err(error) => tracing::debug!(%error, "no account at the address that was given"),
        }
    }
    Err(Failure::from(LoginError::WrongPassword).help(
        "the password is derived for the address that the account was made at: give that one with --homeserver; or, if it has another password by now, set SECURECALL_PASSWORD",
    ))
}

pub(super) fn logout(context: &Context) -> Result<ExitCode, Failure> {
    let mut profile = context.open_profile()?;
    profile.account()?;
    let _lock = context.lock_session(&mut profile, "logout")?;
    // Once more: it may have been removed meanwhile.
    let account = profile.account()?.clone();
    let store = profile.account_store();
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
        Ok::<_, Failure>(())
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

fn homeserver(given: &str, authority: &AuthorityOptions) -> Result<Homeserver, Failure> {
    let homeserver = Homeserver::new(given)?;
    Ok(match &authority.ca_file {
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
    let data = AccountData::of(account);
    profile.change(|content| {
        content.account = Some(data.clone());
        Ok::<_, Failure>(())
    })?;
    Ok(context.tell(&event(&data)))
}

fn event(account: &AccountData) -> Event {
    Event::Account {
        matrix_id: account.matrix_id.to_string(),
        device_id: account.device_id.to_string(),
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
