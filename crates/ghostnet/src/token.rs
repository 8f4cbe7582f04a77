//! Privacy Pass tokens of type 2 (RFC 9577, RFC 9578): bought from an issuer that does not see them, spent at relays that do not see who
//! bought them.
//!
//! ```text
//!   client                      issuer                      relay
//!   Purchase ─ TokenRequest ──► IssuerKey
//!       ▼    ◄ TokenResponse ──    │
//!     Token ─► TokenStock          └─ TokenKey ────────────► Verifier
//!       └──────────── authorization ─────────────────────► VerifiedToken ─► SpentTokens
//! ```

mod auth_field;
mod blind_rsa;
mod challenge;
mod fields;
mod issuer_directory;
#[cfg(any(test, feature = "issuer"))]
mod issuer_key;
mod messages;
mod purchase;
mod shared_secret;
mod spent_tokens;
mod stock;
#[cfg(test)]
pub(crate) mod tests;
mod token_key;
mod verifier;

pub use challenge::{Challenge, ChallengeError};
pub use fields::{
    Authorization, FieldError, TokenOffer, read_authorization, read_www_authenticate,
    write_www_authenticate,
};
pub use issuer_directory::{
    ISSUER_DIRECTORY_MEDIA_TYPE, ISSUER_DIRECTORY_PATH, IssuerDirectory, IssuerDirectoryError,
    IssuerDirectoryKey,
};
#[cfg(any(test, feature = "issuer"))]
pub use issuer_key::{IssueError, IssuerKey, IssuerKeyError};
pub use messages::{
    TOKEN_REQUEST_LENGTH, TOKEN_REQUEST_MEDIA_TYPE, TOKEN_RESPONSE_LENGTH,
    TOKEN_RESPONSE_MEDIA_TYPE, TOKEN_TYPE, TokenMessageError, TokenRequest, TokenResponse,
};
pub use purchase::{Purchase, PurchaseError, TOKEN_LENGTH, Token, TokenError};
pub use shared_secret::{SharedSecret, SharedSecretError};
pub use spent_tokens::{SpendRefusal, SpentTokens, SpentTokensError};
pub use stock::{LOW_STOCK, STOCK, StockError, TokenStock};
pub use token_key::{TOKEN_KEY_LENGTH, TokenKey, TokenKeyError, TokenKeyId};
pub use verifier::{AcceptedKey, TokenRefusal, VerifiedToken, Verifier};
