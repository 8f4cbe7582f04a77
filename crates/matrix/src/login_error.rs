//! Why somebody is not logged in, and what a homeserver offers instead.

use crate::{ServerError, StoreError};

/// Why a log-in failed.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// No such user, or not their password; a homeserver does not tell which.
    #[error("the homeserver does not accept this user name and password")]
    WrongPassword,
    /// The account was closed for good.
    #[error("this account has been deactivated")]
    Deactivated,
    /// The homeserver wants something that this program cannot do, such as a browser.
    #[error("the homeserver offers no login with a password; it offers {}", listed(.offered, ", "))]
    Unsupported {
        /// The login types it offers.
        offered: Vec<String>,
    },
    /// It logged us in as somebody else.
    #[error("the homeserver answered for {got} instead of {expected}")]
    OtherUser {
        /// Who was to be logged in.
        expected: String,
        /// Who was.
        got: String,
    },
    /// The name that was asked for led to a homeserver of another name.
    #[error("{asked} leads to {homeserver}, which says that it is the homeserver of {answered}")]
    OtherServer {
        /// The address that was given, which named another server as its homeserver.
        asked: String,
        /// Where it led.
        homeserver: String,
        /// The name that is found there.
        answered: String,
    },
    /// The homeserver has a name that is another's.
    #[error(
        "{homeserver} says that the account is {id}, but that name's homeserver is at {elsewhere}"
    )]
    ClaimedServer {
        /// The homeserver that was asked for.
        homeserver: String,
        /// The account that it says it has.
        id: String,
        /// Where the server name says that its homeserver is.
        elsewhere: String,
    },
    /// There is an account in the store already.
    #[error("{user} is logged in already; log out first")]
    AlreadyLoggedIn {
        /// The Matrix ID of the account that is stored.
        user: String,
    },
    /// The homeserver could not be asked, or did not answer as it should.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The account could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a server lists, for people: never nothing, and not without end.
pub(crate) fn listed(what: &[String], between: &str) -> String {
    const MOST: usize = 5;
    if what.is_empty() {
        return "nothing".to_owned();
    }
    let mut text = what[..what.len().min(MOST)].join(between);
    if what.len() > MOST {
        text.push_str(&format!("{between}{} more", what.len() - MOST));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_lists_is_never_nothing_and_has_an_end() {
        let list = |count: usize| vec!["x".to_owned(); count];
        for (count, text) in [
            (0, "nothing"),
            (1, "x"),
            (2, "x, x"),
            (5, "x, x, x, x, x"),
            (7, "x, x, x, x, x, 2 more"),
        ] {
            assert_eq!(listed(&list(count), ", "), text);
        }
        let error = LoginError::Unsupported {
            offered: Vec::new(),
        };
        assert!(error.to_string().ends_with("it offers nothing"), "{error}");
    }
}
