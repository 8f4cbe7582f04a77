//! The homeserver: account, sync and sealed to-device messages.
