//! What the head of an answer says: where it leads, how long to wait, how it is coded.

use std::time::Duration;

use reqwest::{Response, header};
use serde::Deserialize;
use url::Url;

use crate::http_error::HttpError;

/// Where an answer leads, if it says so in a way that can be followed.
pub(crate) fn location(response: &Response) -> Option<Url> {
    let to = response.headers().get(header::LOCATION)?;
    response.url().join(to.to_str().ok()?).ok()
}

/// Scheme, host and port: the rest may be long, and hold what is nobody's business.
pub(crate) fn shown(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{}://{host}:{port}", url.scheme()),
        (Some(host), None) => format!("{}://{host}", url.scheme()),
        (None, _) => format!("{}:", url.scheme()),
    }
}

/// How long an answer asks to wait. The header goes before the field that it has replaced (MSC4041).
pub(crate) fn retry_after(response: &Response, body: &[u8]) -> Option<Duration> {
    #[derive(Deserialize)]
    struct Body {
        retry_after_ms: u64,
    }
    let header = response.headers().get(header::RETRY_AFTER);
    let seconds = header.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let body = || serde_json::from_slice(body).ok();
    seconds
        .map(Duration::from_secs)
        .or_else(|| body().map(|Body { retry_after_ms }| Duration::from_millis(retry_after_ms)))
}

/// A small body must not become a large one.
pub(crate) fn refuse_compressed(response: &Response) -> Result<(), HttpError> {
    match response.headers().get(header::CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => Err(HttpError::Compressed),
        _ => Ok(()),
    }
}
