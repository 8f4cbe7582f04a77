//! TURN credentials for users of the homeserver.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};

use super::user;
use crate::server::Server;
use crate::{clock, randomness};

/// Credentials that name nobody.
pub(crate) async fn credentials(State(server): State<Arc<Server>>, headers: HeaderMap) -> Response {
    let Some(turn) = &server.turn else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let now = clock::unix_time();
    match user(&server, &headers, now).await {
        Ok(_) => {
            server.figures.turn_credentials.one();
            Json(turn.credentials(now, randomness::bytes())).into_response()
        }
        Err(refusal) => refusal,
    }
}
