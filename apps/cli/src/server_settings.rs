//! Settings of the servers by whose help calls find their way.

use std::sync::Arc;

use securecall_driver::{Credentials, ServerSources, ServerUri, TlsTrust, TurnLogin, TurnScheme};
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
        })
    }

    fn login(&self) -> Result<Option<TurnLogin>, String> {
        if self.turn.is_empty() {
            return match (&self.user, &self.password, &self.secret) {
                (None, None, None) => Ok(None),
                _ => {
                    Err("there are credentials for TURN servers, but 'turn' names none".to_owned())
                }
            };
        }
        match (&self.user, &self.password, &self.secret) {
            (Some(user), Some(Hidden(password)), None) => {
                let credentials = Credentials::new(user, password.clone());
                let credentials = credentials
                    .ok_or("'turn_user' or 'turn_password' is empty or longer than 508 bytes")?;
                Ok(Some(TurnLogin::Password(credentials)))
            }
            (None, None, Some(Hidden(secret))) => {
                Ok(Some(TurnLogin::SharedSecret(Arc::new(secret.clone()))))
            }
            (None, None, None) => Err(
                "'turn' needs 'turn_user' and 'turn_password', or 'turn_secret'".to_owned(),
            ),
            (_, _, Some(_)) => Err(
                "'turn_secret' makes user names and passwords of its own: leave 'turn_user' and 'turn_password' out"
                    .to_owned(),
            ),
            _ => Err("'turn_user' and 'turn_password' go together".to_owned()),
        }
    }
}

/// STUN servers, with spaces or commas between them.
pub(crate) fn stun_servers(text: &str) -> Result<Vec<ServerUri>, String> {
    servers(text, |scheme| scheme == TurnScheme::Stun, "stun:")
}

/// TURN servers, with spaces or commas between them.
pub(crate) fn turn_servers(text: &str) -> Result<Vec<ServerUri>, String> {
    servers(text, |scheme| scheme != TurnScheme::Stun, "turn: or turns:")
}

fn servers(
    text: &str,
    fits: impl Fn(TurnScheme) -> bool,
    wanted: &str,
) -> Result<Vec<ServerUri>, String> {
    let words = text.split([' ', ',']).filter(|word| !word.is_empty());
    let servers: Vec<ServerUri> = words
        .map(|word| {
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
        for wrong in [
            with_turn(),
            ServerSettings {
                user,
                ..with_turn()
            },
            ServerSettings {
                secret: hidden,
                ..with_password.clone()
            },
            ServerSettings {
                turn: Vec::new(),
                ..with_password.clone()
            },
            ServerSettings {
                password: Some(Hidden::new("")),
                ..with_password
            },
        ] {
            assert!(wrong.sources().is_err(), "{wrong:?}");
        }
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
