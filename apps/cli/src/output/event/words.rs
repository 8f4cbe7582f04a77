//! What people are told, in words.

use super::parts::{Peer, SettingSource};
use super::standard_call::standard_reason_words;
use crate::harmless::Line;
use crate::secret::Secret;

/// A setting on one line with tabs, or on two for a person at a terminal.
pub(super) fn setting_words(
    key: &str,
    value: Option<&Secret>,
    source: SettingSource,
    about: &str,
    terminal: bool,
) -> String {
    // One with line breaks in it is still one setting.
    let value = value.map_or_else(|| "-".into(), |value| Line::from(value.expose()));
    let source = source.words();
    match terminal {
        true => format!("{key} = {value} ({source})\n  {about}"),
        false => format!("{key}\t{value}\t{source}\t{about}"),
    }
}

/// What people are told of missed calls.
pub(crate) fn missed_words(caller: &str, why: &str, calls: u32) -> String {
    let why = why.replace('_', " ");
    match calls {
        1 => format!("missed call from {caller}: {why}"),
        _ => format!("{calls} missed calls from {caller}: {why}"),
    }
}

/// What people are told of refused calls.
pub(crate) fn refused_words(caller: &str, why: &str, calls: u32) -> String {
    let why = why.replace('_', " ");
    match calls {
        1 => format!("refused a call from {caller}: {why}"),
        _ => format!("refused {calls} calls from {caller}: {why}"),
    }
}

/// What people are told of the calls of strangers who were too many to name.
pub(crate) fn words_for_calls_of_others(calls: u32) -> String {
    format!("{calls} more calls of other strangers did not ring")
}

/// The way of a call as it is said to a person.
pub(super) fn route_words(route: &str) -> &str {
    match route {
        "relay" => "through a relay",
        "direct" => "directly",
        "ghostnet" => "through two relays of GhostNet",
        other => other,
    }
}

/// How a tier is named to people.
pub(crate) fn tier_words(tier: &str) -> &str {
    match tier {
        "securecall" => "end-to-end encrypted (securecall)",
        _ => "standard Matrix call: your servers and the other app are trusted with keys",
    }
}

/// Who has put a call on hold, or resumed it.
pub(super) const fn held_words(held: bool, by: &str) -> &'static str {
    match (by.as_bytes()[0] == b'p', held) {
        (true, true) => "the other side has put the call on hold",
        (true, false) => "the other side has resumed the call",
        (false, true) => "on hold: neither side hears the other",
        (false, false) => "the call goes on",
    }
}

/// What an end reason means, in words, for a call of this tier.
pub(crate) fn reason_words<'a>(reason: &'a str, tier: &str) -> &'a str {
    let of_tier = match tier {
        "matrix" => standard_reason_words(reason),
        _ => None,
    };
    of_tier.unwrap_or_else(|| common_reason_words(reason))
}

/// What an end reason means in most calls.
pub(super) fn common_reason_words(reason: &str) -> &str {
    match reason {
        "local_hangup" => "you hung up",
        "remote_hangup" => "the other side hung up",
        "cancelled" => "you gave up the call",
        "caller_cancelled" => "the caller gave up",
        "answered_elsewhere" => "taken on another device of yours",
        "local_reject" => "you declined",
        "declined" => "the other side declined",
        "busy" => "busy in another call",
        "clocks_differ" => "the clocks of the two machines differ by more than 5 minutes; set both",
        "no_answer" => "nobody answered",
        "unreachable" => "none of their devices is reachable",
        "unknown" => {
            "unknown, no SecureCall device, or the homeserver hides devices from strangers (MSC4263)"
        }
        "not_joined" => "they did not come to the room",
        "fingerprint_mismatch" => {
            "refused: somebody tried to take the other side's place on the network"
        }
        "words_mismatch" => "refused: the other side broke its commitment to the safety words",
        "ice_failed" => {
            "no network path between the two devices was found; `securecall doctor` says what is in the way here"
        }
        "ice_timeout" => "the network path died and did not come back",
        "rekey_timeout" => "the keys could not be renewed",
        "homeserver_unreachable" => "the homeserver cannot be reached",
        "homeserver_refused" => "the homeserver did not take the call's messages",
        "media_failed" => "audio or network of this machine failed",
        "peer_media_failed" => "audio or network of the other side failed",
        "peer_misbehaved" => "refused: the other side broke the protocol",
        other => other,
    }
}

pub(super) fn new_identity(id: &str, phrase: &str, terminal: bool) -> String {
    if !terminal {
        return format!("{id}\n{phrase}");
    }
    let words: Vec<&str> = phrase.split(' ').collect();
    let mut lines = format!("Your SecureCall ID:\n\n  {id}\n\nYour phrase:\n\n");
    for (row, group) in words.chunks(6).enumerate() {
        let numbered: Vec<String> = group
            .iter()
            .enumerate()
            .map(|(column, word)| format!("{:>2} {word:<9}", row * 6 + column + 1))
            .collect();
        lines.push_str(&format!("  {}\n", numbered.join(" ").trim_end()));
    }
    lines
        + "\nWrite the 24 words down and keep them safe: they are shown this once. Whoever has them can answer as you;\n\
           without them nobody, nor we, can bring the identity back."
}

pub(super) fn incoming(peer: &Peer, answered: bool) -> String {
    let matrix_id = peer.matrix_id.as_deref().unwrap_or("an unknown address");
    let start = if answered {
        "answering a call from"
    } else {
        "incoming call from"
    };
    match (&peer.name, &peer.id) {
        (Some(_), _) => format!("{start} {} ({matrix_id})", peer.shown()),
        (None, Some(id)) => format!("{start} a stranger: {id} ({matrix_id})"),
        (None, None) => format!("{start} a stranger: {matrix_id}"),
    }
}

pub(super) fn left_out(events: u64) -> String {
    match events {
        1 => "1 line was left out here: it was not read in time".to_owned(),
        _ => format!("{events} lines were left out here: they were not read in time"),
    }
}

pub(super) const fn muted_words(muted: bool, by: &str) -> &'static str {
    match (by.as_bytes()[0] == b'p', muted) {
        (true, true) => "the other side muted",
        (true, false) => "the other side unmuted",
        (false, true) => "muted",
        (false, false) => "unmuted",
    }
}

pub(super) fn ended(reason: &str, tier: &str, duration_ms: u64) -> String {
    let words = reason_words(reason, tier);
    format!("call ended{}: {words}", lasted(duration_ms))
}

/// How long something was connected, if it was.
pub(super) fn lasted(duration_ms: u64) -> String {
    match duration_ms {
        0 => String::new(),
        _ => format!(" after {} s", duration_ms / 1000),
    }
}
