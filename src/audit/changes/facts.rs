//! Facts that changed: each time one came, went or became another in a period, or what differs between its ends.

use jiff::{SignedDuration, Timestamp};

use super::cells::{row_of, write_account, write_permission_set, write_principal, write_target};
use super::times::{Assigned, Times};
use super::turns::Turns;
use super::{Compared, Comparison, Depth, Stopped};
use crate::domain::external::NamedAssignment;
use crate::domain::facts::{
    CollectionId, Fact, FactKey, FactKind, Found, MembershipValue, from_text, principal_of_second,
    second_of_principal, target_of_key,
};
use crate::domain::report::{ChangeCause, ChangeRow, Finding, LIST_SEPARATOR, View};
use crate::domain::{PrincipalId, PrincipalKind, PrincipalRef};
use crate::store::{FactChange, FinishedCollection, Store, StoreError};

/// Changes that are read at once.
const CHANGES_PER_PAGE: usize = 1_000;
/// Collections that are read at once.
const COLLECTIONS_PER_PAGE: usize = 500;
/// The value of what has none.
const NOTHING_MORE: &str = "{}";

/// A fact that is otherwise than it was, and between which times it became so.
struct Turned {
    change: FactChange,
    /// Since when at most, none where nobody could see it before; and by when.
    between: (Option<Timestamp>, Timestamp),
}

/// In which collections the group of the last membership was assigned; memberships come group by group.
#[derive(Default)]
struct Looks(String, Assigned);

impl Looks {
    async fn of(
        &mut self,
        store: &dyn Store,
        compared: &Compared<'_>,
        key: &FactKey,
    ) -> Result<Option<&Assigned>, StoreError> {
        if key.kind != FactKind::Membership {
            return Ok(None);
        }
        if self.0 != key.key {
            let arn = &compared.instance.arn;
            let group = PrincipalId::parse(&key.key).map(|id| {
                let kind = PrincipalKind::Group;
                second_of_principal(&PrincipalRef { kind, id })
            });
            let group = group.map_err(|problem| StoreError::Corrupt(problem.to_string()))?;
            let spans = store.fact_spans(arn, FactKind::Assignment, &group);
            *self = Self(key.key.clone(), Assigned(spans.await?));
        }
        Ok(Some(&self.1))
    }
}

impl View {
    /// The kinds of facts whose difference it is about.
    fn kinds_compared(self) -> &'static [FactKind] {
        match self {
            Self::Findings => &[FactKind::Finding],
            Self::Assignments => &[
                FactKind::Application,
                FactKind::PermissionSet,
                FactKind::Account,
                FactKind::AccountAccess,
                FactKind::Assignment,
            ],
            _ => &FactKind::ALL,
        }
    }
}

