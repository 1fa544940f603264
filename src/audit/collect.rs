//! The collector: reads from AWS what a report needs, each thing once, and names what it could not
//! read. It never changes AWS, and no failure of one scope stops another.
//!
//! The order makes races visible. Assignments are read first, then (as they come in) the members
//! of each assigned group, then the users; groups are listed beside the assignments, before any
//! members. So whoever is deleted while this runs is already named by an assignment or a
//! membership when the list lacks it, or its group's members are suddenly not found: an orphan
//! candidate, which one Describe settles. Listed first and read later, it would pass for present.

mod account_access;
mod applications;
mod principals;

use std::collections::HashSet;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Clock;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::accounts::{AccountList, Accounts};
use super::beside::Shown;
use super::collection::Collection;
use super::config::AuditConfig;
use super::gather::Gathered;
use super::meter::Meter;
use super::plan::KnownCounts;
use super::question::{Question, TargetScope};
use super::readings::{Kept, Readings};
use crate::domain::facts::{FactKind, Gap};
use crate::domain::report::View;
use crate::domain::{ErrorKind, Failure, Operation, PrincipalKind, PrincipalRef};
use crate::identity_center::{Call, IdentityCenter, Page, PageToken, collect_pages};

/// One collection.
pub(super) struct Collector<'a> {
    port: &'a dyn IdentityCenter,
    question: Question<'a>,
    accounts: &'a Accounts<'a>,
    clock: &'a Clock,
    config: &'a AuditConfig,
    meter: &'a Meter,
    /// What was read before and where what is read is kept, where it is the whole instance.
    readings: Option<Readings<'a>>,
    gathered: Mutex<Gathered>,
}

/// Whose assignments the report wants.
enum Wanted {
    Everybody,
    These(HashSet<PrincipalRef>),
}

impl<'a> Collector<'a> {
    pub(super) fn new(
        port: &'a dyn IdentityCenter,
        question: Question<'a>,
        accounts: &'a Accounts<'a>,
        clock: &'a Clock,
        config: &'a AuditConfig,
        meter: &'a Meter,
    ) -> Self {
        let mut gathered = Gathered::default();
        gathered.shown = question.is_of_everything().then(Shown::default);
        Self {
            port,
            question,
            accounts,
            clock,
            config,
            meter,
            readings: None,
            gathered: Mutex::new(gathered),
        }
    }

    /// The same, which reads with what was read before.
    pub(super) fn with_readings(self, readings: Readings<'a>) -> Self {
        Self {
            readings: Some(readings),
            ..self
        }
    }

    /// Reads what the view needs. Dropping the future stops it; nothing it does needs undoing.
    pub(super) async fn collect(self) -> Collection {
        match self.question.view {
            View::Access | View::Assignments | View::Findings => self.read_assigned().await,
            // Made of what is kept.
            View::Changes => {}
            View::Instances => self.count_everything().await,
            View::DuplicateUsers => {
                self.meter.step("users");
                self.list_users_or_miss(true).await;
            }
        }
        self.meter.finish();
        let question = self.question;
        let gathered = (self.gathered.into_inner()).unwrap_or_else(PoisonError::into_inner);
        let known_account = known_account(question);
        let accounts = known_account.as_ref().or(self.accounts.read_already());
        let mut collection = gathered.finish(question.instance.clone(), accounts);
        collection.operations = self.meter.operations();
        if question.view.tells_access() {
            if !question.scope.is_whole() {
                collection.counts = KnownCounts::default();
            } else if collection.missing.iter().all(|it| it.gaps.is_empty()) {
                collection.learn_counts(question.view);
            }
        }
        collection
    }

    async fn read_assigned(&self) {
        let wanted = self.read_wanted().await;
        let (found, groups) = mpsc::unbounded_channel();
        let also_found = found.clone();
        tokio::join!(
            self.read_applications(&wanted, found),
            self.read_account_access(&wanted, also_found),
            self.read_groups(groups)
        );
        self.read_users().await;
    }

    /// Reads lists for their lengths.
    async fn count_everything(&self) {
        self.meter.step("lists of the instance");
        let permission_sets = async {
            if self.question.instance.gives_account_access() {
                self.list_permission_sets().await;
            }
        };
        tokio::join!(
            async { drop(self.list_applications().await) },
            permission_sets,
            async { drop(self.list_groups().await) },
            self.list_users_or_miss(false)
        );
    }

    /// With a user asked for, its groups decide which assignments matter.
    async fn read_wanted(&self) -> Wanted {
        let Some(principal) = &self.question.scope.principal else {
            return Wanted::Everybody;
        };
        let mut wanted = HashSet::from([principal.clone()]);
        if principal.kind == PrincipalKind::Group {
            return Wanted::These(wanted);
        }
        self.gathered().name_user(&principal.id);
        if self.question.view == View::Access {
            self.meter.step("groups of the user");
            let (instance, user) = (&self.question.instance, &principal.id);
            let groups = Mutex::new(Vec::new());
            let read = self.every_page(
                Operation::ListGroupMembershipsForMember,
                user.as_str(),
                |token| async move {
                    let call = self.call();
                    self.port
                        .groups_of_user(instance, user, token.as_ref(), call)
                        .await
                },
                |memberships| {
                    lock(&groups).extend(memberships.into_iter().map(|row| row.group_id));
                },
            );
            match read.await {
                Ok(()) => {}
                // A deleted user is in no group.
                Err(failure) if failure.kind == ErrorKind::NotFound => {}
                Err(failure) => {
                    let gaps = vec![Gap::all(FactKind::Membership)];
                    self.miss(format!("groups of user {user}"), &failure, gaps);
                }
            }
            wanted.extend(lock(&groups).drain(..).map(|id| PrincipalRef {
                kind: PrincipalKind::Group,
                id,
            }));
        }
        Wanted::These(wanted)
    }

