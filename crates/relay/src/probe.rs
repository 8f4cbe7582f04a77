//! Servers and NATs, tried for real before anybody calls.

mod nat_behavior;

pub use nat_behavior::{Evidence, FilteringBehavior, MappingBehavior, NatBehavior};
