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
