//! Conferences: several endpoints on virtual time, and a homeserver that may be evil.

mod calls;
mod faults;
mod glare;
mod hostile;
mod people;
mod trouble;
