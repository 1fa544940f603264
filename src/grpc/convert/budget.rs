//! The budget, told.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::answers::{count, duration, timestamp};
use crate::app::{BucketUse, BudgetView, Class, ClassUse};
use crate::grpc::pb;

pub(in crate::grpc) fn budget(view: BudgetView) -> pb::GetBudgetResponse {
    let as_of = view.as_of;
    let buckets = view.buckets.into_iter();
    pb::GetBudgetResponse {
        buckets: buckets.map(|it| bucket(it, as_of)).collect(),
        account_changes: Some(pb::AccountChanges {
            under_way: count(view.account_changes),
            under_way_max: count(view.account_changes_max),
        }),
        as_of: Some(timestamp(as_of)),
    }
}

fn bucket(it: BucketUse, as_of: Timestamp) -> pb::BudgetBucket {
    let sent = it.classes.iter().map(|class| class.served.permits);
    let last_throttle = it.throttled_before.and_then(|before| {
        let before = SignedDuration::try_from(before).ok()?;
        as_of.checked_sub(before).ok()
    });
    let callers = it.callers.into_iter().map(|caller| pb::BudgetCallerUse {
        caller: caller.caller,
        class: class(caller.class).into(),
        waiting: count(caller.waiting as u64),
    });
    pb::BudgetBucket {
        name: it.bucket.to_string(),
        configured_per_second: it.configured_per_second.into(),
        rate_per_second: it.in_force_per_second,
        used_per_second: it.used_per_second,
        operations: count(sent.sum()),
        paused_for: (!it.paused_for.is_zero()).then(|| time(it.paused_for)),
        throttles: count(it.throttles),
        last_throttle_time: last_throttle.map(timestamp),
        retries_refused: count(it.retries_refused),
        classes: it.classes.iter().map(class_use).collect(),
        callers: callers.collect(),
    }
}

fn class_use(it: &ClassUse) -> pb::BudgetClassUse {
    pb::BudgetClassUse {
        class: class(it.class).into(),
        waiting: count(it.waiting as u64),
        longest_wait: Some(time(it.longest_wait)),
        next_wait: it.next_wait.map(time),
        operations: count(it.served.permits),
    }
}

fn class(class: Class) -> pb::BudgetClass {
    match class {
        Class::BreakGlass => pb::BudgetClass::BreakGlass,
        Class::Grant => pb::BudgetClass::Grant,
        Class::Expiry => pb::BudgetClass::Expiry,
        Class::Read => pb::BudgetClass::Read,
        Class::Audit => pb::BudgetClass::Audit,
    }
}

fn time(time: Duration) -> prost_types::Duration {
    duration(SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX))
}
