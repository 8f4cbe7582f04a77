//! SecureCall IDs among words: in one piece, or in groups as they are shown for reading aloud.

use super::found::Doubt;
use super::matrix_id::server_at_start;
use super::piece::{starts, valid_id};
use super::span::{Span, id_with_query};
use crate::id_in_pieces::{IdInPieces, run_at};
use crate::{Address, SecureCallId};

/// The ID that begins at a place of a text where a word begins.
pub(super) fn span(text: &str, at: usize) -> Option<Span> {
    let run = run_at(&text[at..]);
    match run.len() {
        SecureCallId::LENGTH => whole(text, at, run),
        _ => in_pieces(text, at),
    }
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

fn in_pieces(text: &str, at: usize) -> Option<Span> {
    let IdInPieces {
        end,
        id,
        are_groups,
    } = IdInPieces::at(text, at)?;
    let doubts = match id.is_ok() && !are_groups {
        true => vec![Doubt::PutTogether],
        false => Vec::new(),
    };
    Some(Span {
        end,
        address: Some(id.map(Address::Id).map_err(Into::into)),
        doubts,
    })
}
