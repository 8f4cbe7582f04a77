//! The command line as it is read: commands, arguments, options.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use securecall_driver::{MicrophoneSpec, ProcessingChoice, SpeakerSpec};

use crate::config::KeyNameParser;
use crate::secret::Secret;

/// What `--version` prints.
const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (commit ",
    env!("SECURECALL_COMMIT"),
    ", protocol version 1)"
);

/// End-to-end encrypted voice calls over Matrix.
///
/// Make an identity (`id new`), an account for it (`register`), share your contact link (`contact share`), add the other's
/// (`contact add`), then `listen` or `call`.
#[derive(Debug, Parser)]
#[command(name = "securecall", version = VERSION, arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalOptions,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that go with every command.
#[derive(Args, Clone, Debug)]
pub(crate) struct GlobalOptions {
    /// Directory of identity, account and contacts; also SECURECALL_PROFILE [default: the operating system's data directory]
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) profile: Option<PathBuf>,
    /// Print one JSON object a line on standard output, everything else on standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Log to standard error; twice for more
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Your identity: make it, show it, restore it
    #[command(subcommand)]
    Id(IdCommand),
    /// Create the account of your identity on a homeserver, or log in to it
    Register(RegisterOptions),
    /// Log in to an account you have
    Login(LoginOptions),
    /// Remove this device from the homeserver and the account from the profile; the identity stays
    Logout,
    /// What others are shown of your account: a name, a picture
    #[command(subcommand)]
    Account(AccountCommand),
    /// People: share yourself, add others
    #[command(subcommand)]
    Contact(ContactCommand),
    /// Settings: show them, set them
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Call somebody
    Call(CallOptions),
    /// Wait for calls
    Listen(ListenOptions),
    /// Open a contact link: add the contact, after asking
    Open(OpenOptions),
    /// Check account, homeserver, servers for calls, network, microphone and speaker, and say what to do
    Doctor(DoctorOptions),
    /// Have links that start with securecall: opened by this program
    InstallHandler {
        /// Undo it
        #[arg(long)]
        remove: bool,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

/// `securecall id …`
#[derive(Debug, Subcommand)]
pub(crate) enum IdCommand {
    /// Make an identity and print its phrase: 24 words, shown this once
    New,
    /// Print the SecureCall ID
    Show,
    /// Restore an identity from its phrase, read from standard input or at a prompt
    Restore,
}

/// `securecall account …`
#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Show what others are shown of your account
    Show,
    /// Set the name beside your Matrix ID, or show it; it is public
    Name {
        /// The name; whoever knows your address can read it, and your homeserver
        #[arg(allow_hyphen_values = true)]
        name: Option<String>,
        /// Remove it
        #[arg(long, conflicts_with = "name")]
        clear: bool,
    },
    /// Set the picture beside your Matrix ID; it is public
    Avatar {
        /// A PNG, JPEG or WebP picture; whoever knows your address can see it, and your homeserver. It is made smaller, and what the file says besides is left out
        #[arg(value_name = "FILE", required_unless_present = "clear")]
        picture: Option<PathBuf>,
        /// Remove it; homeservers may keep the file
        #[arg(long, conflicts_with = "picture")]
        clear: bool,
    },
}

/// `securecall contact …`
#[derive(Debug, Subcommand)]
pub(crate) enum ContactCommand {
    /// Print your contact link, to send it to somebody; also as a QR code
    Share(ShareOptions),
    /// Add contacts from links, IDs, Matrix IDs, a text that holds some, or pictures with QR codes
    Add(AddOptions),
    /// List all contacts
    List,
    /// Give a contact another name
    Rename {
        /// Name, SecureCall ID, Matrix ID or contact link
        who: String,
        /// The new name
        name: String,
    },
    /// Remove a contact
    Remove {
        /// Name, SecureCall ID, Matrix ID or contact link
        who: String,
    },
    /// Mark a contact as verified: their key is the one that they show you or read aloud
    Verify(VerifyOptions),
    /// Undo `verify`
    Unverify {
        /// Name, SecureCall ID, Matrix ID or contact link
        who: String,
    },
    /// Show a contact, or whether somebody else is blocked
    Show {
        /// Name, SecureCall ID, Matrix ID or contact link
        who: String,
    },
    /// Let somebody, contact or not, never ring again
    Block {
        /// Name, SecureCall ID, Matrix ID or contact link
        who: String,
    },
    /// Undo `block`
    Unblock {
        /// Name, SecureCall ID, Matrix ID or contact link
        who: String,
    },
    /// Refuse calls with a contact that have less protection than this
    Require {
        /// Name, SecureCall ID, Matrix ID or contact link
        who: String,
        /// The least protection; the strictest of this, --require and the setting `require` holds
        #[arg(value_enum)]
        least: ContactRequire,
    },
}

