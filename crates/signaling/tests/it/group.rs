//! Conferences: who comes in, who goes, what is done when legs break, and what nobody can bring about.

#[allow(unreachable_pub, reason = "a fuzz target is made of the same file")]
mod any_inputs;
mod attacks;
mod coming_and_going;
mod lone;
mod of_room;
mod properties;
mod storm;
mod universe;
