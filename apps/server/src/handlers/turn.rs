//! TURN credentials for users of the homeserver.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use securecall_daemon::unix_time;

use super::user;
use crate::homeserver::TokenKind;
use crate::randomness;
use crate::server::Server;

/// Credentials that name nobody, for who shows an OpenID token.
pub(crate) async fn credentials(State(server): State<Arc<Server>>, headers: HeaderMap) -> Response {
    credentials_by(&server, &headers, TokenKind::OpenId).await
}

/// The same where Matrix clients ask their homeserver, if the proxy leads that here: by the token that they have for it.
pub(crate) async fn as_homeserver(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
) -> Response {
    let mut response = credentials_by(&server, &headers, TokenKind::Access).await;
    // As the homeserver does, for clients that are pages.
    let everybody = HeaderValue::from_static("*");
    response
        .headers_mut()
        .insert(ACCESS_CONTROL_ALLOW_ORIGIN, everybody);
    response
}

async fn credentials_by(server: &Server, headers: &HeaderMap, kind: TokenKind) -> Response {
    let Some(turn) = &server.turn else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let now = unix_time();
    match user(server, headers, kind, now).await {
        Ok(_) => {
            server.figures.turn_credentials.one();
            Json(turn.credentials(now, randomness::bytes())).into_response()
        }
        Err(refusal) => refusal,
    }
}
