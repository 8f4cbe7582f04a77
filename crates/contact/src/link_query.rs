//! The query of a contact link.

use std::{borrow::Cow, fmt, str::FromStr};

use url::form_urlencoded;

use crate::invisible::without_invisible;
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
            match key.to_ascii_lowercase().as_str() {
                "server" => put(&mut server, "server", value)?,
                "mxid" => put(&mut matrix_id, "mxid", value)?,
                "name" => put(&mut name, "name", value)?,
                _ => {}
            }
        }
        Ok(Self {
            server: server
                .map(|text| without_marks_behind(&text).parse())
                .transpose()
                .map_err(ContactLinkError::Server)?,
            matrix_id: matrix_id
                .map(|text| without_marks_behind(&text).parse())
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

/// Everything but RFC 3986's unreserved characters as `%XX`: `+` too, which many readers take for a space, a dot at the end, which
/// many programs take for the end of the sentence around the link, and what a mail would write an equals sign as, `3D`.
struct PercentEncoded<'a>(&'a str);

impl fmt::Display for PercentEncoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.0.len().saturating_sub(1);
        self.0
            .bytes()
            .enumerate()
            .try_for_each(|(index, byte)| match byte {
                b'3' if index == 0 && self.0.starts_with("3D") => f.write_str("%33"),
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => {
                    write!(f, "{}", char::from(byte))
                }
                b'.' if index < last => f.write_str("."),
                _ => write!(f, "%{byte:02X}"),
            })
    }
}

/// A server name or a Matrix ID without what a chat has taken for a part of the link: invisible characters, punctuation of any
/// script, and what follows that, unless it could belong to the name.
fn without_marks_behind(value: &str) -> String {
    let value = without_invisible(value);
    let foreign_mark = value.char_indices().find(|(_, c)| is_foreign_mark(*c));
    let kept = match foreign_mark {
        Some((at, _)) if !value[at..].contains(|c: char| c.is_ascii_alphanumeric()) => &value[..at],
        _ => &value,
    };
    let is_mark = |c| {
        matches!(
            c,
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '"' | ')' | '>' | '*'
        )
    };
    kept.trim_end_matches(is_mark).to_owned()
}

/// Punctuation and symbols beyond ASCII. What stands for bytes that are no text may have been anything.
pub(crate) fn is_foreign_mark(character: char) -> bool {
    !character.is_ascii()
        && !character.is_alphanumeric()
        && character != char::REPLACEMENT_CHARACTER
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
