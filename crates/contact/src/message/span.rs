//! Where a link among words ends, and what it is.

use super::found::Doubt;
use super::joined_lines::mail_decoded;
use super::piece::{could_be_id, is_alphanumeric, is_contact_link, is_matrix_link, starts};
use super::wrapped;
use crate::link_query::is_foreign_mark;
use crate::{Address, AddressError, SecureCallIdError};

/// A link is not followed further than this, in bytes: none of ours is half as long.
const MAX_LENGTH: usize = 8 * 1024;
/// Links in links that are looked at, of all of one address.
const MAX_WRAPPED: usize = 32;
/// White space within a link is no longer than this, in bytes.
const MAX_GAP: usize = 8;
/// What a query says that counts.
const KEYS: [&str; 3] = ["server=", "mxid=", "name="];
/// Full stops of other scripts: browsers take them for the dots of a name.
const FOREIGN_DOTS: [char; 3] = ['。', '．', '｡'];

/// A part of a text: an address, or something that holds none.
pub(super) struct Span {
    /// Where it ends, in bytes.
    pub(super) end: usize,
    /// What it is, or why it is not what it looks like.
    pub(super) address: Option<Result<Address, AddressError>>,
    /// What is not certain about it.
    pub(super) doubts: Vec<Doubt>,
}

impl Span {
    /// The same, so much further on.
    pub(super) fn moved(mut self, by: usize) -> Self {
        self.end += by;
        self
    }
}

/// The link that a text begins with.
pub(super) fn link(text: &str) -> Span {
    let extent = Extent::of(text);
    if is_contact_link(extent.link()) || is_matrix_link(extent.link()) {
        return read(text, &extent);
    }
    let address = in_wrapped(extent.link(), &mut MAX_WRAPPED.clone());
    Span {
        end: extent.end,
        address,
        doubts: vec![Doubt::Wrapped],
    }
}

/// An ID that a query follows at once, or what a gateway has made of its question mark; `None` if there is none.
pub(super) fn id_with_query(id: &str, behind: &str) -> Option<Span> {
    if !is_query(behind, '?') && !starts(behind, "%3F") {
        return None;
    }
    let query = Extent::of(behind);
    let link = format!("securecall://contact/{id}{}", query.raw);
    let extent = Extent { raw: link, ..query };
    let mut span = read(behind, &extent);
    span.doubts.push(Doubt::NoScheme);
    Some(span)
}

/// How far a link goes, and the link without what was put in to write it.
pub(super) struct Extent {
    raw: String,
    /// In bytes of the text.
    pub(super) end: usize,
    /// It ends at a letter that could be a part of it.
    pub(super) has_letter_behind: bool,
}

impl Extent {
    /// How far the link goes that a text begins with.
    pub(super) fn of(text: &str) -> Self {
        let mut extent = Self {
            raw: String::new(),
            end: text.len(),
            has_letter_behind: false,
        };
        let mut open_brackets = 0_usize;
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            let at = text.len() - rest.len();
            extent.end = at;
            let mut length = next.len_utf8();
            match next {
                _ if extent.raw.len() > MAX_LENGTH => return extent,
                '&' => match html_entity(rest) {
                    Some(("&", entity)) => {
                        length = entity;
                        extent.raw.push('&');
                    }
                    Some(_) => return extent,
                    None => extent.raw.push('&'),
                },
                // Markdown writes it before punctuation.
                '\\' if rest[1..].starts_with(|c: char| c.is_ascii_punctuation()) => {}
                ';' if extent.raw.contains("/v3/__") => extent.raw.push(';'),
                '[' => {
                    open_brackets += 1;
                    extent.raw.push('[');
                }
                ']' if open_brackets == 0 => return extent,
                ']' => {
                    open_brackets -= 1;
                    extent.raw.push(']');
                }
                _ if is_end(next) => return extent,
                _ if next.is_ascii() => {
                    let is_next_link = starts(rest, "securecall://") || starts(rest, "https://");
                    if at > 0 && is_next_link && is_contact_link(&extent.raw) {
                        return extent;
                    }
                    extent.raw.push(next);
                }
                _ if next.is_alphanumeric() && extent.is_in_name() => extent.raw.push(next),
                _ => {
                    let is_dot = FOREIGN_DOTS.contains(&next)
                        && is_alphanumeric(rest[length..].chars().next());
                    extent.has_letter_behind = is_dot || !is_foreign_mark(next);
                    return extent;
                }
            }
            rest = &rest[length..];
        }
        extent.end = text.len();
        extent
    }

    /// The link without the punctuation behind it.
    pub(super) fn link(&self) -> &str {
        self.raw.trim_end_matches(['.', ':', '!', '?', '*', '\\'])
    }

    /// Whether the name that a link suggests is being written.
    fn is_in_name(&self) -> bool {
        let pair = self.raw.rfind(['?', '&']).map(|at| &self.raw[at + 1..]);
        pair.is_some_and(|pair| starts(pair, "name="))
    }
}

