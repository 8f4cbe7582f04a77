//! What a client is told at its start.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use securecall_audio_device::AudioSpec;
use securecall_contact::MatrixId;
use securecall_crypto::{IdentityKey, IdentityKeyPair};
use securecall_media::Reach;
use securecall_relay::turn::ServerUri;
use securecall_relay::{Credentials, TurnServer};
use securecall_relay_client::TlsTrust;
use securecall_session::{
    AnswerPolicy, CallOptions, Contact, Contacts, RelaysAvailable, RingPolicy,
};
use zeroize::Zeroizing;

use crate::ghostnet::{GhostNet, GhostNetSources};

/// Changes the address that is told to the peer: a port mapping, or a forwarder in a test.
pub use securecall_relay::CandidateMap;

/// The servers by whose help calls find their way.
#[derive(Clone, Debug, Default)]
pub struct Servers {
    /// STUN servers, which say how they see us.
    pub stun: Vec<SocketAddr>,
    /// TURN servers, which relay.
    pub turn: Vec<TurnServer>,
    /// Who vouches for the names of those that are spoken to by TLS.
    pub trust: Option<TlsTrust>,
    /// The relays of GhostNet.
    pub ghostnet: Option<GhostNet>,
}

impl Servers {
    /// By what calls can be had in which the peer does not learn where we are.
    pub(crate) fn relays(&self) -> RelaysAvailable {
        RelaysAvailable {
            turn: !self.turn.is_empty(),
            ghostnet: self
                .ghostnet
                .as_ref()
                .is_some_and(|ghostnet| ghostnet.is_ready().is_ok()),
        }
    }
}

/// Where servers for calls are named.
#[derive(Clone, Debug, Default)]
pub struct ServerSources {
    /// STUN servers that the user names.
    pub stun: Vec<ServerUri>,
    /// TURN servers that the user names, and who we are there.
    pub turn: Vec<(ServerUri, TurnLogin)>,
    /// Whether the homeserver is asked for its own.
    pub homeserver: bool,
    /// Who vouches for the names of those that are spoken to by TLS.
    pub trust: Option<TlsTrust>,
    /// How relays of GhostNet are found.
    pub ghostnet: Option<GhostNetSources>,
}

impl ServerSources {
    /// Whether servers can come from anywhere.
    pub(crate) fn are_empty(&self) -> bool {
        self.stun.is_empty() && self.turn.is_empty() && !self.homeserver
    }
}

/// Who we are at a TURN server.
#[derive(Clone)]
pub enum TurnLogin {
    /// A user with a password.
    Password(Credentials),
    /// Whoever has this secret makes credentials of its own.
    SharedSecret(Arc<Zeroizing<String>>),
}

impl std::fmt::Debug for TurnLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password",
            Self::SharedSecret(_) => "SharedSecret",
        })
    }
}

/// Where the sockets of a call are bound, and where its peer may be.
#[derive(Clone, Default)]
pub struct Network {
    /// The addresses to bind; empty means all of this machine's that a peer can be told.
    pub bind: Vec<IpAddr>,
    /// Whether the peer may be on this machine. Only then loopback addresses are told, tried and listened to, and told only where
    /// there is no other.
    pub reach: Reach,
    /// Changes each address before it is told to the peer.
    pub candidate_map: Option<CandidateMap>,
    /// The servers that are asked for more addresses, until others are known by [`ClientConfig::servers`].
    pub servers: Servers,
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            bind,
            reach,
            candidate_map,
            servers,
        } = self;
        f.debug_struct("Network")
            .field("bind", &bind.len())
            .field("reach", reach)
            .field("mapped", &candidate_map.is_some())
            .field("stun", &servers.stun.len())
            .field("turn", &servers.turn.len())
            .finish()
    }
}

/// Everything a [`Client`](crate::Client) is told once.
#[derive(Debug)]
pub struct ClientConfig {
    /// Who we are.
    pub identity: IdentityKeyPair,
    /// The people we know, and the rules about people.
    pub contacts: Contacts,
    /// Who may make it ring.
    pub ring: RingPolicy,
    /// Who is answered without asking.
    pub answer: AnswerPolicy,
    /// Options of inbound calls.
    pub inbound: CallOptions,
    /// Microphone, speaker and processing of every call.
    pub audio: AudioSpec,
    /// Where the memory of taken invites is kept: it must outlive the process.
    pub replay_memory: PathBuf,
    /// Whether calls of people without a known key are heard, and placed: they go through rooms, which are synced then.
    pub rooms: bool,
    /// Where sockets are bound.
    pub network: Network,
    /// Where servers that are asked for more addresses are named.
    pub servers: ServerSources,
    /// Whether [`Event::Levels`](crate::Event::Levels) are wanted.
    pub levels: bool,
    /// Who is called as soon as the client has started, if that is known: their devices are asked for meanwhile.
    pub soon_called: Vec<MatrixId>,
    /// Whether to start without the homeserver, if it cannot be reached just now, and to wait for it. Otherwise the
    /// start fails after a few seconds.
    pub waits_for_homeserver: bool,
}

impl ClientConfig {
    /// A client that knows nobody, rings for everybody and asks before it answers.
    pub fn new(identity: IdentityKeyPair, replay_memory: impl Into<PathBuf>) -> Self {
        Self {
            identity,
            contacts: Contacts::default(),
            ring: RingPolicy::Anyone,
            answer: AnswerPolicy::Ask,
            inbound: CallOptions::default(),
            audio: AudioSpec::default(),
            replay_memory: replay_memory.into(),
            rooms: false,
            network: Network::default(),
            servers: ServerSources::default(),
            levels: false,
            soon_called: Vec::new(),
            waits_for_homeserver: false,
        }
    }

    /// Adds somebody we know.
    #[must_use]
    pub fn with_contact(mut self, name: &str, identity: IdentityKey, matrix_id: MatrixId) -> Self {
        self.contacts.add(Contact {
            name: name.to_owned(),
            identity,
            matrix_id,
        });
        self
    }
}
