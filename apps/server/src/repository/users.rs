//! Whose key was proven.

use securecall_contact::SecureCallId;
use sqlx::Row as _;

use super::{Repository, RepositoryError};
use crate::day::Day;

/// How far somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UserState {
    /// Nothing is decided; never seen outside a transaction.
    New,
    /// The operator has to approve.
    Waiting,
    /// The operator has approved; the account is made when they ask again.
    Approved,
    /// Let in; whether the homeserver has made the account is not known.
    Admitted,
    /// Has an account.
    Enrolled,
    /// Shut out by the operator.
    Disabled,
}

impl UserState {
    const ALL: [Self; 6] = [
        Self::New,
        Self::Waiting,
        Self::Approved,
        Self::Admitted,
        Self::Enrolled,
        Self::Disabled,
    ];

    /// As the table and the operator have it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Waiting => "waiting",
            Self::Approved => "approved",
            Self::Admitted => "admitted",
            Self::Enrolled => "enrolled",
            Self::Disabled => "disabled",
        }
    }

    pub(super) fn of_word(word: &str) -> Result<Self, RepositoryError> {
        Self::ALL
            .into_iter()
            .find(|state| state.word() == word)
            .ok_or_else(|| RepositoryError::Unknown(word.to_owned()))
    }
}

/// A line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) state: UserState,
    /// Of the last change.
    pub(crate) day: Day,
}

impl Repository {
    /// What is known of somebody.
    pub(crate) async fn user_state(
        &self,
        id: &SecureCallId,
    ) -> Result<Option<UserState>, RepositoryError> {
        let row = sqlx::query("SELECT state FROM users WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| UserState::of_word(row.try_get("state")?))
            .transpose()
    }

    /// Those in a state, or all; oldest change first.
    pub(crate) async fn users(
        &self,
        state: Option<UserState>,
    ) -> Result<Vec<User>, RepositoryError> {
        let rows = sqlx::query(
            "SELECT id, state, day FROM users WHERE $1 = '' OR state = $2 ORDER BY day, id",
        )
        .bind(state.map_or("", UserState::word))
        .bind(state.map_or("", UserState::word))
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(User {
                    id: row.try_get("id")?,
                    state: UserState::of_word(row.try_get("state")?)?,
                    day: Day(row.try_get("day")?),
                })
            })
            .collect()
    }

    /// Changes the state of somebody who is in one of `from`. `false` if they are not.
    pub(crate) async fn move_user(
        &self,
        id: &SecureCallId,
        from: &[UserState],
        to: UserState,
        today: Day,
    ) -> Result<bool, RepositoryError> {
        let mut moved = 0;
        for from in from {
            let query = "UPDATE users SET state = $1, day = $2 WHERE id = $3 AND state = $4";
            moved += sqlx::query(query)
                .bind(to.word())
                .bind(today.0)
                .bind(id.to_string())
                .bind(from.word())
                .execute(&self.pool)
                .await?
                .rows_affected();
        }
        Ok(moved > 0)
    }

    /// Shuts somebody out, whether they are known or not.
    pub(crate) async fn disable_user(
        &self,
        id: &SecureCallId,
        today: Day,
    ) -> Result<(), RepositoryError> {
        sqlx::query(
            "INSERT INTO users (id, state, day) VALUES ($1, 'disabled', $2) \
             ON CONFLICT (id) DO UPDATE SET state = excluded.state, day = excluded.day",
        )
        .bind(id.to_string())
        .bind(today.0)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
