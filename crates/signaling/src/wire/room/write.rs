//! Writing: the fields that every client in use needs, and none that any of them stumbles over.

use serde_json::{Map, Value, json};

use super::read::{STREAM_METADATA, UNSTABLE_STREAM_METADATA};
use super::{RoomCandidate, RoomContent, RoomInvite, RoomSignal, RoomVersion, StreamMetadata};
use crate::{Description, DescriptionKind};

pub(super) fn content(signal: &RoomSignal) -> Value {
    let RoomSignal {
        call_id,
        party_id,
        version,
        content,
    } = signal;
    let mut fields = Fields(Map::new());
    fields.set("call_id", call_id.as_str());
    fields.set("version", version_value(*version));
    fields.set_optional("party_id", party_id.as_ref().map(|id| id.as_str()));
    match content {
        RoomContent::Invite(invite) => fields.set_invite(invite),
        RoomContent::Answer { answer, streams } => {
            fields.set("answer", description(answer));
            fields.set_streams(streams.as_ref());
        }
        RoomContent::Candidates { candidates } => {
            let candidates: Vec<Value> = candidates.iter().map(candidate).collect();
            fields.set("candidates", candidates);
        }
        RoomContent::SelectAnswer { selected_party_id } => {
            fields.set("selected_party_id", selected_party_id.as_str());
        }
        RoomContent::Reject { reason } => {
            fields.set_optional("reason", reason.as_ref().map(|it| it.as_str()));
        }
        RoomContent::Hangup { reason } => fields.set("reason", reason.as_str()),
        RoomContent::Negotiate {
            description: it,
            lifetime,
            streams,
        } => {
            fields.set("description", description(it));
            fields.set_optional("lifetime", lifetime.map(milliseconds));
            fields.set_streams(streams.as_ref());
        }
        RoomContent::StreamMetadataChanged { streams } => fields.set_streams(Some(streams)),
    }
    Value::Object(fields.0)
}

struct Fields(Map<String, Value>);

impl Fields {
    fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }

    /// What is not there is left out: `null` makes mtxclient drop the whole event.
    fn set_optional(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(key, value);
        }
    }

    fn set_invite(&mut self, invite: &RoomInvite) {
        let RoomInvite {
            offer,
            lifetime,
            invitee,
            streams,
        } = invite;
        self.set("offer", description(offer));
        self.set("lifetime", milliseconds(*lifetime));
        self.set_optional("invitee", invitee.as_ref().map(|id| id.as_str()));
        self.set_streams(streams.as_ref());
    }

    /// Under both keys: matrix-dart-sdk reads the older one alone, and others will forget it.
    fn set_streams(&mut self, streams: Option<&StreamMetadata>) {
        let Some(streams) = streams else { return };
        let value = stream_metadata(streams);
        self.set(UNSTABLE_STREAM_METADATA, value.clone());
        self.set(STREAM_METADATA, value);
    }
}

fn version_value(version: RoomVersion) -> Value {
    match version {
        RoomVersion::V0 => 0.into(),
        RoomVersion::V1 => "1".into(),
    }
}

fn description(description: &Description) -> Value {
    let kind = match description.kind {
        DescriptionKind::Offer => "offer",
        DescriptionKind::Answer => "answer",
    };
    json!({ "type": kind, "sdp": description.sdp })
}

/// Nheko reads no candidate without both, and Chromium's end of candidates has both too.
fn candidate(candidate: &RoomCandidate) -> Value {
    let RoomCandidate {
        candidate,
        sdp_mid,
        sdp_m_line_index,
    } = candidate;
    let mut fields = Fields(Map::new());
    fields.set("candidate", candidate.as_str());
    fields.set("sdpMid", sdp_mid.as_ref().map_or("", |mid| mid.as_str()));
    fields.set_optional("sdpMLineIndex", *sdp_m_line_index);
    Value::Object(fields.0)
}

fn stream_metadata(streams: &StreamMetadata) -> Value {
    let stream = |(id, stream): (&super::StreamId, &super::Stream)| {
        let value = json!({
            "purpose": stream.purpose.as_str(),
            "audio_muted": stream.audio_muted,
            "video_muted": stream.video_muted,
        });
        (id.as_str().to_owned(), value)
    };
    Value::Object(streams.iter().map(stream).collect())
}

fn milliseconds(lifetime: std::time::Duration) -> u64 {
    // Longer ones than a u64 holds are read as shorter ones anyway.
    lifetime.as_millis().try_into().unwrap_or(u64::MAX)
}
