//! A contact as words to send to somebody.

use std::fmt;

use crate::{ContactLink, ServerName};

/// What a person sends to be called: a line that says who, the web link, and the deep link for those who have SecureCall.
///
/// ```text
/// Ada on SecureCall, for end-to-end encrypted calls:
/// https://stealthx.tech/add/#<ID>
/// or, with SecureCall installed:
/// securecall://contact/<ID>
/// ```
#[derive(Clone, Debug)]
pub struct ShareText<'a> {
    link: &'a ContactLink,
    page_host: &'a ServerName,
}

impl<'a> ShareText<'a> {
    /// The text for `link`, with its web page at `page_host`.
    #[must_use]
    pub fn new(link: &'a ContactLink, page_host: &'a ServerName) -> Self {
        Self { link, page_host }
    }
}

impl fmt::Display for ShareText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.link.name() {
            Some(name) => writeln!(f, "{name} on SecureCall, for end-to-end encrypted calls:")?,
            None => writeln!(f, "Call me on SecureCall, end-to-end encrypted:")?,
        }
        writeln!(f, "{}", self.link.https(self.page_host))?;
        writeln!(f, "or, with SecureCall installed:")?;
        write!(f, "{}", self.link)
    }
}
