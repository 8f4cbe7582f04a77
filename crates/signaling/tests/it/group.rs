//! Conferences: who comes in, who goes, what is done when legs break, and what nobody can bring about.

mod attacks;
mod coming_and_going;
mod storm;
mod universe;
