//! The settings of the inbound limits, each with its reason: rates, handler slots, and what single
//! callers and groups of callers have in their place. What could never be met does not load.

use super::methods::COST_MAX;
use super::slots::Class;
use crate::domain::CallerName;

/// The fastest rate and the largest burst that the configuration takes: more than one machine serves.
const RATE_MAX: u32 = 1_000_000;
/// The most buckets of one kind that it takes: one is some 400 bytes at most.
const BUCKETS_MAX: usize = 1_000_000;
/// The most slots that it takes, and calls of one caller: more than a process may have files.
const CALLS_MAX: usize = 1_000_000;
/// The most entries of `[[limits.callers]]`, and names of one: every call is looked up among them.
const ENTRIES_MAX: usize = 64;

/// How fast calls may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RatesConfig {
    /// What one caller may spend a second, in units of the cheapest call (`methods` has each call's
    /// cost). 500: a portal for some thousand people spends a tenth of it at its busiest, and a
    /// program that asks without a pause spends several times as much.
    pub caller_cost_per_second: u32,
    /// What it may spend at once after a quiet time: two seconds of the rate.
    pub caller_burst: u32,
    /// Callers that are remembered at once; those beyond share one bucket. One is remembered until
    /// its bucket is full again, two seconds at most: so many callers a second are more than one
    /// server serves.
    pub callers_max: usize,
    /// Calls a second from one address (IPv6: one /64) whose credentials prove nobody. 50: each
    /// costs a signature check of 50 to 100 microseconds at most, so that is half a hundredth of a
    /// processor, and more than a portal has that passes its people's ended tokens on.
    pub address_failures_per_second: u32,
    /// The same at once after a quiet time: a deployment with a wrong secret is told what is wrong
    /// before it is only told to wait.
    pub address_burst: u32,
    /// Addresses that are remembered at once; those beyond share one bucket. One is remembered until
    /// its bucket is full again, ten seconds at most.
    pub addresses_max: usize,
}

impl Default for RatesConfig {
    fn default() -> Self {
        Self {
            caller_cost_per_second: 500,
            caller_burst: 1000,
            callers_max: 10_000,
            address_failures_per_second: 50,
            address_burst: 500,
            addresses_max: 10_000,
        }
    }
}

impl RatesConfig {
    /// Checks the numbers.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub(in crate::grpc) fn check(&self) -> Result<(), String> {
        let rate = RATE_MAX as usize;
        let numbers = [
            (
                "caller_cost_per_second",
                self.caller_cost_per_second as usize,
                rate,
            ),
            ("callers_max", self.callers_max, BUCKETS_MAX),
            (
                "address_failures_per_second",
                self.address_failures_per_second as usize,
                rate,
            ),
            ("address_burst", self.address_burst as usize, rate),
            ("addresses_max", self.addresses_max, BUCKETS_MAX),
        ];
        for (name, number, maximum) in numbers {
            in_range("limits.rates.", name, number, 1, maximum)?;
        }
        check_burst("limits.rates.", "caller_burst", self.caller_burst)
    }
}

/// How many calls are handled at once, and which of them are refused first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SlotsConfig {
    /// Calls of all callers that are handled at once. 512: eight callers with all of their own 64; an
    /// open call is some 10 KB, and most of them wait for AWS, which answers 20 a second.
    pub calls_max: usize,
    /// Of these, slots that only decisions get: approvals and denials, ends of access, reviews,
    /// freezes. 64: all that one caller may have open.
    pub calls_kept_for_decisions: usize,
    /// Lists and new streams are refused when so many hundredths of the slots are taken. 75: what
    /// lists crowd out of a full server is requests, and a quarter of the slots are theirs alone.
    pub lists_percent: usize,
    /// New reports are refused when so many hundredths are taken. 50: they are the longest work and
    /// the least urgent, and a server that is half full is about to be busy.
    pub reports_percent: usize,
}

impl Default for SlotsConfig {
    fn default() -> Self {
        Self {
            calls_max: 512,
            calls_kept_for_decisions: 64,
            lists_percent: 75,
            reports_percent: 50,
        }
    }
}

impl SlotsConfig {
    /// Checks the numbers: every class gets a slot of an idle server, and none comes before what is
    /// worth more.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub(in crate::grpc) fn check(&self) -> Result<(), String> {
        const SECTION: &str = "limits.slots.";
        in_range(SECTION, "calls_max", self.calls_max, 2, CALLS_MAX)?;
        let kept_max = self.calls_max - 1;
        let kept = self.calls_kept_for_decisions;
        in_range(SECTION, "calls_kept_for_decisions", kept, 1, kept_max)?;
        let percent_min = 100_usize.div_ceil(self.calls_max);
        in_range(
            SECTION,
            "lists_percent",
            self.lists_percent,
            percent_min,
            100,
        )?;
        let (reports, lists) = (self.reports_percent, self.lists_percent);
        in_range(SECTION, "reports_percent", reports, percent_min, lists)
    }

    /// For each class, the number of taken slots from which on it gets none.
    pub(super) fn thresholds(&self) -> [usize; Class::ALL.len()] {
        let requests = self.calls_max - self.calls_kept_for_decisions;
        let part = |percent: usize| (self.calls_max * percent / 100).min(requests);
        Class::ALL.map(|class| match class {
            Class::Reports => part(self.reports_percent),
            Class::Lists => part(self.lists_percent),
            Class::Requests => requests,
            Class::Decisions => self.calls_max,
        })
    }
}

