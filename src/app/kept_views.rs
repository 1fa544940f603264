//! Views of grants that were read a moment ago. Portals poll: the same grant is asked for again and again
//! while nothing changes. A view is answered again while nobody has committed anything since it was read,
//! and for a second at most, since it holds names and statuses that are not the store's.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use super::view::GrantView;
use super::{App, AppError};
use crate::domain::GrantId;

/// Views that are kept: of some kilobytes each, 40 MB at most.
const VIEWS_MAX: u64 = 4_096;
/// For how long.
const KEPT: Duration = Duration::from_secs(1);

/// A view, and the store's number when it was read.
type Kept = (u64, Arc<GrantView>);

/// Views that may be answered again.
#[derive(Clone)]
pub(super) struct KeptViews(Cache<GrantId, Kept>);

impl Default for KeptViews {
    fn default() -> Self {
        let views = Cache::builder().max_capacity(VIEWS_MAX);
        Self(views.time_to_live(KEPT).build())
    }
}

impl App {
    /// A grant with its timeline, without who can still agree; none where there is no such grant.
    pub(super) async fn kept_view(&self, id: &GrantId) -> Result<Option<Arc<GrantView>>, AppError> {
        let commits = self.parts.store.commits();
        if let Some(commits) = commits
            && let Some((at, view)) = self.kept_views.0.get(id)
            && at == commits
        {
            return Ok(Some(view));
        }
        let Some(grant) = self.parts.store.grant(id).await? else {
            return Ok(None);
        };
        let view = Arc::new(self.grant_view(grant).await?);
        if let Some(commits) = commits {
            let kept = (commits, Arc::clone(&view));
            self.kept_views.0.insert(id.clone(), kept);
        }
        Ok(Some(view))
    }
}
