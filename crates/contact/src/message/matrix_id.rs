//! Matrix IDs among words.

use super::found::Doubt;
use super::piece::valid_id;
use super::span::{Extent, Span, without_emphasis};
use super::wrapped::is_link;
use crate::MatrixId;

/// Whether a character before an `@` makes it a mail address.
pub(super) fn is_of_mail(before: char) -> bool {
    before.is_ascii_alphanumeric() || matches!(before, '.' | '_' | '%' | '+' | '-' | '/')
}

/// The Matrix ID that a text begins with, `@` and all; `None` if this is none.
pub(super) fn span(text: &str) -> Option<Span> {
    let after_sigil = text.strip_prefix('@')?;
    let colon = after_sigil
        .char_indices()
        .take(MatrixId::MAX_LENGTH)
        .find(|(_, c)| !c.is_ascii_graphic() || matches!(c, '@' | ':'))
        .filter(|(at, c)| *c == ':' && *at > 0)
        .map(|(at, _)| at)?;
    let behind = &after_sigil[colon + 1..];
    let server = server_at_start(behind);
    // A mention with a colon behind it, and perhaps an ID or a link, is no address.
    if server.is_empty() || valid_id(server).is_some() || is_link(behind) {
        return None;
    }
    let extent = Extent::of(text);
    if extent.end <= colon + 1 {
        return None;
    }
    let doubts = match extent.has_letter_behind {
        true => vec![Doubt::LetterBehind],
        false => Vec::new(),
    };
    Some(Span {
        end: extent.end,
        address: Some(without_emphasis(extent.link())),
        doubts,
    })
}

/// The server name that a text begins with.
pub(super) fn server_at_start(text: &str) -> &str {
    let host = match text.strip_prefix('[') {
        Some(inside) => inside.find(']').map_or(0, |at| at + 2),
        None => text
            .find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-'))
            .unwrap_or(text.len()),
    };
    let port = text[host..].strip_prefix(':').map_or(0, |port| {
        let digits = port.len() - port.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits == 0 { 0 } else { digits + 1 }
    });
    match port {
        0 => text[..host].trim_end_matches(['.', '-']),
        port => &text[..host + port],
    }
}
