//! The collector: reads from AWS what a report needs, each thing once, and names what it could not
//! read. It never changes AWS, and no failure of one scope stops another.
//!
//! The order makes races visible. Assignments are read first, then (as they come in) the members
//! of each assigned group, then the users; groups are listed beside the assignments, before any
//! members. So whoever is deleted while this runs is already named by an assignment or a
//! membership when the list lacks it, or its group's members are suddenly not found: an orphan
//! candidate, which one Describe settles. Listed first and read later, it would pass for present.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::collection::Collection;
use super::config::AuditConfig;
use super::gather::Gathered;
use super::meter::Meter;
use super::plan::{Lookup, cheaper_lookup};
use super::{ApplicationScope, ReportRequest};
use crate::domain::report::View;
use crate::domain::{
    ApplicationArn, AssignmentRequired, ErrorKind, Failure, GroupId, Operation, PrincipalKind,
    PrincipalRef, UserId,
};
use crate::identity_center::{Call, IdentityCenter, Page, PageToken, collect_pages};

/// The largest page of ListUsers and ListGroups (aws-api.md §3).
const PAGE_SIZE: usize = 100;

/// One collection.
pub(super) struct Collector<'a> {
    port: &'a dyn IdentityCenter,
    request: &'a ReportRequest,
    config: &'a AuditConfig,
    meter: &'a Meter,
    gathered: Mutex<Gathered>,
}

/// Whose assignments the report wants.
enum Wanted {
    Everybody,
    These(HashSet<PrincipalRef>),
}

/// What listing the groups gave: names by id.
struct GroupListing {
    names: HashMap<GroupId, String>,
    /// Whether the list broke off, so that a group it lacks may exist all the same.
    is_cut: bool,
}

impl<'a> Collector<'a> {
    pub(super) fn new(
        port: &'a dyn IdentityCenter,
        request: &'a ReportRequest,
        config: &'a AuditConfig,
        meter: &'a Meter,
    ) -> Self {
        Self {
            port,
            request,
            config,
            meter,
            gathered: Mutex::default(),
        }
    }

    /// Reads everything. Dropping the future stops it; nothing it does needs undoing.
    pub(super) async fn collect(self) -> Collection {
        let wanted = self.read_wanted().await;
        let (found, groups) = mpsc::unbounded_channel();
        tokio::join!(
            self.read_applications(&wanted, found),
            self.read_groups(groups)
        );
        self.read_users().await;
        self.meter.finish();
        let gathered = (self.gathered.into_inner()).unwrap_or_else(PoisonError::into_inner);
        let (users, groups) = (gathered.listed_users, gathered.listed_groups);
        let mut collection = gathered.finish(self.request.instance.clone());
        collection.operations = self.meter.operations();
        if self.request.scope.is_whole() && collection.missing.is_empty() {
            collection.learn_counts(users, groups);
        }
        collection
    }

    /// With a user asked for, its groups decide which assignments matter.
    async fn read_wanted(&self) -> Wanted {
        let Some(principal) = &self.request.scope.principal else {
            return Wanted::Everybody;
        };
        let mut wanted = HashSet::from([principal.clone()]);
        if principal.kind == PrincipalKind::Group {
            return Wanted::These(wanted);
        }
        self.gathered().name_user(&principal.id);
        if self.request.view == View::Access {
            self.meter.step("groups of the user");
            let (instance, user) = (&self.request.instance, &principal.id);
            let groups = Mutex::new(Vec::new());
            let read = self.every_page(
                Operation::ListGroupMembershipsForMember,
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
                Err(failure) => self.miss(format!("groups of user {user}"), &failure),
            }
            wanted.extend(lock(&groups).drain(..).map(|id| PrincipalRef {
                kind: PrincipalKind::Group,
                id,
            }));
        }
        Wanted::These(wanted)
    }

