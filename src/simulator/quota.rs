//! AWS's request quotas as token buckets (aws-api.md §4). Takes the time as an argument and never
//! waits: a call over its quota is refused at once, as AWS does.

use std::collections::BTreeMap;

use super::failure::Service;
use super::settings::{Settings, Switches};

/// Buckets kept. Operations times stores stays far below; unknown stores share one bucket.
const BUCKETS_AT_MOST: usize = 10_000;

/// A bucket that starts full, as AWS's does for who has been away.
#[derive(Clone, Debug)]
struct TokenBucket {
    tokens: f64,
    refilled_at_seconds: f64,
}

impl TokenBucket {
    fn full(capacity: f64, now_seconds: f64) -> TokenBucket {
        TokenBucket {
            tokens: capacity,
            refilled_at_seconds: now_seconds,
        }
    }

    fn take(&mut self, rate_per_second: f64, capacity: f64, now_seconds: f64) -> bool {
        let elapsed = (now_seconds - self.refilled_at_seconds).max(0.0);
        self.tokens = (self.tokens + elapsed * rate_per_second).min(capacity);
        self.refilled_at_seconds = now_seconds;
        // Sums of fractions fall short of whole numbers by rounding.
        let enough = self.tokens >= 1.0 - 1e-9;
        if enough {
            self.tokens -= 1.0;
        }
        enough
    }
}

/// What of a call says which bucket it spends from.
#[derive(Clone, Debug)]
pub(super) struct Question<'a> {
    pub(super) service: Service,
    pub(super) operation: &'a str,
    /// The identity store that the call names, if that exists.
    pub(super) store: Option<&'a str>,
    /// Each Region has its own quotas.
    pub(super) region: Option<&'a str>,
    /// The account whose quota of sso-admin or organizations it is.
    pub(super) account: &'a str,
}

/// All buckets of one simulator, by service, Region, and what else parts them.
#[derive(Default)]
pub(super) struct Quotas {
    buckets: BTreeMap<(&'static str, String, String, String), TokenBucket>,
}

impl Quotas {
    /// Whether a call may pass.
    pub(super) fn admit(
        &mut self,
        settings: &Settings,
        switches: &Switches,
        question: &Question<'_>,
        now_seconds: f64,
    ) -> bool {
        let region = question.region.unwrap_or_default().to_owned();
        let service = question.service.name();
        let account = question.account.to_owned();
        let (rate, capacity, key) = match question.service {
            Service::SsoAdmin => (
                settings.sso_admin_rate_per_second,
                settings.sso_admin_burst,
                (service, region, String::new(), account),
            ),
            Service::IdentityStore => {
                let collective = switches.identity_store_collective_quota;
                let operation = if collective { "" } else { question.operation };
                (
                    settings.identity_store_rate_per_second,
                    settings.identity_store_burst,
                    (
                        service,
                        region,
                        operation.to_owned(),
                        question.store.unwrap_or_default().to_owned(),
                    ),
                )
            }
            // A global service: one place, whatever Region a call was signed for.
            Service::Organizations => (
                settings.organizations_rate_per_second,
                settings.organizations_burst,
                (service, String::new(), String::new(), account),
            ),
            // 600/s per account: out of reach of anything that the simulator is used for.
            Service::Sts => return true,
        };
        let Some(rate) = rate.filter(|rate| *rate > 0.0) else {
            return true;
        };
        if self.buckets.len() >= BUCKETS_AT_MOST && !self.buckets.contains_key(&key) {
            self.buckets.clear();
        }
        let bucket = self
            .buckets
            .entry(key)
            .or_insert_with(|| TokenBucket::full(capacity, now_seconds));
        bucket.take(rate, capacity, now_seconds)
    }

    /// All buckets full again: after a change of the rates.
    pub(super) fn reset(&mut self) {
        self.buckets.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Call<'a> = (Service, &'a str, Option<&'a str>);

    fn question<'a>((service, operation, store): Call<'a>) -> Question<'a> {
        Question {
            service,
            operation,
            store,
            region: Some("us-east-1"),
            account: "111122223333",
        }
    }

    fn admitted(
        quotas: &mut Quotas,
        switches: &Switches,
        call: Call<'_>,
        now_seconds: f64,
        tries: usize,
    ) -> usize {
        asked(quotas, switches, &question(call), now_seconds, tries)
    }

