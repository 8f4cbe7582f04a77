//! What calls say to each other: MSC2746's contents and a few of our own, in bundles.
//!
//! One sealed message holds one [`Bundle`]: several contents that belong together (an answer and its candidates, say) and the
//! acknowledgements that were due. Everything here comes from outside, so everything is bounded; `docs/protocol/signaling.md` has the format.

use serde::{Deserialize, Serialize};

use crate::roster::{ConferenceInvite, MAX_MEMBERS, Roster};
use crate::{PartyId, PartyIdError};

/// The longest text of a bundle, in bytes.
pub const MAX_BUNDLE: usize = 20 * 1024;
/// The longest SDP, in bytes: ours have about 1 KiB.
pub const MAX_SDP: usize = 10 * 1024;
/// The most contents of one bundle.
pub const MAX_CONTENTS: usize = 16;
/// The most candidates of one content, and of a device in one call.
pub const MAX_CANDIDATES: usize = 32;
/// The longest candidate line, in bytes.
pub const MAX_CANDIDATE: usize = 256;
/// The most acknowledgements of one bundle.
pub const MAX_ACKNOWLEDGEMENTS: usize = 64;

/// A session description inside a content.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Offer or answer.
    #[serde(rename = "type")]
    pub kind: DescriptionKind,
    /// The session description (RFC 8866). Only the media engine reads it.
    pub sdp: String,
}

/// Offer or answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DescriptionKind {
    /// What one side can do, and proposes (RFC 3264).
    Offer,
    /// What the other side takes of it.
    Answer,
}

impl Description {
    /// An offer.
    pub fn offer(sdp: impl Into<String>) -> Self {
        Self {
            kind: DescriptionKind::Offer,
            sdp: sdp.into(),
        }
    }

    /// An answer.
    pub fn answer(sdp: impl Into<String>) -> Self {
        Self {
            kind: DescriptionKind::Answer,
            sdp: sdp.into(),
        }
    }
}

impl std::fmt::Debug for Description {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, sdp } = self;
        write!(f, "Description({kind:?}, {} bytes)", sdp.len())
    }
}

/// `m.call.invite`, in message 1 of the handshake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// The offer, without candidates.
    pub offer: Description,
    /// How long the call may ring, in milliseconds.
    pub lifetime: u32,
    /// When it was sent, in milliseconds since the Unix epoch, by the caller's clock.
    pub sent_at: u64,
    /// SHA-256 commitment to the words nonce, in lower-case hex.
    pub words_commitment: Hex32,
    /// The conference that the call is a leg of, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conference: Option<ConferenceInvite>,
}

/// An address at which the sender may be reached (RFC 8839), or the end of them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// As in an `a=` line, without the `a=`; empty: there will be no more.
    pub candidate: String,
    /// The m-line it belongs to: always the first, for everything is bundled.
    #[serde(rename = "sdpMid")]
    pub sdp_mid: String,
}

impl std::fmt::Debug for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            candidate,
            sdp_mid: _,
        } = self;
        f.write_str(if candidate.is_empty() {
            "Candidate(end)"
        } else {
            "Candidate"
        })
    }
}

/// Why a call is hung up, on the wire (MSC2746).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HangupReason {
    /// The user hung up.
    UserHangup,
    /// Nobody answered in time.
    InviteTimeout,
    /// No path was found.
    IceFailed,
    /// The path died.
    IceTimeout,
    /// Microphone, speaker or media engine failed.
    UserMediaFailed,
    /// The user is in another call.
    UserBusy,
    /// The sender has a newer call with another device of the same person.
    AnsweredElsewhere,
    /// Anything else, and whatever we do not know.
    #[serde(other)]
    UnknownError,
}

/// One thing said within a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Content {
    /// The caller wants to talk. Only in message 1.
    #[serde(rename = "m.call.invite")]
    Invite(Invite),
    /// The callee accepts.
    #[serde(rename = "m.call.answer")]
    Answer {
        /// The answer, without candidates.
        answer: Description,
    },
    /// Addresses to try.
    #[serde(rename = "m.call.candidates")]
    Candidates {
        /// The candidates; an empty one says that there will be no more.
        candidates: Vec<Candidate>,
    },
    /// The caller says whose answer (or reject) it took.
    #[serde(rename = "m.call.select_answer")]
    SelectAnswer {
        /// The device that was taken.
        selected_party_id: PartyId,
    },
    /// The callee declines, for all its devices.
    #[serde(rename = "m.call.reject")]
    Reject,
    /// The call is over.
    #[serde(rename = "m.call.hangup")]
    Hangup {
        /// The reason in MSC2746's words.
        reason: HangupReason,
    },
    /// An offer or answer within the call (ICE restart).
    #[serde(rename = "m.call.negotiate")]
    Negotiate {
        /// The description, candidates included.
        description: Description,
        /// Numbers the caller's offers from 1; an answer has the number of its offer.
        negotiation: u32,
    },
    /// It rings. Only in message 2.
    #[serde(rename = "tech.stealthx.securecall.ringing")]
    Ringing,
    /// The device is in another call. Only in message 2.
    #[serde(rename = "tech.stealthx.securecall.busy")]
    Busy,
    /// The device does not ring, for its clock and the caller's differ too much. Only in message 2.
    #[serde(rename = "tech.stealthx.securecall.clocks_differ")]
    ClocksDiffer,
    /// The nonce of the safety words. In the caller's first ratchet message.
    #[serde(rename = "tech.stealthx.securecall.words_nonce")]
    WordsNonce {
        /// 32 bytes, in lower-case hex.
        nonce: Hex32,
    },
    /// A step of the DH ratchet, or the answer to one: the message itself is what counts.
    #[serde(rename = "tech.stealthx.securecall.rekey")]
    Rekey,
    /// The callee asks the caller for an ICE restart.
    #[serde(rename = "tech.stealthx.securecall.restart_please")]
    RestartPlease,
    /// Who is in the conference that the call is a leg of. Only in a ratchet message.
    #[serde(rename = "tech.stealthx.securecall.roster")]
    Roster(Roster),
}

