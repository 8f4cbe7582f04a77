//! Relay tokens, RFC 9578: sold to users of the homeserver, who are known here; the tokens are not.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use securecall_contact::MatrixId;
use securecall_daemon::unix_time;
use securecall_ghostnet::UnixTime;
use securecall_ghostnet::token::{
    ISSUER_DIRECTORY_MEDIA_TYPE, IssueError, TOKEN_REQUEST_MEDIA_TYPE, TOKEN_RESPONSE_MEDIA_TYPE,
    TokenRequest,
};
use sha2::Sha256;

use super::user;
use crate::day::Day;
use crate::homeserver::TokenKind;
use crate::issuer::Issuer;
use crate::routes;
use crate::server::Server;

/// RFC 9578 section 4.
pub(crate) async fn issuer_directory(State(server): State<Arc<Server>>) -> Response {
    let Some(issuer) = &server.issuer else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let body = issuer.directory(unix_time());
    ([(CONTENT_TYPE, ISSUER_DIRECTORY_MEDIA_TYPE)], body).into_response()
}

/// RFC 9578 section 5: one token, blind.
pub(crate) async fn issue(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(issuer) = server.issuer.clone() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let issued = sell(&server, issuer, &headers, &body).await;
    match issued {
        Ok(response) => {
            server.figures.tokens_issued.one();
            ([(CONTENT_TYPE, TOKEN_RESPONSE_MEDIA_TYPE)], response).into_response()
        }
        Err(refusal) => {
            server.figures.tokens_refused.one();
            refusal
        }
    }
}

async fn sell(
    server: &Server,
    issuer: Arc<Issuer>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Vec<u8>, Response> {
    let now = unix_time();
    if headers
        .get(CONTENT_TYPE)
        .is_none_or(|kind| kind != TOKEN_REQUEST_MEDIA_TYPE)
    {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response());
    }
    let request = TokenRequest::from_bytes(body)
        .map_err(|_| StatusCode::UNPROCESSABLE_ENTITY.into_response())?;
    let user = user(server, headers, TokenKind::OpenId, now).await?;
    let account = account(&server.secret, &user, now);
    let sold = server
        .repository
        .sell(&account, server.tokens_per_day.get(), Day::of(now))
        .await;
    match sold {
        Ok(true) => {}
        Ok(false) => return Err(routes::later(StatusCode::TOO_MANY_REQUESTS)),
        Err(error) => {
            server.database_failed(&error);
            return Err(routes::later(StatusCode::SERVICE_UNAVAILABLE));
        }
    }
    // A signature takes a millisecond: not on a thread that has others to answer.
    let signing = tokio::task::spawn_blocking(move || issuer.issue(&request, now));
    match signing.await {
        Ok(Ok(response)) => Ok(response.to_bytes()),
        Ok(Err(error @ IssueError::Fault)) => {
            tracing::error!("no token: {error}");
            Err(StatusCode::INTERNAL_SERVER_ERROR.into_response())
        }
        Ok(Err(_)) => Err(StatusCode::UNPROCESSABLE_ENTITY.into_response()),
        Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR.into_response()),
    }
}

/// What an account is called in the table of sales: another name each day, which only this server can make.
#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn account(secret: &str, user: &MatrixId, now: UnixTime) -> String {
    let mut hmac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length will do");
    hmac.update(b"securecall-server sales\0");
    hmac.update(&Day::of(now).0.to_be_bytes());
    hmac.update(user.as_str().as_bytes());
    HEXLOWER.encode(&hmac.finalize().into_bytes()[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_another_name_each_day_and_at_each_server() {
        let user: MatrixId = "@alice:example.org".parse().unwrap();
        let morning = UnixTime::from_secs(86_400);
        let name = account("secret", &user, morning);
        assert_eq!(account("secret", &user, morning.plus(86_399)), name);
        assert_ne!(account("secret", &user, morning.plus(86_400)), name);
        assert_ne!(account("another", &user, morning), name);
        let other = "@bob:example.org".parse().unwrap();
        assert_ne!(account("secret", &other, morning), name);
    }
}
