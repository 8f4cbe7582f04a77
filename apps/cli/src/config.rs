//! Settings: options before environment before `config.toml`.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

use clap::ValueEnum;
use securecall_contact::ServerName;
use securecall_driver::{GhostNetSources, MicrophoneSpec, Reach, ServerSources, SpeakerSpec};
use securecall_profile::{SETTINGS_FILE, SealedMemory, read_settings};

use crate::alerts::AlertSettings;
use crate::cli::{Answer, MediaOptions, RequireChoice, Ring, RingTone, RouteChoice, Switch};
use crate::error::{ErrorKind, Failure};
use crate::ghostnet_settings::{self, GhostNetSettings};
use crate::server_settings::{
    Hidden, ServerSettings, credential, secret, stun_servers, turn_servers,
};

mod file;
mod keys;

pub(crate) use file::{EditError, with, without};
pub(crate) use keys::{KEYS, Key, KeyNameParser, find, help_for};

/// What environment and file say. [`Settings::media`] puts the options before them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Settings {
    domain: Option<ServerName>,
    mic: Option<MicrophoneSpec>,
    speaker: Option<SpeakerSpec>,
    require: Option<RequireChoice>,
    route: Option<RouteChoice>,
    ring: Option<Ring>,
    answer: Option<Answer>,
    ring_tone: Option<RingTone>,
    ring_device: Option<String>,
    notifications: Option<Switch>,
    loopback: Option<Loopback>,
    servers: ServerSettings,
    ghostnet: GhostNetSettings,
}

/// `loopback`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Loopback {
    /// Both ends of a call may be on this machine.
    Allow,
}

impl Settings {
    /// Reads `config.toml` in `profile` and the environment.
    ///
    /// # Errors
    ///
    /// An unknown key (naming the nearest), a value that does not fit, a file that is not TOML.
    pub(crate) fn read(profile: &Path) -> Result<Self, Failure> {
        let path = profile.join(SETTINGS_FILE);
        Self::of(&read_text(&path)?, &path)
    }

