//! ListAssignments about everything: from the facts of the last collection, page by page, all pages from the
//! same one. It never asks AWS; names and statuses are those of the collection, reasons those of now.

use std::collections::BTreeMap;
use std::time::Duration;

use super::asker::Asker;
use super::facts_page::{Place, forgotten};
use super::list_assignments::{AssignmentPage, AssignmentRow, ListAssignments, TargetKind};
use super::permission::{LOOKED_AT_MAX, LOOKED_AT_ONCE};
use super::reasons::{Reasons, last_end};
use super::report::is_young;
use super::view::{NamedPrincipal, NamedTarget};
use super::{App, AppError, CallContext};
use crate::audit::{Seen, StoreFacts};
use crate::domain::external::NamedAssignment;
use crate::domain::facts::{FactKey, FactKind, KnownFact, principal_of_second, target_of_key};
use crate::domain::report::Provenance;
use crate::domain::{AssignmentKey, Grant, GrantState, Instance, PrincipalStatus, Target};
use crate::policy::Action;
use crate::store::{FinishedCollection, ListedAssignments, StoreError};

/// What the keys of assignments to applications begin with: accounts' digits sort before it.
const APPLICATIONS_FROM: &str = "arn:";

/// What the rows of a stretch of assignments are made of.
struct Stretch {
    reasons: Reasons,
    names: BTreeMap<FactKey, KnownFact>,
}

/// Which rows the asker may see.
struct Sight<'a> {
    asker: &'a Asker,
    instance: &'a Instance,
    /// Whether policies answer alike for all who have a target.
    by_target_alone: bool,
    /// The target that was asked about last, and whether it may be seen: rows come target by target.
    last: Option<(NamedTarget, bool)>,
}

impl App {
    /// One page of all assignments of an instance.
    ///
    /// # Errors
    /// `FactsNotCollected` where nothing was collected yet, or nothing so young: a collection begins by
    /// itself. `PageTokenInvalid`, also where the collection of the first page was forgotten since.
    pub(super) async fn page_of_all_assignments(
        &self,
        context: &CallContext,
        request: &ListAssignments,
        instance: &Instance,
        asker: &Asker,
    ) -> Result<AssignmentPage, AppError> {
        let place = self.place(context, request, instance).await?;
        let mut page = Vec::new();
        let mut after = place.after.clone().or_else(|| before_kind(request.kind));
        let mut looked_at = 0;
        let mut sight = Sight::of(asker, instance);
        let next = loop {
            let wanted = (request.page.size - page.len() + 1).min(LOOKED_AT_ONCE + 1);
            let (listed, is_last) = self
                .next_stretch(&place, request.kind, after.as_ref(), wanted)
                .await?;
            looked_at += listed.assignments.len();
            if let Some(last) = listed.assignments.last() {
                after = Some(last.fact.key.clone());
            }
            for row in self.rows_of(instance, &place, listed)? {
                let is_wanted =
                    request.provenance.is_empty() || request.provenance.contains(&row.provenance);
                if is_wanted && sight.shows(self, &row) {
                    page.push(row);
                }
            }
            if is_last {
                break None;
            }
            if page.len() == request.page.size || looked_at >= LOOKED_AT_MAX {
                break after;
            }
            tokio::task::yield_now().await;
        };
        if page.is_empty() && next.is_none() && !self.may_see_directory(asker, instance) {
            // The age of the facts would tell that there are some.
            return self.nothing_to_see(request);
        }
        let next_page_token = match next {
            Some(after) => {
                let next = place.write(&after);
                self.page_tokens.seal(context, &request.page, &next)?
            }
            None => String::new(),
        };
        Ok(AssignmentPage {
            rows: page,
            next_page_token,
            as_of: place.read_at,
        })
    }

    /// Where the page begins: where its token says, or at the beginning of the last collection.
    async fn place(
        &self,
        context: &CallContext,
        request: &ListAssignments,
        instance: &Instance,
    ) -> Result<Place, AppError> {
        if let Some(sealed) = self.page_tokens.open(context, &request.page)? {
            return Place::read(FactKind::Assignment, &sealed).ok_or(AppError::PageTokenInvalid);
        }
        let last = self.last_collection(instance, request.max_age).await?;
        Ok(Place {
            collection: last.id,
            read_at: last.record.read_from(),
            after: None,
        })
    }

    /// The next assignments, one fewer than `wanted`, and whether there are none behind them.
    async fn next_stretch(
        &self,
        place: &Place,
        kind: Option<TargetKind>,
        after: Option<&FactKey>,
        wanted: usize,
    ) -> Result<(ListedAssignments, bool), AppError> {
        let store = &self.parts.store;
        let listed = store.listed_assignments(place.collection, after, wanted);
        let mut listed = listed.await.map_err(forgotten)?;
        let facts = &mut listed.assignments;
        let mut is_last = facts.len() < wanted;
        facts.truncate(wanted - 1);
        if kind == Some(TargetKind::AccountAccess) {
            let count = facts.len();
            facts.retain(|kept| !kept.fact.key.key.starts_with(APPLICATIONS_FROM));
            is_last |= facts.len() < count;
        }
        Ok((listed, is_last))
    }

