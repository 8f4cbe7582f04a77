//! Addresses in a text with other words around them, such as a chat message or a mail.

use crate::{
    Address, AddressError, MAX_ADDRESSES, SecureCallId, ServerName, address::in_matrix_uri,
    invisible::without_invisible,
};

mod groups;
mod joined_lines;
mod matrix_id;
mod span;
mod wrapped;

pub(crate) use groups::id_in_groups;
use joined_lines::JoinedLines;
use span::Span;

/// A link whose ID part is shorter than this many characters is a web page of somebody's, not a damaged contact link.
const LEAST_ID: usize = 20;

/// An address in a text, and what is not certain about how it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundAddress {
    /// The address.
    pub address: Address,
    /// Why somebody should look at it before it is used; empty if there is but one way to read the text.
    pub doubts: Vec<Doubt>,
}

/// Why an address in a text might be meant in another way than it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Doubt {
    /// It was inside another link, as mail gateways write them.
    Wrapped,
    /// The text was encoded for mail (quoted-printable).
    MailEncoded,
    /// It was put together from pieces with space between them.
    PutTogether,
    /// A letter follows at once that could belong to it.
    LetterBehind,
    /// It had no beginning: an ID with a query, or with a server.
    NoScheme,
    /// The text holds another address for the same key.
    TwoAddresses,
}

impl Doubt {
    /// What is not certain, for a person.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Wrapped => "it was inside another link, as mail gateways write them",
            Self::MailEncoded => "the text was encoded for mail, and was decoded",
            Self::PutTogether => "it was put together from pieces with space between them",
            Self::LetterBehind => "a letter follows at once that could belong to it",
            Self::NoScheme => "the beginning of the link was missing",
            Self::TwoAddresses => "the text holds another address for the same key",
        }
    }
}

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

impl FoundAddress {
    /// The same contact in another form: the first stays, unless it says less or is less certain.
    fn hear_again(&mut self, other: Self) {
        let says_account = |address: &Address| !matches!(address, Address::Id(_));
        match (says_account(&self.address), says_account(&other.address)) {
            (_, false) => {}
            (false, true) => *self = other,
            (true, true) => {
                let default_domain = ServerName::default_domain();
                if self.address.matrix_id(&default_domain)
                    == other.address.matrix_id(&default_domain)
                {
                    if other.doubts.len() < self.doubts.len() {
                        *self = other;
                    }
                } else if !self.doubts.contains(&Doubt::TwoAddresses) {
                    self.doubts.push(Doubt::TwoAddresses);
                }
            }
        }
    }
}

/// Whether a text is long enough for an ID that was damaged, and not just a word.
fn could_be_id(text: &str) -> bool {
    let id = text.split(['?', '/', '&']).next().unwrap_or_default();
    id.len() >= LEAST_ID
}

/// Whether a link is a contact's, whole or damaged: the deep form, or the page `/add` with what could be an ID behind it.
fn is_contact_link(link: &str) -> bool {
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
fn is_matrix_link(link: &str) -> bool {
    in_matrix_uri(link).is_some()
}

/// Whether the text begins so, in either case.
fn starts(text: &str, beginning: &str) -> bool {
    text.get(..beginning.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(beginning))
}

fn is_alphanumeric(character: Option<char>) -> bool {
    character.is_some_and(|character| character.is_ascii_alphanumeric())
}

/// An ID in one piece that is valid.
fn valid_id(text: &str) -> Option<SecureCallId> {
    (text.len() == SecureCallId::LENGTH)
        .then(|| text.parse().ok())
        .flatten()
}
