//! What each bucket is paced by, as configured and as its rate stands. Nothing here counts or waits.

use super::config::{BudgetConfig, IdentityStoreQuota};
use super::gcra::Limits;
use super::loans::LoanRules;
use super::queue::Shares;
use super::rate::RateRules;
use crate::domain::QuotaBucket;

const NANOSECONDS_PER_MILLISECOND: u64 = 1_000_000;

/// What a bucket is paced by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Its rate and its burst.
    pub(super) limits: Limits,
    /// How classes share it.
    pub(super) shares: Shares,
    /// How much break-glass may take before its time.
    pub(super) loans: LoanRules,
}

impl BudgetConfig {
    /// The bucket that counts, with its configured operations per second; none where Usher cannot reach
    /// the quota.
    pub(super) fn counted(&self, bucket: QuotaBucket) -> Option<(QuotaBucket, u32)> {
        Some(match bucket {
            QuotaBucket::Sts => return None,
            QuotaBucket::Organizations => (bucket, self.organizations_per_second),
            QuotaBucket::SsoAdmin => (bucket, self.sso_admin_per_second),
            QuotaBucket::IdentityStoreCollective => (bucket, self.identity_store_per_second),
            QuotaBucket::IdentityStore(_) => match self.identity_store_quota {
                IdentityStoreQuota::PerOperation => (bucket, self.identity_store_per_second),
                IdentityStoreQuota::Collective => (
                    QuotaBucket::IdentityStoreCollective,
                    self.identity_store_per_second,
                ),
            },
        })
    }

    /// How the rate of a bucket falls and comes back.
    pub(super) fn rate_rules(&self, per_second: u32) -> RateRules {
        let configured = u64::from(per_second) * 1000;
        let ceiling = configured * (100 - self.headroom_percent.min(100)) / 100;
        RateRules {
            ceiling,
            least: (configured * self.throttle_least_percent / 100).min(ceiling),
            keeps_percent: self.throttle_keeps_percent,
            recovers_after: self.recovers_after_milliseconds * NANOSECONDS_PER_MILLISECOND,
            recovers_per_second: u64::from(self.recovers_per_minute) * 1000 / 60,
        }
    }

    /// The pace at a rate in thousandths of an operation per second.
    pub(super) fn pace(&self, thousandths_per_second: u64) -> Pace {
        let limits = Limits::of_rate(thousandths_per_second, self.burst).catching_up();
        let after = self.expiry_leads_after_milliseconds;
        Pace {
            limits,
            shares: Shares {
                floor: limits.part(self.floor_percent),
                floor_percent: self.floor_percent,
                slack: limits.half_interval(),
                expiry_leads_after: after * NANOSECONDS_PER_MILLISECOND,
            },
            loans: LoanRules {
                most: usize::try_from(self.break_glass_loans_max).unwrap_or(usize::MAX),
                period: self.break_glass_loan_milliseconds * NANOSECONDS_PER_MILLISECOND,
            },
        }
    }
}
