// The calls of a device, and what is to be known of each.

import { CallEvent, createNewMatrixCall } from "matrix-js-sdk";
import { CallEventHandlerEvent } from "matrix-js-sdk/lib/webrtc/callEventHandler.js";
import { CallErrorCode } from "matrix-js-sdk/lib/webrtc/call.js";
import { Ear, now } from "./ear.mjs";
import { changed, until } from "./waiting.mjs";

/** By ID, what the page has of each. */
const calls = new Map();
/** The IDs of those that rang and were not taken yet. */
const rang = [];
/** Whether a call is taken as soon as it rings. */
let takesAll = false;

/** Follows a client's calls from their beginning on: an incoming one has tracks before it rings. */
export function follow(client) {
  client.on(CallEvent.PeerConnectionCreated, (peerConnection, call) => {
    const known = knownOf(call);
    known.peerConnection = peerConnection;
    known.ear = new Ear(peerConnection, changed);
    for (const event of ["iceconnectionstatechange", "signalingstatechange"]) peerConnection.addEventListener(event, changed);
    changed();
  });
  client.on(CallEvent.State, (state, _before, call) => {
    knownOf(call).states.push({ state, at_ms: now() });
    changed();
  });
  client.on(CallEvent.Replaced, (successor, call) => {
    knownOf(call).replacedBy = successor.callId;
    changed();
  });
  client.on(CallEvent.Error, (error, call) => {
    knownOf(call).errors.push(`${error.code}: ${error.message}`);
    changed();
  });
  for (const event of [CallEvent.LocalHoldUnhold, CallEvent.RemoteHoldUnhold, CallEvent.FeedsChanged, CallEvent.Hangup]) {
    client.on(event, changed);
  }
  client.on(CallEventHandlerEvent.Incoming, (call) => {
    knownOf(call);
    rang.push(call.callId);
    if (takesAll && call.state === "ringing") call.answer(true, false);
    changed();
  });
}

function knownOf(call) {
  if (!calls.has(call.callId)) calls.set(call.callId, { call, states: [], errors: [], placedAt: null });
  return calls.get(call.callId);
}

/** Whether something has happened in it yet. */
export const isKnown = (id) => calls.has(id);

function found(id) {
  const known = calls.get(id);
  if (!known) throw new Error(`there is no call ${id}`);
  return known;
}

/** Places one; gives its ID as soon as the microphone is open. */
export async function place(client, { room, invitee, video }) {
  const placedAt = now();
  const call = createNewMatrixCall(client, room, invitee ? { invitee } : undefined);
  knownOf(call).placedAt = placedAt;
  if (video) await call.placeVideoCall();
  else await call.placeVoiceCall();
  return call.callId;
}

/** The next one that rings. */
export const incoming = ({ patience }) => until("an incoming call", patience, () => rang.shift());

/** All that are known, as `status` has them. */
export const all = () => [...calls.keys()].map((id) => status({ id }));

/** What is to be known of one. */
export function status({ id }) {
  const { call, states, errors, placedAt, replacedBy, ear, peerConnection } = found(id);
  const ufrag = (description) => /^a=ice-ufrag:(.*)$/m.exec(description?.sdp ?? "")?.[1].trim() ?? null;
  return {
    id,
    room_id: call.roomId,
    direction: call.direction ?? null,
    state: call.state,
    states,
    errors,
    end_reason: call.hangupReason ?? null,
    end_party: call.hangupParty ?? null,
    replaced_by: replacedBy ?? null,
    opponent: call.getOpponentMember()?.userId ?? null,
    is_video: call.type === "video",
    is_local_on_hold: call.isLocalOnHold(),
    is_remote_on_hold: call.isRemoteOnHold(),
    is_muted: call.isMicrophoneMuted(),
    is_remote_muted: call.remoteUsermediaFeed?.isAudioMuted() ?? null,
    has_remote_video: call.hasRemoteUserMediaVideoTrack,
    ice_state: peerConnection?.iceConnectionState ?? null,
    signaling_state: peerConnection?.signalingState ?? null,
    local_ufrag: ufrag(peerConnection?.localDescription),
    remote_ufrag: ufrag(peerConnection?.remoteDescription),
    placed_at_ms: placedAt,
    first_packet_at_ms: ear?.firstPacket ?? null,
    first_sound_at_ms: ear?.firstSound ?? null,
  };
}

/** Waits until a field of the status has a value. */
export const untilStatus = ({ id, field, value, patience }) =>
  until(`${field} ${value} of ${id}`, patience, () => {
    const now = status({ id });
    return now[field] === value && now;
  }).catch((error) => {
    throw new Error(`${error.message}; it is ${JSON.stringify(status({ id }))}`);
  });

/** As long as there is no sound. */
export const NOTHING = { hertz: 0, level: -200 };

/** What is heard in one now. */
export function heard({ id }) {
  const { ear } = found(id);
  return ear ? ear.heard() : NOTHING;
}

/** Waits until a tone is heard, or nothing (no `hertz`). A codec moves a tone by little; a third of a second is measured at once. */
export const untilHeard = ({ id, hertz, patience }) =>
  until(hertz ? `a tone of ${hertz} Hz` : "silence", patience, () => {
    const now = heard({ id });
    const isTone = now.level > -50;
    return (hertz ? isTone && Math.abs(now.hertz - hertz) < 15 : now.level < -70) && now;
  }).catch((error) => {
    throw new Error(`${error.message}; what is heard is ${JSON.stringify(heard({ id }))} in ${JSON.stringify(status({ id }))}`);
  });

/** The ends of the path in use, and packets of voice. */
export async function path({ id }) {
  const reports = await found(id).peerConnection.getStats();
  const find = (type) => [...reports.values()].find((it) => it.type === type && (!it.kind || it.kind === "audio"));
  const pair = reports.get(find("transport")?.selectedCandidatePairId);
  return {
    local: reports.get(pair?.localCandidateId)?.candidateType ?? null,
    remote: reports.get(pair?.remoteCandidateId)?.candidateType ?? null,
    received: find("inbound-rtp")?.packetsReceived ?? 0,
    lost: find("inbound-rtp")?.packetsLost ?? 0,
    sent: find("outbound-rtp")?.packetsSent ?? 0,
  };
}

/** From now on nobody has to. */
export function takeAll({ on }) {
  takesAll = on;
}

export function answer({ id, video }) {
  const { call } = found(id);
  // The library says nothing then.
  if (call.state !== "ringing") throw new Error(`it does not ring, it is ${call.state}`);
  return call.answer(true, video);
}
export const reject = ({ id }) => found(id).call.reject();
export const hangUp = ({ id }) => found(id).call.hangup(CallErrorCode.UserHangup, false);
export const mute = ({ id, on }) => found(id).call.setMicrophoneMuted(on);
export const hold = ({ id, on }) => found(id).call.setRemoteOnHold(on);
/** As Element's button for the camera does. */
export const showVideo = ({ id, on }) => found(id).call.setLocalVideoMuted(!on);
/** As the library does when the path is lost. */
export function restartIce({ id }) {
  const { call } = found(id);
  call.candidatesEnded = false;
  call.peerConn.restartIce();
}

/** Waits until the other end's side of the path is another one, and it is in use. */
export const untilRestarted = ({ id, before, patience }) =>
  until("a new path", patience, () => {
    const now = status({ id });
    return now.remote_ufrag !== before && now.signaling_state === "stable" && /^(connected|completed)$/.test(now.ice_state) && now;
  });
