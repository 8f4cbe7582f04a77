//! SecureCall IDs among words: in one piece, or in groups as they are shown for reading aloud.

use super::matrix_id::server_at_start;
use super::span::{Span, id_with_query};
use super::{Doubt, starts, valid_id};
use crate::{Address, SecureCallId};

/// Characters of a group as it is shown.
const GROUP: usize = 4;
/// What is between two groups is no longer than this, in bytes: the rest of a line, a frame, and the next one's.
const MAX_GAP: usize = 400;

/// The ID that begins at a place of a text where a word begins.
pub(super) fn span(text: &str, at: usize) -> Option<Span> {
    let run = run_at(&text[at..]);
    match run.len() {
        SecureCallId::LENGTH => whole(text, at, run),
        _ => in_pieces(text, at),
    }
}

/// The ID that a text is in groups, and nothing else.
pub(crate) fn id_in_groups(text: &str) -> Option<SecureCallId> {
    let span = in_pieces(text, 0).filter(|span| span.end == text.len())?;
    let address = span.address?.ok()?;
    address.securecall_id().copied()
}

fn whole(text: &str, at: usize, run: &str) -> Option<Span> {
    let (before, behind) = (&text[..at], &text[at + run.len()..]);
    let end = at + run.len();
    if let Some(span) = id_with_query(run, behind).filter(|_| valid_id(run).is_some()) {
        return Some(span.moved(end));
    }
    let is_localpart = before.len() >= 3
        && before
            .get(before.len() - 3..)
            .is_some_and(|before| starts(before, "sc_"));
    let server = behind
        .strip_prefix(':')
        .map(server_at_start)
        .unwrap_or_default();
    if is_localpart && !server.is_empty() {
        let matrix_id = format!("@sc_{}:{server}", run.to_ascii_lowercase());
        return Some(Span {
            end: end + 1 + server.len(),
            address: Some(matrix_id.parse().map(Address::MatrixId).map_err(Into::into)),
            doubts: vec![Doubt::NoScheme],
        });
    }
    let is_glue = |c: char| matches!(c, '_' | '-' | '/' | '+' | '=' | '%' | '&' | '#' | '@');
    let is_glued = before.ends_with(is_glue) || behind.starts_with(is_glue);
    let address = run.parse().map(Address::Id).map_err(Into::into);
    // A part of something else may have as many characters.
    let address = Some(address).filter(|address: &Result<_, _>| address.is_ok() || !is_glued);
    // In a link of another kind, which may have said more.
    let doubts = match before.ends_with(['/', '#']) {
        true => vec![Doubt::NoScheme],
        false => Vec::new(),
    };
    Some(Span {
        end,
        address,
        doubts,
    })
}

/// An ID in several pieces that belong together: the checksum says so.
fn in_pieces(text: &str, at: usize) -> Option<Span> {
    let mut id = String::with_capacity(SecureCallId::LENGTH);
    let mut end = at;
    let mut are_groups = true;
    loop {
        let run = run_at(&text[end..]);
        let is_piece = !run.is_empty() && run.bytes().all(is_of_alphabet);
        if !is_piece || id.len() + run.len() > SecureCallId::LENGTH {
            return None;
        }
        id.push_str(run);
        are_groups &= run.len() == GROUP;
        end += run.len();
        if id.len() == SecureCallId::LENGTH {
            break;
        }
        end += gap_at(&text[end..])?;
    }
    match id.parse::<SecureCallId>() {
        Ok(id) => Some(Span {
            end,
            address: Some(Ok(Address::Id(id))),
            doubts: if are_groups {
                Vec::new()
            } else {
                vec![Doubt::PutTogether]
            },
        }),
        // Fourteen groups, no more and no fewer, were meant to be one.
        Err(error)
            if are_groups && !is_group_before(&text[..at]) && !is_group_behind(&text[end..]) =>
        {
            Some(Span {
                end,
                address: Some(Err(error.into())),
                doubts: Vec::new(),
            })
        }
        Err(_) => None,
    }
}

fn run_at(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric());
    &text[..end.unwrap_or(text.len())]
}

fn is_of_alphabet(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'2'..=b'7')
}

/// How long what is between two groups is: white space, dashes, the frame of a screen, the mark of a quotation.
fn gap_at(text: &str) -> Option<usize> {
    let behind = text.trim_start_matches(is_between);
    let gap = text.len() - behind.len();
    (1..=MAX_GAP).contains(&gap).then_some(gap)
}

fn is_between(character: char) -> bool {
    character.is_whitespace()
        || matches!(
            character,
            '-' | '‐' | '‑' | '–' | '—' | '·' | '|' | '│' | '┃' | '║' | '>' | '*'
        )
}

fn is_group_before(before: &str) -> bool {
    let before = before.trim_end_matches(is_between);
    let run = before.rfind(|c: char| !c.is_ascii_alphanumeric());
    let run = &before[run.map_or(0, |at| {
        at + before[at..].chars().next().map_or(1, char::len_utf8)
    })..];
    is_group(run)
}

fn is_group_behind(behind: &str) -> bool {
    is_group(run_at(behind.trim_start_matches(is_between)))
}

fn is_group(run: &str) -> bool {
    run.len() == GROUP && run.bytes().all(is_of_alphabet)
}
