//! Who is let in: one transaction for each proof.

use data_encoding::HEXLOWER;
use securecall_contact::SecureCallId;
use securecall_contact::enrolment::{InvitationCode, Refusal};
use securecall_ghostnet::UnixTime;
use sqlx::{Any, Row as _, Transaction};

use super::invitations::{redeem, seconds};
use super::{Repository, RepositoryError, UserState};
use crate::challenges::OpenChallenge;
use crate::config::{EnrolmentConfig, EnrolmentPolicy};
use crate::day::Day;

/// Somebody whose key is proven.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Applicant<'a> {
    pub(crate) id: &'a SecureCallId,
    /// What they have answered.
    pub(crate) challenge: &'a OpenChallenge,
    pub(crate) invitation: Option<&'a InvitationCode>,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// The account is to be made, or was.
    Admitted,
    /// The operator has to approve.
    Waiting,
    /// No.
    Refused(Refusal),
}

impl Repository {
    /// Decides, and remembers that the challenge was answered, whatever was decided.
    ///
    /// Of several proofs for one name at once each waits for the one before it; only the first is counted.
    pub(crate) async fn admit(
        &self,
        config: &EnrolmentConfig,
        applicant: Applicant<'_>,
        now: UnixTime,
    ) -> Result<Admission, RepositoryError> {
        let today = Day::of(now);
        let mut transaction = self.pool.begin().await?;
        // A write comes first, so that SQLite has the lock from the start, and never a stale read below a later write.
        if !answer(&mut transaction, applicant.challenge).await? {
            transaction.rollback().await?;
            return Ok(Admission::Refused(Refusal::ChallengeOver));
        }
        let state = lock(&mut transaction, applicant.id, today).await?;
        let admission = match state {
            UserState::Disabled => Admission::Refused(Refusal::Disabled),
            // An answer that was lost, or an account that the homeserver has lost: the same once more.
            UserState::Approved | UserState::Admitted | UserState::Enrolled => Admission::Admitted,
            UserState::New | UserState::Waiting => {
                decide(&mut transaction, config, &applicant, state, now).await?
            }
        };
        let next = match (admission, state) {
            (Admission::Admitted, UserState::Enrolled) => UserState::Enrolled,
            (Admission::Admitted, _) => UserState::Admitted,
            (Admission::Waiting, _) => UserState::Waiting,
            (Admission::Refused(_), state) => state,
        };
        settle(&mut transaction, applicant.id, state, next, today).await?;
        transaction.commit().await?;
        Ok(admission)
    }

    /// Forgets what has expired.
    pub(crate) async fn forget_expired(&self, now: UnixTime) -> Result<(), RepositoryError> {
        sqlx::query("DELETE FROM answered_challenges WHERE not_after <= $1")
            .bind(seconds(now))
            .execute(&self.pool)
            .await?;
        let today = Day::of(now).0;
        for table in [
            "DELETE FROM arrivals WHERE day < $1",
            "DELETE FROM sales WHERE day < $1",
        ] {
            sqlx::query(table).bind(today).execute(&self.pool).await?;
        }
        Ok(())
    }
}