impl Comparison<'_> {
    pub(super) async fn write_facts(&mut self, compared: &Compared<'_>) -> Result<(), Stopped> {
        let (Some(earlier), Some(later)) = (&compared.earlier, compared.later) else {
            return Ok(());
        };
        if earlier.id >= later.id {
            let reason = format!(
                "nothing was collected in the period; the last collection before its end had ended at {}",
                later.record.ended_at
            );
            self.miss(compared.instance, "changes of facts", &reason);
            return Ok(());
        }
        match self.request.view.depth() {
            Depth::Difference => self.write_difference(compared, earlier, later).await,
            Depth::All => self.write_turns(compared, earlier, later).await,
        }
    }

    async fn write_difference(
        &mut self,
        compared: &Compared<'_>,
        earlier: &FinishedCollection,
        later: &FinishedCollection,
    ) -> Result<(), Stopped> {
        let kinds = self.request.view.kinds_compared();
        let mut ends = Times::default();
        ends.add(earlier.id, &earlier.record);
        ends.add(later.id, &later.record);
        let mut looks = Looks::default();
        let mut after = None;
        loop {
            let store = self.store;
            let ids = (earlier.id, later.id);
            let page = store.fact_changes(ids.0, ids.1, kinds, after.as_ref(), CHANGES_PER_PAGE);
            let page = page.await?;
            after = (page.len() == CHANGES_PER_PAGE)
                .then(|| page.last().map(|last| last.key.clone()))
                .flatten();
            for change in page {
                let assigned = looks.of(store, compared, &change.key).await?;
                let between = ends.of(later.id, &change.key, assigned);
                self.write_turned(compared, &Turned { change, between })
                    .await?;
            }
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn write_turns(
        &mut self,
        compared: &Compared<'_>,
        earlier: &FinishedCollection,
        later: &FinishedCollection,
    ) -> Result<(), Stopped> {
        let times = self.times(compared, earlier, later).await?;
        let mut looks = Looks::default();
        let mut turns = Turns::new(earlier.id, later.id);
        let mut after: Option<(FactKey, CollectionId)> = None;
        loop {
            let store = self.store;
            let page = store.fact_intervals(earlier.id, later.id, after.as_ref(), CHANGES_PER_PAGE);
            let page = page.await?;
            let is_last = page.len() < CHANGES_PER_PAGE;
            after = page.last().map(|last| (last.fact.key.clone(), last.from));
            for interval in page {
                turns.take(interval);
            }
            if is_last {
                turns.end();
            }
            for (at, change) in turns.ready.drain(..) {
                let assigned = looks.of(store, compared, &change.key).await?;
                let between = times.of(at, &change.key, assigned);
                self.write_turned(compared, &Turned { change, between })
                    .await?;
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// When each collection of the period looked, from the one before it on.
    async fn times(
        &self,
        compared: &Compared<'_>,
        earlier: &FinishedCollection,
        later: &FinishedCollection,
    ) -> Result<Times, StoreError> {
        let arn = &compared.instance.arn;
        let mut times = Times::default();
        times.add(earlier.id, &earlier.record);
        let mut from = earlier.record.ended_at;
        let last = later.record.ended_at;
        let until = last.checked_add(SignedDuration::from_micros(1));
        let until = until.unwrap_or(last);
        loop {
            let page = self
                .store
                .collections(arn, from, until, COLLECTIONS_PER_PAGE);
            let page = page.await?;
            for collection in &page {
                times.add(collection.id, &collection.record);
            }
            let next = page.last().map_or(from, |last| last.record.ended_at);
            if page.len() < COLLECTIONS_PER_PAGE || next == from {
                return Ok(times);
            }
            from = next;
        }
    }

    async fn write_turned(
        &mut self,
        compared: &Compared<'_>,
        turned: &Turned,
    ) -> Result<(), Stopped> {
        let change = &turned.change;
        if self.hides(&change.key) {
            return Ok(());
        }
        let word = match (&change.before, &change.after) {
            (None, _) => "ADDED",
            (_, None) => "REMOVED",
            (Some(_), Some(_)) => "CHANGED",
        };
        let what = what(change.key.kind);
        let mut row = ChangeRow {
            at: turned.between.1.to_string(),
            not_before: (turned.between.0).map_or_else(String::new, |at| at.to_string()),
            before: value(change.before.as_deref()),
            after: value(change.after.as_deref()),
            ..row_of(compared.instance, what, word)
        };
        self.write_key(&mut row, compared, turned);
        self.push(row).await?;
        Ok(())
    }

    /// Whether it is known from instances that whoever asks may not audit; to who may read the log of this one it
    /// is told there.
    fn hides(&self, key: &FactKey) -> bool {
        let is_told = self.request.view == View::Changes || self.request.peers.may_be_told;
        key.kind == FactKind::Finding && key.key == Finding::DuplicateUser.as_str() && !is_told
    }

    /// What a change is about, and why it came.
    fn write_key(&self, row: &mut ChangeRow, compared: &Compared<'_>, turned: &Turned) {
        let (key, names) = (&turned.change.key, &compared.names);
        let principal = |kind, id: &str| {
            let id = PrincipalId::parse(id).ok()?;
            Some(PrincipalRef { kind, id })
        };
        row.cause = ChangeCause::Aws.as_str().to_owned();
        match key.kind {
            FactKind::User => {
                if let Some(user) = principal(PrincipalKind::User, &key.key) {
                    write_principal(row, &user, names);
                }
            }
            FactKind::Group => {
                if let Some(group) = principal(PrincipalKind::Group, &key.key) {
                    write_principal(row, &group, names);
                }
            }
            FactKind::Membership => {
                if let Some(user) = principal(PrincipalKind::User, &key.second) {
                    write_principal(row, &user, names);
                }
                row.group_id.clone_from(&key.key);
                row.group_name = names.of(FactKind::Group, &key.key);
                let value = turned
                    .change
                    .after
                    .as_deref()
                    .map(from_text::<MembershipValue>);
                if let Some(Ok(value)) = value {
                    row.by = value.by;
                }
            }
            FactKind::Application => {
                if let Ok(target) = target_of_key(&key.key) {
                    write_target(row, &target, names);
                }
            }
            FactKind::PermissionSet => write_permission_set(row, &key.key, names),
            FactKind::Account => write_account(row, &key.key, names),
            FactKind::AccountAccess => {
                write_account(row, &key.key, names);
                write_permission_set(row, &key.second, names);
            }
            FactKind::Assignment => self.write_assignment(row, compared, turned),
            FactKind::Finding => write_finding(row, compared, &turned.change),
        }
    }

    fn write_assignment(&self, row: &mut ChangeRow, compared: &Compared<'_>, turned: &Turned) {
        let key = &turned.change.key;
        let (Ok(target), Ok(principal)) =
            (target_of_key(&key.key), principal_of_second(&key.second))
        else {
            return;
        };
        write_target(row, &target, &compared.names);
        write_principal(row, &principal, &compared.names);
        let is_there = turned.change.after.is_some();
        let explanations = &compared.explanations;
        let mut cause = explanations.explain(row, key, is_there, turned.between);
        let target_name = match row.application_name.as_str() {
            "" => row.permission_set_name.as_str(),
            name => name,
        };
        let owner = self.request.external.owner(&NamedAssignment {
            instance: compared.instance,
            principal: &principal,
            principal_name: &row.principal_name,
            target: &target,
            target_name,
            account_name: &row.account_name,
        });
        if let (ChangeCause::OutOfBand, Some(owner)) = (cause, owner) {
            cause = ChangeCause::External;
            owner.clone_into(&mut row.by);
        }
        row.cause = cause.as_str().to_owned();
    }
}

fn write_finding(row: &mut ChangeRow, compared: &Compared<'_>, change: &FactChange) {
    let value = change.after.as_ref().or(change.before.as_ref());
    let fact = Fact {
        key: change.key.clone(),
        value: value.cloned().unwrap_or_default(),
    };
    row.cause = String::new();
    let Ok(found) = Found::read(&fact) else {
        return;
    };
    if let Some(principal) = &found.principal {
        write_principal(row, principal, &compared.names);
    }
    if let Some(target) = &found.target {
        write_target(row, target, &compared.names);
    }
    row.grant_id = (found.grant_id.as_ref())
        .map(ToString::to_string)
        .unwrap_or_default();
    let told = |value: Option<&String>| {
        let read = value.map(|value| {
            let key = fact.key.clone();
            let value = value.clone();
            Found::read(&Fact { key, value })
        });
        let Some(Ok(found)) = read else {
            return String::new();
        };
        let words = [found.finding.as_str(), &found.detail];
        let words = words.into_iter().filter(|word| !word.is_empty());
        Vec::from_iter(words).join(LIST_SEPARATOR)
    };
    row.before = told(change.before.as_ref());
    row.after = told(change.after.as_ref());
}

/// A value as a cell: nothing where it says nothing.
fn value(value: Option<&str>) -> String {
    let said = value.filter(|value| *value != NOTHING_MORE);
    said.unwrap_or_default().to_owned()
}

fn what(kind: FactKind) -> &'static str {
    match kind {
        FactKind::User => "USER",
        FactKind::Group => "GROUP",
        FactKind::Membership => "MEMBERSHIP",
        FactKind::Application => "APPLICATION",
        FactKind::PermissionSet => "PERMISSION_SET",
        FactKind::Account => "ACCOUNT",
        FactKind::AccountAccess => "ACCOUNT_ACCESS",
        FactKind::Assignment => "ASSIGNMENT",
        FactKind::Finding => "FINDING",
    }
}
