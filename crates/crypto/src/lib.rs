//! Identity, hybrid Noise handshake, Double Ratchet, frame cipher and safety words.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod aead;
mod dh;
mod direction;
mod frame;
mod handshake;
mod identity;
mod kdf;
mod ratchet;
mod secret;
#[cfg(test)]
mod vectors;
mod words;

pub use direction::Direction;
pub use frame::{
    AddEpochError, BACKWARD_WINDOW, Epoch, FORWARD_WINDOW, FrameError, FrameHeader, FrameOpener,
    FrameSealer, HEADER_LEN, InstallEpochError, MAX_RECEIVE_EPOCHS, MalformedHeader, MediaSeed,
    OLD_EPOCH_LIFETIME, OVERHEAD, Opened, SealError, TAG_LEN,
};
pub use handshake::{
    Established, HandshakeError, Initiator, InitiatorAwaiting, MAX_HANDSHAKE_MESSAGE,
    MESSAGE_1_OVERHEAD, MESSAGE_2_OVERHEAD, PROTOCOL_NAME, ReceivedMessage1, Responder, Transcript,
};
pub use identity::{
    IdentityKey, IdentityKeyError, IdentityKeyPair, IdentitySeed, PHRASE_WORDS, PhraseError,
};
pub use ratchet::{
    Decrypted, Encrypted, KEPT_CHAINS, MAX_MESSAGE, MAX_SKIP, MESSAGE_OVERHEAD, MessageId, Ratchet,
    RatchetError,
};
pub use words::{SafetyWords, WordsCommitment, WordsNonce, safety_words};
