// Two users of a homeserver with open registration chat in a room, by matrix-js-sdk.
//
//   node chat.mjs HOMESERVER_URL < messages
//
// Each line of standard input is the content of a message that the first user sends, as JSON. Each line of standard output is the
// content that the second user then has, as JSON, in the same order.

import { createInterface } from "node:readline";
import * as sdk from "matrix-js-sdk";
import { logger } from "matrix-js-sdk/lib/logger.js";

logger.setLevel("error");

const [baseUrl] = process.argv.slice(2);

async function user(name) {
    const anonymous = sdk.createClient({ baseUrl });
    const username = `${name}${Date.now().toString(36)}${process.pid}`;
    const { user_id, access_token, device_id } = await anonymous.registerRequest({
        username,
        password: `correct horse ${username}`,
        auth: { type: "m.login.dummy" },
    });
    return sdk.createClient({ baseUrl, userId: user_id, accessToken: access_token, deviceId: device_id });
}

const sender = await user("sender");
const receiver = await user("receiver");
const { room_id } = await sender.createRoom({ preset: "private_chat", invite: [receiver.getUserId()] });
await receiver.joinRoom(room_id);

const received = [];
receiver.on(sdk.RoomEvent.Timeline, (event, room) => {
    if (room?.roomId === room_id && event.getType() === "m.room.message") received.push(event.getContent());
});
await receiver.startClient({ initialSyncLimit: 100 });

let sent = 0;
for await (const line of createInterface({ input: process.stdin })) {
    await sender.sendMessage(room_id, JSON.parse(line));
    sent += 1;
}
while (received.length < sent) {
    await new Promise((resolve) => receiver.once(sdk.ClientEvent.Sync, resolve));
}
for (const content of received) console.log(JSON.stringify(content));
receiver.stopClient();
process.exit(0);
