// How this version of the library encrypts: with Olm itself, and what group calls say as well.

import Olm from "@matrix-org/olm";
import { MemoryCryptoStore } from "matrix-js-sdk/lib/crypto/store/memory-crypto-store.js";

export const options = { cryptoStore: new MemoryCryptoStore(), useE2eForGroupCall: true };

/** Makes a client able to encrypt, before it starts. */
export async function start(client) {
  globalThis.Olm = Olm;
  // It assigns to this without having declared it, which a module may not.
  globalThis.OLM_OPTIONS = undefined;
  await Olm.init({ locateFile: () => "/crypto.wasm" });
  await client.initLegacyCrypto();
}
