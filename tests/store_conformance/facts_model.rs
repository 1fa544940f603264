//! Random collections against a plain list of snapshots: whatever is taken, dropped half-way, missed and
//! forgotten, every day that is kept reads as it was.

use std::collections::BTreeMap;

use usher::domain::facts::{CollectionId, Fact, FactKey, FactKind, Gap, Gaps};

use super::common::*;
use super::fact_rows::*;

const HISTORIES: u64 = 12;
const DAYS: i64 = 14;

/// The values of an instance, by key.
type Snapshot = BTreeMap<FactKey, String>;

/// What the plain list holds: every finished collection that is kept.
#[derive(Default)]
struct Model {
    days: Vec<(CollectionId, i64, Snapshot)>,
}

/// A world of a few keys, so that the same ones come and go.
fn some_facts(random: &mut fastrand::Rng) -> Vec<Fact> {
    let mut facts = Snapshot::new();
    for _ in 0..random.usize(..30) {
        let (left, right) = (random.u32(..3), random.u32(..6));
        let fact = match random.u8(..4) {
            0 => user(right),
            1 => member(left, right),
            2 => with_value(member(left, right), r#"{"by":"SCIM"}"#),
            _ => assigned(left, right),
        };
        facts.insert(fact.key, fact.value);
    }
    let facts = facts.into_iter();
    facts.map(|(key, value)| Fact { key, value }).collect()
}

fn some_gaps(random: &mut fastrand::Rng) -> Vec<Gap> {
    let gaps = [
        Gap::all(FactKind::User),
        Gap::all(FactKind::Membership),
        Gap::key(FactKind::Membership, &member(1, 1).key.key),
        Gap::key(FactKind::Assignment, &assigned(2, 1).key.key),
    ];
    let some = gaps.into_iter().filter(|_| random.u8(..6) == 0);
    some.collect()
}

impl Model {
    fn add(&mut self, id: CollectionId, second: i64, facts: &[Fact], gaps: &[Gap]) {
        let seen = facts.iter();
        let mut day: Snapshot = seen.map(|it| (it.key.clone(), it.value.clone())).collect();
        let gaps = Gaps::new(gaps, []);
        let before = self.days.last().map(|(_, _, day)| day.clone());
        for (key, value) in before.unwrap_or_default() {
            if gaps.cover(&key) {
                day.entry(key).or_insert(value);
            }
        }
        self.days.push((id, second, day));
    }

    fn forget(&mut self, before: i64) {
        let is_kept = |second: i64| second + ENDS_AFTER >= before;
        let last = self.days.len().saturating_sub(1);
        let first = self.days.iter().position(|(_, second, _)| is_kept(*second));
        self.days.drain(..first.unwrap_or(last));
    }

    /// What differs, by walking over both.
    fn changes(earlier: &Snapshot, later: &Snapshot) -> Vec<Change> {
        let mut keys: Vec<&FactKey> = earlier.keys().chain(later.keys()).collect();
        keys.sort();
        keys.dedup();
        let both = keys.into_iter().map(|key| {
            let (before, after) = (earlier.get(key).cloned(), later.get(key).cloned());
            (key.clone(), before, after)
        });
        both.filter(|(_, before, after)| before != after).collect()
    }

    async fn check(&self, shelf: &Shelf, random: &mut fastrand::Rng) {
        let store = &*shelf.store;
        for (id, _, day) in &self.days {
            let found = all(store, *id).await.into_iter();
            let found: Snapshot = found.map(|fact| (fact.key, fact.value)).collect();
            assert_eq!(&found, day);
        }
        let (Some(left), Some(right)) = (random.choice(&self.days), random.choice(&self.days))
        else {
            return;
        };
        let (earlier, later) = if left.0 <= right.0 {
            (left, right)
        } else {
            (right, left)
        };
        let page = random.usize(1..9);
        assert_eq!(
            changes(store, earlier.0, later.0, page).await,
            Self::changes(&earlier.2, &later.2)
        );
    }
}

pub(crate) async fn random_collections_read_as_a_plain_list_of_snapshots(mut shelf: Shelf) {
    for seed in 1..=HISTORIES {
        let random = &mut fastrand::Rng::with_seed(seed);
        let mut model = Model::default();
        for day in 0..DAYS {
            let second = 1_000 * day;
            let (facts, gaps) = (some_facts(random), some_gaps(random));
            let taking = begin(&*shelf.store, second, &gaps).await;
            let mut left = facts.as_slice();
            let is_dropped = random.u8(..4) == 0;
            while !left.is_empty() {
                if is_dropped && random.u8(..4) == 0 {
                    break;
                }
                let some = &left[..random.usize(1..=left.len())];
                take_all(&*shelf.store, &taking, some).await;
                left = &left[some.len()..];
            }
            if !is_dropped {
                finish(&*shelf.store, &taking).await;
                model.add(taking.id, second, &facts, &gaps);
            }
            if random.u8(..5) == 0 {
                let before = 1_000 * random.i64(0..=day);
                forget(&*shelf.store, at(before)).await;
                model.forget(before);
            }
            if random.u8(..10) == 0 {
                shelf.restart().await;
            }
            model.check(&shelf, random).await;
        }
        shelf = Shelf::sqlite().await;
    }
}
