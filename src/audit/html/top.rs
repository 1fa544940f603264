//! The largest few of many, in an amount of memory that does not depend on how many there are.

/// So many are shown: what stands below them is in the tables and in CSV.
pub(super) const SHOWN: usize = 10;

/// The largest things met so far, largest first; of equal ones the one met first.
#[derive(Debug)]
pub(super) struct Top<T> {
    kept: Vec<(u64, T)>,
}

impl<T> Default for Top<T> {
    fn default() -> Self {
        Self { kept: Vec::new() }
    }
}

impl<T> Top<T> {
    /// Takes a thing that will not grow any more.
    pub(super) fn offer(&mut self, size: u64, thing: T) {
        let at = self.kept.partition_point(|(kept, _)| *kept >= size);
        if at < SHOWN {
            self.kept.insert(at, (size, thing));
            self.kept.truncate(SHOWN);
        }
    }

    /// Takes a thing that has grown by one, as it is now; `is_same` finds it among those kept. Who
    /// is offered so at each step is kept exactly when it belongs here at the end: the smallest kept
    /// never grows smaller.
    pub(super) fn grow(
        &mut self,
        size: u64,
        is_same: impl Fn(&T) -> bool,
        thing: impl FnOnce() -> T,
    ) {
        let smallest = self.kept.last().map_or(0, |(size, _)| *size);
        if self.kept.len() >= SHOWN && size <= smallest {
            return;
        }
        let known = (self.kept.iter()).position(|(_, kept)| is_same(kept));
        let thing = match known {
            Some(at) => self.kept.remove(at).1,
            None => thing(),
        };
        self.offer(size, thing);
    }

    /// The things with their sizes, largest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &(u64, T)> {
        self.kept.iter()
    }

    /// The size of the largest.
    pub(super) fn largest(&self) -> u64 {
        self.kept.first().map_or(0, |(size, _)| *size)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_largest_are_kept_and_the_first_of_equals() {
        let mut top = Top::default();
        for number in 0..30_u64 {
            top.offer(number % 15, number);
        }
        let kept: Vec<(u64, u64)> = top.iter().copied().collect();
        assert_eq!(kept.len(), SHOWN);
        assert_eq!(kept[..3], [(14, 14), (14, 29), (13, 13)]);
        assert_eq!(top.largest(), 14);
    }

    proptest! {
        #[test]
        fn what_grows_step_by_step_is_kept_as_if_counted_first(
            steps in proptest::collection::vec(0_u8..40, 0..400)
        ) {
            let mut counts: BTreeMap<u8, u64> = BTreeMap::new();
            let mut top = Top::default();
            for step in steps {
                let count = counts.entry(step).or_default();
                *count += 1;
                top.grow(*count, |kept| *kept == step, || step);
            }
            let mut sizes: Vec<u64> = counts.values().copied().collect();
            sizes.sort_unstable_by(|a, b| b.cmp(a));
            sizes.truncate(SHOWN);
            let kept: Vec<u64> = top.iter().map(|(size, _)| *size).collect();
            prop_assert_eq!(kept, sizes);
            for (size, thing) in top.iter() {
                prop_assert_eq!(counts[thing], *size);
            }
        }
    }
}