/// `false` if it was answered before.
async fn answer(
    transaction: &mut Transaction<'_, Any>,
    challenge: &OpenChallenge,
) -> Result<bool, RepositoryError> {
    let done = sqlx::query(
        "INSERT INTO answered_challenges (id, not_after) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING",
    )
    .bind(HEXLOWER.encode(challenge.tag()))
    .bind(seconds(challenge.not_after()))
    .execute(&mut **transaction)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// What is known of somebody. Until the end of the transaction nobody else is told.
async fn lock(
    transaction: &mut Transaction<'_, Any>,
    id: &SecureCallId,
    today: Day,
) -> Result<UserState, RepositoryError> {
    sqlx::query(
        "INSERT INTO users (id, state, day) VALUES ($1, 'new', $2) ON CONFLICT (id) DO NOTHING",
    )
    .bind(id.to_string())
    .bind(today.0)
    .execute(&mut **transaction)
    .await?;
    // An update that changes nothing locks the row, with either database.
    let row = sqlx::query("UPDATE users SET day = day WHERE id = $1 RETURNING state")
        .bind(id.to_string())
        .fetch_one(&mut **transaction)
        .await?;
    UserState::of_word(row.try_get("state")?)
}

/// For somebody who has no account yet.
async fn decide(
    transaction: &mut Transaction<'_, Any>,
    config: &EnrolmentConfig,
    applicant: &Applicant<'_>,
    state: UserState,
    now: UnixTime,
) -> Result<Admission, RepositoryError> {
    if config.policy == EnrolmentPolicy::Closed {
        return Ok(Admission::Refused(Refusal::Closed));
    }
    if let Some(code) = applicant.invitation {
        return Ok(match redeem(transaction, code, now).await? {
            true => Admission::Admitted,
            false => Admission::Refused(Refusal::InvitationRefused),
        });
    }
    Ok(match config.policy {
        EnrolmentPolicy::Closed => Admission::Refused(Refusal::Closed),
        EnrolmentPolicy::Invitation => Admission::Refused(Refusal::InvitationRequired),
        EnrolmentPolicy::Approval if state == UserState::Waiting => Admission::Waiting,
        EnrolmentPolicy::Approval if is_full(transaction, config.waiting).await? => {
            Admission::Refused(Refusal::TooMany)
        }
        EnrolmentPolicy::Approval => Admission::Waiting,
        EnrolmentPolicy::Open if arrive(transaction, config.per_day, Day::of(now)).await? => {
            Admission::Admitted
        }
        EnrolmentPolicy::Open => Admission::Refused(Refusal::TooMany),
    })
}

/// Whether as many wait as may.
async fn is_full(
    transaction: &mut Transaction<'_, Any>,
    most: u32,
) -> Result<bool, RepositoryError> {
    let row = sqlx::query("SELECT COUNT(*) AS number FROM users WHERE state = 'waiting'")
        .fetch_one(&mut **transaction)
        .await?;
    let number: i64 = row.try_get("number")?;
    Ok(number >= i64::from(most))
}

/// Counts one more today, if there is room.
async fn arrive(
    transaction: &mut Transaction<'_, Any>,
    per_day: u32,
    today: Day,
) -> Result<bool, RepositoryError> {
    sqlx::query("INSERT INTO arrivals (day, number) VALUES ($1, 0) ON CONFLICT (day) DO NOTHING")
        .bind(today.0)
        .execute(&mut **transaction)
        .await?;
    let done =
        sqlx::query("UPDATE arrivals SET number = number + 1 WHERE day = $1 AND number < $2")
            .bind(today.0)
            .bind(i64::from(per_day))
            .execute(&mut **transaction)
            .await?;
    Ok(done.rows_affected() > 0)
}

/// Writes what was decided. Nothing stays of somebody who was refused.
async fn settle(
    transaction: &mut Transaction<'_, Any>,
    id: &SecureCallId,
    state: UserState,
    next: UserState,
    today: Day,
) -> Result<(), RepositoryError> {
    if next == state && state != UserState::New {
        return Ok(());
    }
    let query = match next {
        UserState::New => sqlx::query("DELETE FROM users WHERE id = $1").bind(id.to_string()),
        _ => sqlx::query("UPDATE users SET state = $2, day = $3 WHERE id = $1")
            .bind(id.to_string())
            .bind(next.word())
            .bind(today.0),
    };
    query.execute(&mut **transaction).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::super::tests::repository;
    use super::*;
    use crate::challenges::tests::challenges;

    const NOW: UnixTime = UnixTime::from_secs(1_795_000_000);
    const DAY: u64 = 24 * 60 * 60;

    fn id() -> SecureCallId {
        "dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab"
            .parse()
            .unwrap()
    }

    fn challenge() -> OpenChallenge {
        let challenges = challenges("secret", "example.org");
        let asked = challenges.ask(NOW, [7; 16]);
        challenges.open(NOW, &asked.id).unwrap()
    }

    fn config(policy: EnrolmentPolicy) -> EnrolmentConfig {
        EnrolmentConfig {
            policy,
            per_network_per_hour: NonZeroU32::MIN,
            per_day: 1,
            challenge_lifetime: Duration::from_secs(120),
            waiting: 1,
        }
    }

    async fn rows(repository: &Repository, table: &str) -> i64 {
        let query = format!("SELECT COUNT(*) AS number FROM {table}");
        let row = sqlx::query(sqlx::AssertSqlSafe(query))
            .fetch_one(&repository.pool)
            .await
            .unwrap();
        row.try_get("number").unwrap()
    }

    #[tokio::test]
    async fn what_limits_go_by_is_forgotten_when_it_is_over_and_not_before() {
        let (_folder, repository) = repository().await;
        let (id, challenge) = (id(), challenge());
        let applicant = Applicant {
            id: &id,
            challenge: &challenge,
            invitation: None,
        };
        let open = config(EnrolmentPolicy::Open);
        let admit = || repository.admit(&open, applicant, NOW);
        let sell = || repository.sell("a", 1, Day::of(NOW));
        assert_eq!(admit().await.unwrap(), Admission::Admitted);
        assert!(sell().await.unwrap());

        // A challenge cannot be answered from the moment on at which it is forgotten.
        repository.forget_expired(NOW.plus(119)).await.unwrap();
        assert_eq!(
            admit().await.unwrap(),
            Admission::Refused(Refusal::ChallengeOver)
        );
        assert!(!sell().await.unwrap());
        assert_eq!(rows(&repository, "arrivals").await, 1);
        repository.forget_expired(NOW.plus(120)).await.unwrap();
        assert_eq!(rows(&repository, "answered_challenges").await, 0);
        assert_eq!(rows(&repository, "arrivals").await, 1);
        repository.forget_expired(NOW.plus(DAY)).await.unwrap();
        for table in ["arrivals", "sales"] {
            assert_eq!(rows(&repository, table).await, 0, "{table}");
        }
        assert_eq!(rows(&repository, "users").await, 1);
    }

    #[tokio::test]
    async fn nothing_stays_of_who_is_refused_but_that_the_challenge_was_answered() {
        let (_folder, repository) = repository().await;
        let (id, challenge) = (id(), challenge());
        let applicant = Applicant {
            id: &id,
            challenge: &challenge,
            invitation: None,
        };
        let closed = config(EnrolmentPolicy::Closed);
        let admission = repository.admit(&closed, applicant, NOW).await.unwrap();
        assert_eq!(admission, Admission::Refused(Refusal::Closed));
        assert_eq!(rows(&repository, "users").await, 0);
        assert_eq!(rows(&repository, "answered_challenges").await, 1);
    }
}