/// `securecall config …`
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print what holds: what is set, else the default
    Get {
        /// The setting; `config list` shows all
        #[arg(value_parser = KeyNameParser)]
        key: String,
    },
    /// Set it, in config.toml
    Set {
        /// The setting
        #[arg(value_parser = KeyNameParser)]
        key: String,
        /// The value; of a password or a secret better none here, where others can see it: it is asked for, or read from standard input
        #[arg(allow_hyphen_values = true)]
        value: Option<Secret>,
    },
    /// Remove it from config.toml
    Unset {
        /// The setting
        #[arg(value_parser = KeyNameParser)]
        key: String,
    },
    /// List all settings, and what each does
    List,
}

/// `securecall contact add`
#[derive(Args, Debug)]
pub(crate) struct AddOptions {
    /// Contact link, SecureCall ID, Matrix ID, a text with such, a picture file, or - for standard input (the default)
    pub(crate) what: Vec<OsString>,
    /// The name for the contact; goes with exactly one
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Move a contact to the address that the link names, without asking; a key is never changed so
    #[arg(long)]
    pub(crate) change_address: bool,
    /// Add what could be read in another way, too, without asking
    #[arg(long)]
    pub(crate) uncertain: bool,
}

/// `securecall contact share`
#[derive(Args, Debug)]
pub(crate) struct ShareOptions {
    /// The name to suggest to whoever opens the link
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Print the QR code, too; for a terminal without colours with a dark or a light background
    #[arg(long, value_name = "BACKGROUND", value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "auto")]
    pub(crate) qr: Option<QrBackground>,
    /// Write the QR code into a PNG picture
    #[arg(long, value_name = "FILE")]
    pub(crate) png: Option<PathBuf>,
    /// Write the QR code into an SVG picture
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
}

/// `--qr` of `contact share`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum QrBackground {
    /// Black on white where colours can be had, else as for a dark background
    Auto,
    /// Light text on a dark background
    Dark,
    /// Dark text on a light background
    Light,
}

/// `securecall contact verify`
#[derive(Args, Debug)]
pub(crate) struct VerifyOptions {
    /// Name, SecureCall ID, Matrix ID or contact link
    pub(crate) who: String,
    /// A picture of the QR code that they show you
    #[arg(long, value_name = "FILE", conflicts_with = "id")]
    pub(crate) qr: Option<PathBuf>,
    /// Their SecureCall ID as they read it aloud; spaces and dashes do not count
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
}

/// `securecall open`
#[derive(Args, Debug)]
pub(crate) struct OpenOptions {
    /// The link
    #[arg(allow_hyphen_values = true)]
    pub(crate) uri: String,
    /// Call the contact then; a link never starts a call by itself
    #[arg(long)]
    pub(crate) call: bool,
    /// Opened from the desktop: ask in a terminal of its own, or in a dialog
    #[arg(long, hide = true, conflicts_with_all = ["call", "pause"])]
    pub(crate) desktop: bool,
    /// Wait for Enter at the end: the terminal is there for this question alone
    #[arg(long, hide = true, conflicts_with = "call")]
    pub(crate) pause: bool,
    #[command(flatten)]
    pub(crate) media: MediaOptions,
}

/// `securecall register`
#[derive(Args, Debug)]
pub(crate) struct RegisterOptions {
    /// The homeserver, such as example.org, or its URL (http for this machine only)
    #[arg(long, value_name = "URL")]
    pub(crate) homeserver: Secret,
    #[command(flatten)]
    pub(crate) authority: AuthorityOptions,
    /// Registration token, where the homeserver asks for one; also SECURECALL_TOKEN, which other users of this machine cannot see
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Option<Secret>,
}

/// `securecall login`
#[derive(Args, Debug)]
pub(crate) struct LoginOptions {
    /// The homeserver, such as example.org, or its URL [default: the server that --user names]
    #[arg(long, value_name = "URL")]
    pub(crate) homeserver: Option<Secret>,
    #[command(flatten)]
    pub(crate) authority: AuthorityOptions,
    /// The account, such as @alice:example.org
    #[arg(long, value_name = "MXID")]
    pub(crate) user: String,
}

/// Whom to believe that it is the homeserver.
#[derive(Args, Debug)]
pub(crate) struct AuthorityOptions {
    /// A certificate authority to trust besides the system's (PEM); remembered with the account
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}

