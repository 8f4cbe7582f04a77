//! `register` at a server that takes a proof of the identity key.

use securecall_contact::MatrixId;
use securecall_contact::enrolment::{
    AccountPassword, EnrolmentMessageError, EnrolmentOutcome, EnrolmentRequest, EnrolmentStatement,
    InvitationCode, Refusal,
};
use securecall_matrix::{
    Account, AccountStore, Enrolment, EnrolmentError, Homeserver, LoginError, RegisterError,
};
use securecall_profile::Identity;

use crate::error::{ErrorKind, Failure};

/// Proves the key, and logs in to the account that it gets.
pub(super) async fn enroll(
    server: &Enrolment,
    found: &Homeserver,
    store: &AccountStore,
    identity: &Identity,
    token: Option<&str>,
) -> Result<Account, Failure> {
    let invitation = token.map(str::parse::<InvitationCode>).transpose();
    let invitation = invitation.map_err(|error| {
        Failure::new(ErrorKind::TokenRefused, error.to_string())
            .help("check the invitation, or ask for a new one")
    })?;
    let localpart = format!("sc_{}", identity.id());
    let password = identity.seed().account_password(found.host());
    let derived: AccountPassword = password.parse().map_err(Failure::bug)?;
    let log_in = || Account::login_by_localpart(found, store, &localpart, &password);
    match prove(server, found, identity, &derived, invitation).await {
        Ok(EnrolmentOutcome::Enrolled) => match log_in().await {
            Err(LoginError::WrongPassword | LoginError::Deactivated) => {
                Err(RegisterError::NameTaken { name: localpart }.into())
            }
            outcome => Ok(outcome?),
        },
        Ok(EnrolmentOutcome::Waiting) => Err(Failure::new(
            ErrorKind::AwaitingApproval,
            "the server's owner has to approve this account first",
        )
        .help("tell them your SecureCall ID (`securecall id show`), and run the same command again when they have approved it")),
        // The account may have been made before the server took proofs.
        Err(EnrolmentError::Refused(refusal)) if is_for_the_new(refusal) => {
            match log_in().await {
                Ok(account) => Ok(account),
                Err(_) => Err(EnrolmentError::Refused(refusal).into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// Answers a challenge; another one if the first was over before the answer came.
async fn prove(
    server: &Enrolment,
    found: &Homeserver,
    identity: &Identity,
    password: &AccountPassword,
    invitation: Option<InvitationCode>,
) -> Result<EnrolmentOutcome, EnrolmentError> {
    let answer = async || {
        let challenge = server.challenge().await?;
        let matrix_id = MatrixId::of_securecall_id(&identity.id(), &challenge.server_name);
        let statement = EnrolmentStatement {
            challenge: &challenge.id,
            host: found.host(),
            matrix_id: &matrix_id,
            password,
        };
        let proof = identity
            .key_pair()
            .prove_enrolment(&challenge.key, &statement.to_bytes())
            // A key of low order: anybody could make that proof.
            .map_err(|_| EnrolmentMessageError::Member("key"))?;
        let request = EnrolmentRequest {
            challenge: challenge.id,
            matrix_id,
            password: password.clone(),
            proof,
            invitation: invitation.clone(),
        };
        server.answer(&request).await
    };
    match answer().await {
        Err(EnrolmentError::Refused(Refusal::ChallengeOver)) => answer().await,
        outcome => outcome,
    }
}

/// Whether it is said to somebody who has no account there as far as the server knows.
fn is_for_the_new(refusal: Refusal) -> bool {
    match refusal {
        Refusal::Closed
        | Refusal::InvitationRequired
        | Refusal::InvitationRefused
        | Refusal::TooMany => true,
        Refusal::Malformed
        | Refusal::ChallengeOver
        | Refusal::ProofWrong
        | Refusal::Disabled
        | Refusal::Unavailable => false,
    }
}
