//! What only one end of a call has.

use std::time::Duration;

use securecall_contact::Device;
use securecall_crypto::WordsCommitment;
use securecall_signaling::ConferenceInvite;

/// What only one end of a call has.
pub(super) enum Half {
    Caller(CallerHalf),
    Callee(CalleeHalf),
}

/// What only the caller has.
pub(crate) struct CallerHalf {
    /// By our clock, in milliseconds since the Unix epoch.
    pub(super) sent_at: u64,
    pub(super) lifetime: Duration,
    /// The conference that the call is a leg of.
    pub(super) conference: Option<ConferenceInvite>,
    /// Waits for the devices.
    pub(super) offer: Option<String>,
    /// Wait for the offer.
    pub(super) devices: Option<Vec<Device>>,
}

impl CallerHalf {
    /// Of a call that is placed at this time by its own clock, in milliseconds since the Unix epoch.
    pub(crate) const fn new(
        sent_at: u64,
        lifetime: Duration,
        conference: Option<ConferenceInvite>,
    ) -> Self {
        Self {
            sent_at,
            lifetime,
            conference,
            offer: None,
            devices: None,
        }
    }

    pub(super) fn forget_offer(&mut self) {
        self.offer = None;
    }
}

/// What only the callee has: what it must remember of the invite.
pub(super) struct CalleeHalf {
    /// When the invite was sent by the caller's clock, in milliseconds since the Unix epoch.
    pub(super) sent_at: u64,
    pub(super) commitment: WordsCommitment,
}

impl CalleeHalf {
    pub(super) const fn new(sent_at: u64, commitment: WordsCommitment) -> Self {
        Self {
            sent_at,
            commitment,
        }
    }

    pub(super) const fn sent_at(&self) -> u64 {
        self.sent_at
    }
}