    fn asked(
        quotas: &mut Quotas,
        switches: &Switches,
        question: &Question<'_>,
        now_seconds: f64,
        tries: usize,
    ) -> usize {
        let settings = Settings::default();
        (0..tries)
            .filter(|_| quotas.admit(&settings, switches, question, now_seconds))
            .count()
    }

    #[test]
    fn regions_and_accounts_have_buckets_of_their_own() {
        let (mut quotas, switches) = (Quotas::default(), Switches::default());
        for (service, operation, store, burst) in [
            (Service::SsoAdmin, "ListInstances", None, [20, 20, 20]),
            // A store is of one account already.
            (
                Service::IdentityStore,
                "ListUsers",
                Some("d-1"),
                [20, 20, 0],
            ),
            // A global service.
            (Service::Organizations, "ListAccounts", None, [10, 0, 10]),
        ] {
            let here = question((service, operation, store));
            let elsewhere = Question {
                region: Some("eu-west-1"),
                ..here.clone()
            };
            let other = Question {
                account: "222233334444",
                ..here.clone()
            };
            let passed = [&here, &elsewhere, &other]
                .map(|question| asked(&mut quotas, &switches, question, 0.0, 30));
            assert_eq!(passed, burst, "{operation}");
        }
    }

    #[test]
    fn a_full_bucket_gives_its_burst_and_then_its_rate() {
        let (mut quotas, switches) = (Quotas::default(), Switches::default());
        let call = (Service::SsoAdmin, "ListInstances", None);
        assert_eq!(admitted(&mut quotas, &switches, call, 100.0, 50), 20);
        assert_eq!(admitted(&mut quotas, &switches, call, 100.05, 50), 1);
        assert_eq!(admitted(&mut quotas, &switches, call, 100.55, 50), 10);
        assert_eq!(admitted(&mut quotas, &switches, call, 900.0, 50), 20);
        // A clock that steps back gives nothing and takes nothing.
        assert_eq!(admitted(&mut quotas, &switches, call, 800.0, 50), 0);
    }

    #[test]
    fn sso_admin_is_collective_and_identitystore_per_operation_and_store() {
        let (mut quotas, switches) = (Quotas::default(), Switches::default());
        let list = (Service::SsoAdmin, "ListInstances", None);
        let create = (Service::SsoAdmin, "CreateApplicationAssignment", None);
        assert_eq!(admitted(&mut quotas, &switches, list, 0.0, 15), 15);
        assert_eq!(admitted(&mut quotas, &switches, create, 0.0, 15), 5);
        for call in [
            (Service::IdentityStore, "ListUsers", Some("d-1")),
            (Service::IdentityStore, "ListUsers", Some("d-2")),
            (Service::IdentityStore, "ListGroups", Some("d-1")),
        ] {
            assert_eq!(admitted(&mut quotas, &switches, call, 0.0, 30), 20);
        }
    }

    #[test]
    fn identitystore_can_be_collective_per_store() {
        let switches = Switches {
            identity_store_collective_quota: true,
            ..Switches::default()
        };
        let mut quotas = Quotas::default();
        let users = (Service::IdentityStore, "ListUsers", Some("d-1"));
        let groups = (Service::IdentityStore, "ListGroups", Some("d-1"));
        let elsewhere = (Service::IdentityStore, "ListGroups", Some("d-2"));
        assert_eq!(admitted(&mut quotas, &switches, users, 0.0, 15), 15);
        assert_eq!(admitted(&mut quotas, &switches, groups, 0.0, 15), 5);
        assert_eq!(admitted(&mut quotas, &switches, elsewhere, 0.0, 30), 20);
    }

    #[test]
    fn no_rate_is_no_limit() {
        let settings = Settings {
            sso_admin_rate_per_second: Some(0.0),
            ..Settings::unlimited()
        };
        let (mut quotas, switches) = (Quotas::default(), Switches::default());
        for service in [Service::SsoAdmin, Service::IdentityStore, Service::Sts] {
            for _ in 0..1_000 {
                let question = question((service, "X", None));
                assert!(quotas.admit(&settings, &switches, &question, 0.0));
            }
        }
    }
}
