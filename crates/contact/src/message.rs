//! Addresses in a text with other words around them, such as a chat message or a mail.

use crate::{Address, AddressError, MAX_ADDRESSES, invisible::without_invisible};

mod found;
mod groups;
mod joined_lines;
mod matrix_id;
mod piece;
mod span;
mod wrapped;

pub use found::{Doubt, FoundAddress};
use joined_lines::JoinedLines;
use piece::{is_alphanumeric, starts};
use span::Span;

/// The addresses in a text, such as a message that somebody pasted, in their order and each once.
///
/// Found are links of either form wherever they start, Matrix IDs and links to them, and SecureCall IDs in one piece or in groups.
/// What looks like one of them and is wrong is an error, not skipped. Invisible characters do not count, nor do brackets,
/// quotation marks, letters and punctuation of any script around a link, the marks of Markdown, and the `&amp;` of HTML. Links that
/// a mail gateway has put into its own are taken out of it, and the line breaks of quoted-printable are undone.
///
/// `docs/protocol/contact.md`, "Contacts in a message".
///
/// # Errors
///
/// The first one that looks like an address and is none; [`AddressError::TooMany`].
pub fn find_addresses(text: &str) -> Result<Vec<FoundAddress>, AddressError> {
    let text = without_invisible(text);
    let Some(joined) = JoinedLines::of(&text) else {
        return find(&JoinedLines::not_at_all(&text));
    };
    // A line may end with `=` for another reason.
    match (find(&joined), find(&JoinedLines::not_at_all(&text))) {
        (Ok(found), _) if !found.is_empty() => Ok(found),
        (_, Ok(found)) if !found.is_empty() => Ok(found),
        (first, _) => first,
    }
}

fn find(lines: &JoinedLines<'_>) -> Result<Vec<FoundAddress>, AddressError> {
    let text = lines.text();
    let mut found = Found::default();
    let mut at = 0;
    while at < text.len() {
        match span_at(text, at) {
            None => at += text[at..].chars().next().map_or(1, char::len_utf8),
            Some(span) => {
                let end = span.end.max(at + 1);
                let mut doubts = span.doubts;
                if lines.is_joined_within(at, end) {
                    doubts.push(Doubt::MailEncoded);
                }
                at = end;
                if let Some(address) = span.address {
                    found.add(address?, doubts)?;
                }
            }
        }
    }
    Ok(found.addresses)
}

/// What begins at a place: an address, or something that holds none and is passed over whole.
fn span_at(text: &str, at: usize) -> Option<Span> {
    let rest = &text[at..];
    let before = text[..at].chars().next_back();
    match rest.as_bytes().first()? {
        b's' | b'S' if starts(rest, "securecall://") => Some(span::link(rest).moved(at)),
        b'h' | b'H' if starts(rest, "https://") => Some(span::link(rest).moved(at)),
        b'm' | b'M' if starts(rest, "matrix:u/") && !is_alphanumeric(before) => {
            Some(span::link(rest).moved(at))
        }
        b'@' if !before.is_some_and(matrix_id::is_of_mail) => {
            matrix_id::span(rest).map(|span| span.moved(at))
        }
        first if first.is_ascii_alphanumeric() && !is_alphanumeric(before) => {
            groups::span(text, at)
        }
        _ => None,
    }
}

/// What was found so far.
#[derive(Default)]
struct Found {
    addresses: Vec<FoundAddress>,
}

impl Found {
    fn add(&mut self, address: Address, mut doubts: Vec<Doubt>) -> Result<(), AddressError> {
        doubts.sort_unstable();
        doubts.dedup();
        let new = FoundAddress { address, doubts };
        let known = self
            .addresses
            .iter_mut()
            .find(|known| known.address.is_same_contact(&new.address));
        if let Some(known) = known {
            known.hear_again(new);
            return Ok(());
        }
        if self.addresses.len() == MAX_ADDRESSES {
            return Err(AddressError::TooMany);
        }
        self.addresses.push(new);
        Ok(())
    }
}