    /// Reads applications, and for each its configuration and assignments. Tells of each assigned
    /// group as it is found.
    async fn read_applications(&self, wanted: &Wanted, found: mpsc::UnboundedSender<GroupId>) {
        self.meter.step("applications and their assignments");
        let applications = self.read_application_list().await;
        let count = applications.len() as u64;
        (self.meter).expect(Operation::GetApplicationAssignmentConfiguration, count);
        (self.meter).expect(Operation::ListApplicationAssignments, count);
        let found = &found;
        stream::iter(applications)
            .for_each_concurrent(self.config.concurrency(), |arn| async move {
                tokio::join!(
                    self.read_configuration(&arn),
                    self.read_assignments(&arn, wanted, found)
                );
            })
            .await;
    }

    async fn read_application_list(&self) -> Vec<ApplicationArn> {
        let instance = &self.request.instance;
        let arns = Mutex::new(Vec::new());
        match &self.request.scope.application {
            Some(ApplicationScope::Known(application)) => {
                let mut gathered = self.gathered();
                gathered.observe(application.observed_at);
                gathered.application(application.value.clone());
                return vec![application.value.arn.clone()];
            }
            Some(ApplicationScope::Arn(arn)) => {
                let read = self.port.application(arn, self.call()).await;
                match self.one(Operation::DescribeApplication, read) {
                    Ok(application) => {
                        self.gathered().application(application);
                        return vec![arn.clone()];
                    }
                    Err(failure) => self.miss(format!("application {arn}"), &failure),
                }
            }
            None => {
                let read = self.every_page(
                    Operation::ListApplications,
                    |token| async move {
                        let call = self.call();
                        self.port.applications(instance, token.as_ref(), call).await
                    },
                    |page| {
                        let mut gathered = self.gathered();
                        for application in page {
                            lock(&arns).push(application.arn.clone());
                            gathered.application(application);
                        }
                    },
                );
                if let Err(failure) = read.await {
                    self.miss(
                        format!("applications of instance {}", instance.arn),
                        &failure,
                    );
                }
            }
        }
        let mut arns = arns.into_inner().unwrap_or_else(PoisonError::into_inner);
        arns.sort_unstable();
        arns.dedup();
        arns
    }

    async fn read_configuration(&self, arn: &ApplicationArn) {
        let read = self.port.assignment_required(arn, self.call()).await;
        let scope = || format!("application {arn}: whether it is open to everybody");
        match self.one(Operation::GetApplicationAssignmentConfiguration, read) {
            // An application without assignments has no row to carry this as a finding.
            Ok(AssignmentRequired::Unknown) => self
                .gathered()
                .miss(scope(), "AWS does not say it for this application"),
            Ok(required) => self.gathered().required(arn, required),
            Err(failure) => self.miss(scope(), &failure),
        }
    }

    async fn read_assignments(
        &self,
        arn: &ApplicationArn,
        wanted: &Wanted,
        found: &mpsc::UnboundedSender<GroupId>,
    ) {
        let read = self.every_page(
            Operation::ListApplicationAssignments,
            |token| async move {
                let call = self.call();
                self.port
                    .application_assignments(arn, token.as_ref(), call)
                    .await
            },
            |page| {
                let mut gathered = self.gathered();
                for assignment in page {
                    let principal = assignment.principal;
                    let id = principal.id.clone();
                    if wanted.holds(&principal) && gathered.assigned(arn, principal) {
                        // The receiver outlives this: `collect` waits for both.
                        let _ = found.send(id);
                    }
                }
            },
        );
        if let Err(failure) = read.await {
            self.miss(format!("application {arn}: assignments"), &failure);
        }
    }

