//! What can go wrong between us and a homeserver, whatever we asked of it.

use std::{error::Error as StdError, io, time::Duration};

use matrix_sdk_crypto::OlmError;
use reqwest::StatusCode;
use ruma::api::error::{DeserializationError, ErrorBody, ErrorKind, FromHttpResponseError};

use crate::{homeserver::is_web_page, http_error::HttpError};

/// Why a homeserver did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    /// Nobody answers there, or only something in front of it.
    #[error("the homeserver cannot be reached: {reason}")]
    Unreachable {
        /// What the network said.
        reason: String,
        /// Whether the request may have been carried out all the same: there was a connection, or even an answer.
        may_have_arrived: bool,
    },
    /// It does not prove that it is the server of that name.
    #[error(
        "the homeserver's certificate was refused: {reason}; if its authority is your own, name it with --ca-file"
    )]
    CertificateRefused {
        /// What is wrong with the certificate.
        reason: String,
    },
    /// It answers, but not as a homeserver does.
    #[error("there is no Matrix homeserver at that address ({reason})")]
    NotMatrix {
        /// What of its answer shows that.
        reason: String,
    },
    /// It answers as web servers answer to people.
    #[error(
        "the address answered with a web page, not as a Matrix homeserver; are you behind a login page of the network, or is the address that of the website?"
    )]
    WebPage,
    /// It sends us elsewhere, which a homeserver does not do.
    #[error(
        "the address sends us on to {}; are you behind a login page of the network, or is the address that of the website?",
        .to.as_deref().unwrap_or("another address")
    )]
    Redirected {
        /// Scheme, host and port of where to, if it says so.
        to: Option<String>,
    },
    /// What it answers is nothing that a homeserver sends: too much, or not what was asked for.
    #[error("the homeserver does not behave like one: {reason}")]
    Misbehaves {
        /// What no homeserver does: too many bytes, a compressed answer, a sync that is none.
        reason: String,
    },
    /// It wants us to wait.
    #[error("the homeserver asks to wait{}", .retry_after.map(|wait| format!(" {} s", whole_seconds(wait))).unwrap_or_default())]
    TooManyRequests {
        /// For how long, if it says so.
        retry_after: Option<Duration>,
    },
    /// The session is over: logged out elsewhere, or the device was removed.
    #[error("the homeserver has ended this session; log in again")]
    SessionEnded {
        /// Whether the device is still known, so that a new login may take it up again.
        soft: bool,
    },
    /// It took too long.
    #[error("the homeserver did not answer in time")]
    TimedOut,
    /// It said no.
    #[error("the homeserver refused: {message} ({code})")]
    Refused {
        /// The `errcode`, or the HTTP status.
        code: String,
        /// Its own words.
        message: String,
    },
    /// The account's own store cannot be read or written: no room on the disk, or it fails.
    #[error("the account store failed: {reason}")]
    Store {
        /// What the database said.
        reason: String,
    },
    /// Something on our side of the connection.
    #[error("{reason}")]
    Internal {
        /// What the library said.
        reason: String,
    },
}

impl ServerError {
    pub(crate) fn from_http(error: &HttpError) -> Self {
        match error {
            HttpError::Network(error) => Self::from_network(error),
            HttpError::Api(api) => Self::from_api(error, api),
            HttpError::TimedOut => Self::TimedOut,
            HttpError::ConnectionLost => Self::Unreachable {
                reason: error.to_string(),
                may_have_arrived: true,
            },
            HttpError::Ours(error) => error.clone(),
            HttpError::TooManyRequests { retry_after } => Self::TooManyRequests {
                retry_after: *retry_after,
            },
            HttpError::Redirected { to } => Self::Redirected { to: to.clone() },
            HttpError::WebPage => Self::WebPage,
            HttpError::TooLarge { .. } | HttpError::Compressed | HttpError::UnreadableSync(_) => {
                Self::Misbehaves {
                    reason: error.to_string(),
                }
            }
            HttpError::Request(error) => Self::Internal {
                reason: chain(error),
            },
        }
    }

