//! Grants that were read, or shown, a moment ago. Portals poll: the same caller asks for the same grant
//! again and again while nothing changes. A view is answered again while nobody has committed anything since
//! it was read; and to whom it was shown it is shown again without asking who that is and what policy says,
//! within the same second, by the same policy set. Views hold names and statuses that are not the store's:
//! nothing here lives for longer than a second.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use super::asker::Asker;
use super::view::GrantView;
use super::{App, AppError, CallContext};
use crate::domain::{Authenticated, GrantId};
use crate::policy::PolicySet;

/// Views that are kept: of some kilobytes each, 40 MB at most.
const VIEWS_MAX: u64 = 4_096;
/// Callers to whom these were shown.
const SHOWN_MAX: u64 = 4_096;
/// For how long.
const KEPT: Duration = Duration::from_secs(1);

/// A view, and the store's number when it was read.
type Kept = (u64, Arc<GrantView>);

/// A view as a caller was shown it. Everything by which it may be shown again.
#[derive(Clone)]
struct Shown {
    commits: u64,
    /// A decision is of its second (`policy::memory`).
    second: i64,
    policy: Arc<PolicySet>,
    caller: Arc<Authenticated>,
    view: Arc<GrantView>,
}

/// Views that may be answered again.
#[derive(Clone)]
pub(super) struct KeptViews {
    views: Cache<GrantId, Kept>,
    /// By a hash of caller and grant: two that share it take each other's place.
    shown: Cache<u64, Arc<Shown>>,
    hasher: RandomState,
}

impl Default for KeptViews {
    fn default() -> Self {
        Self {
            views: Cache::builder()
                .max_capacity(VIEWS_MAX)
                .time_to_live(KEPT)
                .build(),
            shown: Cache::builder()
                .max_capacity(SHOWN_MAX)
                .time_to_live(KEPT)
                .build(),
            hasher: RandomState::new(),
        }
    }
}

impl KeptViews {
    fn place(&self, caller: &Authenticated, id: &GrantId) -> u64 {
        self.hasher.hash_one((caller, id))
    }
}

impl App {
    /// A grant with its timeline, without who can still agree; none where there is no such grant.
    pub(super) async fn kept_view(&self, id: &GrantId) -> Result<Option<Arc<GrantView>>, AppError> {
        let commits = self.parts.store.commits();
        if let Some(commits) = commits
            && let Some((at, view)) = self.kept_views.views.get(id)
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
            self.kept_views.views.insert(id.clone(), kept);
        }
        Ok(Some(view))
    }

    /// What this caller was shown of the grant a moment ago, if it would be shown the same now.
    pub(super) fn shown_again(&self, context: &CallContext, id: &GrantId) -> Option<Arc<GrantView>> {
        let commits = self.parts.store.commits()?;
        let caller = &context.authenticated;
        let shown = self.kept_views.shown.get(&self.kept_views.place(caller, id))?;
        let is_the_same = shown.commits == commits
            && shown.second == self.parts.clock.now().as_second()
            && shown.view.grant.id == *id
            && shown.caller == *caller
            && Arc::ptr_eq(&shown.policy, &self.parts.policy.current());
        is_the_same.then(|| Arc::clone(&shown.view))
    }

    /// Remembers that a view was shown, at the store's number from before anything of it was read.
    pub(super) fn note_shown(
        &self,
        commits: Option<u64>,
        context: &CallContext,
        asker: &Asker,
        view: &Arc<GrantView>,
    ) {
        let Some(commits) = commits else {
            return;
        };
        let caller = &context.authenticated;
        let place = self.kept_views.place(caller, &view.grant.id);
        let shown = Shown {
            commits,
            second: asker.scene.now.as_second(),
            policy: Arc::clone(&asker.policy),
            caller: Arc::clone(caller),
            view: Arc::clone(view),
        };
        self.kept_views.shown.insert(place, Arc::new(shown));
    }
}
