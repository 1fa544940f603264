//! When the collections of a period looked, and what each could not see. Pure.

use jiff::Timestamp;

use super::super::facts::is_listed;
use crate::domain::facts::{CollectionId, CollectionRecord, FactKey, FactKind, Gap, Gaps};

/// The looks at an instance, oldest first.
#[derive(Default)]
pub(super) struct Times(Vec<Look>);

/// In which collections a group was assigned somewhere: nobody looks for members of others.
#[derive(Debug, Default)]
pub(super) struct Assigned(pub(super) Vec<(CollectionId, Option<CollectionId>)>);

impl Assigned {
    fn holds(&self, id: CollectionId) -> bool {
        let holds = |(from, to): &(CollectionId, Option<CollectionId>)| {
            *from <= id && to.is_none_or(|to| id < to)
        };
        self.0.iter().any(holds)
    }
}

struct Look {
    id: CollectionId,
    began_at: Timestamp,
    ended_at: Timestamp,
    gaps: Gaps,
}

impl Times {
    /// The next look.
    pub(super) fn add(&mut self, id: CollectionId, record: &CollectionRecord) {
        if self.0.last().is_some_and(|last| last.id >= id) {
            return;
        }
        self.0.push(Look {
            id,
            began_at: record.looked_from(),
            ended_at: record.ended_at,
            // Which groups were named is not known any more: of all others nobody may have looked at the members.
            gaps: Gaps::new(record.gaps().chain(&unlisted(record)), []),
        });
    }

    /// Between which times what a collection saw of a fact for the first time came about: since the last one before it
    /// that could see the fact, none where none could. Of a membership it matters where its group was assigned.
    pub(super) fn of(
        &self,
        id: CollectionId,
        key: &FactKey,
        assigned: Option<&Assigned>,
    ) -> (Option<Timestamp>, Timestamp) {
        let place = self.0.partition_point(|look| look.id < id);
        let (before, from) = self.0.split_at(place);
        let could_see = |look: &&Look| {
            !look.gaps.cover(key) && assigned.is_none_or(|assigned| assigned.holds(look.id))
        };
        let sighted = before.iter().rev().find(could_see);
        let seen = from.first().or(before.last());
        (
            sighted.map(|look| look.began_at),
            seen.map_or(Timestamp::MAX, |look| look.ended_at),
        )
    }
}

/// What a collection need not have seen: what it has no whole list of.
fn unlisted(record: &CollectionRecord) -> Vec<Gap> {
    let kinds = [
        FactKind::User,
        FactKind::Group,
        FactKind::PermissionSet,
        FactKind::Account,
    ];
    let unlisted = kinds.into_iter().filter(|kind| !is_listed(record, *kind));
    unlisted.map(Gap::all).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_could_see_may_have_changed_since_somebody_last_could() {
        let time = |second| Timestamp::from_second(second).unwrap();
        let mut times = Times::default();
        for (id, unread) in [
            (2, vec![Gap::all(FactKind::User)]),
            (4, Vec::new()),
            (5, vec![Gap::key(FactKind::User, "u")]),
            (7, Vec::new()),
        ] {
            let at = i64::try_from(id).unwrap() * 100;
            let record = CollectionRecord {
                began_at: time(at),
                ended_at: time(at + 10),
                observed: None,
                missing: Vec::new(),
                unread,
                operations: Vec::new(),
                counts: vec![("users".to_owned(), 9)],
            };
            times.add(CollectionId(id), &record);
        }
        let key = |key: &str| FactKey {
            kind: FactKind::User,
            key: key.to_owned(),
            second: String::new(),
        };
        let of = |id, of| times.of(CollectionId(id), &key(of), None);
        assert_eq!(of(7, "v"), (Some(time(500)), time(710)));
        assert_eq!(of(7, "u"), (Some(time(400)), time(710)));
        assert_eq!(of(4, "v"), (None, time(410)));
        // Groups were in no list, and nobody looks into one that is assigned nowhere.
        let group = FactKey {
            kind: FactKind::Group,
            ..key("g")
        };
        assert_eq!(times.of(CollectionId(7), &group, None).0, None);
        let member = FactKey {
            kind: FactKind::Membership,
            ..key("g")
        };
        let assigned = Assigned(vec![(CollectionId(2), Some(CollectionId(4)))]);
        let of_member = times.of(CollectionId(7), &member, Some(&assigned));
        assert_eq!(of_member.0, Some(time(200)));
    }
}
