// The rooms of a device.

import { ClientEvent, EventType, KnownMembership, Preset, RoomMemberEvent, RoomStateEvent } from "matrix-js-sdk";
import { changed, until } from "./waiting.mjs";

/** What joins after a `/sync` or two. */
const PATIENCE = 60_000;

/** Follows what happens to a client's rooms. */
export function follow(client) {
  for (const event of [ClientEvent.Room, ClientEvent.Sync, RoomMemberEvent.Membership, RoomStateEvent.Update]) client.on(event, changed);
}

/** A direct room with somebody who is invited to it. Gives its ID once it is there as it should be. */
export async function create(client, { invitee, encrypted }) {
  const algorithm = "m.megolm.v1.aes-sha2";
  const { room_id: id } = await client.createRoom({
    preset: Preset.TrustedPrivateChat,
    is_direct: true,
    invite: [invitee],
    initial_state: encrypted ? [{ type: EventType.RoomEncryption, state_key: "", content: { algorithm } }] : [],
  });
  await isDirect(client, invitee, id);
  await until(`the new room ${id}`, PATIENCE, () => client.getRoom(id)?.getMember(invitee));
  if (encrypted) await until("its encryption", PATIENCE, () => client.getRoom(id).hasEncryptionStateEvent());
  return id;
}

/** Joins a room, in which a member is told to be. */
export async function join(client, { room }) {
  await client.joinRoom(room);
  await until(`${room} to be joined`, PATIENCE, () => client.getRoom(room)?.getMyMembership() === KnownMembership.Join);
}

/** Takes the invite that somebody sends; gives the room. */
export async function joinInvite(client, { inviter }) {
  const isFromInviter = (room) =>
    room.getMyMembership() === KnownMembership.Invite && room.getMember(client.getUserId())?.events.member?.getSender() === inviter;
  const { roomId } = await until(`an invite from ${inviter}`, PATIENCE, () => client.getRooms().find(isFromInviter));
  const direct = client.getRoom(roomId).getMember(client.getUserId()).events.member.getContent().is_direct;
  await join(client, { room: roomId });
  if (direct) await isDirect(client, inviter, roomId);
  return roomId;
}

/** Waits until somebody is such a member. */
export const member = (client, { room, user, membership }) =>
  until(`${membership} of ${user}`, PATIENCE, () => client.getRoom(room)?.getMember(user)?.membership === membership);

/** Whether what is sent there is encrypted. */
export const isEncrypted = (client, { room }) => client.getRoom(room)?.hasEncryptionStateEvent() ?? false;

/** Gives those who are there the keys for what will be sent, as Element does when somebody begins to write. */
export const prepareToEncrypt = (client, { room }) => client.getCrypto().prepareToEncrypt(client.getRoom(room));

async function isDirect(client, user, room) {
  const rooms = client.getAccountData(EventType.Direct)?.getContent() ?? {};
  await client.setAccountData(EventType.Direct, { ...rooms, [user]: [...(rooms[user] ?? []), room] });
}
