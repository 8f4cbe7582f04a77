//! Who may have a flow: whoever shows a token of an issuer, or the secret of a lab.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use securecall_daemon::{Failure, file, unix_time};
use securecall_ghostnet::token::{
    AcceptedKey, Authorization, Challenge, SharedSecret, SpendRefusal, SpentTokens, TokenOffer,
    VerifiedToken, Verifier, read_authorization, write_www_authenticate,
};

use crate::config::Config;
use crate::figures::Figures;
use crate::spent_file;

/// The largest file of a secret that is read.
const MAX_SECRET: u64 = 4 * 1024;

/// What is asked of a client.
pub(crate) struct Access {
    verifier: Verifier,
    secret: Option<SharedSecret>,
    /// Goes on when the rest is read anew.
    spent: Arc<Mutex<SpentTokens>>,
}

/// Why a client gets no flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccessRefusal {
    /// It shows nothing, or nothing that is good.
    Unauthorized,
    /// Its token is good, but cannot be remembered.
    Full,
}

/// What a client has shown, and may have a flow for.
#[derive(Debug)]
pub(crate) enum Entitlement {
    /// A token, which may have been spent before.
    Token(VerifiedToken),
    /// It knows the secret of a lab.
    Secret,
}

impl Access {
    /// Reads what the settings name, and these keys.
    pub(crate) fn load(
        config: &Config,
        keys: impl IntoIterator<Item = AcceptedKey>,
        previous: Option<&Self>,
    ) -> Result<Self, Failure> {
        let secret = config.secret_file.as_deref().map(read_secret).transpose()?;
        let spent = match previous {
            Some(previous) => previous.spent.clone(),
            None => {
                let spent = spent_file::load(&config.spent_file, config.limits.spent_tokens)?;
                Arc::new(Mutex::new(spent))
            }
        };
        Ok(Self {
            verifier: Verifier::new(keys),
            secret,
            spent,
        })
    }

    /// What the value of `authorization` entitles to. Nothing is spent by asking.
    pub(crate) fn entitlement(&self, authorization: &str) -> Result<Entitlement, AccessRefusal> {
        let shown = read_authorization(authorization).map_err(|_| AccessRefusal::Unauthorized)?;
        match shown {
            Authorization::Token(token) => self
                .verifier
                .verify(&token, unix_time())
                .map(Entitlement::Token)
                .map_err(|_| AccessRefusal::Unauthorized),
            Authorization::Secret(shown) => match &self.secret {
                Some(secret) if secret.matches(&shown) => Ok(Entitlement::Secret),
                _ => Err(AccessRefusal::Unauthorized),
            },
        }
    }

    /// Uses up what a client has shown.
    pub(crate) fn spend(
        &self,
        entitlement: Entitlement,
        figures: &Figures,
    ) -> Result<(), AccessRefusal> {
        let Entitlement::Token(token) = entitlement else {
            return Ok(());
        };
        let spent = self.spent().spend(token, unix_time());
        spent.map_err(|refusal| match refusal {
            SpendRefusal::AlreadySpent => {
                figures.tokens_replayed.one();
                AccessRefusal::Unauthorized
            }
            SpendRefusal::KeyRetired => AccessRefusal::Unauthorized,
            SpendRefusal::Full => AccessRefusal::Full,
        })
    }

    /// Whether there is a key whose tokens are taken now.
    pub(crate) fn takes_tokens(&self) -> bool {
        self.verifier.keys(unix_time()).next().is_some()
    }

    /// Tokens that are known to be spent.
    pub(crate) fn tokens_remembered(&self) -> u64 {
        self.spent().len() as u64
    }

    /// What there is to remember of spent tokens; `None` where none ever was.
    pub(crate) fn spent_bytes(&self) -> Option<Vec<u8>> {
        let spent = self.spent();
        (!spent.has_never_spent()).then(|| spent.to_bytes())
    }

    /// What a client is told that shows nothing: values of `www-authenticate`.
    pub(crate) fn challenges(&self) -> Vec<String> {
        let keys = self.verifier.keys(unix_time());
        let offers: Vec<TokenOffer> = keys
            .map(|accepted| TokenOffer {
                challenge: Challenge::of_issuer(accepted.issuer.clone()),
                token_key: Some(accepted.key.clone()),
            })
            .collect();
        let tokens = (!offers.is_empty()).then(|| write_www_authenticate(&offers));
        let secret = self.secret.as_ref().map(|_| "Bearer".to_owned());
        tokens.into_iter().chain(secret).collect()
    }

    fn spent(&self) -> MutexGuard<'_, SpentTokens> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_secret(path: &Path) -> Result<SharedSecret, Failure> {
    let text = file::read_text(path, MAX_SECRET).map_err(|error| {
        Failure::usage(format!("{}: {error}", path.display()))
            .help("make one: openssl rand -base64 32 > FILE, and chmod 600 FILE")
    })?;
    SharedSecret::new(text.trim()).map_err(|error| {
        Failure::usage(format!("{}: {error}", path.display()))
            .help("make one: openssl rand -base64 32")
    })
}
