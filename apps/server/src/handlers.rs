//! What is answered.

pub(crate) mod directory;
pub(crate) mod enrolment;
pub(crate) mod health;
pub(crate) mod page;
pub(crate) mod token;
pub(crate) mod turn;
pub(crate) mod well_known;

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use securecall_contact::MatrixId;
use securecall_ghostnet::UnixTime;

use crate::homeserver::{TokenKind, UserError};
use crate::repository::UserState;
use crate::routes;
use crate::server::Server;

/// Which user of the homeserver asks, by a token of this kind. Who was shut out is nobody.
async fn user(
    server: &Server,
    headers: &HeaderMap,
    kind: TokenKind,
    now: UnixTime,
) -> Result<MatrixId, Response> {
    let unauthorized = || {
        let challenge = [("www-authenticate", "Bearer")];
        (StatusCode::UNAUTHORIZED, challenge).into_response()
    };
    let token = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .ok_or_else(unauthorized)?;
    let asked = server
        .homeserver
        .user_of(&server.known_tokens, kind, token, now)
        .await;
    let user = asked.map_err(|error| match error {
        UserError::Unknown => unauthorized(),
        UserError::Homeserver(error) => {
            server.figures.homeserver_failures.one();
            tracing::warn!(%error, "who asks is not known");
            routes::later(StatusCode::SERVICE_UNAVAILABLE)
        }
    })?;
    let Some(id) = user.securecall_id() else {
        return Ok(user);
    };
    match server.repository.user_state(id).await {
        Ok(Some(UserState::Disabled)) => Err(unauthorized()),
        Ok(_) => Ok(user),
        Err(error) => {
            server.database_failed(&error);
            Err(routes::later(StatusCode::SERVICE_UNAVAILABLE))
        }
    }
}
