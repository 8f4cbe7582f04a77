//! What an endpoint is told once: who we are and how calls are answered.

use std::time::Duration;

use securecall_contact::{Device, MatrixId};

use crate::Require;

/// The longest lifetime of a call that is taken, and the one we use (`docs/protocol/signaling.md`).
pub const MAX_LIFETIME: Duration = Duration::from_secs(90);

/// Who is answered without asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AnswerPolicy {
    /// Nobody: it rings, a person decides.
    #[default]
    Ask,
    /// Contacts are answered, others are asked about.
    Contacts,
    /// Everybody is answered.
    Auto,
}

/// Who may make it ring. A device that does not ring for somebody sends them nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RingPolicy {
    /// Whoever passes all other rules.
    #[default]
    Anyone,
    /// People whose key is in the contacts, whatever account they call from.
    Contacts,
    /// Nobody.
    Nobody,
}

/// Which candidates the media engine may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// Host, server-reflexive and relay candidates.
    Direct,
    /// Relay candidates only: the peer never learns our address.
    Relay,
    /// Through two relays of GhostNet only: nobody but the first of them learns our address, and that one not whom we call.
    GhostNet,
}

impl Route {
    /// The word for it in options and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Relay => "relay",
            Self::GhostNet => "ghostnet",
        }
    }
}

/// By what calls can be had in which the peer does not learn where we are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RelaysAvailable {
    /// There is a TURN server.
    pub turn: bool,
    /// There are two relays of GhostNet that may carry one call.
    pub ghostnet: bool,
}

/// Options of one call, or of all inbound calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallOptions {
    /// The route asked for; `None` means direct for contacts, and for everybody else the strongest that there is.
    pub route: Option<Route>,
    /// A call of a lower tier is neither placed nor taken.
    pub require: Require,
    /// How long it rings; at most [`MAX_LIFETIME`].
    pub lifetime: Duration,
}

impl Default for CallOptions {
    fn default() -> Self {
        Self {
            route: None,
            require: Require::Any,
            lifetime: MAX_LIFETIME,
        }
    }
}

/// Everything an endpoint is told at its start, but for identity, contacts and replay memory.
#[derive(Clone, Debug)]
pub struct Config {
    /// The account at which we are called.
    pub matrix_id: MatrixId,
    /// Which of the account's devices this is.
    pub device: Device,
    /// Who may make it ring.
    pub ring: RingPolicy,
    /// What becomes of a call that passes all rules.
    pub answer: AnswerPolicy,
    /// Options of inbound calls (the lifetime is the caller's to say).
    pub inbound: CallOptions,
    /// What there is, so that calls with strangers can be relayed.
    pub relays: RelaysAvailable,
}
