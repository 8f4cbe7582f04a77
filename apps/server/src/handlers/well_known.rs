//! What a name says of its servers.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use crate::server::Server;

/// <https://spec.matrix.org/v1.16/client-server-api/#well-known-uris>
pub(crate) async fn client(State(server): State<Arc<Server>>) -> Response {
    let base_url = server.homeserver_url.as_str().trim_end_matches('/');
    document(
        json!({ "m.homeserver": { "base_url": base_url } })
            .to_string()
            .into(),
    )
}

/// <https://spec.matrix.org/v1.16/server-server-api/#getwell-knownmatrixserver>
pub(crate) async fn server(State(server): State<Arc<Server>>) -> Response {
    match &server.homeserver_server {
        Some(name) => document(json!({ "m.server": name.as_str() }).to_string().into()),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// `docs/protocol/enrolment.md`
pub(crate) async fn securecall(State(server): State<Arc<Server>>) -> Response {
    document(server.document().to_json())
}

/// For pages of any origin, as the specification asks.
fn document(body: Vec<u8>) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (CACHE_CONTROL, "max-age=3600"),
    ];
    (headers, body).into_response()
}
