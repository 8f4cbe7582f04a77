//! What answers at an address, asked without the Matrix library: bounded, and named for what it is when it is no homeserver.

use std::time::Duration;

use reqwest::{Response, StatusCode, header};
use serde::Deserialize;
use url::Url;

use super::well_known::is_web_page;
use crate::{
    http_date::unix_seconds,
    http_error::HttpError,
    response::{location, refuse_compressed, retry_after, shown},
    server_error::{ServerError, network_login},
};

/// One answer, as far as it is of interest.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// What time it is there, in seconds since the Unix epoch.
    pub(crate) date: Option<u64>,
    /// Where a redirect leads, if it says so in a way that can be followed.
    pub(super) location: Option<Url>,
    /// The body, or its beginning.
    pub(super) body: Vec<u8>,
    /// Whether the body is longer than what was read.
    pub(super) is_cut: bool,
    /// Whether the body is compressed, and therefore not read.
    is_compressed: bool,
    /// How long it asks to wait, if it does and says so.
    retry_after: Option<Duration>,
}

impl Answer {
    /// Reads at most `limit` bytes of the body.
    pub(crate) async fn read(mut response: Response, limit: usize) -> Result<Self, HttpError> {
        let location = location(&response);
        let status = response.status();
        let date = response.headers().get(header::DATE);
        let date = date.and_then(|date| unix_seconds(date.to_str().ok()?));
        let is_compressed = refuse_compressed(&response).is_err();
        let mut body = Vec::new();
        let mut is_cut = false;
        while let Some(chunk) = response.chunk().await? {
            // The beginning says what it is. An end that never comes is not waited for.
            let room = limit - body.len();
            body.extend(chunk.iter().take(room));
            if chunk.len() > room {
                is_cut = true;
                break;
            }
        }
        Ok(Self {
            status,
            date,
            location: location.filter(|_| status.is_redirection()),
            retry_after: retry_after(&response, &body),
            body,
            is_cut,
            is_compressed,
        })
    }

    /// The body, unless it is longer than was wanted, or compressed.
    pub(crate) fn whole_body(&self) -> Option<&[u8]> {
        (!self.is_cut && !self.is_compressed).then_some(self.body.as_slice())
    }

    /// Whether it is the answer of a homeserver to `/_matrix/client/versions`.
    pub(crate) fn check_versions(&self) -> Result<(), ServerError> {
        self.versions().map(drop)
    }

    /// What a homeserver answers to `/_matrix/client/versions`.
    pub(crate) fn versions(&self) -> Result<Vec<String>, ServerError> {
        #[derive(Deserialize)]
        struct Versions {
            versions: Vec<String>,
        }

        if self.is_compressed {
            return Err(ServerError::from_http(&HttpError::Compressed));
        }
        // The page of a website may be long, and is a page all the same.
        if self.status != StatusCode::OK || is_web_page(&self.body) {
            return Err(self.fault());
        }
        if self.is_cut {
            let limit = self.body.len();
            return Err(ServerError::from_http(&HttpError::TooLarge { limit }));
        }
        match serde_json::from_slice(&self.body) {
            Ok(Versions { versions }) => Ok(versions),
            Err(_) => Err(self.fault()),
        }
    }

    /// What this answer says instead of what was asked.
    pub(crate) fn fault(&self) -> ServerError {
        let status = self.status;
        // 511 is a server error too, by its number.
        if let Some(login) = network_login(status) {
            return login;
        }
        if status.is_redirection() {
            return ServerError::Redirected {
                to: self.location.as_ref().map(shown),
            };
        }
        if status == StatusCode::TOO_MANY_REQUESTS {
            let retry_after = self.retry_after;
            return ServerError::TooManyRequests { retry_after };
        }
        if status.is_server_error() {
            return ServerError::Unreachable {
                reason: format!("it answers {status}"),
                may_have_arrived: true,
            };
        }
        if is_web_page(&self.body) {
            return ServerError::WebPage;
        }
        if status.is_success() {
            return not_matrix("it answers, but not as Matrix has it".to_owned());
        }
        not_matrix(format!("it answers {status}"))
    }
}

fn not_matrix(reason: String) -> ServerError {
    ServerError::NotMatrix { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, location: Option<&str>, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            date: None,
            location: location.map(|url| url.parse().unwrap()),
            body: body.as_bytes().to_vec(),
            is_cut: false,
            is_compressed: false,
            retry_after: None,
        }
    }

    fn said(answer: &Answer) -> String {
        answer.check_versions().unwrap_err().to_string()
    }

    #[test]
    fn a_homeserver_names_its_versions() {
        for body in [
            r#"{"versions":["v1.11"]}"#,
            r#"{"unstable_features":{},"versions":[]}"#,
        ] {
            assert_eq!(answer(200, None, body).check_versions(), Ok(()));
        }
        for body in [
            "",
            "null",
            "{}",
            r#"{"versions":7}"#,
            r#"{"versions":[7]}"#,
            "It works!",
        ] {
            assert!(
                matches!(
                    answer(200, None, body).check_versions(),
                    Err(ServerError::NotMatrix { .. })
                ),
                "{body}"
            );
        }
        let mut endless = answer(200, None, r#"{"versions":[]}"#);
        endless.is_cut = true;
        assert!(
            said(&endless).contains("more than 15 bytes"),
            "{}",
            said(&endless)
        );
        endless.body = b"<html>".to_vec();
        assert_eq!(endless.check_versions(), Err(ServerError::WebPage));
        endless.is_compressed = true;
        assert!(said(&endless).contains("compressed"));
    }

    #[test]
    fn what_is_no_homeserver_is_named_for_what_it_is() {
        for body in ["<html>", "\n\n <!DOCTYPE html>", "\u{feff}<?xml?>"] {
            for status in [200, 403, 404] {
                let answer = answer(status, None, body);
                assert_eq!(answer.check_versions(), Err(ServerError::WebPage), "{body}");
            }
        }
        let portal = answer(
            302,
            Some("http://user:secret@portal.test:8080/login?mac=1"),
            "<html>",
        );
        assert!(
            said(&portal).contains("http://portal.test:8080;"),
            "{}",
            said(&portal)
        );
        assert!(said(&answer(307, None, "")).contains("another address"));
        assert!(said(&answer(511, None, "<html>")).contains("log in first"));
        assert!(said(&answer(502, None, "<html>")).contains("502 Bad Gateway"));
        assert!(said(&answer(404, None, "{}")).contains("404 Not Found"));
        // Whatever stands in it.
        for status in [201, 404, 500] {
            let answer = answer(status, None, r#"{"versions":["v1.11"]}"#);
            assert!(answer.check_versions().is_err(), "{status}");
        }
        assert!(matches!(
            answer(429, None, "{}").check_versions(),
            Err(ServerError::TooManyRequests { .. })
        ));
    }
}
