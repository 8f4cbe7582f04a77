//! The crypto engine of SecureCall: identity, hybrid Noise handshake, Double Ratchet, voice frame cipher, safety words,
//! and the proof of an identity key that a server asks for.
//!
//! It turns keys and bytes into keys and bytes. It does not know the time, has no randomness of its own, sends nothing and keeps
//! nothing on disk; what messages say is the business of the crates above. The protocol is described in `docs/protocol/`.
//!
//! ```text
//! IdentitySeed -> IdentityKeyPair
//!                      |
//!      Initiator -> message 1 -> Responder
//! InitiatorAwaiting <- message 2 <- ReceivedMessage1
//!                      |
//!                 Established
//!      /               |               \
//!  Ratchet --seeds--> FrameSealer,    Transcript -> SafetyWords
//!                     FrameOpener
//! ```
//!
//! A call from the first key to the first frame:
//!
//! ```
//! use rand_chacha::ChaCha20Rng;
//! use rand_core::SeedableRng;
//! use securecall_crypto::{
//!     Direction, FrameOpener, FrameSealer, IdentityKeyPair, IdentitySeed, Initiator, Responder,
//! };
//! use web_time::Instant;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut rng = ChaCha20Rng::seed_from_u64(1); // a real program takes the system's
//! let caller = IdentityKeyPair::from_seed(&IdentitySeed::generate(&mut rng));
//! let callee = IdentityKeyPair::from_seed(&IdentitySeed::generate(&mut rng));
//!
//! let initiator = Initiator::new(&caller, callee.public(), b"prologue");
//! let (awaiting, message_1) = initiator.write_message_1(&mut rng, b"invite");
//! let received = Responder::read_message_1(&callee, b"prologue", &message_1)?;
//! assert_eq!(received.remote_identity(), caller.public());
//! let (mut at_callee, message_2) = received.write_message_2(&mut rng, b"ringing");
//! let (mut at_caller, _ringing) = awaiting.read_message_2(&message_2)?;
//!
//! let message = at_caller.ratchet.encrypt(&mut rng, b"candidates");
//! assert_eq!(*at_callee.ratchet.decrypt(&message.bytes)?.plaintext, b"candidates");
//!
//! let direction = Direction::CallerToCallee;
//! let mut sealer = FrameSealer::new(direction, at_caller.outbound_media_seed);
//! let mut opener = FrameOpener::new(direction, at_callee.inbound_media_seed);
//! let mut frame = vec![0; 80];
//! sealer.seal_in_place(&mut frame)?;
//! assert_eq!(frame.len(), 101);
//! assert_eq!(opener.open(Instant::now(), &mut frame)?.payload, [0; 80]);
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod aead;
mod dh;
mod direction;
mod enrolment;
mod frame;
mod handshake;
mod identity;
mod kdf;
mod ratchet;
mod secret;
mod transcript;
#[cfg(test)]
mod vectors;
#[cfg(test)]
mod wiping;
mod words;

pub use direction::Direction;
pub use enrolment::{
    ENROLMENT_PROOF_LEN, EnrolmentKeyError, EnrolmentKeyPair, EnrolmentProof, RemoteEnrolmentKey,
    WrongProof,
};
pub use frame::{
    AddEpochError, BACKWARD_WINDOW, Epoch, FORWARD_WINDOW, FrameError, FrameHeader, FrameOpener,
    FrameSealer, HEADER_LEN, InstallEpochError, MAX_RECEIVE_EPOCHS, MalformedHeader, MediaSeed,
    OLD_EPOCH_LIFETIME, OVERHEAD, Opened, SealError, TAG_LEN,
};
pub use handshake::{
    Established, HandshakeError, Initiator, InitiatorAwaiting, MAX_HANDSHAKE_MESSAGE,
    MESSAGE_1_OVERHEAD, MESSAGE_2_OVERHEAD, PROTOCOL_NAME, ReceivedMessage1, Responder,
};
pub use identity::{
    IdentityKey, IdentityKeyError, IdentityKeyPair, IdentitySeed, PHRASE_WORDS, PhraseError,
};
pub use ratchet::{
    Decrypted, Encrypted, KEPT_CHAINS, MAX_MESSAGE, MAX_SKIP, MESSAGE_OVERHEAD, MessageId, Ratchet,
    RatchetError,
};
pub use transcript::Transcript;
pub use words::{SafetyWords, WordsCommitment, WordsNonce, group_words, safety_words};
