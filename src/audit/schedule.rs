//! When collections are made by themselves: a cron expression, read once. No clock: a time is an argument.

use std::str::FromStr as _;

use croner::Cron;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, de};

/// At night, once a day.
const DAILY: &str = "0 3 * * *";

/// A schedule; its times are in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule(Cron);

impl Schedule {
    /// Reads five fields (minute, hour, day of the month, month, day of the week), or a word like `@daily`.
    ///
    /// # Errors
    /// A sentence: it is no such expression, or it never comes.
    pub fn parse(text: &str) -> Result<Self, String> {
        let cron = Cron::from_str(text);
        let schedule = cron.map(Self).map_err(|problem| {
            format!("`{text}` is not a cron expression such as `{DAILY}`: {problem}")
        })?;
        match schedule.next_after(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(schedule),
            None => Err(format!("`{text}` never comes")),
        }
    }

    /// The first time after this one.
    #[must_use]
    pub fn next_after(&self, at: Timestamp) -> Option<Timestamp> {
        let zoned = at.to_zoned(TimeZone::UTC);
        let next = self.0.find_next_occurrence(&zoned, false);
        next.ok().map(|next| next.timestamp())
    }
}

impl Default for Schedule {
    fn default() -> Self {
        #[expect(
            clippy::expect_used,
            reason = "the text is a constant, and a test reads it"
        )]
        Self::parse(DAILY).expect("the schedule by default")
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_schedule_tells_its_next_time_in_utc() {
        let daily = Schedule::default();
        let next = |schedule: &Schedule, from| schedule.next_after(at(from)).unwrap().to_string();
        assert_eq!(next(&daily, "2026-11-28T02:59:59Z"), "2026-11-28T03:00:00Z");
        assert_eq!(next(&daily, "2026-11-28T03:00:00Z"), "2026-11-29T03:00:00Z");
        let quarterly = Schedule::parse("*/15 * * * *").unwrap();
        assert_eq!(
            next(&quarterly, "2026-12-31T23:50:00Z"),
            "2027-01-01T00:00:00Z"
        );
    }

    #[test]
    fn what_is_no_schedule_and_what_never_comes_is_refused() {
        for wrong in ["", "daily", "61 * * * *", "0 3 * *", "0 0 31 2 *"] {
            let refused = Schedule::parse(wrong).unwrap_err();
            assert!(refused.contains(&format!("`{wrong}`")), "{refused}");
        }
    }
}
