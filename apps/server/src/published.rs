//! Whether clients find this server, through whatever stands before it.

use std::error::Error;
use std::time::Duration;

use reqwest::Client;
use securecall_contact::enrolment::{MAX_ENROLMENT_MESSAGE, SERVER_DOCUMENT_PATH, ServerDocument};
use securecall_daemon::{Failure, FailureKind};
use serde_json::Value;
use url::Url;

use crate::config::Config;

const PATIENCE: Duration = Duration::from_secs(10);

/// Asks as a client would: the domain for its homeserver, and that one for what is offered beside it.
pub(crate) async fn check(config: &Config) -> Result<String, Failure> {
    let http = Client::builder()
        .timeout(PATIENCE)
        .build()
        .map_err(|_| Failure::machine("no client for HTTP can be made"))?;
    let named = get(&http, &config.public_url, "/.well-known/matrix/client").await?;
    let named: Value = serde_json::from_slice(&named).unwrap_or_default();
    let base_url = named["m.homeserver"]["base_url"].as_str();
    let expected = config.homeserver.public_url.as_str().trim_end_matches('/');
    if base_url.map(|url| url.trim_end_matches('/')) != Some(expected) {
        return Err(not_found(format!(
            "{} does not lead clients to {expected}",
            config.public_url
        ))
        .help("the proxy has to pass /.well-known/matrix/ of the domain to this server"));
    }
    let document = get(&http, &config.homeserver.public_url, SERVER_DOCUMENT_PATH).await?;
    if ServerDocument::from_json(&document).is_err() {
        return Err(not_found(format!(
            "{} has no {SERVER_DOCUMENT_PATH}",
            config.homeserver.public_url
        ))
        .help("on the homeserver's host, too, the proxy has to pass /.well-known/securecall/ and /_securecall/ to this server: clients give their password to that host alone"));
    }
    Ok("clients find the homeserver and this server".to_owned())
}

async fn get(http: &Client, base: &Url, path: &str) -> Result<Vec<u8>, Failure> {
    let mut url = base.clone();
    url.set_path(path);
    let asked = async {
        let mut response = http.get(url.clone()).send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ENROLMENT_MESSAGE {
                break;
            }
        }
        Ok::<_, reqwest::Error>(body)
    };
    asked.await.map_err(|error| {
        not_found(format!("{url}: {}", innermost(&error.without_url())))
            .help("does the proxy run, does the name lead to it, and does this machine trust its certificate?")
    })
}

/// "Connection refused" rather than "error sending request".
fn innermost(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

fn not_found(message: String) -> Failure {
    Failure::new(FailureKind::Network, message)
}
