//! One call: signaling joined with cryptography, sans-IO.