    pub(crate) fn from_olm(error: &OlmError) -> Self {
        match error {
            OlmError::Store(error) => Self::store(error),
            other => Self::Internal {
                reason: chain(other),
            },
        }
    }

    /// Whether it may be better the next time, with nobody doing anything about it on our side.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::NotMatrix { .. }
            // A network's login page: somebody logs in there.
            | Self::WebPage
            | Self::Redirected { .. }
            | Self::Misbehaves { .. }
            | Self::TooManyRequests { .. }
            | Self::TimedOut => true,
            Self::CertificateRefused { .. }
            | Self::SessionEnded { .. }
            | Self::Refused { .. }
            | Self::Store { .. }
            | Self::Internal { .. } => false,
        }
    }

    /// How long it wants us to wait, if it says so.
    #[must_use]
    pub fn asked_wait(&self) -> Duration {
        match self {
            Self::TooManyRequests { retry_after } => retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        }
    }

    pub(crate) fn store(error: &dyn StdError) -> Self {
        Self::Store {
            reason: chain(error),
        }
    }

    pub(crate) fn from_network(error: &reqwest::Error) -> Self {
        if let Some(fault) = tls_fault(error) {
            fault
        } else if is_not_http(error) {
            Self::NotMatrix {
                reason: "what answers there does not speak HTTP; does it want https://?".to_owned(),
            }
        } else if error.is_timeout() && !error.is_connect() {
            Self::TimedOut
        } else if error.is_decode() {
            Self::NotMatrix {
                reason: root(error),
            }
        } else {
            Self::Unreachable {
                reason: root(error),
                may_have_arrived: !error.is_connect(),
            }
        }
    }

    fn from_api<E: StdError>(error: &HttpError, api: &FromHttpResponseError<E>) -> Self {
        let Some(answer) = error.as_client_api_error() else {
            return match api {
                FromHttpResponseError::Server(_) => Self::Refused {
                    code: "401".to_owned(),
                    message: "it asks for more authentication".to_owned(),
                },
                FromHttpResponseError::Deserialization(DeserializationError::Json(error)) => {
                    Self::NotMatrix {
                        reason: unreadable(error),
                    }
                }
                other => Self::NotMatrix {
                    reason: root(other),
                },
            };
        };
        if let Some(login) = network_login(answer.status_code) {
            return login;
        }
        match answer.error_kind() {
            Some(ErrorKind::UnknownToken(data)) => Self::SessionEnded {
                soft: data.soft_logout,
            },
            Some(ErrorKind::MissingToken) => Self::SessionEnded { soft: false },
            Some(ErrorKind::LimitExceeded(_)) => Self::TooManyRequests { retry_after: None },
            // Whatever it says there, it could not do its work.
            _ if answer.status_code.is_server_error() => Self::Unreachable {
                reason: format!("it answers {}", answer.status_code),
                // A proxy may say so although the server behind it has done it, and a server although a part of it has.
                may_have_arrived: true,
            },
            Some(kind) => Self::Refused {
                code: bounded(kind.errcode().as_ref()),
                message: message(answer),
            },
            None => Self::from_foreign(answer),
        }
    }

    /// What an error says that Matrix does not know.
    fn from_foreign(answer: &ruma::api::error::Error) -> Self {
        match &answer.body {
            _ if answer.status_code.as_u16() == 429 => Self::TooManyRequests { retry_after: None },
            ErrorBody::NotJson { bytes, .. } if is_web_page(bytes) => Self::WebPage,
            _ => Self::NotMatrix {
                reason: format!("it answers {}", answer.status_code),
            },
        }
    }
}

/// What a network says that wants its users to log in by a browser first (RFC 6585, 6).
pub(crate) fn network_login(status: StatusCode) -> Option<ServerError> {
    (status == StatusCode::NETWORK_AUTHENTICATION_REQUIRED).then(|| ServerError::Unreachable {
        reason: "this network asks to log in first; open any web page in a browser".to_owned(),
        // It says that it has not let the request through.
        may_have_arrived: false,
    })
}

