// What came in the timelines of a device's rooms that is about calls, as the server has it: own events too, decrypted.

import { ClientEvent, MatrixEventEvent } from "matrix-js-sdk";
import { now } from "./ear.mjs";
import { changed } from "./waiting.mjs";

const seen = [];
const known = new Set();

const isAboutCalls = (type) => type.startsWith("m.call.") || type.startsWith("org.matrix.call.") || type === "m.room.redaction";

/** Follows a client's events. */
export function follow(client) {
  client.on(ClientEvent.Event, (event) => {
    const id = event.getId();
    if (!event.getRoomId() || known.has(id)) return;
    known.add(id);
    // Its place is kept until its key is there.
    const entry = { at_ms: now() };
    seen.push(entry);
    const look = () => {
      if (entry.type || event.isBeingDecrypted() || (event.isEncrypted() && !event.getClearContent())) return;
      if (!isAboutCalls(event.getType())) return;
      Object.assign(entry, {
        event_id: id,
        room_id: event.getRoomId(),
        sender: event.getSender(),
        type: event.getType(),
        // A copy: a redaction takes it away.
        content: structuredClone(event.getContent()),
        encrypted: event.isEncrypted(),
        redacts: event.event.redacts ?? event.getContent().redacts ?? null,
      });
      changed();
    };
    event.on(MatrixEventEvent.Decrypted, look);
    look();
  });
}

/** All of it, in the order in which it came. */
export const history = () => seen.filter(({ type }) => type);
