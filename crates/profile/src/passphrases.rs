//! Where passphrases come from.

use zeroize::Zeroizing;

use crate::open_error::OpenError;

/// Whoever knows the passphrase of a profile, or can ask for it: a program at a terminal, a dialog. The profile itself
/// asks nobody.
pub trait Passphrases {
    /// Why a passphrase could not be had; the errors of opening a profile become one of these.
    type Error: From<OpenError>;

    /// One that is there without asking anybody, which goes before a keyring.
    ///
    /// # Errors
    ///
    /// There should be one, and it cannot be read.
    fn given(&self) -> Result<Option<Zeroizing<String>>, Self::Error>;

    /// Asks for the passphrase of a profile that exists; `None` if nobody can be asked.
    ///
    /// # Errors
    ///
    /// The answer cannot be read.
    fn ask(&self) -> Result<Option<Zeroizing<String>>, Self::Error>;

    /// Asks for the passphrase of a profile that is to be made; `None` if nobody can be asked.
    ///
    /// # Errors
    ///
    /// The answer cannot be read, or is no passphrase.
    fn ask_for_new(&self) -> Result<Option<Zeroizing<String>>, Self::Error>;
}
