//! Groups with their members, and users: names by the cheaper way, each orphan candidate settled by
//! one Describe.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::super::plan::{Lookup, cheaper_lookup};
use super::{Collector, lock};
use crate::domain::facts::{FactKind, Gap};
use crate::domain::report::View;
use crate::domain::{
    ErrorKind, Failure, Group, GroupId, Membership, Operation, PrincipalKind, UserId,
};

/// The largest page of ListUsers and ListGroups (aws-api.md §3).
const PAGE_SIZE: usize = 100;

/// What listing the groups gave.
pub(super) struct GroupListing {
    groups: HashMap<GroupId, Group>,
    /// Whether the list broke off, so that a group it lacks may exist all the same.
    is_cut: bool,
}

impl Collector<'_> {
    /// Reads names and members of the assigned groups. A whole report lists all groups meanwhile;
    /// a scoped one waits until it knows how many it needs.
    pub(super) async fn read_groups(&self, mut found: mpsc::UnboundedReceiver<GroupId>) {
        let is_whole = self.question.scope.is_whole();
        let mut waiting = Vec::new();
        if !is_whole {
            while let Some(id) = found.recv().await {
                waiting.push(id);
            }
        }
        let population = self.question.known.groups;
        let lookup = cheaper_lookup(waiting.len() as u64, population, is_whole);
        let listing = if is_whole || lookup == Lookup::List {
            self.list_groups().await
        } else {
            GroupListing {
                groups: self.gathered().confirmed_groups.clone(),
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

    pub(super) async fn list_groups(&self) -> GroupListing {
        let instance = self.question.instance;
        let groups = Mutex::new(HashMap::new());
        let read = self.every_page(
            Operation::ListGroups,
            "",
            |token| async move {
                let call = self.call();
                self.port
                    .groups(instance, token.as_ref(), PAGE_SIZE, call)
                    .await
            },
            |page| {
                if let Some(shown) = &mut self.gathered().shown {
                    shown.groups.extend(page.iter().cloned());
                }
                let page = page.into_iter();
                lock(&groups).extend(page.map(|group: Group| (group.id.clone(), group)));
            },
        );
        let result = read.await;
        let groups = groups.into_inner().unwrap_or_else(PoisonError::into_inner);
        match &result {
            Ok(()) => self.gathered().listed.groups = Some(groups.len() as u64),
            Err(failure) => {
                let store = &instance.identity_store_id;
                let gaps = vec![Gap::all(FactKind::Group)];
                self.miss(format!("groups of identity store {store}"), failure, gaps);
            }
        }
        GroupListing {
            groups,
            is_cut: result.is_err(),
        }
    }

    async fn read_group(&self, id: &GroupId, listing: &GroupListing) {
        match listing.groups.get(id) {
            Some(group) => self.gathered().group_exists(group.clone()),
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
            (self.question.view, &self.question.scope.principal)
        {
            // The user asked for: only its own groups' assignments were kept.
            let membership = Membership {
                group_id: id.clone(),
                user_id: principal.id.clone(),
                created_at: None,
                created_by: String::new(),
            };
            self.gathered().members(id, vec![membership], true);
        }
    }

    /// Whether members are asked group by group: not for assignments alone, and for one user the
    /// other way round.
    fn reads_members(&self) -> bool {
        let principal = self.question.scope.principal.as_ref();
        self.question.view.expands_groups()
            && principal.is_none_or(|principal| principal.kind == PrincipalKind::Group)
    }

    /// Settles an orphan candidate. Answers false if the group was deleted.
    async fn confirm_group(&self, id: &GroupId) -> bool {
        let instance = self.question.instance;
        self.meter.another_page(Operation::DescribeGroup);
        let read = self.port.group(instance, id, self.call()).await;
        match self.one(Operation::DescribeGroup, read) {
            Ok(Some(group)) => self.gathered().group_exists(group),
            Ok(None) => {
                self.gathered().group_is_deleted(id);
                return false;
            }
            Err(failure) => {
                let gaps = vec![Gap::key(FactKind::Group, id.as_str())];
                self.miss(format!("group {id}"), &failure, gaps);
            }
        }
        true
    }

    async fn read_members(&self, id: &GroupId) {
        let instance = self.question.instance;
        let members = Mutex::new(Vec::new());
        let read = self.every_page(
            Operation::ListGroupMemberships,
            id.as_str(),
            |token| async move {
                let call = self.call();
                self.port
                    .group_members(instance, id, token.as_ref(), call)
                    .await
            },
            |page| lock(&members).extend(page),
        );
        let result = read.await;
        let members = members.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.gathered().members(id, members, result.is_ok());
        if let Err(failure) = result {
            // Deleted since it was listed, perhaps.
            if failure.kind == ErrorKind::NotFound && !self.confirm_group(id).await {
                return;
            }
            let gaps = vec![Gap::key(FactKind::Membership, id.as_str())];
            self.miss(format!("group {id}: members"), &failure, gaps);
        }
    }

    /// Reads the facts of the users that something names, or of everybody.
    pub(super) async fn read_users(&self) {
        self.meter.step("users");
        let scope = &self.question.scope;
        let keep_everybody = self.question.view.expands_groups()
            && scope.principal.is_none()
            && self.gathered().has_open_application();
        let wanted = self.gathered().users_without_facts();
        let population = self.question.known.users;
        let lookup = cheaper_lookup(wanted.len() as u64, population, scope.is_whole());
        if keep_everybody || (!wanted.is_empty() && lookup == Lookup::List) {
            // What a cut list lacks is no orphan candidate.
            if !self.list_users_or_miss(keep_everybody).await {
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

    /// Lists the users; answers whether to the end.
    pub(super) async fn list_users_or_miss(&self, keep_everybody: bool) -> bool {
        let store = &self.question.instance.identity_store_id;
        let result = self.list_users(keep_everybody).await;
        if let Err(failure) = &result {
            let gaps = vec![Gap::all(FactKind::User)];
            self.miss(format!("users of identity store {store}"), failure, gaps);
        }
        result.is_ok()
    }

    async fn list_users(&self, keep_everybody: bool) -> Result<(), Failure> {
        let instance = self.question.instance;
        let count = Mutex::new(0_u64);
        self.every_page(
            Operation::ListUsers,
            "",
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
        self.gathered().listed.users = Some(*lock(&count));
        Ok(())
    }

    /// Settles an orphan candidate.
    async fn confirm_user(&self, id: &UserId) {
        let instance = self.question.instance;
        let read = self.port.user(instance, id, self.call()).await;
        match self.one(Operation::DescribeUser, read) {
            Ok(Some(user)) => self.gathered().user_exists(user, true),
            Ok(None) => self.gathered().user_is_deleted(id),
            Err(failure) => {
                let gaps = vec![Gap::key(FactKind::User, id.as_str())];
                self.miss(format!("user {id}"), &failure, gaps);
            }
        }
    }
}
