//! Calls in rooms: two endpoints through a simulated homeserver, and peers in the manner of other clients.

mod calls;
mod contents;
mod crossing;
mod delivery;
mod glare;
mod group_calls;
mod hostile;
mod negotiation;
mod peers;
mod rules;
mod search;
mod world;
