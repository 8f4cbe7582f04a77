//! Who may have a flow.

use std::fs;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::config::Config;
use crate::failure::Failure;
use crate::figures::Figures;

/// The shortest secret that cannot be tried out.
const MIN_SECRET: usize = 16;

/// The longest one.
const MAX_SECRET: usize = 256;

/// What is asked of a client.
pub(crate) struct Access {
    secret: Option<Secret>,
}

/// Why a client gets no flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccessRefusal {
    /// It shows nothing, or nothing that is valid.
    Unauthorized,
}

/// What a client has shown, and may have a flow for.
#[derive(Debug)]
pub(crate) enum Entitlement {
    /// It knows the secret of a lab.
    Secret,
}

impl Access {
    pub(crate) fn load(config: &Config, _previous: Option<&Self>) -> Result<Self, Failure> {
        let secret = config
            .secret_file
            .as_deref()
            .map(Secret::read)
            .transpose()?;
        Ok(Self { secret })
    }

    /// What the value of `authorization` entitles to. Nothing is spent by asking.
    pub(crate) fn entitlement(&self, authorization: &str) -> Result<Entitlement, AccessRefusal> {
        let (scheme, rest) = authorization
            .split_once(' ')
            .ok_or(AccessRefusal::Unauthorized)?;
        let secret = self.secret.as_ref();
        match scheme.to_ascii_lowercase().as_str() {
            "bearer" if secret.is_some_and(|secret| secret.is(rest.trim())) => {
                Ok(Entitlement::Secret)
            }
            _ => Err(AccessRefusal::Unauthorized),
        }
    }

    /// Uses up what a client has shown.
    pub(crate) fn spend(
        &self,
        entitlement: Entitlement,
        _figures: &Figures,
    ) -> Result<(), AccessRefusal> {
        match entitlement {
            Entitlement::Secret => Ok(()),
        }
    }

    /// Tokens that are known to be spent.
    pub(crate) fn tokens_remembered(&self) -> u64 {
        0
    }

    /// What a client is told that shows nothing: values of `www-authenticate`.
    pub(crate) fn challenges(&self) -> Vec<String> {
        let secret = self.secret.iter().map(|_| "Bearer".to_owned());
        secret.collect()
    }
}

/// A secret that a circle shares. Only its digest is kept, and compared: in constant time, whatever the length.
struct Secret([u8; 32]);

impl Secret {
    fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(path)
            .map(Zeroizing::new)
            .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
        let secret = text.trim();
        let is_token68 = secret
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte));
        if !(MIN_SECRET..=MAX_SECRET).contains(&secret.len()) || !is_token68 {
            return Err(Failure::usage(format!(
                "{}: a secret has {MIN_SECRET} to {MAX_SECRET} characters out of A-Z a-z 0-9 - . _ ~ + / =",
                path.display()
            ))
            .help("make one: openssl rand -base64 32"));
        }
        Ok(Self(Sha256::digest(secret).into()))
    }

    fn is(&self, shown: &str) -> bool {
        let shown: [u8; 32] = Sha256::digest(shown).into();
        self.0.ct_eq(&shown).into()
    }
}
