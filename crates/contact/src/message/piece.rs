//! What a piece of text looks like, before it is read.

use crate::{SecureCallId, address::in_matrix_uri};

/// A link whose ID part is shorter than this many characters is a web page of somebody's, not a damaged contact link.
const LEAST_ID: usize = 20;

/// Whether a text is long enough for an ID that was damaged, and not just a word.
pub(super) fn could_be_id(text: &str) -> bool {
    let id = text.split(['?', '/', '&']).next().unwrap_or_default();
    id.len() >= LEAST_ID
}

/// Whether a link is a contact's, whole or damaged: the deep form, or the page `/add` with what could be an ID behind it.
pub(super) fn is_contact_link(link: &str) -> bool {
    if starts(link, "securecall://") {
        return true;
    }
    let Some(rest) = link
        .get("https://".len()..)
        .filter(|_| starts(link, "https://"))
    else {
        return false;
    };
    let Some((_, path)) = rest.split_once('/') else {
        return false;
    };
    let (page, fragment) = path.split_once('#').unwrap_or((path, ""));
    let page = page.split('?').next().unwrap_or_default();
    let Some(in_path) = page.strip_prefix("add") else {
        return false;
    };
    let in_path = match in_path.strip_prefix("%23") {
        Some(fragment) => return could_be_id(fragment),
        None => in_path,
    };
    match in_path {
        "" | "/" => could_be_id(fragment),
        in_path => in_path.strip_prefix('/').is_some_and(could_be_id),
    }
}

/// Whether a link leads to a Matrix user.
pub(super) fn is_matrix_link(link: &str) -> bool {
    in_matrix_uri(link).is_some()
}

/// Whether the text begins so, in either case.
pub(super) fn starts(text: &str, beginning: &str) -> bool {
    text.get(..beginning.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(beginning))
}

pub(super) fn is_alphanumeric(character: Option<char>) -> bool {
    character.is_some_and(|character| character.is_ascii_alphanumeric())
}

/// An ID in one piece that is valid.
pub(super) fn valid_id(text: &str) -> Option<SecureCallId> {
    (text.len() == SecureCallId::LENGTH)
        .then(|| text.parse().ok())
        .flatten()
}