/// What some callers have in the place of what everybody has. What is left out is as everybody's.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallerLimits {
    /// Who: names as the log has them (`service:portal`, `person:corp:alice`), or beginnings of
    /// names with a star (`service:ci-*`). Each caller has its own bucket; the first entry that
    /// names it counts.
    pub callers: Vec<String>,
    /// What each may spend a second.
    pub cost_per_second: Option<u32>,
    /// What each may spend at once.
    pub burst: Option<u32>,
    /// Unary calls that each may have open.
    pub calls_max: Option<usize>,
}

impl CallerLimits {
    /// Checks every entry, and that no name stands where an earlier one takes all of its callers.
    ///
    /// # Errors
    /// A sentence that names the entry and the field.
    pub(in crate::grpc) fn check_all(entries: &[Self]) -> Result<(), String> {
        in_range("limits.", "callers", entries.len(), 0, ENTRIES_MAX)?;
        let mut earlier: Vec<&str> = Vec::new();
        for (entry, number) in entries.iter().zip(1..) {
            let refuse = |problem: String| format!("limits.callers, entry {number}: {problem}");
            entry.check().map_err(refuse)?;
            for name in &entry.callers {
                if let Some(taken_by) = earlier.iter().find(|it| covers(it, name)) {
                    return Err(refuse(format!(
                        "callers: `{name}` never counts, since `{taken_by}` stands before it"
                    )));
                }
                earlier.push(name);
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        let count = self.callers.len();
        in_range("", "callers", count, 1, ENTRIES_MAX)?;
        self.callers.iter().try_for_each(|name| check_name(name))?;
        let rate = self.cost_per_second.map(|it| it as usize);
        let numbers = [
            ("cost_per_second", rate, RATE_MAX as usize),
            ("calls_max", self.calls_max, CALLS_MAX),
        ];
        for (name, number, maximum) in numbers {
            number.map_or(Ok(()), |it| in_range("", name, it, 1, maximum))?;
        }
        (self.burst).map_or(Ok(()), |burst| check_burst("", "burst", burst))?;
        let says_something = rate.is_some() || self.burst.is_some() || self.calls_max.is_some();
        if !says_something {
            return Err("it changes nothing; give cost_per_second, burst or calls_max".to_owned());
        }
        Ok(())
    }
}

/// Whether every caller of `name` is one of `earlier`.
fn covers(earlier: &str, name: &str) -> bool {
    match earlier.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => earlier == name,
    }
}

/// A caller's name, or the beginning of one with a star at its end.
fn check_name(name: &str) -> Result<(), String> {
    if name == "*" {
        return Err("callers: `*` is everybody; set limits.rates instead".to_owned());
    }
    let plain = name.strip_suffix('*').unwrap_or(name);
    if plain.contains('*') {
        return Err(format!(
            "callers: `{name}` has a star that is not at its end"
        ));
    }
    let parsed = CallerName::parse(plain);
    parsed.map_err(|_| format!("callers: `{name}` is the name of no caller"))?;
    Ok(())
}

/// A burst has to hold the dearest call, or that could never be made.
fn check_burst(section: &str, name: &str, burst: u32) -> Result<(), String> {
    let (burst, least) = (burst as usize, COST_MAX as usize);
    in_range(section, name, burst, least, RATE_MAX as usize)
}

fn in_range(
    section: &str,
    name: &str,
    number: usize,
    minimum: usize,
    maximum: usize,
) -> Result<(), String> {
    if (minimum..=maximum).contains(&number) {
        return Ok(());
    }
    Err(format!(
        "{section}{name} is {number}; it must be {minimum} to {maximum}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_fit() {
        assert_eq!(RatesConfig::default().check(), Ok(()));
        assert_eq!(SlotsConfig::default().check(), Ok(()));
        assert_eq!(SlotsConfig::default().thresholds(), [256, 384, 448, 512]);
    }

    #[test]
    fn no_class_is_left_without_a_slot() {
        let config = |calls_max, kept, lists, reports| SlotsConfig {
            calls_max,
            calls_kept_for_decisions: kept,
            lists_percent: lists,
            reports_percent: reports,
        };
        for wrong in [
            config(1, 1, 75, 50),
            config(10, 10, 75, 50),
            config(10, 0, 75, 50),
            config(10, 2, 50, 75),
            config(10, 2, 75, 9),
            config(10, 2, 101, 50),
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
        let least = config(2, 1, 50, 50);
        assert_eq!((least.check(), least.thresholds()), (Ok(()), [1, 1, 1, 2]));
    }
}