    /// The same with this text for the one in `path`.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub(crate) fn of(text: &str, path: &Path) -> Result<Self, Failure> {
        let mut settings = Self::default();
        settings.take_text(text, path)?;
        settings.take_environment(Key::in_environment)?;
        let contradiction = settings.servers.contradiction();
        contradiction.map_err(|reason| of_servers(&reason))?;
        Ok(settings)
    }

    /// Whether this is a value for the key: `Err` says what is.
    pub(crate) fn check(key: &Key, value: &str) -> Result<(), String> {
        Self::default().set(key.name, value)
    }

    /// The domain where an address names none.
    pub(crate) fn domain(&self) -> ServerName {
        self.domain
            .clone()
            .unwrap_or_else(ServerName::default_domain)
    }

    /// Who may make it ring.
    pub(crate) fn ring(&self) -> Ring {
        self.ring.unwrap_or(Ring::Anyone)
    }

    /// Who is answered without asking.
    pub(crate) fn answer(&self, option: Option<Answer>) -> Answer {
        option.or(self.answer).unwrap_or(Answer::Ask)
    }

    /// Where the other end of a call may be.
    pub(crate) fn reach(&self) -> Reach {
        match self.loopback {
            Some(Loopback::Allow) => Reach::ThisMachine,
            None => Reach::OtherMachines,
        }
    }

    /// The servers by whose help calls find their way.
    ///
    /// # Errors
    ///
    /// Settings that do not go together.
    pub(crate) fn servers(&self) -> Result<ServerSources, Failure> {
        let sources = self.servers.sources();
        sources.map_err(|reason| of_servers(&reason))
    }

    /// How relays of GhostNet are found, with what is remembered of them.
    ///
    /// # Errors
    ///
    /// Settings that do not go together.
    pub(crate) fn ghostnet(
        &self,
        memory: SealedMemory,
    ) -> Result<Option<GhostNetSources>, Failure> {
        let sources = self.ghostnet.sources(memory);
        sources.map_err(|reason| of_servers(&reason))
    }

    /// The options, and where they say nothing, the settings.
    pub(crate) fn media(&self, options: &MediaOptions) -> MediaOptions {
        MediaOptions {
            mic: options.mic.clone().or_else(|| self.mic.clone()),
            speaker: options.speaker.clone().or_else(|| self.speaker.clone()),
            processing: options.processing,
            route: options.route.or(self.route),
            // Here nothing wins but the strictest.
            require: options.require.max(self.require),
            ring: options.ring.clone().or_else(|| self.ring_tone.clone()),
            duration: options.duration,
        }
    }

    /// Whether every call is to go through a relay.
    pub(crate) fn wants_relay(&self) -> bool {
        self.route == Some(RouteChoice::Relay)
    }

    /// Whether every call is to go through two relays of GhostNet.
    pub(crate) fn wants_ghostnet(&self) -> bool {
        self.route == Some(RouteChoice::GhostNet)
    }

    /// How a call is noticed, with the options of [`media`](Self::media).
    pub(crate) fn alerts(&self, media: &MediaOptions) -> AlertSettings {
        AlertSettings {
            ring: media.ring.clone().unwrap_or_default(),
            ring_device: self.ring_device.clone(),
            notifications: self.notifications != Some(Switch::Off),
        }
    }

    fn take_text(&mut self, text: &str, path: &Path) -> Result<(), Failure> {
        for (key, value) in table(text, path)? {
            let toml::Value::String(value) = value else {
                // A key that does not exist is called that, whatever its value is.
                known(&key, path)?;
                let several = match value {
                    toml::Value::Array(_) => {
                        "; several servers are one text, with spaces or commas between them"
                    }
                    _ => "",
                };
                return Err(invalid(
                    path.display(),
                    format!("'{key}' must be a text in quotes{several}"),
                ));
            };
            known(&key, path)?;
            self.set(&key, &value)
                .map_err(|reason| invalid(path.display(), format!("'{key}': {reason}")))?;
        }
        Ok(())
    }

    fn take_environment(&mut self, read: impl Fn(&Key) -> Option<OsString>) -> Result<(), Failure> {
        for key in &KEYS {
            let Some(value) = read(key) else {
                continue;
            };
            self.set_from_environment(key.name, &value)
                .map_err(|reason| invalid(key.variable(), reason))?;
        }
        Ok(())
    }

    /// The name of a file need not be text.
    fn set_from_environment(&mut self, key: &str, value: &OsStr) -> Result<(), String> {
        match (key, value.to_str()) {
            (_, Some(value)) => self.set(key, value)?,
            ("mic", None) => self.mic = Some(value.try_into().map_err(text)?),
            ("speaker", None) => self.speaker = Some(value.try_into().map_err(text)?),
            ("ring_tone", None) => self.ring_tone = Some(value.to_owned().into()),
            _ => return Err("is not valid Unicode".to_owned()),
        }
        Ok(())
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "domain" => self.domain = Some(domain(value)?),
            "mic" => self.mic = Some(value.parse().map_err(text)?),
            "speaker" => self.speaker = Some(value.parse().map_err(text)?),
            "require" => self.require = self.require.max(Some(choice(value)?)),
            "route" => self.route = Some(choice(value)?),
            "ring" => self.ring = Some(ring(value)?),
            "answer" => self.answer = Some(choice(value)?),
            "ring_tone" => self.ring_tone = Some(OsString::from(value).into()),
            // The default card is what rings without it.
            "ring_device" => self.ring_device = Some(value.to_owned()),
            "notifications" => self.notifications = Some(choice(value)?),
            "loopback" => self.loopback = Some(choice(value)?),
            "stun" => self.servers.stun = stun_servers(value)?,
            "turn" => self.servers.turn = turn_servers(value)?,
            "turn_user" => self.servers.user = Some(credential(value)?.to_owned()),
            "turn_password" => self.servers.password = Some(Hidden::new(credential(value)?)),
            "turn_secret" => self.servers.secret = Some(Hidden::new(secret(value)?)),
            "ghostnet_directory" => {
                self.ghostnet.directory = Some(ghostnet_settings::directory(value)?);
            }
            "ghostnet_key" => self.ghostnet.key = Some(ghostnet_settings::key(value)?),
            "ghostnet_secret" => self.ghostnet.secret = Some(ghostnet_settings::secret(value)?),
            "homeserver_turn" => self.servers.homeserver = Some(choice(value)?),
            _ => return Err("is not a setting".to_owned()),
        }
        Ok(())
    }
}

