//! Settings of the servers by whose help calls find their way.

use std::sync::Arc;

use securecall_driver::{
    Credentials, MAX_CREDENTIAL_LEN, ServerSources, ServerUri, TlsTrust, TurnLogin, TurnScheme,
};
use zeroize::Zeroizing;

use crate::cli::Switch;

/// The most servers of one setting.
const MAX_SERVERS: usize = 8;

/// What the settings say of servers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ServerSettings {
    /// `stun`
    pub(crate) stun: Vec<ServerUri>,
    /// `turn`
    pub(crate) turn: Vec<ServerUri>,
    /// `turn_user`
    pub(crate) user: Option<String>,
    /// `turn_password`
    pub(crate) password: Option<Hidden>,
    /// `turn_secret`
    pub(crate) secret: Option<Hidden>,
    /// `homeserver_turn`
    pub(crate) homeserver: Option<Switch>,
}

/// A text that no message repeats, wiped when dropped.
#[derive(Clone, PartialEq)]
pub(crate) struct Hidden(Zeroizing<String>);

impl Hidden {
    pub(crate) fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl ServerSettings {
    /// Where servers are named. `Err` says which settings do not go together.
    pub(crate) fn sources(&self) -> Result<ServerSources, String> {
        let turn = match self.login()? {
            Some(login) => {
                let servers = self.turn.iter().cloned();
                servers.map(|uri| (uri, login.clone())).collect()
            }
            None => Vec::new(),
        };
        Ok(ServerSources {
            stun: self.stun.clone(),
            turn,
            homeserver: self.homeserver != Some(Switch::Off),
            // Without a list of authorities there is no TLS, but all else.
            trust: TlsTrust::of_this_machine()
                .inspect_err(|error| tracing::info!(%error, "no relay can be spoken to by TLS"))
                .ok(),
            ghostnet: None,
        })
    }

    /// What no other setting can put right, whatever is set next: said wherever settings are read. `Err` names the keys and says
    /// what to do.
    pub(crate) fn contradiction(&self) -> Result<(), String> {
        let named = [
            ("turn_user", self.user.is_some()),
            ("turn_password", self.password.is_some()),
        ];
        let beside: Vec<String> = named
            .into_iter()
            .filter(|(_, is_set)| *is_set)
            .map(|(key, _)| format!("'{key}'"))
            .collect();
        if self.secret.is_some() && !beside.is_empty() {
            return Err(format!(
                "'turn_secret' makes user names and passwords of its own: leave {} out, or 'turn_secret'",
                beside.join(" and ")
            ));
        }
        Ok(())
    }

    fn login(&self) -> Result<Option<TurnLogin>, String> {
        self.contradiction()?;
        let missing = |key: &str, beside: &str| {
            format!("'{beside}' is set, and '{key}' is not: set it, too, or leave '{beside}' out")
        };
        let login = match (&self.user, &self.password, &self.secret) {
            (None, None, None) if self.turn.is_empty() => return Ok(None),
            (None, None, None) => {
                return Err(
                    "'turn' names servers, which need credentials: set 'turn_user' and 'turn_password', or 'turn_secret'"
                        .to_owned(),
                );
            }
            (Some(_), None, _) => return Err(missing("turn_password", "turn_user")),
            (None, Some(_), _) => return Err(missing("turn_user", "turn_password")),
            (Some(user), Some(Hidden(password)), _) => {
                let credentials = Credentials::new(user, password.clone());
                // Each was looked at when it was read.
                TurnLogin::Password(credentials.ok_or("'turn_user' or 'turn_password' is empty")?)
            }
            (None, None, Some(Hidden(secret))) => TurnLogin::SharedSecret(Arc::new(secret.clone())),
        };
        if self.turn.is_empty() {
            let (keys, them) = if self.secret.is_some() {
                ("'turn_secret' is", "it")
            } else {
                ("'turn_user' and 'turn_password' are", "them")
            };
            return Err(format!(
                "{keys} set, and 'turn' names no server for {them}: set 'turn', too, or leave {them} out"
            ));
        }
        Ok(Some(login))
    }
}

/// What the servers share with whoever makes credentials.
pub(crate) fn secret(text: &str) -> Result<&str, String> {
    if text.is_empty() {
        return Err("must not be empty".to_owned());
    }
    Ok(text)
}

/// A user name or a password. An empty one is none, and servers take none that is longer.
pub(crate) fn credential(text: &str) -> Result<&str, String> {
    if (1..=MAX_CREDENTIAL_LEN).contains(&text.len()) {
        Ok(text)
    } else {
        Err(format!(
            "must have 1 to {MAX_CREDENTIAL_LEN} bytes, and has {}",
            text.len()
        ))
    }
}

/// STUN servers, with white space or commas between them.
pub(crate) fn stun_servers(text: &str) -> Result<Vec<ServerUri>, String> {
    servers(text, |scheme| scheme == TurnScheme::Stun, "stun:")
}

/// TURN servers, with white space or commas between them.
pub(crate) fn turn_servers(text: &str) -> Result<Vec<ServerUri>, String> {
    servers(text, |scheme| scheme != TurnScheme::Stun, "turn: or turns:")
}

fn servers(
    text: &str,
    fits: impl Fn(TurnScheme) -> bool,
    wanted: &str,
) -> Result<Vec<ServerUri>, String> {
    let words = text
        .split(|separator: char| separator.is_whitespace() || separator == ',')
        .filter(|word| !word.is_empty());
    let servers: Vec<ServerUri> = words
        .map(|word| {
            // What stands before it may be a password, which no message repeats.
            if word.contains('@') {
                return Err(
                    "no user name and no password stand before the host: they are 'turn_user' and 'turn_password'"
                        .to_owned(),
                );
            }
            let shown = word.escape_debug();
            let uri = ServerUri::parse(word).map_err(|error| format!("'{shown}': {error}"))?;
            if !fits(uri.scheme) {
                return Err(format!("'{shown}' does not begin with {wanted}"));
            }
            Ok(uri)
        })
        .collect::<Result<_, String>>()?;
    if servers.len() > MAX_SERVERS {
        return Err(format!("names more than {MAX_SERVERS} servers"));
    }
    Ok(servers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_turn() -> ServerSettings {
        ServerSettings {
            turn: turn_servers("turn:turn.example.org").unwrap(),
            ..ServerSettings::default()
        }
    }

    #[test]
    fn servers_stand_one_after_the_other() {
        let servers = turn_servers("turn:a.example, turns:b.example:443").unwrap();
        let hosts: Vec<&str> = servers.iter().map(|uri| uri.host.as_str()).collect();
        assert_eq!(hosts, ["a.example", "b.example"]);
        assert_eq!(turn_servers("").unwrap(), []);
        assert_eq!(
            turn_servers("\n turn:a.example\n\tturn:b.example\n")
                .unwrap()
                .len(),
            2
        );
    }

    #[test]
    fn what_is_no_server_is_named() {
        assert_eq!(
            turn_servers("turn.example.org").unwrap_err(),
            "'turn.example.org': it begins with neither stun:, turn: nor turns:"
        );
        assert_eq!(
            turn_servers("stun:a.example").unwrap_err(),
            "'stun:a.example' does not begin with turn: or turns:"
        );
        assert_eq!(
            stun_servers("turn:a.example").unwrap_err(),
            "'turn:a.example' does not begin with stun:"
        );
        assert!(turn_servers(&"turn:a ".repeat(9)).is_err());
    }

    #[test]
    fn a_password_before_the_host_is_refused_and_not_repeated() {
        for text in [
            "turn:ada:swordfish@a.example",
            "turn://ada:swordfish@a.example:3478",
        ] {
            let reason = turn_servers(text).unwrap_err();
            assert!(!reason.contains("swordfish"), "{reason}");
            assert!(reason.contains("'turn_password'"), "{reason}");
        }
    }

    #[test]
    fn credentials_are_of_one_kind_and_for_a_server() {
        let (user, hidden) = (Some("ada".to_owned()), Some(Hidden::new("secret")));
        let with_password = ServerSettings {
            user: user.clone(),
            password: hidden.clone(),
            ..with_turn()
        };
        assert_eq!(with_password.sources().unwrap().turn.len(), 1);
        let with_secret = ServerSettings {
            secret: hidden.clone(),
            ..with_turn()
        };
        assert_eq!(with_secret.sources().unwrap().turn.len(), 1);
        let of_none = ServerSettings {
            turn: Vec::new(),
            ..with_password.clone()
        };
        for (wrong, said) in [
            (
                with_turn(),
                "set 'turn_user' and 'turn_password', or 'turn_secret'",
            ),
            (
                ServerSettings {
                    user,
                    ..with_turn()
                },
                "'turn_user' is set, and 'turn_password' is not",
            ),
            (
                ServerSettings {
                    password: hidden.clone(),
                    ..with_turn()
                },
                "'turn_password' is set, and 'turn_user' is not",
            ),
            (
                ServerSettings {
                    secret: hidden,
                    ..with_password
                },
                "leave 'turn_user' and 'turn_password' out, or 'turn_secret'",
            ),
            (
                of_none,
                "'turn_user' and 'turn_password' are set, and 'turn' names no server for them",
            ),
            (
                ServerSettings {
                    turn: Vec::new(),
                    ..with_secret
                },
                "'turn_secret' is set, and 'turn' names no server for it: set 'turn', too, or leave it out",
            ),
        ] {
            let reason = wrong.sources().unwrap_err();
            assert!(reason.contains(said), "{reason}");
        }
    }

    /// So that they can be set one after the other.
    #[test]
    fn only_what_nothing_more_can_put_right_is_a_contradiction() {
        let (user, hidden) = (Some("ada".to_owned()), Some(Hidden::new("secret")));
        let alone = [
            with_turn(),
            ServerSettings {
                user: user.clone(),
                ..ServerSettings::default()
            },
            ServerSettings {
                password: hidden.clone(),
                ..ServerSettings::default()
            },
            ServerSettings {
                secret: hidden.clone(),
                ..ServerSettings::default()
            },
        ];
        for settings in alone {
            assert_eq!(settings.contradiction(), Ok(()), "{settings:?}");
        }
        let both = ServerSettings {
            user,
            secret: hidden,
            ..ServerSettings::default()
        };
        let reason = both.contradiction().unwrap_err();
        assert!(
            reason.contains("leave 'turn_user' out, or 'turn_secret'"),
            "{reason}"
        );
    }

    #[test]
    fn credentials_have_lengths() {
        assert_eq!(credential("ada"), Ok("ada"));
        assert!(
            credential("")
                .unwrap_err()
                .contains("1 to 508 bytes, and has 0")
        );
        assert!(credential(&"a".repeat(508)).is_ok() && credential(&"a".repeat(509)).is_err());
        assert!(secret("").is_err() && secret(&"a".repeat(1000)).is_ok());
    }

    #[test]
    fn the_homeserver_is_asked_unless_it_is_switched_off() {
        assert!(ServerSettings::default().sources().unwrap().homeserver);
        let off = ServerSettings {
            homeserver: Some(Switch::Off),
            ..ServerSettings::default()
        };
        assert!(!off.sources().unwrap().homeserver);
    }

    #[test]
    fn no_secret_is_shown() {
        let settings = ServerSettings {
            secret: Some(Hidden::new("swordfish")),
            ..with_turn()
        };
        assert!(!format!("{settings:?}").contains("swordfish"));
    }
}
