// One device of one user, which does as it is told: each order is a function of `orders`, called with one object.

import "./log.mjs";
import { ClientEvent, SyncState, createClient } from "matrix-js-sdk";
import * as calls from "./calls.mjs";
import * as crypto from "./crypto.mjs";
import * as groupCalls from "./group_calls.mjs";
import * as events from "./history.mjs";
import { lastLines } from "./log.mjs";
import * as rooms from "./rooms.mjs";
import { speak } from "./voice.mjs";
import { changed, until } from "./waiting.mjs";

/** A sync on a busy machine, and the wasm to be compiled. */
const PATIENCE = 60_000;

let client;

/** Registers an account that has no device of this page yet. */
async function register({ homeserver, user, password }) {
  const registration = { username: user, password, auth: { type: "m.login.dummy" }, inhibit_login: true };
  const { user_id } = await createClient({ baseUrl: homeserver }).registerRequest(registration);
  return user_id;
}

/** Logs in; gives who that is once others can send this device keys and calls. */
async function logIn({ homeserver, user, password, hertz, forceTurn }) {
  speak(hertz);
  const login = await createClient({ baseUrl: homeserver }).loginRequest({
    type: "m.login.password",
    identifier: { type: "m.id.user", user },
    password,
  });
  client = createClient({
    baseUrl: homeserver,
    userId: login.user_id,
    deviceId: login.device_id,
    accessToken: login.access_token,
    forceTURN: forceTurn,
    // A homeserver that names no STUN server has none.
    fallbackICEServerAllowed: false,
    ...crypto.options,
  });
  await crypto.start(client);
  for (const follower of [calls, events, groupCalls, rooms]) follower.follow(client);
  client.on(ClientEvent.Sync, changed);
  await client.startClient({ initialSyncLimit: 20 });
  await until("the first sync", PATIENCE, () => client.getSyncState() === SyncState.Syncing);
  await client.checkTurnServers();
  while (!(await hasDeviceKeys(login))) await new Promise((resolve) => setTimeout(resolve, 25));
  return { user_id: login.user_id, device_id: login.device_id };
}

/** Whether the homeserver has the keys by which others encrypt for this device. */
async function hasDeviceKeys({ user_id, device_id }) {
  const { device_keys } = await client.downloadKeysForUsers([user_id]);
  return Boolean(device_keys[user_id]?.[device_id]);
}

const ofClient = (functions) => Object.fromEntries(Object.entries(functions).map(([name, run]) => [name, (it) => run(client, it)]));
const { follow: _1, isKnown: _2, NOTHING: _3, place, ...ofCalls } = calls;
const { follow: _4, groupHistory, ...ofGroupCalls } = groupCalls;

globalThis.orders = {
  register,
  logIn,
  ...ofClient(rooms),
  ...ofClient({ place }),
  ...ofCalls,
  ...ofClient(ofGroupCalls),
  groupHistory,
  history: events.history,
  iceServers: () => client.getTurnServers(),
  speak: ({ hertz }) => speak(hertz),
  log: () => lastLines(60).join("\n"),
  async logOut() {
    client.stopClient();
    await client.logout();
  },
};
