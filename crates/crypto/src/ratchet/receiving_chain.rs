//! A chain the peer sends on, and the keys of its messages that are still missing.

use std::fmt;

use zeroize::Zeroizing;

use super::chain_key::{ChainKey, MessageKey};
use super::error::RatchetError;
use super::header::HEADER_LEN;
use super::message_id::MessageId;
use crate::transcript::Transcript;

/// How many messages of one chain may be missing at a time. Each costs 36 bytes of memory, and a forged header at most this
/// many HMACs twice over; control messages of a chain are a few dozen.
pub const MAX_SKIP: u32 = 256;

/// One of the peer's ratchet keys and its chain.
pub(super) struct ReceivingChain {
    step: u32,
    remote_key: [u8; 32],
    /// `None` once the peer has gone on to its next step.
    chain_key: Option<ChainKey>,
    /// Number of the next message that has no key yet; the chain's length once it is finished.
    next: u32,
    /// Keys of messages below `next` that have not come, lowest number first.
    skipped_message_keys: Vec<(u32, MessageKey)>,
}

/// What opening a message needs and what it will change, worked out beside the chain.
pub(super) enum Prepared {
    /// The message was passed over before: its key and where it is kept.
    Skipped { place: usize, key: MessageKey },
    /// The message is ahead: its key, the keys of those passed over, and the chain after it.
    Ahead { key: MessageKey, advanced: Advanced },
}

/// A chain moved on, not committed yet.
pub(super) struct Advanced {
    chain_key: ChainKey,
    next: u32,
    skipped: Vec<(u32, MessageKey)>,
}

impl Prepared {
    pub(super) fn open(
        &self,
        transcript: &Transcript,
        header: &[u8; HEADER_LEN],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, RatchetError> {
        let (Self::Skipped { key, .. } | Self::Ahead { key, .. }) = self;
        key.open(transcript, header, sealed)
    }
}

impl ReceivingChain {
    pub(super) fn new(step: u32, remote_key: [u8; 32], chain_key: ChainKey) -> Self {
        Self {
            step,
            remote_key,
            chain_key: Some(chain_key),
            next: 0,
            skipped_message_keys: Vec::new(),
        }
    }

    /// Makes what `prepare` worked out real, once the message has been authenticated.
    pub(super) fn commit(&mut self, prepared: Prepared) {
        match prepared {
            Prepared::Skipped { place, key: _ } => {
                self.skipped_message_keys.remove(place);
            }
            Prepared::Ahead { key: _, advanced } => self.advance_to(advanced, false),
        }
    }

    /// Ends the chain: what is still missing can come, nothing else.
    pub(super) fn finish(&mut self, advanced: Option<Advanced>) {
        match advanced {
            Some(advanced) => self.advance_to(advanced, true),
            None => self.chain_key = None,
        }
    }

    /// The key of message `id`, and the chain as it will be afterwards.
    pub(super) fn prepare(&self, id: MessageId) -> Result<Prepared, RatchetError> {
        if id.number < self.next {
            let place = self
                .skipped_message_keys
                .binary_search_by_key(&id.number, |(number, _)| *number)
                .map_err(|_| RatchetError::Duplicate { id })?;
            let (_, key) = &self.skipped_message_keys[place];
            return Ok(Prepared::Skipped {
                place,
                key: key.duplicate(),
            });
        }
        let Some(chain_key) = &self.chain_key else {
            return Err(RatchetError::OpenFailed);
        };
        let mut advanced = self.skip_to(chain_key, id.number)?;
        let (key, chain_key) = advanced.chain_key.advance();
        advanced.chain_key = chain_key;
        advanced.next = id.number.checked_add(1).ok_or(RatchetError::Malformed)?;
        Ok(Prepared::Ahead { key, advanced })
    }

    /// The keys still missing when the peer says that the chain had `length` messages.
    pub(super) fn prepare_finish(&self, length: u32) -> Result<Option<Advanced>, RatchetError> {
        if length < self.next {
            return Err(RatchetError::Malformed);
        }
        self.chain_key
            .as_ref()
            .map(|chain_key| self.skip_to(chain_key, length))
            .transpose()
    }

    pub(super) const fn step(&self) -> u32 {
        self.step
    }

    pub(super) const fn remote_key(&self) -> &[u8; 32] {
        &self.remote_key
    }

    pub(super) const fn skipped(&self) -> usize {
        self.skipped_message_keys.len()
    }

    #[cfg(test)]
    pub(super) fn duplicate(&self) -> Self {
        let Self {
            step,
            remote_key,
            chain_key,
            next,
            skipped_message_keys,
        } = self;
        let skipped = skipped_message_keys
            .iter()
            .map(|(number, key)| (*number, key.duplicate()));
        Self {
            step: *step,
            remote_key: *remote_key,
            chain_key: chain_key.as_ref().map(ChainKey::duplicate),
            next: *next,
            skipped_message_keys: skipped.collect(),
        }
    }

    /// The chain key, the next message's key, and two of the keys that are kept.
    #[cfg(test)]
    pub(super) fn secrets_for_test(&self, mut show: impl FnMut(&[u8; 32])) {
        if let Some(chain_key) = &self.chain_key {
            show(chain_key.as_bytes());
            show(chain_key.advance().0.as_bytes());
        }
        for (_, key) in self.skipped_message_keys.iter().step_by(9).take(2) {
            show(key.as_bytes());
        }
    }

    /// Counts from 0 again, with whatever key is there.
    #[cfg(test)]
    pub(super) const fn rewind_for_test(&mut self) {
        self.next = 0;
    }

    fn advance_to(&mut self, advanced: Advanced, finished: bool) {
        let Advanced {
            chain_key,
            next,
            skipped,
        } = advanced;
        self.skipped_message_keys.extend(skipped);
        self.chain_key = (!finished).then_some(chain_key);
        self.next = next;
    }

    fn skip_to(&self, chain_key: &ChainKey, number: u32) -> Result<Advanced, RatchetError> {
        let kept = u32::try_from(self.skipped_message_keys.len()).unwrap_or(u32::MAX);
        if (number - self.next).saturating_add(kept) > MAX_SKIP {
            return Err(RatchetError::TooManySkipped);
        }
        let mut chain_key = chain_key.duplicate();
        let mut skipped = Vec::with_capacity((number - self.next) as usize);
        for number in self.next..number {
            let (key, next) = chain_key.advance();
            skipped.push((number, key));
            chain_key = next;
        }
        Ok(Advanced {
            chain_key,
            next: number,
            skipped,
        })
    }
}

impl fmt::Debug for ReceivingChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            step,
            remote_key: _,
            chain_key,
            next,
            skipped_message_keys,
        } = self;
        f.debug_struct("ReceivingChain")
            .field("step", step)
            .field("finished", &chain_key.is_none())
            .field("next", next)
            .field("skipped_message_keys", &skipped_message_keys.len())
            .finish_non_exhaustive()
    }
}
