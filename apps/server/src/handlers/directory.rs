//! The relay directory.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use securecall_daemon::unix_time;

use crate::routes;
use crate::server::Server;

/// The signed file, as it is.
pub(crate) async fn relays(State(server): State<Arc<Server>>) -> Response {
    let Some(directory) = &server.directory else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match directory.bytes(unix_time()) {
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
