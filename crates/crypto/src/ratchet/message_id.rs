//! What names a message.

use std::fmt;

/// Names a message of one direction: the sender's step and the number in that step's chain, both from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId {
    /// The sender's DH steps so far.
    pub step: u32,
    /// Messages sent in that step before this one.
    pub number: u32,
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.step, self.number)
    }
}
