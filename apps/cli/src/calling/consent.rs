//! The word that a person gives once before a standard Matrix call is placed to somebody.

use securecall_driver::Tier;
use securecall_profile::Content;
use securecall_profile::who::Person;

use crate::cli::RequireChoice;
use crate::error::{ErrorKind, Failure};
use crate::output::tier_words;

/// Whether a call to this person is one that has to be agreed to, and was not. `asked`: what the command was started with.
pub(crate) fn is_missing(person: &Person, content: &Content, asked: Option<RequireChoice>) -> bool {
    person.id.is_none()
        && person.matrix_id.securecall_id().is_none()
        && asked != Some(RequireChoice::Any)
        && !content.takes_standard_calls(person)
}

/// What is asked.
pub(crate) fn question(person: &Person) -> String {
    let who = person.name.clone();
    let who = who.unwrap_or_else(|| person.matrix_id.to_string());
    format!(
        "{who} has no SecureCall key that you know. This is a {}. Call, now and from now on?",
        tier_words(Tier::Matrix.as_str())
    )
}

/// Nobody has agreed, and nobody can be asked here.
pub(crate) fn failure(person: &Person) -> Failure {
    Failure::new(
        ErrorKind::NoSecureCallDevice,
        format!(
            "no SecureCall device of {} is known, and nobody has agreed to a standard Matrix call with them, in which your servers and the other app are trusted with keys",
            person.matrix_id
        ),
    )
    .help(
        "to agree for this call, give `--require any`; for good, say yes at a terminal, or, of a contact, `securecall contact require WHO any`. Better: ask for a SecureCall contact link, and add it",
    )
}
