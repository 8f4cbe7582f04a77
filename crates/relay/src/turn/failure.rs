//! Why a server gives no address, or no longer.

use std::net::SocketAddr;

/// Why a server gives no address, or no longer. Each asks something else of a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TurnFailure {
    /// Nothing came back.
    #[error("the server does not answer")]
    NoAnswer,
    /// The stream could not be opened, or was closed.
    #[error("the connection to the server could not be made or was closed")]
    Disconnected,
    /// The server could not prove its name, or does not speak TLS.
    #[error("the server could not prove its name by TLS")]
    Tls,
    /// 401 in answer to our credentials, or 441.
    #[error("the server does not take the user name and password")]
    WrongCredentials,
    /// 403.
    #[error("the server does not serve this user")]
    Forbidden,
    /// 437: this side and the server do not agree on whether there is an allocation.
    #[error("the server does not know the allocation")]
    AllocationMismatch,
    /// 440.
    #[error("the server has no addresses of this kind (IPv4 or IPv6)")]
    AddressFamily,
    /// 442.
    #[error("the server does not relay UDP")]
    Transport,
    /// 486.
    #[error("this user has too many allocations at the server")]
    QuotaReached,
    /// 508.
    #[error("the server is full")]
    NoCapacity,
    /// 300: ask there.
    #[error("the server names another one to ask")]
    Redirected(SocketAddr),
    /// Any other refusal.
    #[error("the server refused with error {0}")]
    Refused(u16),
    /// What it said cannot be, for this reason.
    #[error("the server's answer makes no sense: {0}")]
    Nonsense(&'static str),
}

impl TurnFailure {
    /// What an error code means in answer to a request for an address.
    pub(super) fn of_code(code: u16, alternate: Option<SocketAddr>) -> Self {
        match (code, alternate) {
            (300, Some(alternate)) => Self::Redirected(alternate),
            (300, None) => Self::Nonsense("it names another server but not where"),
            (401 | 441, _) => Self::WrongCredentials,
            (403, _) => Self::Forbidden,
            (437, _) => Self::AllocationMismatch,
            (440, _) => Self::AddressFamily,
            (442, _) => Self::Transport,
            (486, _) => Self::QuotaReached,
            (508, _) => Self::NoCapacity,
            _ => Self::Refused(code),
        }
    }
}
