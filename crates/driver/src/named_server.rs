//! Servers before their names are resolved: who names them, who we are there, and where they may be.

use std::net::SocketAddr;
use std::time::Duration;

use securecall_matrix::TurnCredentials;
use securecall_media::Reach;
use securecall_relay::turn::{Scheme, ServerUri, UriError};
use securecall_relay::{Credentials, ServerLink, is_public};
use securecall_relay_client::{ResolveError, resolve};

use crate::clock;
use crate::config::{ServerSources, TurnLogin};

/// Credentials that we make ourselves are good for so long.
pub(crate) const OWN_TTL: Duration = Duration::from_secs(24 * 3600);

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

impl NamedServer {
    /// Where it may be asked.
    ///
    /// # Errors
    ///
    /// If its name leads to no such address.
    pub(crate) async fn addresses(&self, reach: Reach) -> Result<Vec<SocketAddr>, ResolveError> {
        resolve(&self.uri.host, self.uri.port, |address| {
            self.may_be_at(address, reach)
        })
        .await
    }

    /// Whether it may be at an address: a homeserver must not point us at machines of our own network.
    fn may_be_at(&self, address: SocketAddr, reach: Reach) -> bool {
        let this_machine = reach == Reach::ThisMachine && address.ip().is_loopback();
        self.named_by == NamedBy::User || is_public(address) || this_machine
    }

    /// Over what it is asked for an address; `None` of a STUN server, which has none.
    pub(crate) fn link(&self) -> Option<ServerLink> {
        match self.uri.scheme {
            Scheme::Stun => None,
            Scheme::TurnUdp => Some(ServerLink::Udp),
            Scheme::TurnTcp => Some(ServerLink::Tcp),
            Scheme::TurnTls => Some(ServerLink::Tls(self.uri.host.clone())),
        }
    }

    /// Who we are there, now.
    pub(crate) fn credentials(&self) -> Option<Credentials> {
        match self.login.as_ref()? {
            TurnLogin::Password(credentials) => Some(credentials.clone()),
            TurnLogin::SharedSecret(secret) => {
                let until = clock::unix_us() / 1_000_000 + OWN_TTL.as_secs();
                // The user name is read by anybody on the way: it says nothing of who we are.
                Credentials::of_shared_secret(secret, &until.to_string(), "securecall")
            }
        }
    }
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
    let login = credentials.map(|it| TurnLogin::Password(it.naming_user()));
    for text in &offered.uris {
        match ServerUri::parse(text) {
            Ok(uri) => servers.push(NamedServer {
                uri,
                named_by: NamedBy::Homeserver,
                login: login.clone(),
            }),
            Err(error) => unusable.push(UnusableUri {
                text: text.clone(),
                error,
            }),
        }
    }
    (servers, unusable)
}
