//! One device of the peer within a call: the handshake with it, the ratchet, and what is to be said to it.

use std::collections::VecDeque;
use std::time::Duration;

use securecall_contact::{DeviceId, OlmKey};
use securecall_crypto::{
    Established, InitiatorAwaiting, MessageId, Ratchet, RatchetError, ReceivedMessage1, Transcript,
    WordsNonce,
};
use securecall_signaling::{Acknowledgement, Candidate, Content, MAX_ACKNOWLEDGEMENTS, Role};
use sha2::{Digest, Sha256};
use web_time::Instant;

use super::delivery::{Delivery, MAX_MATRIX_SENDS};
use super::epochs::Epochs;
use crate::requests::MessageName;

/// The most ratchet messages kept for a device whose message 2 is still to come (`docs/protocol/signaling.md`).
pub(super) const MAX_EARLY: usize = 16;
/// The most acknowledgements of repetitions of one message over Matrix: a peer repeats no more often.
const MAX_ACKNOWLEDGED_AGAIN: u8 = MAX_MATRIX_SENDS;
/// How long an acknowledgement waits for something to travel with, over Matrix. Shorter than a retry.
pub(super) const ACKNOWLEDGE_DELAY: Duration = Duration::from_millis(500);

/// How far the handshake with a device is. `Gone` stands for a ratchet session that was dropped whole.
pub(super) enum Link {
    /// Caller: message 1 is out.
    AwaitingMessage2(Box<InitiatorAwaiting>),
    /// Callee: message 2 is not written yet.
    Received(Box<ReceivedMessage1>),
    /// Both have the keys.
    Open(Box<RatchetSession>),
    /// Nothing is said or heard any more; the keys are gone.
    Gone,
}

/// The Double Ratchet session with one device (`docs/protocol/ratchet.md`).
pub(super) struct RatchetSession {
    pub(super) ratchet: Ratchet,
    pub(super) transcript: Transcript,
    pub(super) epochs: Epochs,
}

impl RatchetSession {
    /// What a finished handshake gives; `role` is ours.
    pub(super) fn new(role: Role, established: Established) -> Box<Self> {
        let Established {
            ratchet,
            outbound_media_seed,
            inbound_media_seed,
            transcript,
            remote_identity: _,
        } = established;
        Box::new(Self {
            ratchet,
            transcript,
            epochs: Epochs::new(role, outbound_media_seed, inbound_media_seed),
        })
    }
}

pub(super) struct Party {
    /// Where to send what is said to it: to a device of the list that the homeserver gave us, or to the one that a caller says it is.
    pub(super) device_id: DeviceId,
    pub(super) olm_key: OlmKey,
    pub(super) link: Link,
    /// SHA-256 of the handshake message that was taken from it: another copy is a repetition, anything else is refused.
    pub(super) taken: Option<[u8; 32]>,
    pub(super) delivery: Delivery,
    /// What the next message will say.
    pub(super) pending: Vec<Content>,
    acknowledge: VecDeque<MessageId>,
    /// Opened messages that wanted an acknowledgement: a repetition of one means that ours was lost.
    wanted: VecDeque<(MessageId, u8)>,
    /// How often message 2 was acknowledged because it was repeated.
    message_2_again: u8,
    pub(super) acknowledge_at: Option<Instant>,
    /// The acknowledgement must go over Matrix too, as the message did.
    pub(super) acknowledge_over_matrix: bool,
    /// Ratchet messages from before message 2.
    pub(super) early: Vec<Vec<u8>>,
    /// Caller: the words nonce of this handshake alone, so that no other device learns it early.
    pub(super) nonce: Option<WordsNonce>,
    /// Caller: the words nonce was revealed to it.
    pub(super) nonce_sent: bool,
    /// It rings or answered, so it may have our candidates.
    pub(super) candidates_wanted: bool,
    pub(super) candidates_sent: usize,
    pub(super) candidates_end_sent: bool,
}

impl Party {
    pub(super) fn new(device_id: DeviceId, olm_key: OlmKey, link: Link) -> Self {
        Self {
            device_id,
            olm_key,
            link,
            taken: None,
            delivery: Delivery::default(),
            pending: Vec::new(),
            acknowledge: VecDeque::new(),
            wanted: VecDeque::new(),
            message_2_again: 0,
            acknowledge_at: None,
            acknowledge_over_matrix: false,
            early: Vec::new(),
            nonce: None,
            nonce_sent: false,
            candidates_wanted: false,
            candidates_sent: 0,
            candidates_end_sent: false,
        }
    }

    /// The open ratchet session, if there is one.
    pub(super) fn ratchet_session(&mut self) -> Option<&mut RatchetSession> {
        match &mut self.link {
            Link::Open(session) => Some(session),
            Link::AwaitingMessage2(_) | Link::Received(_) | Link::Gone => None,
        }
    }

