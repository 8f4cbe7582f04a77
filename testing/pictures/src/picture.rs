//! A picture file and what it holds.

use crate::kind::Kind;

/// A picture file and what it holds.
#[derive(Clone, Debug)]
pub struct Picture {
    /// What was done to it.
    pub kind: Kind,
    /// A name for it as a file, with the ending of its format.
    pub name: String,
    /// Width times height.
    pub pixels: usize,
    /// The file: PNG, JPEG or WebP.
    pub file: Vec<u8>,
    /// What a reader should find in it, a text a code.
    pub texts: Vec<String>,
}
