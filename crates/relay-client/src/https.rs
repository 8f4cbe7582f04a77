//! Small requests to servers that name relays and sell tokens.

use std::error::Error;
use std::time::Duration;

use reqwest::{Client, Method, Response, StatusCode, Url};

use crate::TlsTrust;

/// How long a server may take to answer in whole.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum HttpsError {
    /// The address is none, or one that would be asked without TLS.
    #[error("'{0}' is no address of the web that begins with https://")]
    Address(String),
    /// There is no answer.
    #[error("the server does not answer: {}", innermost(.0))]
    NoAnswer(#[source] reqwest::Error),
    /// It answers that it does not do this.
    #[error("the server refuses with status {0}")]
    Refused(u16),
    /// The answer is longer than any that is wanted.
    #[error("the answer of the server is too long")]
    TooLong,
    /// This machine cannot make such requests.
    #[error("no request can be made: {0}")]
    Client(#[source] reqwest::Error),
}

/// Makes small requests by HTTPS. They follow no redirect, keep no cookie, and say nothing of who we are
/// but where they are given a token for it.
#[derive(Clone, Debug)]
pub struct Https(Client);

impl Https {
    /// Believes those whom `trust` believes.
    ///
    /// # Errors
    ///
    /// [`HttpsError::Client`] where the machine has no such means.
    pub fn new(trust: &TlsTrust) -> Result<Self, HttpsError> {
        let client = Client::builder()
            .tls_backend_preconfigured((*trust.streams).clone())
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .timeout(TIMEOUT)
            .build();
        client.map(Self).map_err(HttpsError::Client)
    }

    /// Asks for what is at an address, of at most so many bytes.
    ///
    /// # Errors
    ///
    /// As [`HttpsError`] says.
    pub async fn get(&self, url: &str, at_most: usize) -> Result<Vec<u8>, HttpsError> {
        let request = self.0.request(Method::GET, address(url)?);
        let response = request.send().await.map_err(no_answer)?;
        body(response, at_most).await
    }

    /// Sends a body of this type to an address, with the token that lets us ask, if it takes one. Gives the answer, of at most so
    /// many bytes.
    ///
    /// # Errors
    ///
    /// As [`HttpsError`] says.
    pub async fn post(
        &self,
        url: &str,
        media_type: &str,
        token: Option<&str>,
        content: Vec<u8>,
        at_most: usize,
    ) -> Result<Vec<u8>, HttpsError> {
        let mut request = self
            .0
            .request(Method::POST, address(url)?)
            .header(reqwest::header::CONTENT_TYPE, media_type)
            .body(content);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.map_err(no_answer)?;
        body(response, at_most).await
    }
}

/// Without TLS only this machine is asked, for trials.
fn address(text: &str) -> Result<Url, HttpsError> {
    let wrong = || HttpsError::Address(text.to_owned());
    let url = Url::parse(text).map_err(|_| wrong())?;
    let is_here = match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(_)) | None => false,
    };
    let may_be_asked = url.scheme() == "https" || (url.scheme() == "http" && is_here);
    if may_be_asked { Ok(url) } else { Err(wrong()) }
}

/// "Connection refused" rather than "error sending request".
fn innermost(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

fn no_answer(error: reqwest::Error) -> HttpsError {
    // Where it leads is known to whoever asked, and the address may hold a secret.
    HttpsError::NoAnswer(error.without_url())
}

async fn body(mut response: Response, at_most: usize) -> Result<Vec<u8>, HttpsError> {
    let status = response.status();
    if status != StatusCode::OK {
        return Err(HttpsError::Refused(status.as_u16()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
        if bytes.len() + chunk.len() > at_most {
            return Err(HttpsError::TooLong);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn why_there_is_no_answer_is_said() {
        let https = Https::new(&TlsTrust::of_this_machine().unwrap()).unwrap();
        // A port that nobody can listen at.
        let refused = https.get("http://127.0.0.1:0", 1).await.unwrap_err();
        let said = refused.to_string();
        assert!(
            said.starts_with("the server does not answer: ") && said.contains("os error"),
            "{said}"
        );
    }
}