/// Never less than what was asked for.
fn whole_seconds(wait: Duration) -> u128 {
    wait.as_nanos().div_ceil(1_000_000_000).max(1)
}

/// What is wrong with an answer that was to be JSON.
fn unreadable(error: &serde_json::Error) -> String {
    match error.classify() {
        serde_json::error::Category::Data => format!("its answer is not as Matrix has it: {error}"),
        serde_json::error::Category::Eof => "its answer is cut off or empty".to_owned(),
        _ => "it answered with something else than JSON, such as a web page; are you behind a login page of the network?".to_owned(),
    }
}

/// The homeserver's own words, without control characters.
pub(crate) fn message(error: &ruma::api::error::Error) -> String {
    let text = match &error.body {
        ErrorBody::Standard(body) => body.message.clone(),
        _ => error.status_code.to_string(),
    };
    bounded(&text)
}

/// A text of the homeserver, no longer than anybody reads.
pub(crate) fn bounded(text: &str) -> String {
    const MAX: usize = 200;
    text.chars().filter(|c| !c.is_control()).take(MAX).collect()
}

/// What rustls has against the other side, if that is why the connection failed.
fn tls_fault(error: &(dyn StdError + 'static)) -> Option<ServerError> {
    let mut next = Some(error);
    while let Some(error) = next {
        match error.downcast_ref() {
            Some(rustls::Error::InvalidCertificate(fault)) => {
                return Some(ServerError::CertificateRefused {
                    reason: fault.to_string(),
                });
            }
            Some(rustls::Error::InvalidMessage(_)) => {
                return Some(ServerError::NotMatrix {
                    reason: "what answers there does not speak TLS, so https:// does not work"
                        .to_owned(),
                });
            }
            _ => {}
        }
        // The source of an `io::Error` is the source of what it holds, so that one would be passed over.
        next = match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// Whether there was an answer, but not of a web server. The library keeps its kinds to itself; their words are stable
/// within the pinned version.
fn is_not_http(error: &reqwest::Error) -> bool {
    error.is_request() && root(error).starts_with("invalid HTTP")
}

/// The innermost cause: "connection refused" rather than "error sending request".
fn root(error: &dyn StdError) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

pub(crate) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let part = error.to_string();
        if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
        next = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use ruma::api::{client::uiaa::UiaaResponse, error::Error};

    use super::*;

    #[test]
    fn a_wait_is_never_told_shorter_than_it_is() {
        for (milliseconds, told) in [
            (0, " 1 s"),
            (1, " 1 s"),
            (1_000, " 1 s"),
            (1_001, " 2 s"),
            (1_500, " 2 s"),
            (59_999, " 60 s"),
        ] {
            let retry_after = Some(Duration::from_millis(milliseconds));
            let text = ServerError::TooManyRequests { retry_after }.to_string();
            assert!(text.ends_with(told), "{milliseconds}: {text}");
        }
        let text = ServerError::TooManyRequests { retry_after: None }.to_string();
        assert!(text.ends_with("wait"), "{text}");
    }

    #[test]
    fn an_answer_that_is_no_json_is_named_for_what_it_is() {
        let reason = |body: &str| {
            let error = serde_json::from_str::<ruma::UInt>(body).unwrap_err();
            unreadable(&error)
        };
        assert!(reason("<html>").contains("such as a web page"));
        assert!(reason("").contains("empty"));
        assert!(reason("{}").contains("not as Matrix has it"));
    }

    #[test]
    fn a_request_that_was_answered_with_a_fault_of_the_server_may_have_arrived() {
        let body = ErrorBody::Json(serde_json::Value::Null);
        let answer = Error::new(StatusCode::BAD_GATEWAY, body);
        let answer = FromHttpResponseError::Server(UiaaResponse::MatrixError(answer));
        let error = ServerError::from_http(&HttpError::Api(Box::new(answer)));
        assert!(
            matches!(
                error,
                ServerError::Unreachable {
                    may_have_arrived: true,
                    ..
                }
            ),
            "{error:?}"
        );
    }
}
