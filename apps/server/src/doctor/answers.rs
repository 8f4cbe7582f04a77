//! What a homeserver answers to anybody who asks.

use std::time::Duration;

use reqwest::{Client, StatusCode};
use securecall_daemon::{Failure, FailureKind};
use serde_json::{Value, json};
use url::Url;

use super::finding::{Finding, Place};
use crate::config::HomeserverKind;

/// No answer is waited for longer.
const PATIENCE: Duration = Duration::from_secs(15);

/// A user that there is not.
const NOBODY: &str = "@sc_nobody-asked-for-by-doctor:";

/// Asks as a stranger does.
pub(super) async fn check(
    kind: HomeserverKind,
    url: &Url,
    domain: Option<&str>,
) -> Result<Vec<Finding>, Failure> {
    let client = Client::builder()
        .timeout(PATIENCE)
        .build()
        .map_err(Failure::machine)?;
    let asker = Asker { client, url };
    asker.versions().await?;
    let mut findings = Vec::new();
    findings.extend(asker.registration().await?);
    findings.extend(asker.guests().await?);
    // Dendrite has no settings for these: the proxy refuses, and on this machine they are not asked.
    if kind == HomeserverKind::Synapse || !is_this_machine(url) {
        findings.extend(asker.room_list().await?);
        if let Some(domain) = domain {
            findings.extend(asker.profiles(domain).await?);
        }
    }
    // On this machine the administrator's interface has to be there.
    if !is_this_machine(url) {
        findings.extend(asker.administration().await?);
    }
    Ok(findings)
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

struct Asker<'a> {
    client: Client,
    url: &'a Url,
}

impl Asker<'_> {
    fn at(&self, path: &str) -> Result<Url, Failure> {
        self.url.join(path).map_err(Failure::usage)
    }

    async fn get(&self, path: &str) -> Result<StatusCode, Failure> {
        let answer = self.client.get(self.at(path)?).send().await;
        answer
            .map(|answer| answer.status())
            .map_err(|error| self.unreachable(&error))
    }

    async fn post(&self, path: &str, body: &Value) -> Result<StatusCode, Failure> {
        let request = self.client.post(self.at(path)?);
        let request = request
            .header("content-type", "application/json")
            .body(body.to_string());
        let answer = request.send().await;
        answer
            .map(|answer| answer.status())
            .map_err(|error| self.unreachable(&error))
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let why = if error.is_timeout() {
            "it did not answer in time"
        } else if error.is_connect() {
            "nothing answers there"
        } else {
            "the connection broke"
        };
        Failure::new(FailureKind::Network, format!("{}: {why}", self.url))
            .help("is the homeserver running? `--url` says where it is asked")
    }

    async fn versions(&self) -> Result<(), Failure> {
        let status = self.get("/_matrix/client/versions").await?;
        if status.is_success() {
            return Ok(());
        }
        Err(Failure::new(
            FailureKind::Network,
            format!("{}: no homeserver answers there ({status})", self.url),
        ))
    }

    /// Where it is open, it asks for a first step of authentication: 401.
    async fn registration(&self) -> Result<Option<Finding>, Failure> {
        let body = json!({ "username": "doctor-asks-only", "password": "doctor-asks-only" });
        let status = self.post("/_matrix/client/v3/register", &body).await?;
        Ok((status == StatusCode::UNAUTHORIZED || status.is_success()).then(|| {
            Place::Answers.finding(
                "registration",
                "is open",
                "accounts that no key names: anybody may take any free name, @sc_… among them",
                "Synapse: enable_registration: false\nDendrite: client_api: {registration_disabled: true}",
            )
        }))
    }

    async fn guests(&self) -> Result<Option<Finding>, Failure> {
        let path = "/_matrix/client/v3/register?kind=guest";
        let status = self.post(path, &json!({})).await?;
        Ok(status.is_success().then(|| {
            Place::Answers.finding(
                "guests",
                "are let in",
                "guests, whom no key names",
                "Synapse: allow_guest_access: false\nDendrite: client_api: {guests_disabled: true}",
            )
        }))
    }

    async fn room_list(&self) -> Result<Option<Finding>, Failure> {
        let status = self.get("/_matrix/client/v3/publicRooms?limit=1").await?;
        Ok(status.is_success().then(|| {
            Place::Answers.finding(
                "list of rooms",
                "is told to anybody",
                "no secret of which rooms there are, and how many are in them",
                "Synapse: allow_public_rooms_without_auth: false\nDendrite: in the proxy, 401 for /_matrix/client/v3/publicRooms without Authorization",
            )
        }))
    }

    /// Of somebody who is not there: 404 says so to anybody, 401 does not.
    async fn profiles(&self, domain: &str) -> Result<Option<Finding>, Failure> {
        let path = format!("/_matrix/client/v3/profile/{NOBODY}{domain}");
        let status = self.get(&path).await?;
        Ok((status == StatusCode::NOT_FOUND).then(|| {
            Place::Answers.finding(
                "profiles",
                "are told to anybody",
                "no secret of whether an account exists",
                "Synapse: require_auth_for_profile_requests: true\nDendrite: in the proxy, 401 for /_matrix/client/v3/profile/ without Authorization",
            )
        }))
    }

    async fn administration(&self) -> Result<Option<Finding>, Failure> {
        for path in ["/_synapse/admin/v1/register", "/_dendrite/admin/emptyRooms"] {
            let status = self.get(path).await?;
            // Proxies that do not lead there answer 404 of their own.
            if status != StatusCode::NOT_FOUND {
                return Ok(Some(Place::Answers.finding(
                    "administration",
                    format!("{path} answers from outside ({status})"),
                    "the administrator's interface open to whoever finds a password",
                    "in the proxy: lead /_matrix/ to the homeserver, and nothing else",
                )));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known_by_each_of_its_names() {
        for (url, is_here) in [
            ("http://127.0.0.1:8008", true),
            ("http://[::1]:8008", true),
            ("http://localhost:8008", true),
            ("https://matrix.example.org", false),
            ("http://192.0.2.1", false),
        ] {
            assert_eq!(is_this_machine(&Url::parse(url).unwrap()), is_here, "{url}");
        }
    }
}
