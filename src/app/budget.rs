//! GetBudget: how AWS's quotas are shared, for those who may read the events, since it names callers. Asks
//! AWS nothing.

use jiff::Timestamp;

use super::asker::Purpose;
use super::{App, AppError, CallContext};
use crate::identity_center::BucketUse;
use crate::policy::Action;

/// The budget of an instance as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct BudgetView {
    /// The buckets that something was asked of.
    pub buckets: Vec<BucketUse>,
    /// Changes of account assignments that AWS works on.
    pub account_changes: u64,
    /// As many as may be at a time.
    pub account_changes_max: u64,
    /// When this was so.
    pub as_of: Timestamp,
}

impl App {
    /// Every bucket of every budget, with the region that it is of: for counts that name nobody.
    #[must_use]
    pub fn budget_uses(&self) -> Vec<(String, BucketUse)> {
        let mut uses: Vec<(String, BucketUse)> = Vec::new();
        for instance in self.parts.instances.all() {
            let of_instance = self.parts.port.budget_uses(&instance.arn).into_iter();
            // Instances of one region and account share a budget.
            let is_new = |it: &BucketUse| {
                let mut known = uses.iter();
                !known.any(|(_, other)| (other.budget, other.bucket) == (it.budget, it.bucket))
            };
            let of_instance: Vec<_> = of_instance.filter(is_new).collect();
            uses.extend(
                of_instance
                    .into_iter()
                    .map(|it| (instance.region.clone(), it)),
            );
        }
        uses
    }

    /// How the budget of an instance is used, and who waits.
    ///
    /// # Errors
    /// `InstanceNotFound`, `PolicyDenied`, who the caller acts for, `StoreUnavailable`.
    pub async fn budget(&self, context: &CallContext, asked: &str) -> Result<BudgetView, AppError> {
        let instance = self.instance(asked)?;
        let asker = self.asker(context, Some(&instance), Purpose::Read).await?;
        self.check_reading(&asker, Action::ReadEvents, asked, &instance)?;
        let under_way = self.parts.store.pending_requests(&instance.arn).await?;
        Ok(BudgetView {
            buckets: self.parts.port.budget_uses(&instance.arn),
            account_changes: under_way.len() as u64,
            account_changes_max: self.parts.account_changes_max as u64,
            as_of: self.parts.clock.now(),
        })
    }
}