/// Settings of servers that do not go together, in the file, in the environment, or one here and one there.
fn of_servers(reason: &str) -> Failure {
    let failure = invalid("the settings", reason);
    failure.help(
        "they stand in config.toml or in the environment (`turn_user` is SECURECALL_TURN_USER); `docs/cli.md` says what they take",
    )
}

/// Something whose value is wrong.
pub(crate) fn invalid(place: impl std::fmt::Display, reason: impl std::fmt::Display) -> Failure {
    Failure::new(ErrorKind::InvalidConfig, format!("{place}: {reason}"))
        .help("`docs/cli.md` says what each setting takes")
}

fn known(key: &str, path: &Path) -> Result<(), Failure> {
    match find(key) {
        Some(_) => Ok(()),
        None => Err(invalid(path.display(), format!("unknown key '{key}'")).help(help_for(key))),
    }
}

/// The text of the file; an empty one where there is none.
///
/// # Errors
///
/// It cannot be read, or is no text.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    match read_settings(path) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(String::new())
        }
        read => read.map_err(|error| {
            let help = match error.kind() {
                io::ErrorKind::InvalidData => "it has to be a text in UTF-8",
                _ => "this user must be able to read it; without it, everything is as by default",
            };
            invalid(path.display(), error).help(help)
        }),
    }
}

/// What a text sets, as it is written.
///
/// # Errors
///
/// It is not TOML.
pub(crate) fn table(text: &str, path: &Path) -> Result<toml::Table, Failure> {
    text.parse().map_err(|error: toml::de::Error| {
        invalid(path.display(), EditError::not_toml(text, &error))
            .help("each line is a setting and its text in quotes, such as answer = \"ask\"")
    })
}

/// A server name. Whoever writes a URL has perhaps the homeserver in mind, whose host is another name as often as not: so
/// it is not guessed what is meant.
fn domain(value: &str) -> Result<ServerName, String> {
    if value.contains("://") || value.ends_with('/') {
        return Err(format!(
            "'{}' is an address of the web; a domain stands alone, as behind the colon of a Matrix ID: example.org",
            value.escape_debug()
        ));
    }
    value.parse().map_err(text)
}

/// Not what rings: whoever looks for that is told where it is.
fn ring(value: &str) -> Result<Ring, String> {
    choice(value).map_err(|reason| format!("{reason}; what rings is 'ring_tone'"))
}