/// `securecall call`
#[derive(Args, Debug)]
pub(crate) struct CallOptions {
    /// Contact name, SecureCall ID, contact link or Matrix ID; who has no known key is called in a standard Matrix call, after
    /// asking. Several make a group call, of at most 8 people, all of whose keys have to be known
    #[arg(required_unless_present = "room")]
    pub(crate) who: Vec<String>,
    #[command(flatten)]
    pub(crate) room: RoomOptions,
    /// The microphone is muted from the beginning
    #[arg(long)]
    pub(crate) muted: bool,
    #[command(flatten)]
    pub(crate) media: MediaOptions,
}

/// Options of `call` for the group call of a room.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct RoomOptions {
    /// Instead: be in the group call of this Matrix room, with the apps of others. Its alias, such as #friends:example.org, or its
    /// ID. Where it has no call, one is started
    #[arg(long, value_name = "ROOM", conflicts_with = "who")]
    pub(crate) room: Option<String>,
    /// Also with apps that cannot encrypt what sets the calls up: the room's servers can read and change that, and so listen
    #[arg(long, requires = "room", conflicts_with = "who")]
    pub(crate) in_clear: bool,
    /// Do not ask whether what the room keeps of the call may be kept
    #[arg(long, requires = "room", conflicts_with = "who")]
    pub(crate) yes: bool,
}

/// `securecall listen`
#[derive(Args, Debug)]
pub(crate) struct ListenOptions {
    /// Who is answered without asking [default: ask]
    #[arg(long, value_enum)]
    pub(crate) answer: Option<Answer>,
    /// End after one call
    #[arg(long)]
    pub(crate) once: bool,
    #[command(flatten)]
    pub(crate) media: MediaOptions,
}

/// `securecall doctor`
#[derive(Args, Debug)]
pub(crate) struct DoctorOptions {
    /// The microphone to try, as for call and listen [default: default]
    #[arg(long, value_name = "SOURCE", allow_hyphen_values = true, value_parser = microphone())]
    pub(crate) mic: Option<MicrophoneSpec>,
    /// The speaker to try, as for call and listen [default: default]
    #[arg(long, value_name = "SINK", allow_hyphen_values = true, value_parser = speaker())]
    pub(crate) speaker: Option<SpeakerSpec>,
}

/// Options of `call` and `listen`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct MediaOptions {
    /// default, card:NAME, null, FILE.wav, raw:PATH (s16le 48 kHz mono), - for standard input, or tone:HZ [default: default]
    #[arg(long, value_name = "SOURCE", allow_hyphen_values = true, value_parser = microphone())]
    pub(crate) mic: Option<MicrophoneSpec>,
    /// default, card:NAME, null, FILE.wav, raw:PATH, or - for standard output [default: default]
    #[arg(long, value_name = "SINK", allow_hyphen_values = true, value_parser = speaker())]
    pub(crate) speaker: Option<SpeakerSpec>,
    /// Echo cancellation, noise suppression and gain control [default: on for sound cards only]
    #[arg(long, value_enum)]
    pub(crate) processing: Option<Switch>,
    /// How the call may travel; needed to call or answer people who are not contacts
    #[arg(long, value_enum)]
    pub(crate) route: Option<RouteChoice>,
    /// Refuse calls with less protection than this; the strictest of all that is required holds. `any` also agrees to a standard
    /// Matrix call with whoever is called
    #[arg(long, value_enum)]
    pub(crate) require: Option<RequireChoice>,
    /// What rings when a call comes in: a WAV file, or off for no tone at all [default: a tone of our own]; on sound cards only
    #[arg(long, value_name = "FILE|off", value_parser = OsStringValueParser::new().map(RingTone::from))]
    pub(crate) ring: Option<RingTone>,
    /// Hang up after so many seconds of being connected
    #[arg(long, value_name = "SECONDS", value_parser = duration_seconds)]
    pub(crate) duration: Option<f64>,
}

/// `--ring`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum RingTone {
    /// The one that comes with the program.
    #[default]
    Ours,
    /// A WAV file.
    File(PathBuf),
    /// None, and no other tone either.
    Off,
}

impl From<OsString> for RingTone {
    fn from(value: OsString) -> Self {
        if value == "off" {
            Self::Off
        } else {
            Self::File(value.into())
        }
    }
}

/// `ring` in `config.toml`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ring {
    /// Whoever calls
    Anyone,
    /// People whose key is in the contacts
    Contacts,
    /// Nobody
    Nobody,
}

/// `--answer`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Answer {
    /// It rings, a person decides
    Ask,
    /// Contacts are answered, others are asked about
    Contacts,
    /// Everybody is answered
    Auto,
}

/// `--processing`, and `notifications` in `config.toml`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    /// Always
    On,
    /// Never
    Off,
}

