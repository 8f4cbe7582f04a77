//! Invitations: what the operator hands out.

use data_encoding::HEXLOWER;
use securecall_contact::enrolment::InvitationCode;
use securecall_ghostnet::UnixTime;
use sha2::{Digest as _, Sha256};
use sqlx::{Any, Row as _, Transaction};

use super::{Repository, RepositoryError};

/// One that is to be.
#[derive(Debug)]
pub(crate) struct NewInvitation<'a> {
    /// What people call it by.
    pub(crate) id: &'a str,
    pub(crate) code: &'a InvitationCode,
    pub(crate) note: &'a str,
    pub(crate) uses: u32,
    pub(crate) not_after: UnixTime,
}

/// One that was handed out, without its code.
#[derive(Debug)]
pub(crate) struct Invitation {
    pub(crate) id: String,
    pub(crate) note: String,
    pub(crate) uses: i64,
    pub(crate) used: i64,
    pub(crate) not_after: UnixTime,
}

impl Repository {
    /// Keeps a new one.
    pub(crate) async fn add_invitation(
        &self,
        invitation: &NewInvitation<'_>,
    ) -> Result<(), RepositoryError> {
        sqlx::query(
            "INSERT INTO invitations (id, code, note, uses, used, not_after) \
             VALUES ($1, $2, $3, $4, 0, $5)",
        )
        .bind(invitation.id)
        .bind(hash(invitation.code))
        .bind(invitation.note)
        .bind(i64::from(invitation.uses))
        .bind(seconds(invitation.not_after))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// All, those that end first at the top.
    pub(crate) async fn invitations(&self) -> Result<Vec<Invitation>, RepositoryError> {
        let rows = sqlx::query(
            "SELECT id, note, uses, used, not_after FROM invitations ORDER BY not_after, id",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                let not_after: i64 = row.try_get("not_after")?;
                Ok(Invitation {
                    id: row.try_get("id")?,
                    note: row.try_get("note")?,
                    uses: row.try_get("uses")?,
                    used: row.try_get("used")?,
                    not_after: UnixTime::from_secs(not_after.try_into().unwrap_or(0)),
                })
            })
            .collect()
    }

    /// Takes one back. `false` if there is none of that name.
    pub(crate) async fn revoke_invitation(&self, id: &str) -> Result<bool, RepositoryError> {
        let done = sqlx::query("DELETE FROM invitations WHERE id = $1")
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() > 0)
    }
}

/// Uses one once, if it can be used.
pub(super) async fn redeem(
    transaction: &mut Transaction<'_, Any>,
    code: &InvitationCode,
    now: UnixTime,
) -> Result<bool, RepositoryError> {
    let done = sqlx::query(
        "UPDATE invitations SET used = used + 1 WHERE code = $1 AND used < uses AND not_after > $2",
    )
    .bind(hash(code))
    .bind(seconds(now))
    .execute(&mut **transaction)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// 80 random bits need no slow hash.
fn hash(code: &InvitationCode) -> String {
    HEXLOWER.encode(&Sha256::digest(code.as_str().as_bytes()))
}

pub(super) fn seconds(time: UnixTime) -> i64 {
    time.as_secs().try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::tests::repository;
    use super::*;

    #[tokio::test]
    async fn an_invitation_is_good_until_it_expires() {
        let (_folder, repository) = repository().await;
        let (code, not_after) = ("abcd-efgh".parse().unwrap(), UnixTime::from_secs(1_000));
        let invitation = NewInvitation {
            id: "one",
            code: &code,
            note: "",
            uses: 9,
            not_after,
        };
        repository.add_invitation(&invitation).await.unwrap();
        for (now, is_good) in [(999, true), (1_000, false)] {
            let mut transaction = repository.pool.begin().await.unwrap();
            let redeemed = redeem(&mut transaction, &code, UnixTime::from_secs(now)).await;
            transaction.commit().await.unwrap();
            assert_eq!(redeemed.unwrap(), is_good, "{now}");
        }
        assert_eq!(repository.invitations().await.unwrap()[0].used, 1);
    }
}
