//! Identity, hybrid Noise handshake, Double Ratchet, frame cipher and safety words.
