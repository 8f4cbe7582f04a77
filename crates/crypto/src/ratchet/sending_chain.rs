//! The chain we send on.

use super::chain_key::{ChainKey, MessageKey};

/// Our newest ratchet key's chain.
pub(super) struct SendingChain {
    ratchet_key: [u8; 32],
    chain_key: ChainKey,
    message_number: u32,
    previous_chain_length: u32,
}

impl SendingChain {
    pub(super) fn new(
        ratchet_key: [u8; 32],
        chain_key: ChainKey,
        previous_chain_length: u32,
    ) -> Self {
        Self {
            ratchet_key,
            chain_key,
            message_number: 0,
            previous_chain_length,
        }
    }

    /// Number and key of the next message.
    #[expect(clippy::expect_used, reason = "a step lives for seconds")]
    pub(super) fn advance(&mut self) -> (u32, MessageKey) {
        let number = self.message_number;
        let next = number
            .checked_add(1)
            .expect("fewer than 2^32 - 1 messages in a step");
        let (key, chain_key) = self.chain_key.advance();
        self.chain_key = chain_key;
        self.message_number = next;
        (number, key)
    }

    /// How many messages were sent on this chain.
    pub(super) const fn length(&self) -> u32 {
        self.message_number
    }

    pub(super) const fn previous_chain_length(&self) -> u32 {
        self.previous_chain_length
    }

    /// Our public ratchet key.
    pub(super) const fn ratchet_key(&self) -> &[u8; 32] {
        &self.ratchet_key
    }

    #[cfg(test)]
    pub(super) const fn chain_key_for_test(&self) -> &ChainKey {
        &self.chain_key
    }

    #[cfg(test)]
    pub(super) fn duplicate(&self) -> Self {
        let Self {
            ratchet_key,
            chain_key,
            message_number,
            previous_chain_length,
        } = self;
        Self {
            ratchet_key: *ratchet_key,
            chain_key: chain_key.duplicate(),
            message_number: *message_number,
            previous_chain_length: *previous_chain_length,
        }
    }
}
