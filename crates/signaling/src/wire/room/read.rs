//! Reading: tolerant where a client in use needs it, and strict everywhere else.

use std::time::Duration;

use securecall_contact::MatrixId;
use serde_json::{Map, Value};

use super::fields::{Fields, required, unexpected, within};
use super::{
    MAX_LIFETIME, MAX_ROOM_CANDIDATE, MAX_ROOM_CANDIDATES, MAX_ROOM_CONTENT, MAX_STREAMS, Mid,
    RoomCandidate, RoomContent, RoomInvite, RoomReason, RoomSignal, RoomSignalError, RoomVersion,
    Stream, StreamId, StreamMetadata, StreamPurpose,
};
use crate::{Description, DescriptionKind, HangupReason, PartyId, WireCallId};

pub(super) const STREAM_METADATA: &str = "sdp_stream_metadata";
pub(super) const UNSTABLE_STREAM_METADATA: &str = "org.matrix.msc3077.sdp_stream_metadata";

/// A place of a description that only one kind of it can have.
struct Place {
    kind: DescriptionKind,
    field: &'static str,
    type_field: &'static str,
    sdp_field: &'static str,
    expected_type: &'static str,
}

const OFFER: Place = Place {
    kind: DescriptionKind::Offer,
    field: "offer",
    type_field: "offer.type",
    sdp_field: "offer.sdp",
    expected_type: "offer",
};

const ANSWER: Place = Place {
    kind: DescriptionKind::Answer,
    field: "answer",
    type_field: "answer.type",
    sdp_field: "answer.sdp",
    expected_type: "answer",
};

pub(super) fn signal(
    event_type: &str,
    content: &[u8],
) -> Result<Option<RoomSignal>, RoomSignalError> {
    let Some(read_content) = reader(event_type) else {
        return Ok(None);
    };
    let map = object(content)?;
    signal_of(read_content, Fields::of(&map)).map(Some)
}

/// The object that the content of an event is.
pub(in crate::wire) fn object(content: &[u8]) -> Result<Map<String, Value>, RoomSignalError> {
    within(content.len(), MAX_ROOM_CONTENT, "bytes of an event")?;
    serde_json::from_slice(content).map_err(|error| RoomSignalError::Json {
        line: error.line(),
        column: error.column(),
    })
}

/// What an event says, whatever else is in its content.
pub(in crate::wire) fn signal_of(
    read_content: Reader,
    fields: Fields<'_>,
) -> Result<RoomSignal, RoomSignalError> {
    let version = version(fields);
    Ok(RoomSignal {
        call_id: WireCallId::parse(fields.text("call_id")?)?,
        party_id: sender(fields, version)?,
        version,
        content: read_content(fields)?,
    })
}

