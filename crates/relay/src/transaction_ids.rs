//! Where transaction IDs come from.

use std::fmt;

use rand_core::CryptoRng;

use crate::stun::TransactionId;

/// Draws transaction IDs. Whoever sees a request may answer it; who does not must not guess its ID.
pub struct TransactionIds(Box<dyn CryptoRng + Send>);

impl TransactionIds {
    /// IDs from this randomness.
    pub fn new(rng: impl CryptoRng + Send + 'static) -> Self {
        Self(Box::new(rng))
    }

    pub(crate) fn draw(&mut self) -> TransactionId {
        let mut bytes = [0; 12];
        self.0.fill_bytes(&mut bytes);
        TransactionId::from_random(bytes)
    }
}

impl fmt::Debug for TransactionIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TransactionIds")
    }
}