impl Content {
    /// Whether it may be said in message 2, where the handshake is not through yet.
    pub const fn fits_message_2(&self) -> bool {
        matches!(
            self,
            Self::Ringing
                | Self::Busy
                | Self::ClocksDiffer
                | Self::Answer { .. }
                | Self::Candidates { .. }
        )
    }

    /// The type, as on the wire.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Invite(_) => "m.call.invite",
            Self::Answer { .. } => "m.call.answer",
            Self::Candidates { .. } => "m.call.candidates",
            Self::SelectAnswer { .. } => "m.call.select_answer",
            Self::Reject => "m.call.reject",
            Self::Hangup { .. } => "m.call.hangup",
            Self::Negotiate { .. } => "m.call.negotiate",
            Self::Ringing => "tech.stealthx.securecall.ringing",
            Self::Busy => "tech.stealthx.securecall.busy",
            Self::ClocksDiffer => "tech.stealthx.securecall.clocks_differ",
            Self::WordsNonce { .. } => "tech.stealthx.securecall.words_nonce",
            Self::Rekey => "tech.stealthx.securecall.rekey",
            Self::RestartPlease => "tech.stealthx.securecall.restart_please",
            Self::Roster(_) => "tech.stealthx.securecall.roster",
        }
    }

    /// How many bytes it takes in a bundle.
    pub fn json_len(&self) -> usize {
        // As with a bundle, serde_json has no reason to fail.
        serde_json::to_vec(self).map_or(0, |json| json.len())
    }

    fn check(&self) -> Result<(), BundleError> {
        match self {
            Self::Invite(invite) => check_invite(invite),
            Self::Answer { answer } => check_description(answer, DescriptionKind::Answer),
            Self::Negotiate { description, .. } => check_description(description, description.kind),
            Self::Candidates { candidates } => {
                within(candidates.len(), MAX_CANDIDATES, "candidates")?;
                candidates.iter().try_for_each(|it| {
                    within(it.candidate.len(), MAX_CANDIDATE, "bytes of a candidate")?;
                    within(it.sdp_mid.len(), MAX_CANDIDATE, "bytes of a mid")
                })
            }
            Self::Roster(roster) => {
                check_people(roster.members.len(), roster.repeats(), "people of a roster")
            }
            Self::SelectAnswer { .. }
            | Self::Reject
            | Self::Hangup { .. }
            | Self::Ringing
            | Self::Busy
            | Self::ClocksDiffer
            | Self::WordsNonce { .. }
            | Self::Rekey
            | Self::RestartPlease => Ok(()),
        }
    }
}

/// The number of a ratchet message: the sender's DH step, and the message's number in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Acknowledgement(pub u32, pub u32);

/// What one sealed message holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// The version of the signaling, "1".
    pub version: Version,
    /// The call, as in the handshake's prologue.
    pub call_id: String,
    /// The device that sends it.
    pub party_id: PartyId,
    /// What is said, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contents: Vec<Content>,
    /// The ratchet messages that arrived since the last bundle.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acknowledges: Vec<Acknowledgement>,
    /// Whether this message is to be acknowledged. An acknowledgement alone is not.
    pub wants_acknowledgement: bool,
}

/// The version that a bundle says it is in; another one is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Version {
    /// The only one there is.
    #[serde(rename = "1")]
    V1,
}