    /// Reads names and members of the assigned groups. A whole report lists all groups meanwhile;
    /// a scoped one waits until it knows how many it needs.
    async fn read_groups(&self, mut found: mpsc::UnboundedReceiver<GroupId>) {
        let is_whole = self.request.scope.is_whole();
        let mut waiting = Vec::new();
        if !is_whole {
            while let Some(id) = found.recv().await {
                waiting.push(id);
            }
        }
        let population = self.request.known.groups;
        let lookup = cheaper_lookup(waiting.len() as u64, population, is_whole);
        let listing = if is_whole || lookup == Lookup::List {
            self.list_groups().await
        } else {
            GroupListing {
                names: HashMap::new(),
                is_cut: false,
            }
        };
        let listing = &listing;
        let seen = &Mutex::new(0_u64);
        stream::iter(waiting)
            .chain(UnboundedReceiverStream::new(found))
            .for_each_concurrent(self.config.concurrency(), |id| async move {
                if self.reads_members() {
                    let mut seen = lock(seen);
                    *seen += 1;
                    self.meter.expect(Operation::ListGroupMemberships, *seen);
                }
                self.read_group(&id, listing).await;
            })
            .await;
    }

    async fn list_groups(&self) -> GroupListing {
        let instance = &self.request.instance;
        let names = Mutex::new(HashMap::new());
        let read = self.every_page(
            Operation::ListGroups,
            |token| async move {
                let call = self.call();
                self.port
                    .groups(instance, token.as_ref(), PAGE_SIZE, call)
                    .await
            },
            |page| {
                let page = page.into_iter();
                lock(&names).extend(page.map(|group| (group.id, group.display_name)));
            },
        );
        let result = read.await;
        let names = names.into_inner().unwrap_or_else(PoisonError::into_inner);
        match &result {
            Ok(()) => self.gathered().listed_groups = Some(names.len() as u64),
            Err(failure) => {
                let store = &instance.identity_store_id;
                self.miss(format!("groups of identity store {store}"), failure);
            }
        }
        GroupListing {
            names,
            is_cut: result.is_err(),
        }
    }

    async fn read_group(&self, id: &GroupId, listing: &GroupListing) {
        match listing.names.get(id) {
            Some(name) => self.gathered().group_exists(id, name.clone()),
            // What a cut list lacks is no candidate; its members will say whether it exists.
            None if listing.is_cut => {}
            None => {
                if !self.confirm_group(id).await {
                    return;
                }
            }
        }
        if self.reads_members() {
            self.read_members(id).await;
        } else if let (View::Access, Some(principal)) =
            (self.request.view, &self.request.scope.principal)
        {
            // The user asked for: only its own groups' assignments were kept.
            self.gathered()
                .members(id, vec![principal.id.clone()], true);
        }
    }

    /// Whether members are asked group by group: not for assignments alone, and for one user the
    /// other way round.
    fn reads_members(&self) -> bool {
        let principal = self.request.scope.principal.as_ref();
        self.request.view == View::Access
            && principal.is_none_or(|principal| principal.kind == PrincipalKind::Group)
    }

    /// Settles an orphan candidate. Answers false if the group was deleted.
    async fn confirm_group(&self, id: &GroupId) -> bool {
        let instance = &self.request.instance;
        self.meter.another_page(Operation::DescribeGroup);
        let read = self.port.group(instance, id, self.call()).await;
        match self.one(Operation::DescribeGroup, read) {
            Ok(Some(group)) => self.gathered().group_exists(id, group.display_name),
            Ok(None) => {
                self.gathered().group_is_deleted(id);
                return false;
            }
            Err(failure) => self.miss(format!("group {id}"), &failure),
        }
        true
    }

    async fn read_members(&self, id: &GroupId) {
        let instance = &self.request.instance;
        let members = Mutex::new(Vec::new());
        let read = self.every_page(
            Operation::ListGroupMemberships,
            |token| async move {
                let call = self.call();
                self.port
                    .group_members(instance, id, token.as_ref(), call)
                    .await
            },
            |page| lock(&members).extend(page.into_iter().map(|row| row.user_id)),
        );
        let result = read.await;
        let members = members.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.gathered().members(id, members, result.is_ok());
        if let Err(failure) = result {
            // Deleted since it was listed, perhaps.
            if failure.kind == ErrorKind::NotFound && !self.confirm_group(id).await {
                return;
            }
            self.miss(format!("group {id}: members"), &failure);
        }
    }

