//! The query of a contact link.

use std::{borrow::Cow, fmt, str::FromStr};

use url::form_urlencoded;

use crate::{ContactLinkError, MatrixId, NameLabel, ServerName};

/// `server`, `mxid` and `name`. Written in this order; other keys are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinkQuery {
    pub(crate) server: Option<ServerName>,
    pub(crate) matrix_id: Option<MatrixId>,
    pub(crate) name: Option<NameLabel>,
}

impl FromStr for LinkQuery {
    type Err = ContactLinkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut server = None;
        let mut matrix_id = None;
        let mut name = None;
        for (key, value) in form_urlencoded::parse(text.as_bytes()) {
            match &*key {
                "server" => put(&mut server, "server", value)?,
                "mxid" => put(&mut matrix_id, "mxid", value)?,
                "name" => put(&mut name, "name", value)?,
                _ => {}
            }
        }
        Ok(Self {
            server: server
                .map(|text| text.parse())
                .transpose()
                .map_err(ContactLinkError::Server)?,
            matrix_id: matrix_id
                .map(|text| text.parse())
                .transpose()
                .map_err(ContactLinkError::MatrixId)?,
            name: name.and_then(|text| NameLabel::new(&text)),
        })
    }
}

impl fmt::Display for LinkQuery {
    /// With its question mark; nothing if there is nothing to say.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = [
            ("server", self.server.as_ref().map(AsRef::as_ref)),
            ("mxid", self.matrix_id.as_ref().map(AsRef::as_ref)),
            ("name", self.name.as_ref().map(AsRef::<str>::as_ref)),
        ];
        let mut separator = '?';
        for (key, value) in pairs {
            if let Some(value) = value {
                write!(f, "{separator}{key}={}", PercentEncoded(value))?;
                separator = '&';
            }
        }
        Ok(())
    }
}

/// Everything but RFC 3986's unreserved characters as `%XX`: `+` too, which many readers take for a space, and a dot at
/// the end, which many programs take for the end of the sentence around the link.
struct PercentEncoded<'a>(&'a str);

impl fmt::Display for PercentEncoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.0.len().saturating_sub(1);
        self.0
            .bytes()
            .enumerate()
            .try_for_each(|(index, byte)| match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => {
                    write!(f, "{}", char::from(byte))
                }
                b'.' if index < last => f.write_str("."),
                _ => write!(f, "%{byte:02X}"),
            })
    }
}

fn put<'a>(
    slot: &mut Option<Cow<'a, str>>,
    key: &'static str,
    value: Cow<'a, str>,
) -> Result<(), ContactLinkError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(ContactLinkError::Twice { key }),
    }
}
