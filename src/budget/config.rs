//! The settings of the budget. Each default is AWS's published quota (aws-api.md §4).

use serde::Deserialize;

use crate::domain::InvalidValue;

/// The highest rate the configuration takes, in operations per second: fifty times AWS's default
/// quota. More is a slip of the keyboard.
const PER_SECOND_MAX: u32 = 1000;
/// The largest burst the configuration takes: a full second of the highest rate AWS grants.
const BURST_MAX: u32 = 1000;
/// The most that each floor may keep: three of them leave a quarter of the bucket.
const FLOOR_PERCENT_MAX: u64 = 25;
/// The most loans: a second of AWS's default quota.
const LOANS_MAX: u64 = 20;
/// The longest wait that the configuration takes, in milliseconds.
const LONGEST_MILLISECONDS: u64 = 60_000;
/// The longest pause after a throttle, in milliseconds: what the configuration takes, and what an
/// answer can ask for.
pub(super) const THROTTLE_PAUSE_MILLISECONDS_MAX: u64 = 60_000;

/// How AWS counts identitystore operations. Two revisions of its quota page are in circulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityStoreQuota {
    /// Each operation by itself, as the current page says.
    PerOperation,
    /// All operations together, as an earlier page said: the stricter reading.
    Collective,
}

/// How many operations Usher sends to AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BudgetConfig {
    /// sso-admin operations per second, all together. Default 20, AWS's quota per region of an
    /// instance (aws-api.md §4). Lower it where other tools share the quota.
    pub sso_admin_per_second: u32,
    /// identitystore operations per second, counted as `identity_store_quota` says. Default 20,
    /// AWS's quota per identity store (aws-api.md §4).
    pub identity_store_per_second: u32,
    /// Whether that counts for each operation or for all together. Default `per_operation`, AWS's
    /// current text; choose `collective` when AWS throttles Usher below its rate.
    pub identity_store_quota: IdentityStoreQuota,
    /// organizations operations per second, all together. Default 5: AWS publishes no figure
    /// (aws-api.md §4), and a list of 1,000 accounts is 50 of them.
    pub organizations_per_second: u32,
    /// How many operations may go out at once after a quiet time. Default 1: AWS documents no burst
    /// (aws-api.md §4, UNVERIFIED), and operations that crowd on the way need one. The steps of one grant
    /// follow each other, and an answer of AWS takes longer than a slot.
    pub burst: u32,
    /// How far under the configured rates Usher stays, in percent. Default 1: clocks differ, and a bucket
    /// that is spent to the last drop throttles whoever else uses it.
    pub headroom_percent: u64,
    /// What a throttle leaves of the rate, in percent, at most once a second: others share the quota.
    /// Default 85: six throttles bring 20 a second down to 8.
    pub throttle_keeps_percent: u64,
    /// What throttles leave of the configured rate in any case, in percent. Default 25: from there the full
    /// rate is back a minute after the last throttle.
    pub throttle_least_percent: u64,
    /// After how long without a throttle the rate begins to come back, in milliseconds. Default 2000.
    pub recovers_after_milliseconds: u64,
    /// How much of the rate comes back in a minute, in operations a second. Default 15: from 8 to 20
    /// in 50 seconds, with a throttle every few seconds while AWS gives less.
    pub recovers_per_minute: u32,
    /// How many reads may be tried again, in percent of the operations sent. Default 50: reads get
    /// through while every third fails, and an outage does not double what is spent.
    pub retries_percent: u64,
    /// How many repetitions may be saved up, and are there at the start. Default 20: a second of AWS's
    /// default quota.
    pub retries_saved_max: u32,
    /// How long a bucket pauses when AWS throttles all the same, in milliseconds. Default 1000:
    /// AWS's quotas are per second, so that one second later there is a new one.
    pub throttle_pause_milliseconds: u64,
    /// How much of a bucket is kept for ends whose time has come, questions and reports, each, in percent.
    /// Default 10: a report comes to its end, however much is asked for.
    pub floor_percent: u64,
    /// After what wait an end whose time has come goes before grants, in milliseconds. Default 5000: an
    /// end is acted on within 60 s, and takes up to three operations.
    pub expiry_leads_after_milliseconds: u64,
    /// How many permits break-glass may take before their time within any
    /// `break_glass_loan_milliseconds`. Default 5: the operations of one grant, and one retry.
    pub break_glass_loans_max: u32,
    /// In what time these loans are paid back, in milliseconds. Default 10000: half a second of 20/s in
    /// ten seconds, which AWS is unlikely to refuse.
    pub break_glass_loan_milliseconds: u64,
}

