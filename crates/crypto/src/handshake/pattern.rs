//! The handshake pattern.

/// The full Noise protocol name. Longer than 32 bytes, so the handshake starts from its hash.
pub const PROTOCOL_NAME: &str = "Noise_IKhfs_25519+MLKEM768_ChaChaPoly_SHA256";

/// Which tokens a handshake has. The product has one; tests also run plain IK, to compare it with another implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    /// IK with the KEM tokens `e1` and `ekem1`.
    IkHfs,
    /// IK as in the Noise specification.
    #[cfg(test)]
    Ik,
}

impl Pattern {
    pub(super) const fn protocol_name(self) -> &'static str {
        match self {
            Self::IkHfs => PROTOCOL_NAME,
            #[cfg(test)]
            Self::Ik => "Noise_IK_25519_ChaChaPoly_SHA256",
        }
    }

    pub(super) const fn has_kem(self) -> bool {
        match self {
            Self::IkHfs => true,
            #[cfg(test)]
            Self::Ik => false,
        }
    }
}