impl From<Switch> for ProcessingChoice {
    fn from(switch: Switch) -> Self {
        match switch {
            Switch::On => Self::On,
            Switch::Off => Self::Off,
        }
    }
}

/// `--route`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RouteChoice {
    /// Straight to the other device where that works: each side learns the other's network address
    Direct,
    /// Through a TURN server only: the other side learns no address of ours
    Relay,
    /// Through two relays of GhostNet only: no relay knows both you and whom you talk to
    #[value(name = "ghostnet")]
    GhostNet,
}

/// `contact require`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ContactRequire {
    /// End-to-end encrypted between two known keys
    Securecall,
    /// No more than is required of every call
    Any,
    /// Nothing is said of this contact
    Default,
}

/// `--require`, from the least to the strictest
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum RequireChoice {
    /// Whatever the other side can do
    Any,
    /// End-to-end encrypted between two known keys
    Securecall,
}

/// The error, with what really helps where clap does not know it: the value of an option that begins with a dash, or a setting without
/// its name.
pub(crate) fn with_better_tip(
    error: clap::Error,
    arguments: impl Iterator<Item = OsString>,
) -> clap::Error {
    with_tip_for_keys(with_tip_for_dashes(error, arguments))
}

/// What the settings are called.
fn with_tip_for_keys(mut error: clap::Error) -> clap::Error {
    let is_key = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(missing)) => missing.iter().any(|missing| missing == "<KEY>"),
        _ => false,
    };
    if is_key && error.kind() == ErrorKind::MissingRequiredArgument {
        let tip = "`securecall config list` shows all settings".to_owned();
        error.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(vec![tip.into()]),
        );
    }
    error
}

/// `--name=-x`, and not `-- -x`.
fn with_tip_for_dashes(
    mut error: clap::Error,
    arguments: impl Iterator<Item = OsString>,
) -> clap::Error {
    let Some(ContextValue::String(wrong)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let wrong = wrong.clone();
    let arguments: Vec<String> = arguments
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let option = arguments
        .windows(2)
        .find(|pair| pair[1].starts_with(&wrong) && takes_value(&Cli::command(), &pair[0]));
    if let (Some([option, value]), ErrorKind::UnknownArgument) = (option, error.kind()) {
        let tip = format!("if '{value}' is the value of '{option}', write '{option}={value}'");
        error.remove(ContextKind::SuggestedArg);
        error.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(vec![tip.into()]),
        );
    }
    error
}

/// Whether an option of this name takes a value, in any command.
fn takes_value(command: &clap::Command, option: &str) -> bool {
    let Some(name) = option.strip_prefix("--") else {
        return false;
    };
    let mut options = command.get_opts();
    options.any(|known| known.get_long() == Some(name))
        || command
            .get_subcommands()
            .any(|command| takes_value(command, option))
}

/// The name of a file need not be text.
fn microphone() -> impl TypedValueParser<Value = MicrophoneSpec> {
    OsStringValueParser::new().try_map(|value| MicrophoneSpec::try_from(value.as_os_str()))
}

fn speaker() -> impl TypedValueParser<Value = SpeakerSpec> {
    OsStringValueParser::new().try_map(|value| SpeakerSpec::try_from(value.as_os_str()))
}

fn duration_seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 86_400.0 => Ok(seconds),
        _ => Err("a number of seconds above 0, at most 86400".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_route_is_offered_by_its_name() {
        for name in ["call", "listen"] {
            let mut command = Cli::command();
            let sub = command.find_subcommand_mut(name).unwrap();
            let help = sub.render_long_help().to_string();
            for route in ["- direct:", "- relay:", "- ghostnet:"] {
                assert!(help.contains(route), "{help}");
            }
        }
    }

    #[test]
    fn a_value_that_begins_with_a_dash_has_a_tip_that_works() {
        let told = |line: &str| {
            let error = Cli::try_parse_from(line.split(' ')).unwrap_err();
            with_better_tip(error, line.split(' ').map(OsString::from)).to_string()
        };
        let tip = told("securecall contact add x --name -x");
        assert!(
            tip.contains("'--name=-x'") && !tip.contains("-- -x"),
            "{tip}"
        );
        assert!(Cli::try_parse_from(["securecall", "contact", "add", "x", "--name=-x"]).is_ok());
        // An argument by itself needs the other.
        let tip = told("securecall contact rename Ada -x");
        assert!(tip.contains("'-- -x'"), "{tip}");
    }

    #[test]
    fn global_options_go_before_and_after_the_command() {
        for line in ["securecall --json id show", "securecall id show --json"] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert!(cli.global.json);
        }
    }
}