    /// Reads a list to its end and hands over each page as it comes, so that what was read before
    /// a failure is kept. One that was read before, and is young enough, is not asked for.
    async fn every_page<T: Kept, F>(
        &self,
        operation: Operation,
        about: &str,
        read: impl Fn(Option<PageToken>) -> F,
        take: impl Fn(Vec<T>),
    ) -> Result<(), Failure>
    where
        F: Future<Output = Result<Page<T>, Failure>>,
    {
        if let Some(pages) = self.read_before(operation, about).await {
            for (items, read_at) in pages {
                self.gathered().observe(read_at);
                take(items);
            }
            return Ok(());
        }
        let reading = self
            .readings
            .as_ref()
            .map(|all| all.begin(operation, about));
        let (take, reading) = (&take, reading.as_ref());
        let pages = collect_pages::<(), _>(operation, |token| {
            let asking = read(token);
            async move {
                let (page, read_at) = self.one_at(operation, asking.await)?;
                let is_last = page.next.is_none();
                if !is_last {
                    self.meter.another_page(operation);
                }
                if let Some(reading) = reading {
                    reading.take(&page.items, read_at, is_last).await;
                }
                take(page.items);
                Ok(Page {
                    items: Vec::new(),
                    next: page.next,
                })
            }
        });
        pages.await.map(|_| ())
    }

    /// Asks for one thing, unless that was done before and is young enough.
    async fn answer<T: Kept, F>(
        &self,
        operation: Operation,
        about: &str,
        ask: impl FnOnce() -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        if let Some(pages) = self.read_before(operation, about).await
            && let Some((answer, read_at)) = the_answer(pages)
        {
            self.gathered().observe(read_at);
            return Ok(answer);
        }
        let (answer, read_at) = self.one_at(operation, ask().await)?;
        if let Some(readings) = &self.readings {
            let reading = readings.begin(operation, about);
            let answers = std::slice::from_ref(&answer);
            reading.take(answers, read_at, true).await;
        }
        Ok(answer)
    }

    async fn read_before<T: Kept>(
        &self,
        operation: Operation,
        about: &str,
    ) -> Option<Vec<(Vec<T>, Timestamp)>> {
        let readings = self.readings.as_ref()?;
        readings.read_before(operation, about).await
    }

    /// Counts an answer and when it came.
    fn one<T>(&self, operation: Operation, answer: Result<T, Failure>) -> Result<T, Failure> {
        self.one_at(operation, answer).map(|(answer, _)| answer)
    }

    /// The same, with when it came.
    fn one_at<T>(
        &self,
        operation: Operation,
        answer: Result<T, Failure>,
    ) -> Result<(T, Timestamp), Failure> {
        self.meter.made(operation);
        let answer = answer?;
        let now = self.clock.now();
        self.gathered().observe(now);
        Ok((answer, now))
    }

    /// Something could not be read, and for it these facts could not be seen.
    fn miss(&self, scope: String, failure: &Failure, gaps: Vec<Gap>) {
        tracing::warn!(
            scope,
            operation = failure.operation,
            kind = failure.kind.as_str(),
            aws_request_id = failure.aws_request_id,
            "a report lacks something"
        );
        (self.gathered()).miss(scope, failure.kind.explanation(), gaps);
    }

    fn call(&self) -> Call {
        Call {
            deadline: Instant::now() + self.config.call_timeout(),
            demand: self.question.demand,
        }
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        lock(&self.gathered)
    }
}

impl Wanted {
    fn holds(&self, principal: &PrincipalRef) -> bool {
        match self {
            Self::Everybody => true,
            Self::These(principals) => principals.contains(principal),
        }
    }
}

/// The account that the question is about, where the asker knew it.
fn known_account(question: Question<'_>) -> Option<AccountList> {
    match &question.scope.target {
        Some(TargetScope::AccountAccess(scope)) => (scope.account.clone())
            .map(|account| AccountList::of_known(account.value, account.observed_at)),
        _ => None,
    }
}

/// What a reading of one answer holds.
fn the_answer<T>(pages: Vec<(Vec<T>, Timestamp)>) -> Option<(T, Timestamp)> {
    let (items, read_at) = pages.into_iter().next()?;
    let answer = items.into_iter().next()?;
    Some((answer, read_at))
}

/// Locks for a few statements without a wait in them. A panic of another holder cannot leave
/// anything half-done that this collection would still report.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "collect_tests.rs"]
mod tests;
