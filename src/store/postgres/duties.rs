//! Whose duties are whose, by the database's clock. One statement each, which commits by itself: a duty that is lost
//! is taken again.

use std::time::Duration;

use super::PostgresStore;
use crate::store::sql::answered;
use crate::store::{Duty, Holder, StoreError};

const HOLD: &str = "INSERT INTO duties AS d (name, holder, held_until) \
     VALUES ($1, $2, now_microseconds() + $3) ON CONFLICT (name) DO UPDATE \
     SET holder = excluded.holder, held_until = excluded.held_until \
     WHERE d.holder = excluded.holder OR d.held_until <= now_microseconds()";

impl PostgresStore {
    /// Takes or prolongs a duty. Answers whether it is the holder's.
    pub(super) async fn hold(
        &self,
        duty: Duty,
        holder: &Holder,
        lease: Duration,
    ) -> Result<bool, StoreError> {
        let mut lent = self.places.lend().await?;
        let done = sqlx::query(HOLD)
            .bind(duty.as_str())
            .bind(holder.0.clone())
            .bind(i64::try_from(lease.as_micros()).unwrap_or(i64::MAX))
            .execute(&mut *lent.connection);
        let done = answered(self.places.answer_max(), done).await?;
        Ok(done.rows_affected() == 1)
    }
}
