//! The page behind contact links. Whose contact it is stands behind `#`, and never comes here.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::response::{IntoResponse as _, Redirect, Response};

use crate::server::Server;

/// The same for each address below `/add/`: the page itself reads it.
pub(crate) async fn page(State(server): State<Arc<Server>>) -> Response {
    let Some(page) = server.page.clone() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // The page brings the rest of its policy along.
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, "frame-ancestors 'none'"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, page).into_response()
}

/// Browsers keep what stands behind `#`.
pub(crate) async fn redirect() -> Redirect {
    Redirect::permanent("/add/")
}
