// How this version of the library encrypts: with Rust's cryptography, which cannot encrypt what group calls say.

export const options = { useE2eForGroupCall: false };

/** Makes a client able to encrypt, before it starts. */
export const start = (client) => client.initRustCrypto({ useIndexedDB: false });
