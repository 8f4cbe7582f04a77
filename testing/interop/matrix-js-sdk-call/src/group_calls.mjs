// The group calls of a device: one in each room, as matrix-js-sdk has them (MSC3401).

import { CallEvent, ClientEvent, RoomStateEvent } from "matrix-js-sdk";
import { GroupCallEvent, GroupCallIntent, GroupCallType } from "matrix-js-sdk/lib/webrtc/groupCall.js";
import * as calls from "./calls.mjs";
import { now } from "./ear.mjs";
import { changed, until } from "./waiting.mjs";

/** A `/sync` or two, and a call that is tried again. */
const PATIENCE = 60_000;

/** Everything that was said, in its order: state events that came, and what went from device to device. */
const said = [];
/** By room, when this device entered. */
const entered = new Map();
/** By room, what went wrong. */
const errors = new Map();

/** Follows what a client says and hears. */
export function follow(client) {
  const keep = (entry) => {
    said.push({ at_ms: now(), ...entry });
    changed();
  };
  client.on(RoomStateEvent.Events, (event) => {
    if (!event.getType().startsWith("org.matrix.msc3401.")) return;
    keep({
      way: "state",
      type: event.getType(),
      sender: event.getSender(),
      state_key: event.getStateKey(),
      content: structuredClone(event.getContent()),
      sent_ms: event.getTs(),
      encrypted: false,
    });
  });
  client.on(CallEvent.SendVoipEvent, ({ type, eventType, content, userId, opponentDeviceId }) => {
    if (type !== "toDevice") return;
    // Cut to what goes over the wire: a key without a value does not.
    const sent = JSON.parse(JSON.stringify(content));
    keep({ way: "sent", type: eventType, sender: client.getUserId(), to_user: userId, to_device: opponentDeviceId, content: sent });
  });
  client.on(ClientEvent.ReceivedVoipEvent, (event) => {
    if (event.getRoomId()) return;
    const content = structuredClone(event.getContent());
    keep({ way: "received", type: event.getType(), sender: event.getSender(), content, encrypted: event.isEncrypted() });
  });
}

/** All of it. */
export const groupHistory = () => said;

const found = (client, room) => until(`a group call in ${room}`, PATIENCE, () => client.getGroupCallForRoom(room));

/** Begins one, without being in it; gives its ID. */
export async function createGroup(client, { room }) {
  await client.waitUntilRoomReadyForGroupCalls(room);
  const call = await client.createGroupCall(room, GroupCallType.Voice, false, GroupCallIntent.Prompt);
  return call.groupCallId;
}

/** Opens the microphone for the one that a room has, as soon as it is known, so that entering does not wait for it. */
export const openGroupMicrophone = async (client, { room }) => (await found(client, room)).initLocalCallFeed();

/** Enters the one that a room has, as soon as it is known. */
export async function enterGroup(client, { room }) {
  const call = await found(client, room);
  call.on(GroupCallEvent.Error, (error) => {
    errors.set(room, [...(errors.get(room) ?? []), `${error.code}: ${error.message}`]);
    changed();
  });
  for (const event of [GroupCallEvent.ParticipantsChanged, GroupCallEvent.CallsChanged]) call.on(event, changed);
  entered.set(room, now());
  await call.enter();
  return call.groupCallId;
}

/** Leaves it; others stay in. */
export async function leaveGroup(client, { room }) {
  const call = await found(client, room);
  call.leave();
  entered.delete(room);
}

/** Ends it for all. */
export const terminateGroup = async (client, { room }) => (await found(client, room)).terminate();

const participantsOf = (call) =>
  [...call.participants].flatMap(([{ userId }, devices]) =>
    [...devices].map(([device, { sessionId }]) => ({ user: userId, device, session: sessionId })),
  );

/** What this device knows of the one that a room has. */
export function groupStatus(client, { room }) {
  const call = client.getGroupCallForRoom(room);
  if (!call) return null;
  const participants = participantsOf(call);
  const legs = [];
  call.forEachCall((leg) => {
    const isKnown = calls.isKnown(leg.callId);
    legs.push({
      user: leg.getOpponentMember()?.userId ?? leg.invitee ?? null,
      device: leg.getOpponentDeviceId() ?? null,
      call_id: leg.callId,
      state: leg.state,
      first_packet_at_ms: isKnown ? calls.status({ id: leg.callId }).first_packet_at_ms : null,
      first_sound_at_ms: isKnown ? calls.status({ id: leg.callId }).first_sound_at_ms : null,
      heard: isKnown ? calls.heard({ id: leg.callId }) : calls.NOTHING,
    });
  });
  return {
    id: call.groupCallId,
    session: client.getSessionId(),
    entered_at_ms: entered.get(room) ?? null,
    participants,
    legs,
    errors: errors.get(room) ?? [],
  };
}

const failed = (client, room) => (error) => {
  throw new Error(`${error.message}; the group call is ${JSON.stringify(groupStatus(client, { room }))}`);
};

/**
 * Waits until each of these tones is heard, each in a 1:1 call of its own, and nothing else. matrix-js-sdk may keep a call to somebody who
 * has just left, if it was placed while they did: whoever is not in does not count.
 */
export const untilGroupHears = (client, { room, tones }) =>
  until(`tones of ${tones} Hz`, PATIENCE, () => {
    const status = groupStatus(client, { room });
    const isIn = (leg) => status.participants.some(({ user, device }) => user === leg.user && device === leg.device);
    const legs = status.legs.filter(isIn);
    const isHeard = (hertz) => legs.some(({ heard }) => heard.level > -50 && Math.abs(heard.hertz - hertz) < 15);
    return legs.length === tones.length && tones.every(isHeard) && status;
  }).catch(failed(client, room));

/** Waits until so many others were heard, each in a 1:1 call of its own. */
export const untilGroupHeard = (client, { room, others }) =>
  until(`voices of ${others}`, PATIENCE, () => {
    const status = groupStatus(client, { room });
    return status?.legs.filter((leg) => leg.first_sound_at_ms).length === others && status;
  }).catch(failed(client, room));

/** Waits until exactly these devices are in it. */
export const untilGroupHas = (client, { room, devices }) =>
  until(`the devices ${devices}`, PATIENCE, () => {
    const call = client.getGroupCallForRoom(room);
    const are = call && participantsOf(call).map(({ device }) => device).sort();
    return are && JSON.stringify(are) === JSON.stringify([...devices].sort()) && groupStatus(client, { room });
  }).catch(failed(client, room));

/** A room for several, who are invited to it and may all say that they are in a call. */
export async function createGroupRoom(client, { invitees }) {
  const { room_id: id } = await client.createRoom({
    preset: "private_chat",
    invite: invitees,
    power_level_content_override: { events: { "org.matrix.msc3401.call": 0, "org.matrix.msc3401.call.member": 0 } },
  });
  await until(`the new room ${id}`, PATIENCE, () => invitees.every((it) => client.getRoom(id)?.getMember(it)));
  return id;
}
