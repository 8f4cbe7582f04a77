//! What the host of a homeserver says is offered beside it.

use securecall_contact::enrolment::{MAX_ENROLMENT_MESSAGE, SERVER_DOCUMENT_PATH, ServerDocument};
use tracing::debug;

use crate::{ServerError, connection::Connection};

/// `None` where there is nothing of the kind. Where there is none, web servers answer all kinds of things.
pub(crate) async fn ask(connection: &Connection) -> Result<Option<ServerDocument>, ServerError> {
    let mut url = connection.homeserver().url().clone();
    url.set_path(SERVER_DOCUMENT_PATH);
    let answer = connection.get(url, MAX_ENROLMENT_MESSAGE).await?;
    if !answer.status.is_success() {
        return Ok(None);
    }
    let document = ServerDocument::from_json(answer.whole_body().unwrap_or_default());
    Ok(document
        .inspect_err(|error| debug!(%error, "what is at the place of a server's document is none"))
        .ok())
}
