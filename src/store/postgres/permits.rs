//! The budget that replicas share: one row for each quota bucket, one conditional update for each permit, by the
//! database's clock. Never written ahead: what a crash of the server loses begins empty.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::Row as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::places::Places;
use crate::budget::{Answer, Asking, SharedBudget, Unreachable};
use crate::store::StoreError;
use crate::store::sql::answered;

/// Connections for permits alone, so that no permit waits behind other transactions. 3: a replica asks for one
/// permit of a bucket at a time, and seldom of more than three buckets at once.
const CONNECTIONS: u32 = 3;
/// How long a permit waits for one of them: longer, and it would come too late.
const WAIT: Duration = Duration::from_secs(1);

/// Further ahead than this lies nothing that is written: the longest pause that AWS can ask for is a minute.
const AHEAD_MAX: Duration = Duration::from_secs(120);
/// How long a permit is waited for in all.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// GCRA (`budget::gcra`) in one update: a permit is due a tolerance before the bucket is full, and each moves that on by
/// an interval. The condition is looked at again by whoever waited for another's update.
///
/// What lies further ahead than anything that is ever written ($5) was written before the clock was set back: no time has
/// passed then, and the bucket is empty.
const TAKE: &str = "UPDATE budget_buckets SET full_at = CASE WHEN full_at > now_microseconds() + $5 \
     THEN now_microseconds() + $3 ELSE GREATEST(full_at, now_microseconds()) END + $2 \
     WHERE name = $1 AND (paused_until <= now_microseconds() OR paused_until > now_microseconds() + $5) \
     AND (full_at - $3 <= now_microseconds() + $4 OR full_at > now_microseconds() + $5)";
/// How long until the next one.
const WAIT_FOR: &str = "SELECT GREATEST(full_at - $2, paused_until) - now_microseconds() AS wait \
     FROM budget_buckets WHERE name = $1";
/// A bucket that nobody asked for yet: the first permit comes an interval later.
const BEGIN: &str = "INSERT INTO budget_buckets (name, full_at) \
     VALUES ($1, now_microseconds() + $2 + $3) ON CONFLICT DO NOTHING";
const PAUSE: &str = "UPDATE budget_buckets SET paused_until = GREATEST(paused_until, now_microseconds() + $2) \
     WHERE name = $1";

/// The shared budget in PostgreSQL.
#[derive(Debug, Clone)]
pub struct SharedPermits {
    places: Places,
}

impl SharedPermits {
    pub(super) fn new(connect: PgConnectOptions) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(WAIT)
            .test_before_acquire(false)
            // Idle ones may have died with the server.
            .idle_timeout(Duration::from_secs(60))
            .connect_lazy_with(connect);
        Self {
            places: Places::new(pool, ANSWER_MAX),
        }
    }

    pub(super) async fn close(&self) {
        self.places.pool().close().await;
    }
}

#[async_trait]
impl SharedBudget for SharedPermits {
    async fn take(&self, asking: &Asking) -> Result<Answer, Unreachable> {
        let taken = tokio::time::timeout(ANSWER_MAX, self.try_take(asking)).await;
        match taken {
            Ok(taken) => taken.map_err(unreachable),
            Err(_) => Err(Unreachable("it does not answer in time".to_owned())),
        }
    }

    async fn pause(&self, bucket: &str, pause: Duration) -> Result<(), Unreachable> {
        let mut lent = self.places.lend().await.map_err(unreachable)?;
        let paused = sqlx::query(PAUSE)
            .bind(bucket.to_owned())
            .bind(microseconds(pause))
            .execute(&mut *lent.connection);
        let paused = answered(ANSWER_MAX, paused).await;
        paused.map(drop).map_err(|error| unreachable(error.into()))
    }
}

impl SharedPermits {
    async fn try_take(&self, asking: &Asking) -> Result<Answer, StoreError> {
        let (interval, tolerance) = (
            // Rounded up, so that the rate is never exceeded.
            microseconds(asking.interval + Duration::from_nanos(999)),
            microseconds(asking.tolerance),
        );
        let mut lent = self.places.lend().await?;
        let taken = sqlx::query(TAKE)
            .bind(asking.bucket.clone())
            .bind(interval)
            .bind(tolerance)
            .bind(microseconds(asking.ahead))
            .bind(microseconds(AHEAD_MAX) + tolerance)
            .execute(&mut *lent.connection)
            .await?;
        if taken.rows_affected() == 1 {
            return Ok(Answer::Taken);
        }
        let wait = sqlx::query(WAIT_FOR)
            .bind(asking.bucket.clone())
            .bind(tolerance)
            .fetch_optional(&mut *lent.connection)
            .await?;
        if let Some(row) = wait {
            let wait: i64 = row.try_get("wait")?;
            let wait = u64::try_from(wait).unwrap_or_default();
            return Ok(Answer::Later(Duration::from_micros(wait)));
        }
        sqlx::query(BEGIN)
            .bind(asking.bucket.clone())
            .bind(interval)
            .bind(tolerance)
            .execute(&mut *lent.connection)
            .await?;
        Ok(Answer::Later(asking.interval))
    }
}

fn microseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn unreachable(error: StoreError) -> Unreachable {
    Unreachable(error.to_string())
}
