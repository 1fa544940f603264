//! What the budget tells on the admin port: rates, what waits and how long, throttles. By region, quota and
//! class; callers are in GetBudget, where somebody asks who may know.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::app::{App, BucketUse, Class, WAIT_BOUNDS};
use crate::metrics::{Family, Kind, Page, Source};

/// Tells of every budget of a service.
pub(super) struct BudgetMetrics(pub(super) App);

/// The buckets of one quota in one region, of all accounts together.
type Buckets = BTreeMap<(String, String), Vec<BucketUse>>;

impl Source for BudgetMetrics {
    fn tell(&self, page: &mut Page) {
        let mut buckets = Buckets::new();
        for (region, it) in self.0.budget_uses() {
            let name = it.bucket.to_string();
            buckets.entry((region, name)).or_default().push(it);
        }
        tell_rates(page, &buckets);
        tell_classes(page, &buckets);
        tell_waits(page, &buckets);
    }
}

/// One sample for each bucket.
fn by_bucket(family: &mut Family<'_>, buckets: &Buckets, value: impl Fn(&BucketUse) -> f64) {
    for ((region, bucket), uses) in buckets {
        let labels = [("region", region.as_str()), ("bucket", bucket.as_str())];
        family.sample(&labels, uses.iter().map(&value).sum::<f64>());
    }
}

fn tell_rates(page: &mut Page, buckets: &Buckets) {
    let help = "Operations a second that a quota of AWS is configured with.";
    let mut family = page.family("usher_budget_configured_per_second", Kind::Gauge, help);
    by_bucket(&mut family, buckets, |it| it.configured_per_second.into());
    let help =
        "Operations a second that may be sent now; less than configured after AWS throttled.";
    let mut family = page.family("usher_budget_rate_per_second", Kind::Gauge, help);
    by_bucket(&mut family, buckets, |it| it.in_force_per_second);
    let help = "Throttles of AWS.";
    let mut family = page.family("usher_budget_throttles_total", Kind::Counter, help);
    by_bucket(&mut family, buckets, |it| it.throttles as f64);
    let help = "Repetitions of failed reads that the retry budget refused.";
    let mut family = page.family("usher_budget_retries_refused_total", Kind::Counter, help);
    by_bucket(&mut family, buckets, |it| it.retries_refused as f64);
}

/// What a class of a bucket tells.
type Value = fn(&BucketUse, usize) -> f64;
/// How that of several accounts is put together.
type Together = fn(&mut dyn Iterator<Item = f64>) -> f64;

fn tell_classes(page: &mut Page, buckets: &Buckets) {
    let mut each = |name, kind, help, value: Value, together: Together| {
        let mut family = page.family(name, kind, help);
        for ((region, bucket), uses) in buckets {
            for (place, class) in Class::ALL.into_iter().enumerate() {
                let labels = [
                    ("region", region.as_str()),
                    ("bucket", bucket.as_str()),
                    ("class", class.name()),
                ];
                let mut all = uses.iter().map(|it| value(it, place));
                family.sample(&labels, together(&mut all));
            }
        }
    };
    each(
        "usher_budget_permits_total",
        Kind::Counter,
        "Permits for operations, by what they were for.",
        |it, place| it.classes[place].served.permits as f64,
        |all| all.sum(),
    );
    each(
        "usher_budget_waiting",
        Kind::Gauge,
        "Operations that wait for a permit.",
        |it, place| it.classes[place].waiting as f64,
        |all| all.sum(),
    );
    each(
        "usher_budget_longest_wait_seconds",
        Kind::Gauge,
        "How long the oldest operation has waited for its permit.",
        |it, place| it.classes[place].longest_wait.as_secs_f64(),
        |all| all.fold(0.0, f64::max),
    );
}

/// One histogram for each class: of all buckets together, or they would be hundreds of lines.
fn tell_waits(page: &mut Page, buckets: &Buckets) {
    let help = "How long operations waited for their permit.";
    let mut family = page.family("usher_budget_wait_seconds", Kind::Histogram, help);
    for (place, class) in Class::ALL.into_iter().enumerate() {
        let served = || {
            buckets
                .values()
                .flatten()
                .map(|it| &it.classes[place].served)
        };
        let mut count = 0;
        let mut counts: Vec<(Option<Duration>, u64)> = Vec::new();
        for (number, bound) in WAIT_BOUNDS.into_iter().enumerate() {
            count += served().map(|it| it.by_wait[number]).sum::<u64>();
            counts.push((Some(bound), count));
        }
        counts.push((None, served().map(|it| it.permits).sum()));
        let waited = served().map(|it| it.waited).sum();
        family.counted(&[("class", class.name())], &counts, waited);
    }
}
