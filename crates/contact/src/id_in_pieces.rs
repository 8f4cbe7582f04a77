//! A SecureCall ID in several pieces: in groups as it is shown for reading aloud, or broken at the end of a line.

use crate::{SecureCallId, SecureCallIdError};

/// Characters of a group as it is shown.
const GROUP: usize = 4;
/// What is between two groups is no longer than this, in bytes: the rest of a line, a frame, and the next one's.
const MAX_GAP: usize = 400;

/// Pieces that belong together: the checksum says so, or they are as many groups as an ID has.
pub(crate) struct IdInPieces {
    /// Where the last piece ends, in bytes of the whole text.
    pub(crate) end: usize,
    /// What they are together; an error only for groups.
    pub(crate) id: Result<SecureCallId, SecureCallIdError>,
    /// Whether every piece has the length of a group.
    pub(crate) are_groups: bool,
}

impl IdInPieces {
    /// The pieces whose first one begins here.
    pub(crate) fn at(text: &str, at: usize) -> Option<Self> {
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
        let id = id.parse();
        // Fourteen groups, no more and no fewer, were meant to be one.
        let was_meant =
            || are_groups && !is_group_before(&text[..at]) && !is_group_behind(&text[end..]);
        (id.is_ok() || was_meant()).then_some(Self {
            end,
            id,
            are_groups,
        })
    }
}

/// The ID that a text is in groups, and nothing else.
pub(crate) fn id_in_groups(text: &str) -> Option<SecureCallId> {
    let pieces = IdInPieces::at(text, 0).filter(|pieces| pieces.end == text.len())?;
    pieces.id.ok()
}

/// The letters and digits that a text begins with.
pub(crate) fn run_at(text: &str) -> &str {
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
