//! What a finished handshake gives.

use std::fmt;

use super::symmetric_state::SymmetricState;
use crate::frame::MediaSeed;
use crate::identity::IdentityKey;
use crate::kdf::{hkdf, part};
use crate::ratchet::{ChainKey, Ratchet, RootKey};
use crate::transcript::Transcript;

const SESSION_INFO: &[u8] = b"securecall v1 session";

/// The session that a finished handshake gives, to be taken apart.
pub struct Established {
    /// For every further message between the two devices.
    pub ratchet: Ratchet,
    /// Epoch 0 of the frames we send.
    pub outbound_media_seed: MediaSeed,
    /// Epoch 0 of the frames we receive.
    pub inbound_media_seed: MediaSeed,
    /// The handshake hash, for the safety words.
    pub transcript: Transcript,
    /// The identity the handshake was made with.
    pub remote_identity: IdentityKey,
}

impl Established {
    pub(super) fn initiator(
        symmetric: &SymmetricState,
        remote_identity: IdentityKey,
        ratchet: impl FnOnce(RootKey, ChainKey, Transcript) -> Ratchet,
    ) -> Self {
        let Secrets {
            root,
            chain,
            caller_seed,
            callee_seed,
            transcript,
        } = Secrets::derive(symmetric);
        Self {
            ratchet: ratchet(root, chain, transcript),
            outbound_media_seed: caller_seed,
            inbound_media_seed: callee_seed,
            transcript,
            remote_identity,
        }
    }

    pub(super) fn responder(
        symmetric: &SymmetricState,
        remote_identity: IdentityKey,
        ratchet: impl FnOnce(RootKey, ChainKey, Transcript) -> Ratchet,
    ) -> Self {
        let Secrets {
            root,
            chain,
            caller_seed,
            callee_seed,
            transcript,
        } = Secrets::derive(symmetric);
        Self {
            ratchet: ratchet(root, chain, transcript),
            outbound_media_seed: callee_seed,
            inbound_media_seed: caller_seed,
            transcript,
            remote_identity,
        }
    }
}

impl fmt::Debug for Established {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            ratchet,
            outbound_media_seed: _,
            inbound_media_seed: _,
            transcript: _,
            remote_identity,
        } = self;
        f.debug_struct("Established")
            .field("remote_identity", remote_identity)
            .field("ratchet", ratchet)
            .finish_non_exhaustive()
    }
}

/// HKDF(salt = h, ikm = ck, info = `"securecall v1 session"`).
pub(crate) struct Secrets {
    pub(crate) root: RootKey,
    pub(crate) chain: ChainKey,
    pub(crate) caller_seed: MediaSeed,
    pub(crate) callee_seed: MediaSeed,
    pub(crate) transcript: Transcript,
}

impl Secrets {
    pub(super) fn derive(symmetric: &SymmetricState) -> Self {
        let okm = hkdf::<128>(symmetric.hash(), symmetric.chaining_key(), &[SESSION_INFO]);
        Self {
            root: RootKey::new(part(&okm, 0)),
            chain: ChainKey::new(part(&okm, 1)),
            caller_seed: MediaSeed::copied_from(part(&okm, 2)),
            callee_seed: MediaSeed::copied_from(part(&okm, 3)),
            transcript: Transcript::new(*symmetric.hash()),
        }
    }
}
