//! Seeded network emulator on virtual time.