    /// Notes our candidates to be told, all that it does not have, if it may have them.
    pub(super) fn offer_candidates(&mut self, candidates: &[Candidate], complete: bool) {
        if !self.candidates_wanted {
            return;
        }
        let mut candidates = candidates
            .get(self.candidates_sent..)
            .unwrap_or_default()
            .to_vec();
        self.candidates_sent += candidates.len();
        if complete && !self.candidates_end_sent {
            self.candidates_end_sent = true;
            candidates.push(Candidate {
                candidate: String::new(),
                sdp_mid: "0".to_owned(),
            });
        }
        if !candidates.is_empty() {
            self.pending.push(Content::Candidates { candidates });
        }
    }

    /// The caller's step, if the last one was answered.
    pub(super) fn rekey(&mut self) {
        if let Some(session) = self.ratchet_session()
            && session.ratchet.can_step()
        {
            session.ratchet.request_step();
            self.pending.push(Content::Rekey);
        }
    }

    /// The call is over: forgets all that is not message 2 or last words.
    pub(super) fn finish(&mut self, now: Instant) {
        self.delivery.keep_only(MessageName::Message2);
        self.early.clear();
        self.acknowledge_at = self.acknowledge_at.map(|at| at.min(now));
        self.candidates_wanted = false;
        self.pending.retain(|content| {
            matches!(
                content,
                Content::Hangup { .. }
                    | Content::Reject
                    | Content::SelectAnswer { .. }
                    | Content::Ringing
                    | Content::Busy
            )
        });
        if matches!(self.link, Link::Received(_)) && self.pending.is_empty() {
            self.let_go();
        }
    }

    /// Whether what is to be said to it travels with candidates, if some are still to come: all but the last words does.
    pub(super) fn waits_for_candidates(&self) -> bool {
        let urgent =
            |content: &Content| matches!(content, Content::Hangup { .. } | Content::Reject);
        !self.pending.is_empty() && !self.pending.iter().any(urgent)
    }

    /// Whether it may still say something that is answered when the call is over: its first word, or, if it was told why it does not ring
    /// here, the question once more.
    pub(super) fn may_still_speak(&self) -> bool {
        matches!(self.link, Link::AwaitingMessage2(_)) || self.delivery.waits_to_be_asked()
    }

    /// Opens a ratchet message; on any error nothing has changed.
    pub(super) fn decrypt(
        &mut self,
        bytes: &[u8],
    ) -> Option<Result<securecall_crypto::Decrypted, RatchetError>> {
        Some(self.ratchet_session()?.ratchet.decrypt(bytes))
    }

    /// Notes that a message is to be acknowledged at `at`, or with whatever goes out before.
    pub(super) fn owe_acknowledgement(
        &mut self,
        id: Option<MessageId>,
        at: Instant,
        over_matrix: bool,
    ) {
        if let Some(id) = id.filter(|id| !self.acknowledge.contains(id)) {
            if self.acknowledge.len() == MAX_ACKNOWLEDGEMENTS {
                self.acknowledge.pop_front();
            }
            self.acknowledge.push_back(id);
        }
        self.acknowledge_at = Some(self.acknowledge_at.map_or(at, |before| before.min(at)));
        self.acknowledge_over_matrix |= over_matrix;
    }

    /// Remembers that a message wanted an acknowledgement; only the newest can be asked for again.
    pub(super) fn note_wanted(&mut self, id: MessageId) {
        if self.wanted.len() == MAX_ACKNOWLEDGEMENTS {
            self.wanted.pop_front();
        }
        self.wanted.push_back((id, 0));
    }

    /// Whether a repeated message is one that wanted an acknowledgement, and is to get it once more. Over Matrix that has a bound, for a
    /// homeserver can repeat a message without end.
    pub(super) fn wants_acknowledgement_again(&mut self, id: MessageId, over_matrix: bool) -> bool {
        let wanted = self.wanted.iter_mut().find(|(wanted, _)| *wanted == id);
        wanted.is_some_and(|(_, again)| !over_matrix || count_again(again))
    }

    /// Whether a repeated message 2 is to be acknowledged once more.
    pub(super) fn acknowledges_message_2_again(&mut self) -> bool {
        count_again(&mut self.message_2_again)
    }

    /// Takes the acknowledgements that are due, to put them into a message.
    pub(super) fn take_acknowledgements(&mut self) -> Vec<Acknowledgement> {
        self.acknowledge_at = None;
        self.acknowledge_over_matrix = false;
        self.acknowledge
            .drain(..)
            .map(|id| Acknowledgement(id.step, id.number))
            .collect()
    }

    /// Lets go of all keys and messages; what still comes is refused.
    pub(super) fn let_go(&mut self) {
        self.link = Link::Gone;
        self.taken = None;
        self.nonce = None;
        self.delivery.clear();
        self.pending.clear();
        self.acknowledge.clear();
        self.acknowledge_at = None;
        self.wanted.clear();
        self.early.clear();
    }
}

/// Counts one more acknowledgement of a repetition over Matrix, if there may be one more.
const fn count_again(again: &mut u8) -> bool {
    let may = *again < MAX_ACKNOWLEDGED_AGAIN;
    *again += may as u8;
    may
}

/// The fingerprint by which a repeated handshake message is known.
pub(super) fn digest(message: &[u8]) -> [u8; 32] {
    Sha256::digest(message).into()
}
