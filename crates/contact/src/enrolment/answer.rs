//! What the server says in the end.

use serde::{Deserialize, Serialize};

use super::{EnrolmentMessageError, read};

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnrolmentOutcome {
    /// The account is there, now or since earlier.
    Enrolled,
    /// The server's owner has to approve it first.
    Waiting,
}

/// Why there is no account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The request is not as the protocol has it.
    #[error("the server does not understand the request")]
    Malformed,
    /// The challenge was answered before, is too old, or is none of this server's.
    #[error("the challenge is over")]
    ChallengeOver,
    /// The proof is not of this Matrix ID's key, for this server.
    #[error("the proof of the identity key is wrong")]
    ProofWrong,
    /// Nobody new is let in.
    #[error("the server takes no new accounts")]
    Closed,
    /// An invitation is asked for.
    #[error("the server asks for an invitation; its owner hands them out")]
    InvitationRequired,
    /// The invitation is unknown, used up, expired or revoked.
    #[error("the server does not accept this invitation")]
    InvitationRefused,
    /// Limits of the network or of the day.
    #[error("the server takes no more new accounts for now")]
    TooMany,
    /// The server's owner has shut this account out.
    #[error("the server's owner has disabled this account")]
    Disabled,
    /// The server cannot do it at the moment.
    #[error("the server cannot make accounts at the moment")]
    Unavailable,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Malformed,
        Self::ChallengeOver,
        Self::ProofWrong,
        Self::Closed,
        Self::InvitationRequired,
        Self::InvitationRefused,
        Self::TooMany,
        Self::Disabled,
        Self::Unavailable,
    ];

    /// As it stands in the message.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::ChallengeOver => "challenge_over",
            Self::ProofWrong => "proof_wrong",
            Self::Closed => "closed",
            Self::InvitationRequired => "invitation_required",
            Self::InvitationRefused => "invitation_refused",
            Self::TooMany => "too_many",
            Self::Disabled => "disabled",
            Self::Unavailable => "unavailable",
        }
    }

    /// The status of HTTP that goes with it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::ChallengeOver => 410,
            Self::ProofWrong
            | Self::Closed
            | Self::InvitationRequired
            | Self::InvitationRefused
            | Self::Disabled => 403,
            Self::TooMany => 429,
            Self::Unavailable => 503,
        }
    }
}

/// One or the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnrolmentAnswer {
    /// It was understood and done.
    Outcome(EnrolmentOutcome),
    /// It was not done.
    Refused(Refusal),
}

#[derive(Serialize, Deserialize)]
struct Json {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outcome: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

impl EnrolmentAnswer {
    /// Reads the server's answer, whatever its status.
    ///
    /// # Errors
    ///
    /// When it is none that is known here.
    pub fn from_json(bytes: &[u8]) -> Result<Self, EnrolmentMessageError> {
        let json: Json = read(bytes)?;
        match (json.outcome.as_deref(), json.error.as_deref()) {
            (Some("enrolled"), None) => Ok(Self::Outcome(EnrolmentOutcome::Enrolled)),
            (Some("waiting"), None) => Ok(Self::Outcome(EnrolmentOutcome::Waiting)),
            (None, Some(word)) => Refusal::ALL
                .into_iter()
                .find(|refusal| refusal.word() == word)
                .map(Self::Refused)
                .ok_or(EnrolmentMessageError::Member("error")),
            _ => Err(EnrolmentMessageError::Member("outcome")),
        }
    }

    /// Writes it; with a sentence for people who read it in another program.
    #[must_use]
    pub fn to_json(self) -> Vec<u8> {
        let (outcome, refusal) = match self {
            Self::Outcome(EnrolmentOutcome::Enrolled) => (Some("enrolled"), None),
            Self::Outcome(EnrolmentOutcome::Waiting) => (Some("waiting"), None),
            Self::Refused(refusal) => (None, Some(refusal)),
        };
        let json = Json {
            outcome: outcome.map(str::to_owned),
            error: refusal.map(|refusal| refusal.word().to_owned()),
            message: refusal.map(|refusal| refusal.to_string()),
        };
        // Texts can always be written.
        serde_json::to_vec(&json).unwrap_or_default()
    }

    /// The status of HTTP that goes with it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Outcome(EnrolmentOutcome::Enrolled) => 200,
            Self::Outcome(EnrolmentOutcome::Waiting) => 202,
            Self::Refused(refusal) => refusal.status(),
        }
    }
}