/// Why a text is not a bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// More of something than is allowed.
    #[error("at most {limit} {what} are allowed, not {found}")]
    TooMuch {
        /// What there is too much of: `candidates`, `bytes of a bundle` …
        what: &'static str,
        /// How much is allowed.
        limit: usize,
        /// How much there was.
        found: usize,
    },
    /// A party ID with other characters than MSC2746 allows, or none.
    #[error("a party ID is 1 to 255 printable characters")]
    PartyId,
    /// An offer where an answer belongs, or the other way round.
    #[error("a description says that it is of another kind than its place asks for")]
    DescriptionKind,
    /// One person twice in a roster, or in an invite.
    #[error("a person is named twice")]
    NamedTwice,
    /// Not JSON, an unknown type, a missing field.
    #[error("the JSON is not a bundle (line {line}, column {column})")]
    Json {
        /// Where it went wrong.
        line: usize,
        /// Where it went wrong.
        column: usize,
    },
}

impl From<PartyIdError> for BundleError {
    fn from(error: PartyIdError) -> Self {
        match error {
            PartyIdError::TooLong { found } => Self::TooMuch {
                what: "bytes of a party ID",
                limit: PartyId::MAX_LEN,
                found,
            },
            PartyIdError::NotPrintable => Self::PartyId,
        }
    }
}

impl Bundle {
    /// Parses and checks the JSON text of a bundle.
    ///
    /// # Errors
    /// [`BundleError`] says what was wrong. Unknown fields are ignored, unknown types are not.
    pub fn parse(text: &[u8]) -> Result<Self, BundleError> {
        within(text.len(), MAX_BUNDLE, "bytes of a bundle")?;
        let bundle: Self =
            serde_json::from_slice(text).map_err(|error| why_not_a_bundle(text, &error))?;
        bundle.check()?;
        Ok(bundle)
    }

    /// The bundle as JSON, which is what gets sealed.
    pub fn to_json(&self) -> Vec<u8> {
        // As much as a bundle may be: a buffer that grows would leave parts of what is to be sealed behind in memory.
        let mut json = Vec::with_capacity(MAX_BUNDLE);
        // Maps with string keys and numbers only: serde_json has no reason to fail.
        match serde_json::to_writer(&mut json, self) {
            Ok(()) => json,
            Err(_) => Vec::new(),
        }
    }

    fn check(&self) -> Result<(), BundleError> {
        within(self.contents.len(), MAX_CONTENTS, "contents")?;
        within(
            self.acknowledges.len(),
            MAX_ACKNOWLEDGEMENTS,
            "acknowledgements",
        )?;
        self.contents.iter().try_for_each(Content::check)
    }
}

fn check_description(
    description: &Description,
    expected: DescriptionKind,
) -> Result<(), BundleError> {
    if description.kind != expected {
        return Err(BundleError::DescriptionKind);
    }
    within(description.sdp.len(), MAX_SDP, "bytes of SDP")
}

fn check_invite(invite: &Invite) -> Result<(), BundleError> {
    check_description(&invite.offer, DescriptionKind::Offer)?;
    invite.conference.as_ref().map_or(Ok(()), |it| {
        check_people(it.members.len(), it.repeats(), "people of an invite")
    })
}

fn check_people(found: usize, repeats: bool, what: &'static str) -> Result<(), BundleError> {
    within(found, MAX_MEMBERS, what)?;
    if repeats {
        return Err(BundleError::NamedTwice);
    }
    Ok(())
}

/// Says more of a text that was refused than serde can: that a party ID in it is none.
fn why_not_a_bundle(text: &[u8], error: &serde_json::Error) -> BundleError {
    #[derive(Deserialize)]
    struct Parties {
        party_id: String,
        #[serde(default)]
        contents: Vec<Selected>,
    }
    #[derive(Deserialize)]
    struct Selected {
        selected_party_id: Option<String>,
    }

    let json = BundleError::Json {
        line: error.line(),
        column: error.column(),
    };
    let Ok(Parties { party_id, contents }) = serde_json::from_slice(text) else {
        return json;
    };
    let selected = contents.into_iter().filter_map(|it| it.selected_party_id);
    std::iter::once(party_id)
        .chain(selected)
        .find_map(|id| PartyId::parse(&id).err())
        .map_or(json, BundleError::from)
}

fn within(found: usize, limit: usize, what: &'static str) -> Result<(), BundleError> {
    if found > limit {
        Err(BundleError::TooMuch { what, limit, found })
    } else {
        Ok(())
    }
}

/// 32 bytes, written as 64 lower-case hex characters.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hex32(pub [u8; 32]);

impl std::fmt::Debug for Hex32 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hex32(..)")
    }
}

impl From<Hex32> for String {
    fn from(value: Hex32) -> Self {
        value.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl TryFrom<String> for Hex32 {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const MESSAGE: &str = "expected 64 lower-case hex characters";
        let digits: &[u8; 64] = text.as_bytes().try_into().map_err(|_| MESSAGE)?;
        let value = |digit: u8| match digit {
            b'0'..=b'9' => Ok(digit - b'0'),
            b'a'..=b'f' => Ok(digit - b'a' + 10),
            _ => Err(MESSAGE),
        };
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = (value(pair[0])? << 4) | value(pair[1])?;
        }
        Ok(Self(bytes))
    }
}