    /// Reads the facts of the users that something names, or of everybody.
    async fn read_users(&self) {
        self.meter.step("users");
        let scope = &self.request.scope;
        let keep_everybody = self.request.view == View::Access
            && scope.principal.is_none()
            && self.gathered().has_open_application();
        let wanted = self.gathered().users_without_facts();
        let population = self.request.known.users;
        let lookup = cheaper_lookup(wanted.len() as u64, population, scope.is_whole());
        if keep_everybody || (!wanted.is_empty() && lookup == Lookup::List) {
            let store = &self.request.instance.identity_store_id;
            if let Err(failure) = self.list_users(keep_everybody).await {
                // What a cut list lacks is no orphan candidate.
                self.miss(format!("users of identity store {store}"), &failure);
                return;
            }
        }
        let candidates = self.gathered().users_without_facts();
        self.meter
            .expect(Operation::DescribeUser, candidates.len() as u64);
        stream::iter(candidates)
            .for_each_concurrent(self.config.concurrency(), |id| async move {
                self.confirm_user(&id).await;
            })
            .await;
    }

    async fn list_users(&self, keep_everybody: bool) -> Result<(), Failure> {
        let instance = &self.request.instance;
        let count = Mutex::new(0_u64);
        self.every_page(
            Operation::ListUsers,
            |token| async move {
                let call = self.call();
                self.port
                    .users(instance, token.as_ref(), PAGE_SIZE, call)
                    .await
            },
            |page| {
                *lock(&count) += page.len() as u64;
                let mut gathered = self.gathered();
                for user in page {
                    gathered.user_exists(user, keep_everybody);
                }
            },
        )
        .await?;
        self.gathered().listed_users = Some(*lock(&count));
        Ok(())
    }

    /// Settles an orphan candidate.
    async fn confirm_user(&self, id: &UserId) {
        let instance = &self.request.instance;
        let read = self.port.user(instance, id, self.call()).await;
        match self.one(Operation::DescribeUser, read) {
            Ok(Some(user)) => self.gathered().user_exists(user, true),
            Ok(None) => self.gathered().user_is_deleted(id),
            Err(failure) => self.miss(format!("user {id}"), &failure),
        }
    }

    /// Reads a list to its end and hands over each page as it comes, so that what was read before
    /// a failure is kept.
    async fn every_page<T, F>(
        &self,
        operation: Operation,
        read: impl Fn(Option<PageToken>) -> F,
        take: impl Fn(Vec<T>),
    ) -> Result<(), Failure>
    where
        F: Future<Output = Result<Page<T>, Failure>>,
    {
        let take = &take;
        let pages = collect_pages::<(), _>(operation, |token| {
            let reading = read(token);
            async move {
                let page = self.one(operation, reading.await)?;
                if page.next.is_some() {
                    self.meter.another_page(operation);
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

    /// Counts an answer and when it came.
    fn one<T>(&self, operation: Operation, answer: Result<T, Failure>) -> Result<T, Failure> {
        self.meter.made(operation);
        if answer.is_ok() {
            self.gathered().observe(Timestamp::now());
        }
        answer
    }

    fn miss(&self, scope: String, failure: &Failure) {
        tracing::warn!(
            scope,
            operation = failure.operation,
            kind = failure.kind.as_str(),
            aws_request_id = failure.aws_request_id,
            "a report lacks something"
        );
        self.gathered().miss(scope, failure.kind.explanation());
    }

    fn call(&self) -> Call {
        Call {
            deadline: Instant::now() + self.config.call_timeout(),
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

/// Locks for a few statements without a wait in them. A panic of another holder cannot leave
/// anything half-done that this collection would still report.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
