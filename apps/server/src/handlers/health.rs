//! Whether it is of use.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use tokio::time::timeout;

use crate::server::Server;

/// Whoever asks wants to know soon.
const PATIENCE: Duration = Duration::from_secs(3);

/// 200 if the database answers; without it nobody is enrolled and nothing is sold.
pub(crate) async fn health(State(server): State<Arc<Server>>) -> (StatusCode, &'static str) {
    match timeout(PATIENCE, server.repository.ping()).await {
        Ok(Ok(())) => (StatusCode::OK, "ok\n"),
        Ok(Err(_)) | Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "no database\n"),
    }
}
