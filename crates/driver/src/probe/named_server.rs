//! Servers before their names are resolved.

use securecall_matrix::TurnCredentials;
use securecall_relay::Credentials;
use securecall_relay::turn::{ServerUri, UriError};

use crate::config::{ServerSources, TurnLogin};

/// Who has named a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedBy {
    /// The user, in the configuration: it may be anywhere.
    User,
    /// The homeserver: it must be at a public address.
    Homeserver,
}

/// A server, and who we are there.
#[derive(Clone, Debug)]
pub struct NamedServer {
    /// Where it is and how it is spoken to.
    pub uri: ServerUri,
    /// Who has named it.
    pub named_by: NamedBy,
    /// Who we are there; TURN servers want it.
    pub login: Option<TurnLogin>,
}

/// A URI of the homeserver that names no server we could use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusableUri {
    /// The text, as the homeserver said it: bounded in length, not otherwise checked.
    pub text: String,
    /// What is wrong with it.
    pub error: UriError,
}

/// All servers that are named: by the user, and by the homeserver if its answer is given. In the order in which they
/// are named.
pub fn named_servers(
    sources: &ServerSources,
    offered: Option<&TurnCredentials>,
) -> (Vec<NamedServer>, Vec<UnusableUri>) {
    let by_user = |uri: &ServerUri, login| NamedServer {
        uri: uri.clone(),
        named_by: NamedBy::User,
        login,
    };
    let stun = sources.stun.iter().map(|uri| by_user(uri, None));
    let turn = sources.turn.iter();
    let turn = turn.map(|(uri, login)| by_user(uri, Some(login.clone())));
    let mut servers: Vec<NamedServer> = stun.chain(turn).collect();
    let mut unusable = Vec::new();
    let Some(offered) = offered else {
        return (servers, unusable);
    };
    let credentials = Credentials::new(&offered.username, offered.password.clone());
    for text in &offered.uris {
        match ServerUri::parse(text) {
            Ok(uri) => servers.push(NamedServer {
                uri,
                named_by: NamedBy::Homeserver,
                login: credentials.clone().map(TurnLogin::Password),
            }),
            Err(error) => unusable.push(UnusableUri {
                text: text.clone(),
                error,
            }),
        }
    }
    (servers, unusable)
}
