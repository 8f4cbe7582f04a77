//! The root key and its DH step.

use x25519_dalek::StaticSecret;

use super::chain_key::ChainKey;
use crate::dh::{self, AllZero};
use crate::frame::MediaSeed;
use crate::kdf::{hkdf, part};
use crate::secret::secret;

const STEP_INFO: &[u8] = b"securecall v1 step";

secret! {
    /// The root key: mixed with every DH result.
    pub(crate) struct RootKey;
}

impl RootKey {
    pub(crate) fn new(bytes: &[u8; 32]) -> Self {
        Self::copied(bytes)
    }

    #[cfg(test)]
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    #[cfg(test)]
    pub(super) fn duplicate(&self) -> Self {
        Self::copied(&self.0)
    }

    /// `HKDF(salt = RK, ikm = DH, info = "securecall v1 step")` → next root key, chain key and media seed.
    pub(super) fn advance(
        &self,
        own: &StaticSecret,
        remote: &[u8; 32],
    ) -> Result<(Self, ChainKey, MediaSeed), AllZero> {
        let shared = dh::agree(own, remote)?;
        let okm = hkdf::<96>(self.0.as_slice(), shared.as_bytes(), &[STEP_INFO]);
        Ok((
            Self::copied(part(&okm, 0)),
            ChainKey::new(part(&okm, 1)),
            MediaSeed::copied_from(part(&okm, 2)),
        ))
    }
}
