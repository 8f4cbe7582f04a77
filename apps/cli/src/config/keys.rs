//! Every setting: its name, what holds where nobody sets it, and what it does.

use std::ffi::OsString;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};

/// One key of `config.toml`. Each may also be given as the environment variable `SECURECALL_<KEY>`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// What holds where it is not set, where that is one of its values.
    pub(crate) default: Option<&'static str>,
    /// Not to be shown in passing.
    pub(crate) is_secret: bool,
    /// What it does, and what it takes, in one line.
    pub(crate) about: &'static str,
}

impl Key {
    const fn new(name: &'static str, default: Option<&'static str>, about: &'static str) -> Self {
        Self {
            name,
            default,
            is_secret: false,
            about,
        }
    }

    const fn secret(name: &'static str, about: &'static str) -> Self {
        Self {
            is_secret: true,
            ..Self::new(name, None, about)
        }
    }

    /// The environment variable that wins over the file.
    pub(crate) fn variable(&self) -> String {
        format!("SECURECALL_{}", self.name.to_ascii_uppercase())
    }

    /// What that variable says. An empty one says nothing.
    pub(crate) fn in_environment(&self) -> Option<OsString> {
        std::env::var_os(self.variable()).filter(|value| !value.is_empty())
    }
}

/// All of them, in the order in which they are told.
pub(crate) static KEYS: [Key; 20] = [
    Key::new(
        "domain",
        Some("stealthx.tech"),
        "the domain where an ID or a link names none: a name such as example.org",
    ),
    Key::new(
        "mic",
        Some("default"),
        "the microphone: default, card:NAME, null, FILE.wav, raw:PATH, - or tone:HZ",
    ),
    Key::new(
        "speaker",
        Some("default"),
        "the speaker: default, card:NAME, null, FILE.wav, raw:PATH or -",
    ),
    Key::new(
        "require",
        Some("any"),
        "the least protection that calls may have: any, securecall; the strictest of all that is said holds",
    ),
    Key::new(
        "route",
        None,
        "how calls may travel: direct, relay, ghostnet; without it direct for contacts, and for others ghostnet or relay",
    ),
    Key::new(
        "ring",
        Some("anyone"),
        "who may make it ring: anyone, contacts, nobody; all others get no answer at all",
    ),
    Key::new(
        "answer",
        Some("ask"),
        "who of them is answered without asking: ask (nobody), contacts, auto (everybody)",
    ),
    Key::new(
        "ring_tone",
        None,
        "what is heard when a call comes in: a WAV file, or off; without it a tone of our own",
    ),
    Key::new(
        "ring_device",
        None,
        "the sound card of the ring tone; without it the speaker's",
    ),
    Key::new(
        "notifications",
        Some("on"),
        "whether the desktop shows who calls: on, off",
    ),
    Key::new(
        "loopback",
        None,
        "allow: the other end of a call may be on this machine, for trials",
    ),
    Key::new(
        "stun",
        None,
        "STUN servers, with spaces or commas between them: stun:stun.example.org:3478",
    ),
    Key::new(
        "turn",
        None,
        "TURN servers, likewise: turn:turn.example.org, turns:turn.example.org",
    ),
    Key::new("turn_user", None, "who you are at all TURN servers"),
    Key::secret("turn_password", "the password that goes with turn_user"),
    Key::secret(
        "turn_secret",
        "in place of turn_user and turn_password: the secret that the servers share with who makes credentials",
    ),
    Key::new(
        "homeserver_turn",
        Some("on"),
        "whether the homeserver is asked for its TURN servers: on, off",
    ),
    Key::new(
        "ghostnet_directory",
        None,
        "the list of GhostNet's relays: an address that begins with https://, or a file",
    ),
    Key::new(
        "ghostnet_key",
        None,
        "the key that signs that list, in base64, as whoever publishes it has told you",
    ),
    Key::secret(
        "ghostnet_secret",
        "what relays ask for that take no tokens: a secret that a small circle shares",
    ),
];

/// The key of this name.
pub(crate) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// What to say to somebody who has written a name that no key has.
pub(crate) fn help_for(wrong: &str) -> String {
    let names: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
    format!(
        "did you mean '{}'? The settings are {}",
        nearest(wrong),
        names.join(", ")
    )
}

fn nearest(wrong: &str) -> &'static str {
    match wrong {
        // As homeservers and others call it.
        "turn_uri" | "turn_uris" | "turn_url" | "turn_server" | "turn_servers" => "turn",
        _ => KEYS
            .iter()
            .map(|key| key.name)
            .min_by_key(|known| edit_distance(wrong, known))
            .unwrap_or_default(),
    }
}

/// Levenshtein's distance: how many characters to add, drop or change.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(x != *y))
                .min(above + 1)
                .min(row[j] + 1);
            diagonal = above;
        }
    }
    row[b.len()]
}

/// Takes any name and offers those that there are: a wrong one in the file can be removed by its name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyNameParser;

impl TypedValueParser for KeyNameParser {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(
            KEYS.iter().map(|key| PossibleValue::new(key.name)),
        ))
    }
}

#[cfg(test)]
mod tests {
    use securecall_contact::ServerName;

    use super::*;

    #[test]
    fn distances_are_those_of_levenshtein() {
        for (a, b, distance) in [
            ("", "", 0),
            ("a", "", 1),
            ("kitten", "sitting", 3),
            ("mic", "mci", 2),
        ] {
            assert_eq!(edit_distance(a, b), distance, "{a} {b}");
        }
    }

    #[test]
    fn every_key_is_in_the_manual_and_says_what_it_does_in_one_line() {
        let manual = include_str!("../../../../docs/cli.md");
        for key in &KEYS {
            let variable = format!("`{}`", key.variable());
            let name = format!("`{}`", key.name);
            let has_both = |line: &str| line.contains(&name) && line.contains(&variable);
            assert!(manual.lines().any(has_both), "docs/cli.md lacks {name}");
            assert!((10..=120).contains(&key.about.len()), "{name}");
            assert!(!key.about.contains(['\n', '\t']), "{name}");
            assert_eq!(find(key.name), Some(key));
        }
        let domain = find("domain").and_then(|key| key.default);
        assert_eq!(domain, Some(ServerName::default_domain().as_str()));
    }
}
