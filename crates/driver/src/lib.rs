//! The loop that turns session, media and Matrix outputs into real I/O.
