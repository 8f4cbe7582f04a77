//! Accounts of a server that stands beside a homeserver and takes a proof of the identity key: `docs/protocol/enrolment.md`.
//!
//! All of it is on the host of the homeserver's base URL. The password is derived for that host, and nobody else is told it.

use securecall_contact::enrolment::{
    CHALLENGE_PATH, EnrolmentAnswer, EnrolmentChallenge, EnrolmentMessageError, EnrolmentOutcome,
    EnrolmentRequest, MAX_ENROLMENT_MESSAGE, Refusal,
};
use url::Url;

use crate::{Homeserver, ServerError, connection::Connection, server_document};

/// Why nobody was enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    /// The server says why.
    #[error(transparent)]
    Refused(Refusal),
    /// It does not speak the protocol.
    #[error("the server of enrolment does not answer as the protocol says: {0}")]
    Malformed(#[from] EnrolmentMessageError),
    /// It could not be asked.
    #[error(transparent)]
    Server(#[from] ServerError),
}

/// Where a homeserver's accounts are enrolled.
#[derive(Debug)]
pub struct Enrolment {
    connection: Connection,
    url: Url,
}

impl Enrolment {
    /// Asks the homeserver's host. `None` where it offers nothing of the kind: accounts are made at the homeserver then.
    ///
    /// # Errors
    ///
    /// When nothing answers there.
    pub async fn find(homeserver: &Homeserver) -> Result<Option<Self>, ServerError> {
        let connection = Connection::new(homeserver)?;
        let document = server_document::ask(&connection).await?;
        let Some(path) = document.and_then(|document| document.enrolment) else {
            return Ok(None);
        };
        let mut url = homeserver.url().clone();
        url.set_path(&path);
        Ok(Some(Self { connection, url }))
    }

    /// A challenge, good for one answer within a minute or two.
    ///
    /// # Errors
    ///
    /// When the server does not give one.
    pub async fn challenge(&self) -> Result<EnrolmentChallenge, EnrolmentError> {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{CHALLENGE_PATH}", self.url.path()));
        let answer = self
            .connection
            .post_json(url, b"{}", MAX_ENROLMENT_MESSAGE)
            .await?;
        if !answer.status.is_success() {
            return Err(answer.fault().into());
        }
        let body = answer.whole_body().unwrap_or_default();
        Ok(EnrolmentChallenge::from_json(body)?)
    }

    /// Gives the proof. Where the answer is lost, a new challenge and the same request lead to the same account.
    ///
    /// # Errors
    ///
    /// When the server refuses, or does not answer.
    pub async fn answer(
        &self,
        request: &EnrolmentRequest,
    ) -> Result<EnrolmentOutcome, EnrolmentError> {
        let body = request.to_json();
        let answer = self
            .connection
            .post_json(self.url.clone(), &body, MAX_ENROLMENT_MESSAGE)
            .await?;
        match EnrolmentAnswer::from_json(answer.whole_body().unwrap_or_default()) {
            Ok(EnrolmentAnswer::Outcome(outcome)) if answer.status.is_success() => Ok(outcome),
            Ok(EnrolmentAnswer::Refused(refusal)) if !answer.status.is_success() => {
                Err(EnrolmentError::Refused(refusal))
            }
            // Something before the server has answered.
            _ if !answer.status.is_success() => Err(answer.fault().into()),
            Ok(_) => Err(EnrolmentMessageError::NotJson.into()),
            Err(error) => Err(error.into()),
        }
    }
}
