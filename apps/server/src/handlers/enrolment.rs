//! Enrolment: `docs/protocol/enrolment.md`.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::response::{IntoResponse as _, Response};
use securecall_contact::SecureCallId;
use securecall_contact::enrolment::{
    EnrolmentAnswer, EnrolmentOutcome, EnrolmentRequest, EnrolmentStatement, Refusal,
};
use securecall_daemon::unix_time;
use securecall_ghostnet::UnixTime;
use tokio::time::{Instant, sleep_until};

use crate::config::EnrolmentPolicy;
use crate::day::Day;
use crate::network::Network;
use crate::randomness;
use crate::repository::{Admission, Applicant, RepositoryError, UserState};
use crate::server::Server;

/// Who has proven a key is answered after whole steps of this. A homeserver takes longer over an account that it has to make than over
/// one that is there, by less than this; and whoever looks can look once, for then it is there.
const STEP: Duration = Duration::from_millis(250);

/// Asks for a proof. Nothing is kept.
pub(crate) async fn challenge(State(server): State<Arc<Server>>) -> Response {
    server.figures.challenges.one();
    let challenge = server.challenges.ask(unix_time(), randomness::bytes());
    json(200, challenge.to_json())
}

/// Takes a proof, and makes the account that it is for.
pub(crate) async fn enroll(
    State(server): State<Arc<Server>>,
    Extension(network): Extension<Network>,
    body: Bytes,
) -> Response {
    let answer = match take(&server, network, &body).await {
        Ok(outcome) => EnrolmentAnswer::Outcome(outcome),
        Err(refusal) => EnrolmentAnswer::Refused(refusal),
    };
    count(&server, answer);
    let mut response = json(answer.status(), answer.to_json());
    if matches!(answer.status(), 429 | 503) {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static("60"));
    }
    response
}

/// In this order: what costs nothing, what costs a multiplication on the curve, what costs a transaction, what costs the homeserver a
/// slow hash. Until the proof is right nobody is asked who is there already, and from then on time does not tell.
async fn take(server: &Server, network: Network, body: &[u8]) -> Result<EnrolmentOutcome, Refusal> {
    let now = unix_time();
    let request = EnrolmentRequest::from_json(body).map_err(|_| Refusal::Malformed)?;
    let id = request
        .matrix_id
        .securecall_id()
        .ok_or(Refusal::Malformed)?;
    let challenge = server.challenges.open(now, &request.challenge)?;
    let statement = EnrolmentStatement {
        challenge: &request.challenge,
        host: &server.host,
        matrix_id: &request.matrix_id,
        password: &request.password,
    };
    let proven = challenge
        .key
        .check(&id.identity_key(), &statement.to_bytes(), &request.proof);
    if *request.matrix_id.server_name() != server.domain || proven.is_err() {
        return Err(Refusal::ProofWrong);
    }
    let applicant = Applicant {
        id,
        challenge: &challenge,
        invitation: request.invitation.as_ref(),
    };
    let begun = Instant::now();
    let outcome = decide(server, network, &request, applicant, now).await;
    sleep_until(begun + in_steps(begun.elapsed())).await;
    outcome
}

/// At least one.
fn in_steps(elapsed: Duration) -> Duration {
    let steps = elapsed.as_nanos().div_ceil(STEP.as_nanos()).max(1);
    STEP.saturating_mul(steps.try_into().unwrap_or(u32::MAX))
}

/// For somebody whose key is proven.
async fn decide(
    server: &Server,
    network: Network,
    request: &EnrolmentRequest,
    applicant: Applicant<'_>,
    now: UnixTime,
) -> Result<EnrolmentOutcome, Refusal> {
    let unavailable = |error: RepositoryError| {
        server.database_failed(&error);
        Refusal::Unavailable
    };
    if counts_by_network(server, &applicant)
        .await
        .map_err(unavailable)?
        && !server.arrivals.admits(network)
    {
        return Err(Refusal::TooMany);
    }
    let admission = server
        .repository
        .admit(&server.enrolment, applicant, now)
        .await
        .map_err(unavailable)?;
    match admission {
        Admission::Admitted => {}
        Admission::Waiting => return Ok(EnrolmentOutcome::Waiting),
        Admission::Refused(refusal) => return Err(refusal),
    }
    let made = server
        .homeserver
        .make_account(&request.matrix_id, &request.password)
        .await;
    if let Err(error) = made {
        // They are admitted and may ask again.
        server.figures.homeserver_failures.one();
        tracing::warn!(%error, "an account is not made");
        return Err(Refusal::Unavailable);
    }
    // Should this fail, they have an account and are `admitted`: nothing is lost but the word.
    if let Err(error) = enrolled(server, applicant.id, now).await {
        server.database_failed(&error);
    }
    Ok(EnrolmentOutcome::Enrolled)
}

/// Whether it is somebody new who comes without being asked. Codes cannot be guessed, so that who tries some is not counted either.
async fn counts_by_network(
    server: &Server,
    applicant: &Applicant<'_>,
) -> Result<bool, RepositoryError> {
    let is_by_network = match server.enrolment.policy {
        EnrolmentPolicy::Open | EnrolmentPolicy::Approval => applicant.invitation.is_none(),
        EnrolmentPolicy::Invitation | EnrolmentPolicy::Closed => false,
    };
    Ok(is_by_network && server.repository.user_state(applicant.id).await?.is_none())
}

async fn enrolled(
    server: &Server,
    id: &SecureCallId,
    now: UnixTime,
) -> Result<(), RepositoryError> {
    server
        .repository
        .move_user(
            id,
            &[UserState::Admitted],
            UserState::Enrolled,
            Day::of(now),
        )
        .await
        .map(drop)
}

fn count(server: &Server, answer: EnrolmentAnswer) {
    let figures = &server.figures;
    match answer {
        EnrolmentAnswer::Outcome(EnrolmentOutcome::Enrolled) => &figures.enrolled,
        EnrolmentAnswer::Outcome(EnrolmentOutcome::Waiting) => &figures.waiting,
        EnrolmentAnswer::Refused(refusal) => match refusal {
            Refusal::Malformed => &figures.refused_malformed,
            Refusal::ChallengeOver => &figures.refused_challenge,
            Refusal::ProofWrong => &figures.refused_proof,
            Refusal::TooMany => &figures.refused_limits,
            Refusal::Unavailable => &figures.unavailable,
            Refusal::Closed
            | Refusal::InvitationRequired
            | Refusal::InvitationRefused
            | Refusal::Disabled => &figures.refused_policy,
        },
    }
    .one();
}

fn json(status: u16, body: Vec<u8>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(CONTENT_TYPE, "application/json")], body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_leave_after_whole_steps() {
        let milliseconds = Duration::from_millis;
        for (elapsed, leaves) in [
            (0, 250),
            (13, 250),
            (250, 250),
            (251, 500),
            (20_001, 20_250),
        ] {
            assert_eq!(in_steps(milliseconds(elapsed)), milliseconds(leaves));
        }
    }
}
