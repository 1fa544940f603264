//! What the store says of why assignments stand: grants, standing marks and reviews, of now or of a past time.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::kept::of_its_time;
use crate::domain::{AssignmentRecord, Grant, GrantId, InstanceArn, Review, Standing};
use crate::store::{FinishedCollection, GrantScope, Store, StoreError};

/// Grants whose reviews are asked for at once: an id each in one statement.
const GRANTS_PER_QUESTION: usize = 500;

/// How long after Usher changed an assignment AWS may show it as it was: the horizon within which every
/// effect shows (DESIGN.md §4; AWS gives no bound).
pub(super) const VISIBLE_WITHIN: SignedDuration = SignedDuration::from_secs(300);

/// What the store says about the assignments of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreFacts {
    /// Grants that are not over.
    pub grants: Vec<Grant>,
    /// The assignments that Usher has touched.
    pub records: Vec<AssignmentRecord>,
    /// What reviewers said of the grants.
    pub reviews: Vec<(GrantId, Review)>,
    /// Those of the grants that were over when the last of this was read: they explain what was seen before, and
    /// are neither overdue nor without their assignment.
    pub ended: HashSet<GrantId>,
}

impl StoreFacts {
    /// What the store says of a part of an instance now, or with a collection, of the grants of its time.
    ///
    /// # Errors
    /// Those of the store's methods.
    pub async fn read(
        store: &dyn Store,
        instance: &InstanceArn,
        scope: &GrantScope,
        kept: Option<&FinishedCollection>,
    ) -> Result<Self, StoreError> {
        let grants = match kept {
            None => store.open_grants(instance, scope).await?,
            Some(kept) => of_its_time(store, instance, scope, kept).await?,
        };
        let ids: Vec<GrantId> = grants.iter().map(|grant| grant.id.clone()).collect();
        let mut reviews = Vec::new();
        for ids in ids.chunks(GRANTS_PER_QUESTION) {
            reviews.extend(store.reviews(ids).await?);
        }
        let mut records = store.assignment_records(instance, scope).await?;
        let mut ended = HashSet::new();
        if let Some(kept) = kept {
            let until = kept.record.ended_at;
            let over = (grants.iter()).filter(|it| it.ended_at.is_some_and(|at| at <= until));
            ended.extend(over.map(|grant| grant.id.clone()));
            // That Usher read one to be absent may have been later than the time that is told.
            for record in records.iter_mut().filter(|it| it.standing == Standing::No) {
                record.standing = Standing::Unknown;
            }
        }
        Ok(Self {
            grants,
            records,
            reviews,
            ended,
        })
    }

    /// The same about assignments that are there when AWS is looked at from a time on: one that Usher had read to
    /// be gone well before was made anew by somebody else, however long collections have seen one there.
    #[must_use]
    pub fn looked_at(mut self, from: Timestamp) -> Self {
        let was_gone = |record: &AssignmentRecord| {
            let gone = record
                .gone_at
                .and_then(|at| at.checked_add(VISIBLE_WITHIN).ok());
            record.standing == Standing::Unknown && gone.is_some_and(|at| at <= from)
        };
        for record in self.records.iter_mut().filter(|it| was_gone(it)) {
            record.standing = Standing::No;
        }
        self
    }

    /// Joins what was read before a collection with what was read after it: an assignment seen in
    /// between is explained by either. Of two versions of one grant or record the later counts.
    #[must_use]
    pub fn joined(before: Self, after: Self) -> Self {
        let mut ended = before.ended;
        ended.extend(after.ended);
        let open: HashSet<&GrantId> = after.grants.iter().map(|grant| &grant.id).collect();
        let over = (before.grants.iter()).filter(|grant| !open.contains(&grant.id));
        ended.extend(over.map(|grant| grant.id.clone()));
        let mut grants: HashMap<_, Grant> = HashMap::new();
        for grant in before.grants.into_iter().chain(after.grants) {
            grants.insert(grant.id.clone(), grant);
        }
        let mut records: HashMap<_, AssignmentRecord> = HashMap::new();
        for record in before.records.into_iter().chain(after.records) {
            records.insert(record.key.clone(), record);
        }
        // A review is never changed; one that both have counts once where it is told.
        let reviews = before.reviews.into_iter().chain(after.reviews);
        Self {
            grants: grants.into_values().collect(),
            records: records.into_values().collect(),
            reviews: reviews.collect(),
            ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::GrantState;
    use crate::domain::grant::tests::grant;

    #[test]
    fn what_usher_saw_go_and_is_there_was_made_by_somebody_else() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut record = AssignmentRecord::new(grant(1, GrantState::Active).assignment_key());
        record.gone_at = Some(at(1_000));
        let standing = |record: &AssignmentRecord, from| {
            let facts = StoreFacts {
                records: vec![record.clone()],
                ..StoreFacts::default()
            };
            facts.looked_at(at(from)).records[0].standing
        };
        assert_eq!(standing(&record, 900), Standing::Unknown);
        // AWS may still show it.
        assert_eq!(standing(&record, 1_299), Standing::Unknown);
        assert_eq!(standing(&record, 1_300), Standing::No);
        record.standing = Standing::Yes;
        assert_eq!(standing(&record, 2_000), Standing::Yes);
    }

    #[test]
    fn of_two_versions_the_later_counts_and_either_explains() {
        let ended = grant(1, GrantState::Active);
        let mut later = grant(2, GrantState::Provisioning);
        let facts = |grants| StoreFacts {
            grants,
            ..StoreFacts::default()
        };
        let before = facts(vec![ended.clone(), later.clone()]);
        later.state = GrantState::Active;
        let mut joined = StoreFacts::joined(before, facts(vec![later.clone()])).grants;
        joined.sort_by_key(|grant| grant.id.clone());
        assert_eq!(joined, [ended, later]);
    }
}
