//! How many tokens were sold to whom today.

use super::{Repository, RepositoryError};
use crate::day::Day;

impl Repository {
    /// Counts one more token for an account, if there is room today.
    pub(crate) async fn sell(
        &self,
        account: &str,
        per_day: u32,
        today: Day,
    ) -> Result<bool, RepositoryError> {
        let done = sqlx::query(
            "INSERT INTO sales (account, day, number) VALUES ($1, $2, 1) \
             ON CONFLICT (account, day) DO UPDATE SET number = sales.number + 1 WHERE sales.number < $3",
        )
        .bind(account)
        .bind(today.0)
        .bind(i64::from(per_day))
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::repository;
    use super::*;

    #[tokio::test]
    async fn an_account_gets_so_many_a_day_and_no_more() {
        let (_folder, repository) = repository().await;
        for _ in 0..3 {
            assert!(repository.sell("a", 3, Day(1)).await.unwrap());
        }
        assert!(!repository.sell("a", 3, Day(1)).await.unwrap());
        assert!(repository.sell("b", 3, Day(1)).await.unwrap());
        assert!(repository.sell("a", 3, Day(2)).await.unwrap());
    }
}
