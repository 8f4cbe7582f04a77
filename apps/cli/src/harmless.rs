//! Texts that do no harm where they are shown, whatever somebody else put into them.

mod line;
mod printable;

pub(crate) use line::Line;
pub(crate) use printable::Printable;
