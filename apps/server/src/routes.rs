//! What is where, and what every request passes first.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::header::{CACHE_CONTROL, HeaderValue, RETRY_AFTER};
use axum::http::{StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use securecall_contact::enrolment::SERVER_DOCUMENT_PATH;
use securecall_ghostnet::token::ISSUER_DIRECTORY_PATH;
use tokio::time::timeout;
use tower_http::catch_panic::CatchPanicLayer;

use crate::handlers::{directory, enrolment, health, page, token, turn, well_known};
use crate::issuer;
use crate::network::Network;
use crate::server::Server;

/// Where accounts are enrolled; its challenges are below it.
pub(crate) const ENROLMENT: &str = "/_securecall/v1/enrolment";

/// Where TURN credentials are had.
pub(crate) const TURN: &str = "/_securecall/v1/turn";

/// Where Matrix clients ask their homeserver for them.
pub(crate) const HOMESERVER_TURN: &str = "/_matrix/client/{version}/voip/turnServer";

/// Where the relay directory is.
pub(crate) const RELAYS: &str = "/relays.json";

/// The longest body of a request: one of enrolment.
const MAX_BODY: usize = 4 * 1024;

/// The longest address of a request.
const MAX_URI: usize = 2 * 1024;

/// All of it.
pub(crate) fn router(server: Arc<Server>) -> Router {
    Router::new()
        .route("/health", get(health::health))
        .route("/.well-known/matrix/client", get(well_known::client))
        .route("/.well-known/matrix/server", get(well_known::server))
        .route(SERVER_DOCUMENT_PATH, get(well_known::securecall))
        .route(ENROLMENT, post(enrolment::enroll))
        .route(
            "/_securecall/v1/enrolment/challenge",
            post(enrolment::challenge),
        )
        .route(TURN, post(turn::credentials))
        .route(HOMESERVER_TURN, get(turn::as_homeserver))
        .route(RELAYS, get(directory::relays))
        .route(ISSUER_DIRECTORY_PATH, get(token::issuer_directory))
        .route(issuer::REQUEST_PATH, post(token::issue))
        .route("/add", get(page::redirect))
        .route("/add/", get(page::page))
        .route("/add/{contact}", get(page::page))
        .fallback(nothing)
        .method_not_allowed_fallback(not_so)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(server.clone(), pass))
        .layer(CatchPanicLayer::new())
        .with_state(server)
}

/// Limits of network, number and time. What is refused here costs next to nothing.
async fn pass(
    State(server): State<Arc<Server>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    server.figures.requests.one();
    if uri_length(request.uri()) > MAX_URI {
        return StatusCode::URI_TOO_LONG.into_response();
    }
    let network = Network::of_request(peer.ip(), request.headers(), &server.trusted_proxies);
    if !server.requests.admits(network) {
        server.figures.refused_network.one();
        return later(StatusCode::TOO_MANY_REQUESTS);
    }
    let Ok(_place) = server.places.try_acquire() else {
        server.figures.refused_busy.one();
        return later(StatusCode::SERVICE_UNAVAILABLE);
    };
    request.extensions_mut().insert(network);
    let answered = timeout(server.request_time, next.run(request)).await;
    let Ok(mut response) = answered else {
        server.figures.refused_slow.one();
        return later(StatusCode::SERVICE_UNAVAILABLE);
    };
    let headers = response.headers_mut();
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.insert(
        "x-content-type-options",
        HeaderValue::from_static("nosniff"),
    );
    response
}

fn uri_length(uri: &Uri) -> usize {
    uri.path_and_query().map_or(0, |path| path.as_str().len())
}

/// An answer that asks to come back in a minute.
pub(crate) fn later(status: StatusCode) -> Response {
    (status, [(RETRY_AFTER, HeaderValue::from_static("60"))]).into_response()
}

async fn nothing() -> StatusCode {
    StatusCode::NOT_FOUND
}

async fn not_so() -> StatusCode {
    StatusCode::METHOD_NOT_ALLOWED
}