impl Default for BudgetConfig {
    fn default() -> Self {
        Self {
            sso_admin_per_second: 20,
            identity_store_per_second: 20,
            identity_store_quota: IdentityStoreQuota::PerOperation,
            organizations_per_second: 5,
            burst: 1,
            headroom_percent: 1,
            throttle_keeps_percent: 85,
            throttle_least_percent: 25,
            recovers_after_milliseconds: 2000,
            recovers_per_minute: 15,
            retries_percent: 50,
            retries_saved_max: 20,
            throttle_pause_milliseconds: 1000,
            floor_percent: 10,
            expiry_leads_after_milliseconds: 5000,
            break_glass_loans_max: 5,
            break_glass_loan_milliseconds: 10_000,
        }
    }
}

impl BudgetConfig {
    /// Refuses loans that no bucket could pay back.
    fn check_loans(&self) -> Result<(), InvalidValue> {
        let rates = [
            self.sso_admin_per_second,
            self.identity_store_per_second,
            self.organizations_per_second,
        ];
        let slowest = u64::from(rates.into_iter().min().unwrap_or_default());
        let period = self.break_glass_loan_milliseconds;
        if u64::from(self.break_glass_loans_max) * 1000 > slowest * period {
            return Err(InvalidValue(format!(
                "`break_glass_loans_max` in `break_glass_loan_milliseconds` is more than the slowest bucket's rate, {slowest} a second; take fewer, or a longer time"
            )));
        }
        Ok(())
    }

    /// How a bucket is shared, and how its rate falls and comes back: names, values, ranges.
    fn shares_and_rules(&self) -> [(&'static str, u64, u64, u64); 11] {
        let loans = u64::from(self.break_glass_loans_max);
        let leads_after = self.expiry_leads_after_milliseconds;
        let loan = self.break_glass_loan_milliseconds;
        let recovers_after = self.recovers_after_milliseconds;
        let recovers = u64::from(self.recovers_per_minute);
        let saved = u64::from(self.retries_saved_max);
        let (longest, all) = (LONGEST_MILLISECONDS, u64::from(PER_SECOND_MAX));
        [
            ("floor_percent", self.floor_percent, 0, FLOOR_PERCENT_MAX),
            ("expiry_leads_after_milliseconds", leads_after, 0, longest),
            ("break_glass_loans_max", loans, 1, LOANS_MAX),
            ("break_glass_loan_milliseconds", loan, 1000, longest),
            ("headroom_percent", self.headroom_percent, 0, 50),
            (
                "throttle_keeps_percent",
                self.throttle_keeps_percent,
                10,
                99,
            ),
            (
                "throttle_least_percent",
                self.throttle_least_percent,
                1,
                100,
            ),
            ("recovers_after_milliseconds", recovers_after, 0, longest),
            ("recovers_per_minute", recovers, 1, 60 * all),
            ("retries_percent", self.retries_percent, 0, 100),
            ("retries_saved_max", saved, 1, all),
        ]
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// A sentence that names the setting and its range.
    pub fn validate(&self) -> Result<(), InvalidValue> {
        for (name, value, maximum) in [
            (
                "sso_admin_per_second",
                self.sso_admin_per_second,
                PER_SECOND_MAX,
            ),
            (
                "identity_store_per_second",
                self.identity_store_per_second,
                PER_SECOND_MAX,
            ),
            (
                "organizations_per_second",
                self.organizations_per_second,
                PER_SECOND_MAX,
            ),
            ("burst", self.burst, BURST_MAX),
        ] {
            if !(1..=maximum).contains(&value) {
                return Err(InvalidValue(format!(
                    "`{name}` is {value}; it must be between 1 and {maximum}"
                )));
            }
        }
        for (name, value, least, most) in self.shares_and_rules() {
            if !(least..=most).contains(&value) {
                return Err(InvalidValue(format!(
                    "`{name}` is {value}; it must be between {least} and {most}"
                )));
            }
        }
        self.check_loans()?;
        if self.throttle_pause_milliseconds > THROTTLE_PAUSE_MILLISECONDS_MAX {
            return Err(InvalidValue(format!(
                "`throttle_pause_milliseconds` is {}; it must be at most \
                 {THROTTLE_PAUSE_MILLISECONDS_MAX}",
                self.throttle_pause_milliseconds
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_typos_are_refused() {
        assert_eq!(BudgetConfig::default().validate(), Ok(()));
        let parsed: BudgetConfig = toml::from_str("identity_store_quota = \"collective\"").unwrap();
        assert_eq!(parsed.identity_store_quota, IdentityStoreQuota::Collective);
        assert_eq!(parsed.sso_admin_per_second, 20);
        assert!(toml::from_str::<BudgetConfig>("sso_admin_per_secnd = 3").is_err());
    }

    #[test]
    fn a_rate_of_zero_is_refused_by_name() {
        let config = BudgetConfig {
            sso_admin_per_second: 0,
            ..BudgetConfig::default()
        };
        let problem = config.validate().unwrap_err();
        assert!(problem.0.contains("sso_admin_per_second"), "{problem}");
    }
}
