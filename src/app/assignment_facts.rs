//! The assignments that a question is about, as AWS has them; `list_assignments` says why each stands.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::assign::group_reference;
use super::list_assignments::TargetKind;
use super::{App, AppError};
use crate::audit::{Seen, StoreFacts, seen_among};
use crate::domain::facts::{FactKind, second_of_principal};
use crate::domain::{
    DirectAssignment, ErrorKind, Failure, Instance, PrincipalKind, PrincipalRef, Target,
};
use crate::identity_center::{Call, Dated};
use crate::store::{FactRange, GrantScope};

/// A fact, and whether it came through a group of the asked user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fact {
    pub(super) target: Target,
    pub(super) assigned: PrincipalRef,
    pub(super) through_group: bool,
}

/// What is asked, found in the directory.
pub(super) struct Wanted<'a> {
    pub(super) principal: Option<&'a PrincipalRef>,
    pub(super) target: Option<&'a Target>,
    /// Only targets of this kind.
    pub(super) kind: Option<TargetKind>,
    /// Also what the user has through groups.
    pub(super) with_groups: bool,
}

impl Fact {
    /// The place of a row in its list: what a page token carries.
    pub(super) fn place(&self) -> String {
        format!(
            "{}|{}|{}|{}",
            self.target.kind(),
            self.target.key(),
            self.assigned.kind.as_str(),
            self.assigned.id
        )
    }
}

impl Wanted<'_> {
    fn wants(&self, target: &Target) -> bool {
        self.kind.is_none_or(|kind| kind == TargetKind::of(target))
    }
}

impl App {
    /// What the store says of the assignments in a scope.
    pub(super) async fn reasons_facts(
        &self,
        instance: &Instance,
        scope: &GrantScope,
    ) -> Result<StoreFacts, AppError> {
        let store = self.parts.store.as_ref();
        Ok(StoreFacts::read(store, &instance.arn, scope, None).await?)
    }

    /// Since when assignments have been there, as collections tell.
    pub(super) async fn first_seen(
        &self,
        instance: &Instance,
        wanted: &Wanted<'_>,
        facts: &[Fact],
    ) -> Result<Seen, AppError> {
        let store = self.parts.store.as_ref();
        let ranges: Vec<FactRange> = match wanted.target {
            Some(target) => vec![FactRange::Of(
                FactKind::Assignment,
                target.key().into_owned(),
            )],
            None => {
                let assigned: BTreeSet<&PrincipalRef> =
                    facts.iter().map(|fact| &fact.assigned).collect();
                let with = |it| FactRange::With(FactKind::Assignment, second_of_principal(it));
                assigned.into_iter().map(with).collect()
            }
        };
        let now = self.parts.clock.now();
        let last = store.collection_at(&instance.arn, now).await?;
        Ok(seen_among(store, &instance.arn, last.as_ref(), ranges).await?)
    }

    /// The assignments as AWS has them, sorted by place.
    pub(super) async fn assignment_facts(
        &self,
        instance: &Instance,
        wanted: &Wanted<'_>,
        max_age: Duration,
        call: Call,
    ) -> Result<Dated<Vec<Fact>>, AppError> {
        let principal = wanted.principal;
        let (groups, mut observed_at) = match principal {
            Some(user) if wanted.with_groups && user.kind == PrincipalKind::User => {
                let groups = self.groups_of(instance, user, max_age, call).await?;
                (groups.value, groups.observed_at)
            }
            _ => (Vec::new(), Timestamp::MAX),
        };
        let mut rows: Vec<DirectAssignment> = Vec::new();
        if let Some(target) = wanted.target {
            let directory = &self.parts.directory;
            let read = directory.assignments_of_target(target, max_age, call);
            let read = read
                .await
                .map_err(|failure| self.read_refusal(instance, None, Some(target), failure))?;
            observed_at = observed_at.min(read.observed_at);
            rows.extend(read.value.iter().cloned());
        } else {
            for asked in principal.into_iter().chain(&groups) {
                let read = self
                    .rows_of_principal(instance, asked, wanted.kind, max_age, call)
                    .await;
                let read = match read {
                    // Of what AWS no longer has it may not list anything.
                    Err(failure) if failure.kind == ErrorKind::NotFound => continue,
                    read => read?,
                };
                observed_at = observed_at.min(read.observed_at);
                // For a user AWS may add rows that name a group (aws-api.md §3b, UNVERIFIED): each
                // row counts for the principal that it names, and only once.
                rows.extend(
                    read.value
                        .iter()
                        .filter(|row| &row.principal == asked)
                        .cloned(),
                );
            }
        }
        let mut facts: Vec<Fact> = rows
            .into_iter()
            .filter(|row| {
                principal
                    .is_none_or(|asked| &row.principal == asked || groups.contains(&row.principal))
            })
            .filter(|row| wanted.wants(&row.target))
            .map(|row| Fact {
                through_group: principal.is_some_and(|asked| &row.principal != asked),
                target: row.target,
                assigned: row.principal,
            })
            .collect();
        facts.sort_by_key(Fact::place);
        facts.dedup();
        // Where nothing could be listed, the answer is of now.
        let observed_at = observed_at.min(self.parts.clock.now());
        Ok(Dated {
            value: facts,
            observed_at,
        })
    }

    /// The rows of one principal; of accounts none in an instance that gives no access to them.
    async fn rows_of_principal(
        &self,
        instance: &Instance,
        principal: &PrincipalRef,
        kind: Option<TargetKind>,
        max_age: Duration,
        call: Call,
    ) -> Result<Dated<std::sync::Arc<Vec<DirectAssignment>>>, Failure> {
        let directory = &self.parts.directory;
        match kind {
            None => {
                let rows = directory.assignments_of_principal(instance, principal, max_age, call);
                rows.await
            }
            Some(TargetKind::Application) => {
                directory
                    .application_assignments_of_principal(instance, principal, max_age, call)
                    .await
            }
            Some(TargetKind::AccountAccess) if !instance.gives_account_access() => Ok(Dated {
                value: std::sync::Arc::default(),
                observed_at: self.parts.clock.now(),
            }),
            Some(TargetKind::AccountAccess) => {
                directory
                    .account_assignments_of_principal(instance, principal, max_age, call)
                    .await
            }
        }
    }

    /// The groups that a user is in.
    async fn groups_of(
        &self,
        instance: &Instance,
        user: &PrincipalRef,
        max_age: Duration,
        call: Call,
    ) -> Result<Dated<Vec<PrincipalRef>>, AppError> {
        let memberships = self
            .parts
            .directory
            .groups_of_user(instance, &user.id, max_age, call)
            .await;
        let memberships = match memberships {
            // A user that is gone is in no group.
            Err(failure) if failure.kind == ErrorKind::NotFound => {
                return Ok(Dated {
                    value: Vec::new(),
                    observed_at: self.parts.clock.now(),
                });
            }
            memberships => memberships?,
        };
        let groups = memberships.value.iter();
        Ok(Dated {
            value: groups
                .map(|membership| group_reference(&membership.group_id))
                .collect(),
            observed_at: memberships.observed_at,
        })
    }
}
