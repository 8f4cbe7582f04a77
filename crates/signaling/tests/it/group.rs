//! Conferences: who comes in, who goes, what is done when legs break, and what nobody can bring about.

mod coming_and_going;
mod universe;
