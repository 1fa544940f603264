//! How many targets each person reaches, and by which ways: counted while rows stream, in memory
//! that does not depend on how many rows there are.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use super::markup::Html;
use super::top::Top;
use crate::domain::report::ReportPath;

/// People that are counted of one instance: twice AWS's quota of users in an identity store. A
/// person takes at most 100 bytes with the map's spare room, so that they take at most 20 MB.
pub(super) const PEOPLE_MAX: usize = 200_000;
/// The ends of the steps in which people are counted by number of targets; the last is open.
pub(super) const STEPS: [u64; 6] = [1, 5, 10, 20, 50, u64::MAX];

/// The ways in by which somebody enters something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Ways {
    pub(super) direct: bool,
    pub(super) group: bool,
    pub(super) open: bool,
}

/// How many people there are of each kind; who has several ways counts in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct WayCounts {
    pub(super) direct: u64,
    pub(super) group: u64,
    pub(super) open: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Person {
    targets: u32,
    ways: Ways,
}

/// Who is counted: two hashes of the id. That two people share both is less likely than a fault of
/// the memory, and the id itself would take several times the room.
type Key = (u64, u64);

/// The people of a report.
#[derive(Debug, Default)]
pub(super) struct People {
    hashers: (RandomState, RandomState),
    /// Those of the instance whose rows come now.
    present: HashMap<Key, Person>,
    steps: [u64; STEPS.len()],
    ways: WayCounts,
    top: Top<(Key, Html)>,
    has_left_out: bool,
}

impl Ways {
    /// Adds a way; says whether it is new.
    pub(super) fn add(&mut self, path: ReportPath) -> bool {
        let way = match path {
            ReportPath::Direct => &mut self.direct,
            ReportPath::Group => &mut self.group,
            ReportPath::OpenApplication => &mut self.open,
            ReportPath::None => return false,
        };
        !std::mem::replace(way, true)
    }
}

impl WayCounts {
    /// One more with this way.
    pub(super) fn add(&mut self, path: ReportPath) {
        match path {
            ReportPath::Direct => self.direct += 1,
            ReportPath::Group => self.group += 1,
            ReportPath::OpenApplication => self.open += 1,
            ReportPath::None => {}
        }
    }
}

impl People {
    /// A person meets a target; each is told once for each target.
    pub(super) fn meet(&mut self, id: &str, label: impl FnOnce() -> Html) {
        let key = self.key(id);
        if self.present.len() >= PEOPLE_MAX && !self.present.contains_key(&key) {
            self.has_left_out = true;
            return;
        }
        let person = self.present.entry(key).or_default();
        person.targets = person.targets.saturating_add(1);
        let targets = u64::from(person.targets);
        self.top
            .grow(targets, |(kept, _)| *kept == key, || (key, label()));
    }

    /// By this way the person enters something.
    pub(super) fn enter(&mut self, id: &str, path: ReportPath) {
        let key = self.key(id);
        if let Some(person) = self.present.get_mut(&key)
            && person.ways.add(path)
        {
            self.ways.add(path);
        }
    }

    /// The rows of the instance are over. The next has people of its own.
    pub(super) fn end_instance(&mut self) {
        for (_, person) in self.present.drain() {
            let targets = u64::from(person.targets);
            let step = STEPS.partition_point(|end| *end < targets);
            if let Some(count) = self.steps.get_mut(step) {
                *count += 1;
            }
        }
        // The same id in another instance is somebody else.
        self.hashers = <(RandomState, RandomState)>::default();
    }

    /// Who reaches most targets, with how many.
    pub(super) fn top(&self) -> impl Iterator<Item = (u64, &Html)> {
        self.top
            .iter()
            .map(|(targets, (_, label))| (*targets, label))
    }

    /// How many people reach so many targets, step by step as in `STEPS`; of ended instances.
    pub(super) fn steps(&self) -> &[u64; STEPS.len()] {
        &self.steps
    }

    /// How many people have each way somewhere.
    pub(super) fn ways(&self) -> WayCounts {
        self.ways
    }

    /// Whether there were more people than are counted.
    pub(super) fn has_left_out(&self) -> bool {
        self.has_left_out
    }

    fn key(&self, id: &str) -> Key {
        (self.hashers.0.hash_one(id), self.hashers.1.hash_one(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(text: &str) -> Html {
        let mut html = Html::default();
        html.text(text);
        html
    }

    #[test]
    fn people_are_counted_by_targets_and_ways() {
        let mut people = People::default();
        for target in 0..12 {
            for user in ["a", "b", "c"]
                .into_iter()
                .take(if target == 0 { 3 } else { 1 })
            {
                people.meet(user, || label(user));
                people.enter(user, ReportPath::Group);
                people.enter(user, ReportPath::Group);
            }
        }
        people.enter("b", ReportPath::Direct);
        people.end_instance();
        people.meet("a", || label("another a"));
        people.enter("a", ReportPath::OpenApplication);
        people.end_instance();
        assert_eq!(people.steps(), &[3, 0, 0, 1, 0, 0]);
        let ways = people.ways();
        assert_eq!((ways.direct, ways.group, ways.open), (1, 3, 1));
        let top: Vec<(u64, Html)> =
            (people.top().map(|(size, html)| (size, html.clone()))).collect();
        assert_eq!(top[0], (12, label("a")));
        assert_eq!(top.len(), 4);
        assert!(!people.has_left_out());
    }

    #[test]
    fn more_people_than_are_counted_are_told() {
        let mut people = People::default();
        for user in 0..=PEOPLE_MAX {
            people.meet(&user.to_string(), || label("x"));
        }
        assert!(people.has_left_out());
        people.end_instance();
        assert_eq!(people.steps()[0], PEOPLE_MAX as u64);
    }
}