/// White space, and what people and programs put around links.
fn is_end(character: char) -> bool {
    character.is_whitespace()
        || character.is_control()
        || matches!(
            character,
            '<' | '>' | '"' | '\'' | '(' | ')' | '{' | '}' | '|' | '`' | '^' | '\\' | ',' | ';'
        )
}

/// A character that HTML has written otherwise, and how long that is.
fn html_entity(text: &str) -> Option<(&'static str, usize)> {
    const ENTITIES: [(&str, &str); 12] = [
        ("&amp;", "&"),
        ("&#38;", "&"),
        ("&#x26;", "&"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&apos;", "'"),
        ("&nbsp;", " "),
        ("&#160;", " "),
        ("&zwnj;", " "),
    ];
    ENTITIES
        .iter()
        .find(|(entity, _)| starts(text, entity))
        .map(|(entity, character)| (*character, entity.len()))
}

/// Whether a text goes on as the query of a contact link, behind a question mark or an ampersand.
fn is_query(text: &str, sign: char) -> bool {
    let behind = text.strip_prefix(sign);
    let behind = behind.map(|behind| behind.strip_prefix("amp;").unwrap_or(behind));
    behind.is_some_and(|behind| KEYS.iter().any(|key| starts(behind, key)))
}

/// Reads a link that looks like an address.
fn read(text: &str, extent: &Extent) -> Span {
    let mut doubts = Vec::new();
    if extent.has_letter_behind && extent.raw.contains('?') {
        doubts.push(Doubt::LetterBehind);
    }
    let link = extent.link();
    if let Some(decoded) = mail_decoded(link).filter(|link| link.parse::<Address>().is_ok()) {
        doubts.push(Doubt::MailEncoded);
        return Span {
            end: extent.end,
            address: Some(decoded.parse()),
            doubts,
        };
    }
    let address = without_emphasis(link);
    if let Some(longer) = continued(text, extent, &address) {
        return longer;
    }
    Span {
        end: extent.end,
        address: Some(address),
        doubts,
    }
}

/// The link, or what it is without the marks of emphasis that chats write on both sides.
pub(super) fn without_emphasis(link: &str) -> Result<Address, AddressError> {
    link.parse().or_else(|error| {
        let shorter = link.trim_end_matches(['_', '~', '-', '*', '.', ':', '!', '?', '\\']);
        shorter.parse().map_err(|_| error)
    })
}

/// A link with what follows it after white space, if that is its query, or the rest of its ID.
fn continued(text: &str, extent: &Extent, address: &Result<Address, AddressError>) -> Option<Span> {
    let behind = &text[extent.end..];
    let next = behind.trim_start();
    let gap = behind.len() - next.len();
    if gap == 0 || gap > MAX_GAP {
        return None;
    }
    let is_cut =
        |error: &AddressError| matches!(error.id_error(), Some(SecureCallIdError::Length { .. }));
    let is_sign_before = extent.raw.ends_with(['?', '&']);
    let (start, must_be) = if is_sign_before && KEYS.iter().any(|key| starts(next, key)) {
        (extent.raw.as_str(), true)
    } else if is_query(next, '?') || is_query(next, '&') {
        (extent.link(), true)
    } else if address.as_ref().is_err_and(is_cut) {
        (extent.link(), false)
    } else {
        return None;
    };
    let more = Extent::of(next);
    let joined = Extent {
        raw: format!("{start}{}", more.raw),
        end: extent.end + gap + more.end,
        ..more
    };
    let address = without_emphasis(joined.link());
    (must_be || address.is_ok()).then(|| Span {
        end: joined.end,
        address: Some(address),
        doubts: vec![Doubt::PutTogether],
    })
}

/// The contact link in a link of somebody else's, if it has one.
fn in_wrapped(link: &str, left: &mut usize) -> Option<Result<Address, AddressError>> {
    for inner in wrapped::links_in(link) {
        *left = left.checked_sub(1)?;
        let extent = Extent::of(&inner);
        let inner = extent.link();
        let is_contact = match inner.get("securecall://contact/".len()..) {
            Some(id) if starts(inner, "securecall://contact/") => could_be_id(id),
            _ => is_contact_link(inner) && !starts(inner, "securecall:"),
        };
        if is_contact || is_matrix_link(inner) {
            return Some(without_emphasis(inner));
        }
        if let Some(found) = in_wrapped(inner, left) {
            return Some(found);
        }
    }
    None
}