fn choice<T: ValueEnum>(value: &str) -> Result<T, String> {
    T::from_str(value, false).map_err(|_| {
        let names: Vec<String> = T::value_variants()
            .iter()
            .filter_map(|variant| variant.to_possible_value())
            .map(|possible| format!("'{}'", possible.get_name()))
            .collect();
        format!(
            "'{}' is not one of {}",
            value.escape_debug(),
            names.join(", ")
        )
    })
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_file(text: &str) -> Result<Settings, Failure> {
        let mut settings = Settings::default();
        let taken = settings.take_text(text, Path::new(SETTINGS_FILE));
        taken.map(|()| settings)
    }

    fn no_options() -> MediaOptions {
        MediaOptions {
            mic: None,
            speaker: None,
            processing: None,
            route: None,
            require: None,
            ring: None,
            duration: None,
        }
    }

    #[test]
    fn every_key_is_read() {
        let settings = from_file(
            "domain = 'example.org'\nmic = 'tone:440'\nspeaker = 'null'\nrequire = 'securecall'\nroute = 'direct'\nanswer = 'auto'\nloopback = 'allow'\n",
        )
        .unwrap();
        assert_eq!(settings.domain().as_str(), "example.org");
        assert_eq!(settings.answer(None), Answer::Auto);
        let media = settings.media(&no_options());
        assert_eq!(media.mic, Some(MicrophoneSpec::Tone(440.0)));
        assert_eq!(media.speaker, Some(SpeakerSpec::Null));
        assert_eq!(media.require, Some(RequireChoice::Securecall));
        assert_eq!(media.route, Some(RouteChoice::Direct));
        assert_eq!(settings.reach(), Reach::ThisMachine);
    }

    #[test]
    fn nobody_is_called_on_this_machine_unless_it_is_asked_for_by_name() {
        assert_eq!(from_file("").unwrap().reach(), Reach::OtherMachines);
        let failure = from_file("loopback = 'yes'").unwrap_err();
        assert!(
            failure.message.ends_with("'yes' is not one of 'allow'"),
            "{failure}"
        );
    }

    #[test]
    fn how_a_call_is_noticed_is_read() {
        let alerts = |text: &str, option: Option<RingTone>| {
            let options = MediaOptions {
                ring: option,
                ..no_options()
            };
            let settings = from_file(text).unwrap();
            settings.alerts(&settings.media(&options))
        };
        assert_eq!(
            alerts("", None),
            AlertSettings {
                ring: RingTone::Ours,
                ring_device: None,
                notifications: true,
            }
        );
        let file = "ring_tone = 'bell.wav'\nring_device = 'Loud'\nnotifications = 'off'";
        assert_eq!(
            alerts(file, None),
            AlertSettings {
                ring: RingTone::File("bell.wav".into()),
                ring_device: Some("Loud".to_owned()),
                notifications: false,
            }
        );
        assert_eq!(alerts(file, Some(RingTone::Off)).ring, RingTone::Off);
        assert_eq!(alerts("ring_tone = 'off'", None).ring, RingTone::Off);
        let wrong = from_file("notifications = 'none'").unwrap_err();
        assert!(
            wrong.message.ends_with("'none' is not one of 'on', 'off'"),
            "{wrong}"
        );
    }

    #[test]
    fn who_may_ring_is_another_setting_than_what_rings() {
        let ring = |text: &str| from_file(text).map(|settings| settings.ring());
        assert_eq!(ring("").unwrap(), Ring::Anyone);
        for (text, who) in [
            ("ring = 'anyone'", Ring::Anyone),
            ("ring = 'contacts'\nring_tone = 'off'", Ring::Contacts),
            ("ring = 'nobody'", Ring::Nobody),
        ] {
            assert_eq!(ring(text).unwrap(), who);
        }
        let message = ring("ring = 'bell.wav'").unwrap_err().message;
        let expected =
            "'bell.wav' is not one of 'anyone', 'contacts', 'nobody'; what rings is 'ring_tone'";
        assert!(message.ends_with(expected), "{message}");
    }

    #[test]
    fn the_nearest_key_is_named() {
        for (wrong, right) in [
            ("anwser", "answer"),
            ("Mic", "mic"),
            ("speakers", "speaker"),
            ("requires", "require"),
            ("turn_uris", "turn"),
            ("turn_shared_secret", "turn_secret"),
        ] {
            let failure = from_file(&format!("{wrong} = 'x'")).unwrap_err();
            assert_eq!(failure.kind, ErrorKind::InvalidConfig);
            assert!(
                failure.message.contains(&format!("unknown key '{wrong}'")),
                "{failure}"
            );
            assert!(
                failure
                    .help
                    .unwrap()
                    .starts_with(&format!("did you mean '{right}'?"))
            );
        }
    }

    #[test]
    fn a_value_that_does_not_fit_is_named_with_what_does() {
        let message = |text: &str| from_file(text).unwrap_err().message;
        assert!(
            message("answer = 'always'")
                .ends_with("'answer': 'always' is not one of 'ask', 'contacts', 'auto'")
        );
        assert!(
            message("route = 'away'")
                .ends_with("'away' is not one of 'direct', 'relay', 'ghostnet'")
        );
        assert!(message("domain = 'a b'").contains("'domain': ' ' cannot be in a server name"));
        for url in [
            "https://example.org",
            "http://example.org:8448/",
            "example.org/",
        ] {
            let message = message(&format!("domain = '{url}'"));
            assert!(message.contains("a domain stands alone"), "{message}");
        }
        assert!(message("mic = 7").ends_with("'mic' must be a text in quotes"));
        assert!(message("turn = ['turn:a.example']").contains("one text, with spaces or commas"));
        assert!(message("domain = 'a.example'\nmic = ").contains("line 2"));
    }

    #[test]
    fn options_win_over_environment_and_environment_over_file() {
        let mut settings = from_file("mic = 'null'\nanswer = 'ask'\nspeaker = 'a.wav'").unwrap();
        let environment = |key: &Key| match key.name {
            "answer" => Some("contacts".into()),
            "mic" => Some("tone:300".into()),
            _ => None,
        };
        settings.take_environment(environment).unwrap();
        assert_eq!(settings.answer(None), Answer::Contacts);
        assert_eq!(settings.answer(Some(Answer::Auto)), Answer::Auto);
        let media = settings.media(&no_options());
        assert_eq!(media.mic, Some(MicrophoneSpec::Tone(300.0)));
        assert_eq!(media.speaker, Some(SpeakerSpec::Wav("a.wav".into())));
        let options = MediaOptions {
            mic: Some(MicrophoneSpec::Null),
            ..no_options()
        };
        assert_eq!(settings.media(&options).mic, Some(MicrophoneSpec::Null));
    }

    #[test]
    fn of_what_is_required_the_strictest_holds_wherever_it_is_said() {
        const ANY: Option<RequireChoice> = Some(RequireChoice::Any);
        const SECURECALL: Option<RequireChoice> = Some(RequireChoice::Securecall);
        let required = |file: &str, variable: &'static str, option| {
            let mut settings = from_file(file).unwrap();
            let environment = |key: &Key| (key.name == "require").then(|| variable.into());
            if !variable.is_empty() {
                settings.take_environment(environment).unwrap();
            }
            let options = MediaOptions {
                require: option,
                ..no_options()
            };
            settings.media(&options).require
        };
        let file = "require = 'securecall'";
        assert_eq!(required(file, "any", ANY), SECURECALL);
        assert_eq!(required("require = 'any'", "securecall", ANY), SECURECALL);
        assert_eq!(required("require = 'any'", "any", SECURECALL), SECURECALL);
        assert_eq!(required("", "", ANY), ANY);
        assert_eq!(required("", "", None), None);
    }

    #[test]
    fn a_wrong_environment_variable_is_named() {
        let mut settings = Settings::default();
        let environment = |key: &Key| (key.name == "answer").then(|| OsString::from("maybe"));
        let failure = settings.take_environment(environment).unwrap_err();
        assert!(
            failure
                .message
                .starts_with("SECURECALL_ANSWER: 'maybe' is not one of"),
            "{failure}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_file_in_the_environment_need_not_have_a_name_that_is_text() {
        use std::os::unix::ffi::OsStringExt as _;
        let value = |key: &Key| match key.name {
            "mic" => Some(OsString::from_vec(b"raw:/\xff".to_vec())),
            "speaker" => Some(OsString::from_vec(b"\xfe.wav".to_vec())),
            _ => None,
        };
        let mut settings = Settings::default();
        settings.take_environment(value).unwrap();
        let path = |bytes: &[u8]| OsString::from_vec(bytes.to_vec()).into();
        assert_eq!(settings.mic, Some(MicrophoneSpec::Raw(path(b"/\xff"))));
        assert_eq!(settings.speaker, Some(SpeakerSpec::Wav(path(b"\xfe.wav"))));
        let other =
            |key: &Key| (key.name == "domain").then(|| OsString::from_vec(b"\xff".to_vec()));
        let failure = Settings::default().take_environment(other).unwrap_err();
        assert_eq!(
            failure.message.as_str(),
            "SECURECALL_DOMAIN: is not valid Unicode"
        );
    }
}