/// Reads what only one type of event has.
pub(in crate::wire) type Reader = fn(Fields<'_>) -> Result<RoomContent, RoomSignalError>;

/// By the type of an event; `None`: it is none of a call.
pub(in crate::wire) fn reader(event_type: &str) -> Option<Reader> {
    Some(match event_type {
        "m.call.invite" => invite,
        "m.call.answer" => answer,
        "m.call.candidates" => candidates,
        "m.call.select_answer" => select_answer,
        "m.call.reject" => reject,
        "m.call.hangup" => hangup,
        "m.call.negotiate" => negotiate,
        // matrix-js-sdk and matrix-dart-sdk still send the name from before the specification had one.
        "m.call.sdp_stream_metadata_changed" | "org.matrix.call.sdp_stream_metadata_changed" => {
            stream_metadata_changed
        }
        _ => return None,
    })
}

/// Nheko's `negotiate` has none, and Hydrogen's is the number 1: both speak version "1".
fn version(fields: Fields<'_>) -> RoomVersion {
    match fields.value("version").and_then(Value::as_u64) {
        Some(0) => RoomVersion::V0,
        _ => RoomVersion::V1,
    }
}

/// Version 0 has no parties: what stands there is not read.
fn sender(fields: Fields<'_>, version: RoomVersion) -> Result<Option<PartyId>, RoomSignalError> {
    const FIELD: &str = "party_id";
    match version {
        RoomVersion::V0 => Ok(None),
        RoomVersion::V1 => fields
            .optional_text(FIELD)?
            .map(|text| party_id(FIELD, text))
            .transpose(),
    }
}

fn party_id(field: &'static str, text: &str) -> Result<PartyId, RoomSignalError> {
    PartyId::parse(text).map_err(|reason| RoomSignalError::PartyId { field, reason })
}

fn invite(fields: Fields<'_>) -> Result<RoomContent, RoomSignalError> {
    let invitee = fields
        .optional_text("invitee")?
        .map(str::parse::<MatrixId>)
        .transpose();
    Ok(RoomContent::Invite(RoomInvite {
        offer: description(fields, &OFFER)?,
        lifetime: required("lifetime", lifetime(fields)?)?,
        invitee: invitee.map_err(RoomSignalError::Invitee)?,
        streams: streams(fields)?,
    }))
}

fn answer(fields: Fields<'_>) -> Result<RoomContent, RoomSignalError> {
    Ok(RoomContent::Answer {
        answer: description(fields, &ANSWER)?,
        streams: streams(fields)?,
    })
}

fn candidates(fields: Fields<'_>) -> Result<RoomContent, RoomSignalError> {
    let candidates = fields.array("candidates")?;
    within(candidates.len(), MAX_ROOM_CANDIDATES, "candidates")?;
    Ok(RoomContent::Candidates {
        candidates: candidates.iter().map(candidate).collect::<Result<_, _>>()?,
    })
}

fn candidate(value: &Value) -> Result<RoomCandidate, RoomSignalError> {
    let fields = Fields::in_value(value, "candidates[]")?;
    let line = fields.text("candidates[].candidate")?;
    within(line.len(), MAX_ROOM_CANDIDATE, "bytes of a candidate")?;
    let candidate = RoomCandidate {
        candidate: line.to_owned(),
        sdp_mid: mid(fields)?,
        sdp_m_line_index: m_line_index(fields)?,
    };
    let has_place = candidate.sdp_mid.is_some() || candidate.sdp_m_line_index.is_some();
    if !has_place && !candidate.is_end() {
        return Err(RoomSignalError::UnplacedCandidate);
    }
    Ok(candidate)
}

fn mid(fields: Fields<'_>) -> Result<Option<Mid>, RoomSignalError> {
    const FIELD: &str = "candidates[].sdpMid";
    fields
        .optional_text(FIELD)?
        .map(|text| Mid::parse(text).map_err(|_| unexpected(FIELD, "a short printable text")))
        .transpose()
}

fn m_line_index(fields: Fields<'_>) -> Result<Option<u16>, RoomSignalError> {
    const FIELD: &str = "candidates[].sdpMLineIndex";
    fields
        .optional_number(FIELD)?
        .map(|index| u16::try_from(index).map_err(|_| unexpected(FIELD, "the number of an m-line")))
        .transpose()
}

fn select_answer(fields: Fields<'_>) -> Result<RoomContent, RoomSignalError> {
    const FIELD: &str = "selected_party_id";
    Ok(RoomContent::SelectAnswer {
        selected_party_id: party_id(FIELD, fields.text(FIELD)?)?,
    })
}

fn reject(fields: Fields<'_>) -> Result<RoomContent, RoomSignalError> {
    Ok(RoomContent::Reject {
        reason: reason(fields),
    })
}

fn hangup(fields: Fields<'_>) -> Result<RoomContent, RoomSignalError> {
    Ok(RoomContent::Hangup {
        reason: reason(fields).unwrap_or(HangupReason::UserHangup.into()),
    })
}

/// What ends a call is never refused for its reason: the other side would ring, or send sound, to nobody.
fn reason(fields: Fields<'_>) -> Option<RoomReason> {
    match fields.optional_text("reason") {
        Ok(text) => text.map(RoomReason::parse),
        Err(_) => Some(HangupReason::UnknownError.into()),
    }
}

fn negotiate(fields: Fields<'_>) -> Result<RoomContent, RoomSignalError> {
    let description = fields.object("description")?;
    let kind = match description.text("description.type")? {
        "offer" => DescriptionKind::Offer,
        "answer" => DescriptionKind::Answer,
        _ => return Err(unexpected("description.type", "'offer' or 'answer'")),
    };
    Ok(RoomContent::Negotiate {
        description: Description {
            kind,
            sdp: description.text("description.sdp")?.to_owned(),
        },
        lifetime: lifetime(fields)?,
        streams: streams(fields)?,
    })
}

fn stream_metadata_changed(fields: Fields<'_>) -> Result<RoomContent, RoomSignalError> {
    Ok(RoomContent::StreamMetadataChanged {
        streams: required("sdp_stream_metadata", streams(fields)?)?,
    })
}

fn description(fields: Fields<'_>, place: &Place) -> Result<Description, RoomSignalError> {
    let description = fields.object(place.field)?;
    if description.text(place.type_field)? != place.expected_type {
        return Err(unexpected(place.type_field, place.expected_type));
    }
    Ok(Description {
        kind: place.kind,
        sdp: description.text(place.sdp_field)?.to_owned(),
    })
}

/// At most [`MAX_LIFETIME`]: a call that rings for ever can be placed by anybody.
fn lifetime(fields: Fields<'_>) -> Result<Option<Duration>, RoomSignalError> {
    let milliseconds = fields.optional_number("lifetime")?;
    Ok(milliseconds.map(|it| Duration::from_millis(it).min(MAX_LIFETIME)))
}

/// The key of the specification or, where that is not there, the only one that matrix-dart-sdk writes.
fn streams(fields: Fields<'_>) -> Result<Option<StreamMetadata>, RoomSignalError> {
    let Some(value) = fields
        .value(STREAM_METADATA)
        .or_else(|| fields.value_of_key(UNSTABLE_STREAM_METADATA))
    else {
        return Ok(None);
    };
    let Value::Object(map) = value else {
        return Err(unexpected(STREAM_METADATA, "an object"));
    };
    within(map.len(), MAX_STREAMS, "streams")?;
    let mut streams = Vec::new();
    for (id, value) in map {
        let id = StreamId::parse(id)
            .map_err(|_| unexpected(STREAM_METADATA, "a map from the IDs of streams"))?;
        streams.extend(stream(value)?.map(|stream| (id, stream)));
    }
    Ok(Some(streams.into_iter().collect()))
}

/// `None`: a purpose that nobody knows yet.
fn stream(value: &Value) -> Result<Option<Stream>, RoomSignalError> {
    let fields = Fields::in_value(value, "sdp_stream_metadata[]")?;
    let purpose = StreamPurpose::parse(fields.text("sdp_stream_metadata[].purpose")?);
    let (audio_muted, video_muted) = (
        fields.flag("sdp_stream_metadata[].audio_muted")?,
        fields.flag("sdp_stream_metadata[].video_muted")?,
    );
    Ok(purpose.map(|purpose| Stream {
        purpose,
        audio_muted,
        video_muted,
    }))
}
