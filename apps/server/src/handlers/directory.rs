//! The relay directory.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};

use crate::server::Server;
use crate::{clock, routes};

/// The signed file, as it is.
pub(crate) async fn relays(State(server): State<Arc<Server>>) -> Response {
    let Some(directory) = &server.directory else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match directory.bytes(clock::unix_time()) {
        Ok(bytes) => {
            let headers = [
                (CONTENT_TYPE, "application/json"),
                (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
                (CACHE_CONTROL, "max-age=600"),
            ];
            (headers, bytes).into_response()
        }
        Err(_) => routes::later(StatusCode::SERVICE_UNAVAILABLE),
    }
}
