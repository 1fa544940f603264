//! Who shares a read with whom.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use super::*;
use crate::identity_center::Demand;

/// Reads that count themselves, and answer when they are let.
struct Source {
    facts: Facts<u8, usize>,
    begun: Arc<AtomicUsize>,
    let_go: Arc<Semaphore>,
    /// So many reads fail first.
    failing: usize,
}

impl Source {
    fn new(failing: usize) -> Self {
        Self {
            facts: Facts::new(Clock::system(), 10, Duration::from_secs(60), |_| 1),
            begun: Arc::default(),
            let_go: Arc::new(Semaphore::new(0)),
            failing,
        }
    }

    async fn ask(&self, max_age: Duration, time: Duration) -> Answer<usize> {
        self.ask_as(Class::Read, max_age, time).await
    }

    async fn ask_as(&self, class: Class, max_age: Duration, time: Duration) -> Answer<usize> {
        let call = Call {
            deadline: Instant::now() + time,
            demand: Demand::usher(class),
        };
        let read = || {
            let (begun, let_go) = (Arc::clone(&self.begun), Arc::clone(&self.let_go));
            let failing = self.failing;
            async move {
                let number = begun.fetch_add(1, Ordering::SeqCst) + 1;
                let_go.acquire().await.unwrap().forget();
                if number <= failing {
                    return Err(Failure::new(ErrorKind::Unavailable, Operation::ListUsers));
                }
                Ok(number)
            }
        };
        (self.facts)
            .get(&1, max_age, call, Operation::ListUsers, read)
            .await
    }

    async fn until_begun(&self, reads: usize) {
        while self.begun.load(Ordering::SeqCst) < reads {
            tokio::task::yield_now().await;
        }
    }
}

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn who_wants_it_new_joins_no_read_from_before_and_all_who_waited_share_the_next() {
    let source = Source::new(0);
    let later = async {
        source.until_begun(1).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        source.let_go.add_permits(2);
        futures_util::future::join_all((0..20).map(|_| source.ask(Duration::ZERO, LONG))).await
    };
    let (first, later) = tokio::join!(source.ask(Duration::ZERO, LONG), later);
    assert_eq!(first.unwrap().value, 1);
    for answer in later {
        assert_eq!(answer.unwrap().value, 2);
    }
    assert_eq!(source.begun.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_leader_without_time_for_another_attempt_fails_only_itself() {
    let source = Source::new(1);
    source.let_go.add_permits(2);
    let minute = Duration::from_secs(60);
    let short = Duration::from_secs(2);
    let (leader, joined) = tokio::join!(source.ask(minute, short), source.ask(minute, LONG));
    assert_eq!(leader.unwrap_err().kind, ErrorKind::Unavailable);
    assert_eq!(joined.unwrap().value, 2);
}

#[tokio::test]
async fn a_failure_is_shared_by_those_who_asked_together() {
    let source = Source::new(1);
    source.let_go.add_permits(1);
    let minute = Duration::from_secs(60);
    let answers = futures_util::future::join_all((0..20).map(|_| source.ask(minute, LONG))).await;
    assert!(answers.iter().all(Result::is_err));
    assert_eq!(source.begun.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_grant_does_not_join_a_read_that_waits_behind_a_report_and_others_join_it() {
    let source = Source::new(0);
    let minute = Duration::from_secs(60);
    let later = async {
        source.until_begun(1).await;
        let grant = source.ask_as(Class::Grant, minute, LONG);
        let others = async {
            source.until_begun(2).await;
            let read = source.ask_as(Class::Read, minute, LONG);
            let audit = source.ask_as(Class::Audit, minute, LONG);
            let (read, audit, ()) =
                tokio::join!(read, audit, async { source.let_go.add_permits(2) });
            (read.unwrap().value, audit.unwrap().value)
        };
        let (grant, others) = tokio::join!(grant, others);
        (grant.unwrap().value, others)
    };
    let report = source.ask_as(Class::Audit, minute, LONG);
    let (report, (grant, others)) = tokio::join!(report, later);
    assert_eq!((report.unwrap().value, grant), (1, 2));
    assert_eq!(others, (2, 2));
    assert_eq!(source.begun.load(Ordering::SeqCst), 2);
    // What is kept is the younger.
    assert_eq!(source.facts.any(&1), Some(2));
}
