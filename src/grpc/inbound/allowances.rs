//! What each caller may do: everybody's allowance, or that of the first entry of `[[limits.callers]]`
//! that names it. Prepared once; a look-up allocates nothing.

use std::collections::HashMap;

use super::bucket::Rate;
use super::config::{CallerLimits, RatesConfig};
use crate::domain::CallerName;

/// What one caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Allowance {
    /// How much it may spend.
    pub(super) rate: Rate,
    /// How many unary calls it may have open.
    pub(super) calls_max: usize,
}

/// The allowances of all callers.
#[derive(Debug)]
pub(super) struct Allowances {
    everybody: Allowance,
    entries: Vec<Allowance>,
    /// Whole names, each with its entry.
    whole: HashMap<String, usize>,
    /// Beginnings of names, each with its entry, in the order of the entries.
    beginnings: Vec<(String, usize)>,
}

impl Allowances {
    /// Takes entries that were checked.
    pub(super) fn new(rates: &RatesConfig, calls_max: usize, entries: &[CallerLimits]) -> Self {
        let of = |entry: &CallerLimits| Allowance {
            rate: Rate::new(
                entry
                    .cost_per_second
                    .unwrap_or(rates.caller_cost_per_second),
                entry.burst.unwrap_or(rates.caller_burst),
            ),
            calls_max: entry.calls_max.unwrap_or(calls_max),
        };
        let (mut whole, mut beginnings) = (HashMap::new(), Vec::new());
        for (number, entry) in entries.iter().enumerate() {
            for name in &entry.callers {
                match name.strip_suffix('*') {
                    Some(beginning) => beginnings.push((beginning.to_owned(), number)),
                    None => {
                        whole.insert(name.clone(), number);
                    }
                }
            }
        }
        Self {
            everybody: Allowance {
                rate: Rate::new(rates.caller_cost_per_second, rates.caller_burst),
                calls_max,
            },
            entries: entries.iter().map(of).collect(),
            whole,
            beginnings,
        }
    }

    /// What this caller may do.
    pub(super) fn of(&self, caller: &CallerName) -> Allowance {
        let name = caller.as_str();
        let whole = self.whole.get(name).copied();
        let mut begun = self.beginnings.iter();
        let begun = begun.find(|(beginning, _)| name.starts_with(beginning));
        let begun = begun.map(|&(_, entry)| entry);
        let entry = match (whole, begun) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        entry.map_or(self.everybody, |entry| self.entries[entry])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(callers: &[&str], calls_max: usize) -> CallerLimits {
        CallerLimits {
            callers: callers.iter().map(|&name| name.to_owned()).collect(),
            cost_per_second: None,
            burst: None,
            calls_max: Some(calls_max),
        }
    }

    #[test]
    fn the_first_entry_that_names_a_caller_counts() {
        let entries = [
            entry(&["service:portal", "service:ci-deploy"], 1),
            entry(&["service:ci-*"], 2),
            entry(&["service:*", "bob"], 3),
        ];
        assert_eq!(CallerLimits::check_all(&entries), Ok(()));
        let allowances = Allowances::new(&RatesConfig::default(), 64, &entries);
        for (name, expected) in [
            ("service:portal", 1),
            ("service:portal-2", 3),
            ("service:ci-deploy", 1),
            ("service:ci-test", 2),
            ("service:tickets", 3),
            ("bob", 3),
            ("bobby", 64),
            ("person:corp:service:portal", 64),
        ] {
            let caller = CallerName::parse(name).unwrap();
            assert_eq!(allowances.of(&caller).calls_max, expected, "{name}");
        }
    }

    #[test]
    fn entries_that_say_nothing_or_never_count_are_refused() {
        let (portal, all) = (entry(&["service:portal"], 1), entry(&["service:*"], 2));
        let refused = |entries: &[CallerLimits]| CallerLimits::check_all(entries).unwrap_err();
        for (entries, expected) in [
            (vec![entry(&[], 1)], "callers is 0; it must be 1 to 64"),
            (vec![entry(&["*"], 1)], "`*` is everybody"),
            (vec![entry(&["a*b"], 1)], "a star that is not at its end"),
            (vec![entry(&[""], 1)], "the name of no caller"),
            (
                vec![portal.clone(), portal.clone()],
                "entry 2: callers: `service:portal` never counts",
            ),
            (
                vec![all, portal.clone()],
                "since `service:*` stands before it",
            ),
            (
                vec![entry(&["bob", "bob"], 1)],
                "entry 1: callers: `bob` never counts",
            ),
            (vec![entry(&["bob"], 0)], "calls_max is 0; it must be 1 to"),
            (
                vec![CallerLimits {
                    burst: Some(99),
                    ..portal.clone()
                }],
                "burst is 99; it must be 100 to",
            ),
            (
                vec![CallerLimits {
                    calls_max: None,
                    ..portal
                }],
                "it changes nothing",
            ),
        ] {
            let told = refused(&entries);
            assert!(told.contains(expected), "{told}");
        }
    }
}
