//! `/.well-known/securecall/server.json`: what a server of ours offers beside a homeserver.

use serde::{Deserialize, Serialize};

use super::{EnrolmentMessageError, VERSION, check_version, read};

/// Where it lies, on the host of the homeserver's base URL.
pub const SERVER_DOCUMENT_PATH: &str = "/.well-known/securecall/server.json";

/// The longest path in it.
const MAX_PATH: usize = 256;

/// The longest name of an issuer: a host and a port.
const MAX_ISSUER: usize = 260;

/// What is offered. Everything named by a path is on the host that the document came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerDocument {
    /// Where accounts are enrolled.
    pub enrolment: Option<String>,
    /// The issuer of relay tokens that may be told who asks: its name.
    pub issuer: Option<String>,
    /// Where the relay directory is.
    pub relays: Option<String>,
    /// Where TURN credentials are had that name nobody.
    pub turn: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Json {
    version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    enrolment: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    relays: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    turn: Option<String>,
}

impl ServerDocument {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// When it is none, of another version, or leads elsewhere.
    pub fn from_json(bytes: &[u8]) -> Result<Self, EnrolmentMessageError> {
        let json: Json = read(bytes)?;
        check_version(json.version)?;
        Ok(Self {
            enrolment: path("enrolment", json.enrolment)?,
            issuer: issuer(json.issuer)?,
            relays: path("relays", json.relays)?,
            turn: path("turn", json.turn)?,
        })
    }

    /// Writes it.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let Self {
            enrolment,
            issuer,
            relays,
            turn,
        } = self.clone();
        let json = Json {
            version: VERSION,
            enrolment,
            issuer,
            relays,
            turn,
        };
        // Texts and a number can always be written.
        serde_json::to_vec(&json).unwrap_or_default()
    }
}

/// A path on the same host: a URL would lead a client's password to another one.
fn path(
    member: &'static str,
    text: Option<String>,
) -> Result<Option<String>, EnrolmentMessageError> {
    let Some(text) = text else {
        return Ok(None);
    };
    let may_be = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte);
    let is_path = text.len() <= MAX_PATH
        && text.starts_with('/')
        && text.bytes().all(may_be)
        && !text.contains("//")
        && !text.contains("..");
    if is_path {
        Ok(Some(text))
    } else {
        Err(EnrolmentMessageError::Member(member))
    }
}

fn issuer(text: Option<String>) -> Result<Option<String>, EnrolmentMessageError> {
    let may_be =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.:".contains(&byte);
    match text {
        Some(text) if text.is_empty() || text.len() > MAX_ISSUER || !text.bytes().all(may_be) => {
            Err(EnrolmentMessageError::Member("issuer"))
        }
        other => Ok(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_as_it_was_written() {
        for document in [
            ServerDocument::default(),
            ServerDocument {
                enrolment: Some("/_securecall/v1/enrolment".to_owned()),
                issuer: Some("example.org:8443".to_owned()),
                relays: Some("/relays.json".to_owned()),
                turn: Some("/_securecall/v1/turn".to_owned()),
            },
        ] {
            assert_eq!(ServerDocument::from_json(&document.to_json()), Ok(document));
        }
    }

    #[test]
    fn nothing_in_it_leads_to_another_host() {
        for elsewhere in [
            "https://example.net/",
            "//example.net/",
            "example.net",
            "/a//b",
            "/a/../b",
            "/a?b",
            "/a#b",
            "/a@b",
            "/a\\b",
            "",
        ] {
            let json = serde_json::json!({"version": 1, "enrolment": elsewhere});
            assert_eq!(
                ServerDocument::from_json(json.to_string().as_bytes()),
                Err(EnrolmentMessageError::Member("enrolment")),
                "{elsewhere}"
            );
        }
    }
}
