//! The document at `/.well-known/matrix/client`, in which a name says where its homeserver is.
//!
//! Client-Server API, [Server discovery](https://spec.matrix.org/v1.16/client-server-api/#server-discovery). Sans-IO and
//! without any of this crate's other types, so that it can be fuzzed without them.

use serde::Deserialize;
use serde_json::Value;

/// Where the document lies.
pub(crate) const PATH: &str = "/.well-known/matrix/client";

/// More than any such document holds. The specification names no bound.
pub(crate) const MAX_LENGTH: usize = 64 * 1024;

/// Why a document names no homeserver. The specification's `FAIL_PROMPT`: somebody has to say where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WellKnownError {
    /// No byte in it but white space.
    #[error("it is empty")]
    Empty,
    /// Longer than [`MAX_LENGTH`].
    #[error("it is longer than {MAX_LENGTH} bytes")]
    TooLong,
    /// A page for people: many web servers answer every path so.
    #[error("it is a web page")]
    WebPage,
    /// Not a JSON object, or one that names the homeserver twice.
    #[error("it is not JSON as Matrix has it")]
    NotJson,
    /// JSON, but without a homeserver.
    #[error("it names no homeserver (m.homeserver, base_url)")]
    NoBaseUrl,
}

/// The `base_url` of the homeserver, as it stands in the document.
///
/// # Errors
///
/// When there is none.
pub(crate) fn base_url(document: &[u8]) -> Result<String, WellKnownError> {
    /// What else is in it is not for us: an identity server is never asked anything.
    #[derive(Deserialize)]
    struct Document {
        #[serde(rename = "m.homeserver", default)]
        homeserver: Value,
    }

    if document.len() > MAX_LENGTH {
        return Err(WellKnownError::TooLong);
    }
    // Windows editors put this in front; JSON does not know it.
    let document = document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document);
    if document.iter().all(u8::is_ascii_whitespace) {
        return Err(WellKnownError::Empty);
    }
    if is_web_page(document) {
        return Err(WellKnownError::WebPage);
    }
    // An array would be taken for a struct.
    if document.iter().find(|b| !b.is_ascii_whitespace()) != Some(&b'{') {
        return Err(WellKnownError::NotJson);
    }
    let Document { homeserver } =
        serde_json::from_slice(document).map_err(|_| WellKnownError::NotJson)?;
    match homeserver.get("base_url") {
        Some(Value::String(url)) if !url.trim().is_empty() => Ok(url.trim().to_owned()),
        _ => Err(WellKnownError::NoBaseUrl),
    }
}

/// Whether something that was to be JSON is HTML or XML.
pub(crate) fn is_web_page(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    body.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'<')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_homeserver_is_read_and_nothing_else() {
        for document in [
            r#"{"m.homeserver":{"base_url":"https://matrix.example.org"}}"#,
            "\u{feff}\n {\"m.homeserver\":{\"base_url\":\" https://matrix.example.org \"},\n\"m.identity_server\":{\"base_url\":7},\"io.element.e2ee\":{}}",
        ] {
            assert_eq!(
                base_url(document.as_bytes()).as_deref(),
                Ok("https://matrix.example.org"),
                "{document}"
            );
        }
    }

    #[test]
    fn what_names_no_homeserver_is_told_apart() {
        let deep = format!("{{\"a\":{}", "[".repeat(20_000));
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_LENGTH));
        for (document, error) in [
            ("", WellKnownError::Empty),
            (" \r\n\t", WellKnownError::Empty),
            (
                "<!DOCTYPE html><title>Hello</title>",
                WellKnownError::WebPage,
            ),
            ("\u{feff} <?xml version='1.0'?>", WellKnownError::WebPage),
            ("404 page not found", WellKnownError::NotJson),
            ("null", WellKnownError::NotJson),
            ("[]", WellKnownError::NotJson),
            (r#"[{"base_url":"https://a"}]"#, WellKnownError::NotJson),
            (r#"{"m.homeserver":"#, WellKnownError::NotJson),
            (
                r#"{"m.homeserver":{"base_url":"https://a"},"m.homeserver":{"base_url":"https://b"}}"#,
                WellKnownError::NotJson,
            ),
            (&deep, WellKnownError::NotJson),
            (&long, WellKnownError::TooLong),
            ("{}", WellKnownError::NoBaseUrl),
            (r#"{"m.homeserver":"https://a"}"#, WellKnownError::NoBaseUrl),
            (
                r#"{"m.homeserver":{"base_url":["https://a"]}}"#,
                WellKnownError::NoBaseUrl,
            ),
            (
                r#"{"m.homeserver":{"base_url":" "}}"#,
                WellKnownError::NoBaseUrl,
            ),
            (r#"{"m.server":"a:443"}"#, WellKnownError::NoBaseUrl),
        ] {
            assert_eq!(base_url(document.as_bytes()), Err(error), "{document:.60}");
        }
    }
}
