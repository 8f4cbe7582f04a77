//! The homeserver beside this server: accounts and who asks. What it says is bounded, and believed of its own users only.

mod accounts;
mod operator;
mod users;

use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode, redirect};
use securecall_contact::ServerName;
use securecall_daemon::Failure;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;
use zeroize::Zeroizing;

use crate::config::{HomeserverConfig, HomeserverKind, read_secret};

pub(crate) use operator::{Operator, new_name as new_operator_name};
pub(crate) use users::{KnownTokens, TokenKind, UserError};

/// How long it may take: a little less than clients are made to wait.
const PATIENCE: Duration = Duration::from_secs(20);

const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// More than any answer to what is asked here.
const MAX_ANSWER: usize = 64 * 1024;

/// Why the homeserver does not do as it is asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HomeserverError {
    /// Nothing answers, or not in time.
    #[error("the homeserver does not answer")]
    Unreachable,
    /// It is not able to at the moment.
    #[error("the homeserver answers {0}")]
    Failing(StatusCode),
    /// It refuses what it was set up to do.
    #[error("the homeserver refuses: {status} {errcode}")]
    Refused {
        /// Of its answer.
        status: StatusCode,
        /// The Matrix error code, bounded.
        errcode: String,
    },
    /// It answers otherwise than its interface says.
    #[error("the homeserver answers otherwise than its interface says")]
    Malformed,
}

/// A way to ask it.
pub(crate) struct Homeserver {
    kind: HomeserverKind,
    base: Url,
    server_name: ServerName,
    http: Client,
    registration_secret: Zeroizing<String>,
}

impl Homeserver {
    pub(crate) fn new(
        config: &HomeserverConfig,
        server_name: &ServerName,
    ) -> Result<Self, Failure> {
        let http = Client::builder()
            .timeout(PATIENCE)
            .connect_timeout(CONNECT_PATIENCE)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|_| Failure::machine("no client for HTTP can be made"))?;
        Ok(Self {
            kind: config.kind,
            base: config.url.clone(),
            server_name: server_name.clone(),
            http,
            registration_secret: read_secret(&config.registration_secret_file)?,
        })
    }

    /// Whether it answers.
    pub(crate) async fn ping(&self) -> Result<(), HomeserverError> {
        #[derive(Deserialize)]
        struct Versions {
            #[serde(rename = "versions")]
            _versions: Vec<String>,
        }

        let Versions { .. } = ask(self.http.get(self.url("/_matrix/client/versions"))).await?;
        Ok(())
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(path);
        url
    }
}

/// Asks, and reads the answer's JSON.
async fn ask<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, HomeserverError> {
    let mut response = request
        .send()
        .await
        .map_err(|_| HomeserverError::Unreachable)?;
    let status = response.status();
    let mut body = Zeroizing::new(Vec::new());
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|_| HomeserverError::Unreachable)?
    {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(HomeserverError::Malformed);
        }
        body.extend_from_slice(&chunk);
    }
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(|_| HomeserverError::Malformed);
    }
    // 429 as well: its own limits are not the client's fault.
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Err(HomeserverError::Failing(status));
    }
    Err(HomeserverError::Refused {
        status,
        errcode: errcode(&body),
    })
}

/// The Matrix error code of an answer, or nothing that looks like one.
fn errcode(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct MatrixError {
        errcode: String,
    }

    const LONGEST: usize = 64;
    let is_code = |code: &String| {
        code.len() <= LONGEST
            && code
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || b"_.".contains(&byte))
    };
    serde_json::from_slice::<MatrixError>(body)
        .map(|error| error.errcode)
        .ok()
        .filter(is_code)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_code_is_one_or_nothing() {
        assert_eq!(errcode(br#"{"errcode":"M_USER_IN_USE"}"#), "M_USER_IN_USE");
        for other in [
            &b"<html>"[..],
            b"{}",
            br#"{"errcode":"@alice:example.org"}"#,
            br#"{"errcode":7}"#,
        ] {
            assert_eq!(errcode(other), "");
        }
        let of_length = |length| format!(r#"{{"errcode":"{}"}}"#, "M".repeat(length));
        assert_eq!(errcode(of_length(64).as_bytes()).len(), 64);
        assert_eq!(errcode(of_length(65).as_bytes()), "");
    }
}
