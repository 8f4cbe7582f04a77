//! `config get`, `set`, `unset`, `list`.

use std::path::Path;

use securecall_profile::{SETTINGS_FILE, change_settings};

use crate::cli::ConfigCommand;
use crate::config::{self, KEYS, Key, Settings};
use crate::context::told;
use crate::error::{ErrorKind, Failure};
use crate::exit_code::ExitCode;
use crate::output::{Event, Output, SettingSource};
use crate::prompt;
use crate::secret::Secret;

pub(super) fn run(
    profile: &Path,
    command: ConfigCommand,
    output: Output,
) -> Result<ExitCode, Failure> {
    match command {
        ConfigCommand::Get { key } => {
            // Whatever is wrong is told first.
            Settings::read(profile)?;
            let setting = known(&key)?.setting(profile, Shown::Alone)?;
            Ok(told(output.event(&setting)))
        }
        ConfigCommand::Set { key, value } => set(profile, known(&key)?, value, output),
        ConfigCommand::Unset { key } => unset(profile, &key, output),
        ConfigCommand::List => list(profile, output),
    }
}

/// Where a value is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// By itself: somebody has asked for it.
    Alone,
    /// In passing: a secret is not.
    InPassing,
}

fn set(
    profile: &Path,
    key: &'static Key,
    value: Option<Secret>,
    output: Output,
) -> Result<ExitCode, Failure> {
    let value = match value {
        Some(value) => value,
        // Others see the command line.
        None if key.is_secret => prompt::secret(key.name)?.into(),
        None => {
            let failure = Failure::new(ErrorKind::Usage, format!("no value for '{}'", key.name));
            return Err(failure.help(key.about));
        }
    };
    let value = value.expose();
    Settings::check(key, value).map_err(|reason| {
        Failure::new(ErrorKind::Usage, format!("'{}': {reason}", key.name)).help(key.about)
    })?;
    change(profile, |text| config::with(text, key.name, value))?;
    if key.in_environment().is_some() {
        output.note(&format!(
            "note: {} is set, and wins over config.toml",
            key.variable()
        ));
    }
    Ok(told(output.event(&key.setting(profile, Shown::InPassing)?)))
}

fn unset(profile: &Path, name: &str, output: Output) -> Result<ExitCode, Failure> {
    let path = profile.join(SETTINGS_FILE);
    let text = config::read_text(&path)?;
    let is_there = config::table(&text, &path)?.contains_key(name);
    // What is no setting can be in the file, and is what most needs to go.
    let key = match (known(name), is_there) {
        (Ok(key), _) => Some(key),
        (Err(_), true) => None,
        (Err(failure), false) => return Err(failure),
    };
    if is_there {
        change(profile, |text| config::without(text, name))?;
    }
    match key {
        Some(key) => Ok(told(output.event(&key.setting(profile, Shown::InPassing)?))),
        None => {
            output.note(&format!("'{name}' is no setting, and was removed"));
            Ok(ExitCode::Done)
        }
    }
}

fn list(profile: &Path, output: Output) -> Result<ExitCode, Failure> {
    Settings::read(profile)?;
    let settings = KEYS
        .iter()
        .map(|key| key.setting(profile, Shown::InPassing));
    let settings = settings.collect::<Result<Vec<_>, Failure>>()?;
    Ok(told(
        settings
            .iter()
            .try_for_each(|setting| output.event(setting)),
    ))
}

/// Changes the text of the file, but not from one that commands can read to one that they cannot.
fn change(
    profile: &Path,
    edit: impl FnOnce(&str) -> Result<String, config::EditError>,
) -> Result<(), Failure> {
    let path = profile.join(SETTINGS_FILE);
    // What cannot be read is said as by every other command.
    config::read_text(&path)?;
    change_settings(profile, |text| {
        let changed = edit(text).map_err(|error| {
            config::invalid(path.display(), error)
                .help("change it in an editor; nothing was changed")
        })?;
        // One that is wrong already may be put right step by step.
        if Settings::of(text, &path).is_ok() {
            Settings::of(&changed, &path)?;
        }
        Ok(changed)
    })
}

/// The setting of this name.
fn known(name: &str) -> Result<&'static Key, Failure> {
    config::find(name).ok_or_else(|| {
        Failure::new(ErrorKind::Usage, format!("there is no setting '{name}'"))
            .help(config::help_for(name))
    })
}

impl Key {
    /// What holds, and who says so.
    fn setting(&self, profile: &Path, shown: Shown) -> Result<Event, Failure> {
        let path = profile.join(SETTINGS_FILE);
        let table = config::table(&config::read_text(&path)?, &path)?;
        let in_file = table.get(self.name).map(|value| match value {
            toml::Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        let in_environment = self.in_environment();
        let (value, source) = match (in_environment, in_file) {
            (Some(value), _) => (
                Some(value.to_string_lossy().into_owned()),
                SettingSource::Environment,
            ),
            (None, Some(value)) => (Some(value), SettingSource::File),
            (None, None) => (self.default.map(str::to_owned), SettingSource::Default),
        };
        let is_hidden = self.is_secret && shown == Shown::InPassing;
        Ok(Event::Setting {
            key: self.name,
            value: value.filter(|_| !is_hidden).map(Secret::from),
            source,
            secret: self.is_secret,
            about: self.about,
            alone: shown == Shown::Alone,
        })
    }
}
