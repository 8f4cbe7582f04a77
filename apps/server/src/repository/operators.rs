//! Administrators that are not known to be gone.

use securecall_ghostnet::UnixTime;
use sqlx::Row as _;

use super::invitations::seconds;
use super::{Repository, RepositoryError};

impl Repository {
    /// Remembers one that is about to be made.
    pub(crate) async fn add_operator(
        &self,
        name: &str,
        not_after: UnixTime,
    ) -> Result<(), RepositoryError> {
        sqlx::query("INSERT INTO operators (name, not_after) VALUES ($1, $2)")
            .bind(name)
            .bind(seconds(not_after))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// It is gone.
    pub(crate) async fn forget_operator(&self, name: &str) -> Result<(), RepositoryError> {
        sqlx::query("DELETE FROM operators WHERE name = $1")
            .bind(name)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Those that no command needs any more.
    pub(crate) async fn left_operators(
        &self,
        now: UnixTime,
    ) -> Result<Vec<String>, RepositoryError> {
        let rows = sqlx::query("SELECT name FROM operators WHERE not_after <= $1 ORDER BY name")
            .bind(seconds(now))
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(|row| Ok(row.try_get("name")?)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::repository;
    use super::*;

    #[tokio::test]
    async fn one_is_left_from_the_moment_on_at_which_no_command_needs_it() {
        let (_folder, repository) = repository().await;
        let at = UnixTime::from_secs;
        repository.add_operator("a", at(100)).await.unwrap();
        repository.add_operator("b", at(200)).await.unwrap();
        assert!(repository.left_operators(at(99)).await.unwrap().is_empty());
        assert_eq!(repository.left_operators(at(100)).await.unwrap(), ["a"]);
        assert_eq!(
            repository.left_operators(at(200)).await.unwrap(),
            ["a", "b"]
        );
        repository.forget_operator("a").await.unwrap();
        assert_eq!(repository.left_operators(at(200)).await.unwrap(), ["b"]);
    }

    /// The one that the first version made, if it did.
    #[tokio::test]
    async fn a_database_of_before_names_the_administrator_that_was_for_all_commands() {
        for (state, left) in [
            ("disabled", &["securecall_operator"][..]),
            ("enrolled", &[]),
        ] {
            let (_folder, repository) = repository().await;
            // As it was.
            for undo in [
                "DROP TABLE operators",
                "DELETE FROM _sqlx_migrations WHERE version = 2",
            ] {
                sqlx::query(undo).execute(&repository.pool).await.unwrap();
            }
            sqlx::query("INSERT INTO users (id, state, day) VALUES ('x', $1, 0)")
                .bind(state)
                .execute(&repository.pool)
                .await
                .unwrap();
            repository.migrate().await.unwrap();
            let found = repository.left_operators(UnixTime::from_secs(1)).await;
            assert_eq!(found.unwrap(), left, "{state}");
        }
    }
}
