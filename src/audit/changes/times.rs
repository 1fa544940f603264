//! When the collections of a period looked, and what each could not see. Pure.

use jiff::Timestamp;

use crate::domain::facts::{CollectionId, CollectionRecord, FactKey, Gaps};

/// The looks at an instance, oldest first.
#[derive(Default)]
pub(super) struct Times(Vec<Look>);

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
            began_at: record.began_at,
            ended_at: record.ended_at,
            // Which groups were named is not known any more: of all others nobody may have looked at the members.
            gaps: Gaps::new(record.gaps(), []),
        });
    }

    /// Between which times what a collection saw of a fact for the first time came about: since the last one before it
    /// that could see the fact, none where none could.
    pub(super) fn of(&self, id: CollectionId, key: &FactKey) -> (Option<Timestamp>, Timestamp) {
        let place = self.0.partition_point(|look| look.id < id);
        let (before, from) = self.0.split_at(place);
        let sighted = before.iter().rev().find(|look| !look.gaps.cover(key));
        let seen = from.first().or(before.last());
        (
            sighted.map(|look| look.began_at),
            seen.map_or(Timestamp::MAX, |look| look.ended_at),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::facts::{FactKind, Gap};

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
                counts: Vec::new(),
            };
            times.add(CollectionId(id), &record);
        }
        let key = |key: &str| FactKey {
            kind: FactKind::User,
            key: key.to_owned(),
            second: String::new(),
        };
        let of = |id, of| times.of(CollectionId(id), &key(of));
        assert_eq!(of(7, "v"), (Some(time(500)), time(710)));
        assert_eq!(of(7, "u"), (Some(time(400)), time(710)));
        assert_eq!(of(4, "v"), (None, time(410)));
    }
}
