//! TURN servers that a homeserver names, and the credentials it makes for them (Matrix client-server API, section VoIP).

use std::{fmt, time::Duration};

use ruma::api::client::voip::get_turn_server_info::v3::Request;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::{Account, ServerError, client::Client, patience::patiently};

/// The most servers that are read of one answer.
pub const MAX_TURN_URIS: usize = 16;
/// The longest URI that is read, in bytes.
const MAX_URI_LEN: usize = 300;
/// The longest user name and password, in bytes.
const MAX_CREDENTIAL_LEN: usize = 508;
/// How long credentials last whose homeserver does not say so in a way that can be.
const DEFAULT_TTL: Duration = Duration::from_secs(3600);
/// No homeserver is asked more often than in twice this, whatever it says.
const MIN_TTL: Duration = Duration::from_secs(60);
/// Nor less often than in twice this.
const MAX_TTL: Duration = Duration::from_secs(24 * 3600);

/// What a homeserver says of its TURN servers.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnCredentials {
    /// Where they are, as text: whoever uses them reads it. At most [`MAX_TURN_URIS`].
    pub uris: Vec<String>,
    /// Who we are there. Most homeservers write the Matrix ID into it.
    pub username: String,
    /// The password.
    pub password: Zeroizing<String>,
    /// How long they are good for: from a minute to a day, whatever the homeserver says.
    pub ttl: Duration,
}

impl fmt::Debug for TurnCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            uris,
            username: _,
            password: _,
            ttl,
        } = self;
        f.debug_struct("TurnCredentials")
            .field("uris", uris)
            .field("ttl", ttl)
            .finish_non_exhaustive()
    }
}

impl Account {
    /// Asks the homeserver for its TURN servers; `None` if it has none.
    ///
    /// # Errors
    ///
    /// When the homeserver cannot be asked, or does not answer as one does.
    pub async fn turn_credentials(&self) -> Result<Option<TurnCredentials>, ServerError> {
        ask(self.client()).await
    }
}

/// Asks with an account's access token.
pub(crate) async fn ask(client: &Client) -> Result<Option<TurnCredentials>, ServerError> {
    let body = patiently(|| async {
        let answer = client.send_for_body(Request::new()).await;
        answer.map_err(|error| ServerError::from_http(&error))
    })
    .await?;
    read(&body).ok_or_else(|| ServerError::Misbehaves {
        reason: "its answer about TURN servers is no JSON object".to_owned(),
    })
}

/// `None` for what is no answer at all. Without TURN servers Synapse says `{}`.
fn read(body: &[u8]) -> Option<Option<TurnCredentials>> {
    let mut answer: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let mut take = |key| answer.remove(key).unwrap_or_default();
    let Value::Array(uris) = take("uris") else {
        return Some(None);
    };
    let uris: Vec<String> = uris
        .into_iter()
        .filter_map(|uri| match uri {
            Value::String(uri) if uri.len() <= MAX_URI_LEN => Some(uri),
            _ => None,
        })
        .take(MAX_TURN_URIS)
        .collect();
    let (Some(username), Some(password)) =
        (credential(take("username")), credential(take("password")))
    else {
        return Some(None);
    };
    if uris.is_empty() {
        return Some(None);
    }
    let ttl = take("ttl").as_f64().filter(|ttl| *ttl > 0.0);
    let ttl = ttl.map_or(DEFAULT_TTL, |ttl| {
        Duration::from_secs_f64(ttl.min(MAX_TTL.as_secs_f64())).clamp(MIN_TTL, MAX_TTL)
    });
    Some(Some(TurnCredentials {
        uris,
        username,
        password: Zeroizing::new(password),
        ttl,
    }))
}

fn credential(value: Value) -> Option<String> {
    match value {
        Value::String(text) if (1..=MAX_CREDENTIAL_LEN).contains(&text.len()) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Option<Option<TurnCredentials>> {
        read(text.as_bytes())
    }

    #[test]
    fn the_answer_of_a_homeserver_with_turn_servers_is_read() {
        let answer = r#"{"username":"1443779631:@ada:example.org","password":"secret","ttl":86400,
            "uris":["turn:turn.example.org?transport=udp","turns:turn.example.org"],"more":1}"#;
        let credentials = read_text(answer).unwrap().unwrap();
        assert_eq!(credentials.uris.len(), 2);
        assert_eq!(credentials.username, "1443779631:@ada:example.org");
        assert_eq!(credentials.ttl, Duration::from_secs(86400));
        let shown = format!("{credentials:?}");
        assert!(
            !shown.contains("secret") && !shown.contains("@ada"),
            "{shown}"
        );
    }

    #[test]
    fn a_homeserver_without_any_is_told_from_one_that_makes_no_sense() {
        for none in [
            "{}",
            r#"{"uris":[]}"#,
            r#"{"username":"a","password":"b","uris":[],"ttl":1}"#,
            r#"{"username":"a","password":"b","uris":null,"ttl":1}"#,
            r#"{"username":"a","password":"b","uris":"turn:a","ttl":1}"#,
            r#"{"username":"","password":"b","uris":["turn:a"],"ttl":1}"#,
            r#"{"password":"b","uris":["turn:a"],"ttl":1}"#,
            r#"{"username":"a","password":7,"uris":["turn:a"],"ttl":1}"#,
            r#"{"username":"a","password":"b","uris":[7,null],"ttl":1}"#,
        ] {
            assert_eq!(read_text(none), Some(None), "{none}");
        }
        for nonsense in ["", "[]", "7", "nothing", "<html>"] {
            assert_eq!(read_text(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn whatever_the_homeserver_says_it_is_asked_again_in_a_minute_to_a_day() {
        for (said, seconds) in [
            ("1", 60),
            ("0", 3600),
            ("-5", 3600),
            ("1e300", 86400),
            ("600", 600),
            ("600.5", 600),
            ("\"600\"", 3600),
            ("null", 3600),
        ] {
            let answer =
                format!(r#"{{"username":"a","password":"b","uris":["turn:a"],"ttl":{said}}}"#);
            let ttl = read_text(&answer).unwrap().unwrap().ttl;
            assert_eq!(ttl.as_secs(), seconds, "{said}");
        }
    }

    #[test]
    fn servers_and_texts_without_end_are_cut() {
        let long = "x".repeat(600);
        let uris = vec![format!("\"turn:a\""); 1000].join(",");
        let answer =
            format!(r#"{{"username":"a","password":"b","uris":["{long}",{uris}],"ttl":1}}"#);
        assert_eq!(
            read_text(&answer).unwrap().unwrap().uris.len(),
            MAX_TURN_URIS
        );
        let answer = format!(r#"{{"username":"{long}","password":"b","uris":["turn:a"],"ttl":1}}"#);
        assert_eq!(read_text(&answer), Some(None));
    }
}
