//! How soon others go on after one replica is gone: when the store sees its next commit, and when the last assignment
//! that the gone one held is somebody else's.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sqlx::{PgConnection, Row as _};

/// How long it is watched before it counts as never.
const WATCHED_FOR: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

const CLAIMS: &str = "SELECT instance_arn, target, principal_id, lease_holder, lease_until, version FROM assignments \
     WHERE lease_holder IS NOT NULL";

/// A claim of a moment: as soon as its holder lives and renews it, or anything else happens to its assignment, it is
/// another one. So those that stay are the gone one's.
type Held = (String, String, String, String, i64, i64);

/// From a moment until work goes on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Resumed {
    /// Until the next commit of anybody.
    pub(crate) progress: Duration,
    /// Until the last claim of that moment was over.
    pub(crate) claims: Duration,
    /// How many claims there were.
    pub(crate) claim_count: usize,
}

/// Watches from now on.
pub(crate) async fn resumed(mut database: PgConnection) -> Resumed {
    let before = Instant::now();
    let (held, events) = claims_and_events(&mut database).await;
    let mut resumed = Resumed {
        claim_count: held.len(),
        ..Resumed::default()
    };
    while resumed.progress.is_zero() || resumed.claims.is_zero() {
        tokio::time::sleep(LOOK_EVERY).await;
        let (now_held, now_events) = claims_and_events(&mut database).await;
        if resumed.progress.is_zero() && now_events > events {
            resumed.progress = before.elapsed();
        }
        if resumed.claims.is_zero() && held.is_disjoint(&now_held) {
            resumed.claims = before.elapsed();
        }
        assert!(
            before.elapsed() < WATCHED_FOR,
            "never: {resumed:?} {held:#?}"
        );
    }
    resumed
}

async fn claims_and_events(database: &mut PgConnection) -> (BTreeSet<Held>, i64) {
    let rows = sqlx::query(CLAIMS).fetch_all(&mut *database).await;
    let rows = rows.expect("claims");
    let held = rows.iter().map(|row| {
        let (lease_until, version): (i64, i64) = (row.get(4), row.get(5));
        let (instance, target) = (row.get(0), row.get(1));
        (
            instance,
            target,
            row.get(2),
            row.get(3),
            lease_until,
            version,
        )
    });
    let last = "SELECT COALESCE(MAX(sequence), 0) FROM events";
    let row = sqlx::query(last).fetch_one(database).await;
    (held.collect(), row.expect("a number").get(0))
}