    /// The last collection of an instance, if its facts are young enough for the asker.
    ///
    /// # Errors
    /// `FactsNotCollected`; then one begins.
    pub(super) async fn last_collection(
        &self,
        instance: &Instance,
        max_age: Option<Duration>,
    ) -> Result<FinishedCollection, AppError> {
        let now = self.parts.clock.now();
        let last = self.parts.store.collection_at(&instance.arn, now).await?;
        let retry_after = match last {
            Some(last) if max_age.is_none_or(|max_age| is_young(&last, max_age, now)) => {
                return Ok(last);
            }
            // Facts that are only too old wait for the schedule: no answer says when.
            Some(_) => None,
            None => self.collect_soon(instance).await,
        };
        Err(self.not_collected(instance, retry_after).await?)
    }

    /// The rows of a stretch of assignments, as they were in the collection, with the reasons of now.
    fn rows_of(
        &self,
        instance: &Instance,
        place: &Place,
        listed: ListedAssignments,
    ) -> Result<Vec<AssignmentRow>, AppError> {
        let mut seen = Seen::of_collection(place.collection, listed.first_whole);
        let mut keys = Vec::with_capacity(listed.assignments.len());
        for kept in &listed.assignments {
            seen.take(kept);
            keys.push(assignment_key(instance, &kept.fact.key)?);
        }
        // Of the collection's time: what has ended since was held by its grant then.
        let ended = listed.ended.into_iter().map(|grant| Grant {
            state: GrantState::Active,
            ..grant
        });
        let reasons = StoreFacts {
            grants: listed.grants.into_iter().chain(ended).collect(),
            records: listed.records,
            ..StoreFacts::default()
        }
        .looked_at(place.read_at);
        let names = listed.named.into_iter().map(|kept| {
            let known = KnownFact::read(&kept.fact);
            (kept.fact.key, known)
        });
        let stretch = Stretch {
            reasons: Reasons::new(reasons, seen),
            names: names.collect(),
        };
        let rows = keys.iter().map(|key| self.row(instance, &stretch, key));
        Ok(rows.collect())
    }

    fn row(&self, instance: &Instance, stretch: &Stretch, key: &AssignmentKey) -> AssignmentRow {
        let (provenance, grants) = stretch.reasons.of(key);
        let principal = stretch.principal(key);
        let target = stretch.target(&key.target);
        let owner = match provenance {
            Provenance::Grant => None,
            _ => self.parts.external.owner(&NamedAssignment {
                instance,
                principal: &key.principal,
                principal_name: &principal.name,
                target: &key.target,
                target_name: &target.name,
                account_name: &target.account_name,
            }),
        };
        AssignmentRow {
            instance_arn: instance.arn.to_string(),
            provenance: provenance.or_external(owner.is_some()),
            external_owner: owner.unwrap_or_default().to_owned(),
            principal,
            target,
            via_group: None,
            grant_ids: grants.iter().map(|grant| grant.id.clone()).collect(),
            end_at: last_end(&grants),
        }
    }
}

impl<'a> Sight<'a> {
    fn of(asker: &'a Asker, instance: &'a Instance) -> Self {
        let by_target_alone = asker
            .policy
            .decides_by_target_alone(Action::ReadAssignments);
        Self {
            asker,
            instance,
            by_target_alone,
            last: None,
        }
    }

    /// Whether a row may be seen. A policy that fails decides against it.
    fn shows(&mut self, app: &App, row: &AssignmentRow) -> bool {
        if let Some((target, is_seen)) = &self.last
            && self.by_target_alone
            && *target == row.target
        {
            return *is_seen;
        }
        let (asker, instance) = (self.asker, &self.instance.arn);
        let resource = app.assignment_resource(asker, instance, &row.principal, &row.target);
        let (policy, action) = (&asker.policy, Action::ReadAssignments);
        let decision = policy.decide_once(&asker.scene, action, &resource);
        let is_seen = decision.is_allowed && decision.errors.is_empty();
        self.last = Some((row.target.clone(), is_seen));
        is_seen
    }
}

impl Stretch {
    fn principal(&self, key: &AssignmentKey) -> NamedPrincipal {
        let known = self.names.get(&FactKey::principal(&key.principal));
        NamedPrincipal {
            reference: key.principal.clone(),
            name: known.map(|known| known.name.clone()).unwrap_or_default(),
            status: known.map_or(PrincipalStatus::Unknown, |known| known.status),
        }
    }

    fn target(&self, target: &Target) -> NamedTarget {
        let name = |key: FactKey| {
            let known = self.names.get(&key);
            known.map(|known| known.name.clone()).unwrap_or_default()
        };
        let (name, account_name) = match target {
            Target::Application(arn) => (name(FactKey::application(arn.as_str())), String::new()),
            Target::AccountAccess(access) => (
                name(FactKey::permission_set(access.permission_set.as_str())),
                name(FactKey::account(access.account.as_str())),
            ),
        };
        NamedTarget {
            target: target.clone(),
            name,
            account_name,
        }
    }
}

/// Where the assignments to targets of a kind begin.
fn before_kind(kind: Option<TargetKind>) -> Option<FactKey> {
    (kind == Some(TargetKind::Application)).then(|| FactKey {
        kind: FactKind::Assignment,
        key: APPLICATIONS_FROM.to_owned(),
        second: String::new(),
    })
}

fn assignment_key(instance: &Instance, key: &FactKey) -> Result<AssignmentKey, StoreError> {
    let unreadable =
        |problem: crate::domain::InvalidValue| StoreError::Corrupt(problem.to_string());
    Ok(AssignmentKey {
        instance_arn: instance.arn.clone(),
        principal: principal_of_second(&key.second).map_err(unreadable)?,
        target: target_of_key(&key.key).map_err(unreadable)?,
    })
}
