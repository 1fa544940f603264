//! From intervals to what came, went and became another. Pure.

use crate::domain::facts::CollectionId;
use crate::store::{FactChange, FactInterval};

/// Intervals, sorted by key and beginning, on their way to be turns: a fact that came, went or became another.
pub(super) struct Turns {
    earlier: CollectionId,
    later: CollectionId,
    last: Option<FactInterval>,
    /// With the collection that saw each.
    pub(super) ready: Vec<(CollectionId, FactChange)>,
}

impl Turns {
    pub(super) fn new(earlier: CollectionId, later: CollectionId) -> Self {
        Self {
            earlier,
            later,
            last: None,
            ready: Vec::new(),
        }
    }

    pub(super) fn take(&mut self, interval: FactInterval) {
        let last = self.last.take();
        let goes_on = last.filter(|last| {
            let is_same = last.fact.key == interval.fact.key && last.to == Some(interval.from);
            if !is_same {
                self.went(last);
            }
            is_same
        });
        if interval.from > self.earlier {
            let change = FactChange {
                key: interval.fact.key.clone(),
                before: goes_on.map(|last| last.fact.value),
                after: Some(interval.fact.value.clone()),
            };
            self.ready.push((interval.from, change));
        }
        self.last = Some(interval);
    }

    /// No further interval comes.
    pub(super) fn end(&mut self) {
        if let Some(last) = self.last.take() {
            self.went(&last);
        }
    }

    /// No other one follows.
    fn went(&mut self, last: &FactInterval) {
        if let Some(to) = last.to.filter(|to| *to <= self.later) {
            let change = FactChange {
                key: last.fact.key.clone(),
                before: Some(last.fact.value.clone()),
                after: None,
            };
            self.ready.push((to, change));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::facts::{Fact, FactKey, FactKind};

    fn interval(key: &str, value: &str, from: u64, to: Option<u64>) -> FactInterval {
        FactInterval {
            fact: Fact {
                key: FactKey {
                    kind: FactKind::User,
                    key: key.to_owned(),
                    second: String::new(),
                },
                value: value.to_owned(),
            },
            from: CollectionId(from),
            to: to.map(CollectionId),
        }
    }

    #[test]
    fn intervals_become_what_came_went_and_became_another() {
        let mut turns = Turns::new(CollectionId(2), CollectionId(9));
        for interval in [
            interval("a", "1", 1, Some(4)),
            interval("a", "2", 4, None),
            interval("b", "1", 3, Some(5)),
            interval("b", "2", 7, Some(12)),
            interval("c", "1", 1, Some(9)),
        ] {
            turns.take(interval);
        }
        turns.end();
        let told: Vec<String> = (turns.ready.iter())
            .map(|(at, change)| {
                let (before, after) = (change.before.as_deref(), change.after.as_deref());
                format!("{} {} {before:?} {after:?}", change.key.key, at.0)
            })
            .collect();
        let expected = [
            "a 4 Some(\"1\") Some(\"2\")",
            "b 3 None Some(\"1\")",
            "b 5 Some(\"1\") None",
            "b 7 None Some(\"2\")",
            "c 9 Some(\"1\") None",
        ];
        assert_eq!(told, expected);
    }
}
