//! Servers, as they are asked.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use data_encoding::BASE64;
use zeroize::Zeroizing;

use crate::StreamTarget;
use crate::stun::hmac_sha1;

/// The longest user name or password, in bytes. RFC 8489 allows user names of 508.
pub const MAX_CREDENTIAL_LEN: usize = 508;

/// User name and password of a server. The password is wiped when the last copy is dropped.
#[derive(Clone)]
pub struct Credentials {
    username: Arc<str>,
    password: Arc<Zeroizing<String>>,
    name_user: bool,
}

impl Credentials {
    /// `None` if one of them is empty or longer than [`MAX_CREDENTIAL_LEN`]: no server has such.
    pub fn new(username: &str, password: Zeroizing<String>) -> Option<Self> {
        let fits = |text: &str| (1..=MAX_CREDENTIAL_LEN).contains(&text.len());
        (fits(username) && fits(&password)).then(|| Self {
            username: username.into(),
            password: Arc::new(password),
            name_user: false,
        })
    }

    /// Credentials as a homeserver makes them with the secret it shares with the server (the "REST API
    /// for TURN services", draft-uberti-behave-turn-rest-00): the user name says until when they are good,
    /// in seconds since 1970, and whose they are.
    pub fn of_shared_secret(secret: &str, good_until: &str, user: &str) -> Option<Self> {
        let username = format!("{good_until}:{user}");
        let code = hmac_sha1(secret.as_bytes(), username.as_bytes());
        Self::new(&username, Zeroizing::new(BASE64.encode(&code)))
    }

    /// The same, whose user name says who we are: homeservers write the Matrix ID into it.
    #[must_use]
    pub fn naming_user(self) -> Self {
        Self {
            name_user: true,
            ..self
        }
    }

    pub(super) fn name_user(&self) -> bool {
        self.name_user
    }

    /// Whether the Matrix ID stands in the user name, for everybody to read.
    pub(super) fn hold_matrix_id(&self) -> bool {
        self.name_user && self.username.contains('@')
    }

    /// The user name. Anybody on the way reads it, unless the stream is TLS.
    pub fn username(&self) -> &str {
        &self.username
    }

    pub(super) fn password(&self) -> &str {
        &self.password
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The user name of a homeserver's credentials holds the Matrix ID.
        let Self {
            username: _,
            password: _,
            name_user: _,
        } = self;
        f.write_str("Credentials")
    }
}

/// How a server is spoken to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServerLink {
    /// Datagrams, from the sockets of the call.
    Udp,
    /// A TCP stream of its own.
    Tcp,
    /// TLS in a TCP stream; the server must prove this name.
    Tls(String),
}

/// A TURN server at one address, over one link.
#[derive(Clone, Debug)]
pub struct TurnServer {
    /// Where it is. Names are resolved by whoever asks for candidates.
    pub address: SocketAddr,
    /// How it is spoken to.
    pub link: ServerLink,
    /// Who we are there.
    pub credentials: Credentials,
}

impl TurnServer {
    /// Where the stream to it leads; `None` over datagrams.
    pub(super) fn stream_target(&self) -> Option<StreamTarget> {
        let tls_name = match &self.link {
            ServerLink::Udp => return None,
            ServerLink::Tcp => None,
            ServerLink::Tls(name) => Some(name.clone()),
        };
        Some(StreamTarget {
            address: self.address,
            tls_name,
        })
    }
}
