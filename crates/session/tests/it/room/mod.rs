//! Calls in rooms: two endpoints through a simulated homeserver, and peers in the manner of other clients.

mod calls;
mod world;
