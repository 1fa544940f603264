//! Grants that were read, or shown, a moment ago. Portals poll: the same caller asks for the same grant
//! again and again while nothing changes. A view is answered again while nobody has committed anything since
//! it was read; and to whom it was shown it is shown again without asking who that is and what policy says,
//! within the same second, by the same policy set. Views hold names and statuses that are not the store's:
//! nothing here lives for longer than a second.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::sync::Cache;

use super::asker::Asker;
use super::view::GrantView;
use super::{App, AppError, CallContext};
use crate::domain::{Authenticated, GrantId};
use crate::policy::PolicySet;

/// Views that are kept, and callers to whom they were shown. A view has some kilobytes, and both may hold
/// views of their own: 80 MB at most, of which a second leaves nothing.
const KEPT_MAX: u64 = 4_096;
/// For how long, from when it was read.
const KEPT: Duration = Duration::from_secs(1);

/// A view, and when it was read: on the clock that does not jump, and as the store's number.
#[derive(Clone)]
pub(super) struct Kept {
    commits: Option<u64>,
    read_at: Instant,
    pub(super) view: Arc<GrantView>,
}

/// What decides whether an answer may be given again, beside who asks for what.
struct Moment {
    commits: u64,
    /// A decision is of its second (`policy::memory`).
    second: i64,
    policy: Arc<PolicySet>,
}

/// A view as a caller was shown it.
struct Shown {
    moment: Moment,
    caller: Arc<Authenticated>,
    read_at: Instant,
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
                .max_capacity(KEPT_MAX)
                .time_to_live(KEPT)
                .build(),
            shown: Cache::builder()
                .max_capacity(KEPT_MAX)
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

    fn shown(&self, now: &Moment, caller: &Authenticated, id: &GrantId) -> Option<Arc<GrantView>> {
        let shown = self.shown.get(&self.place(caller, id))?;
        let is_the_same = shown.moment.is(now)
            && shown.read_at.elapsed() < KEPT
            && shown.view.grant.id == *id
            && *shown.caller == *caller;
        is_the_same.then(|| Arc::clone(&shown.view))
    }

    fn note(&self, shown: Shown) {
        let place = self.place(&shown.caller, &shown.view.grant.id);
        self.shown.insert(place, Arc::new(shown));
    }
}

impl Moment {
    fn is(&self, other: &Self) -> bool {
        self.commits == other.commits
            && self.second == other.second
            && Arc::ptr_eq(&self.policy, &other.policy)
    }
}

impl App {
    /// A grant with its timeline, without who can still agree; none where there is no such grant.
    pub(super) async fn kept_view(&self, id: &GrantId) -> Result<Option<Kept>, AppError> {
        let commits = self.parts.store.commits();
        if commits.is_some()
            && let Some(kept) = self.kept_views.views.get(id)
            && kept.commits == commits
        {
            return Ok(Some(kept));
        }
        let read_at = Instant::now();
        let Some(grant) = self.parts.store.grant(id).await? else {
            return Ok(None);
        };
        let kept = Kept {
            commits,
            read_at,
            view: Arc::new(self.grant_view(grant).await?),
        };
        if commits.is_some() {
            self.kept_views.views.insert(id.clone(), kept.clone());
        }
        Ok(Some(kept))
    }

    /// What this caller was shown of the grant a moment ago, if it would be shown the same now.
    pub(super) fn shown_again(
        &self,
        context: &CallContext,
        id: &GrantId,
    ) -> Option<Arc<GrantView>> {
        let now = Moment {
            commits: self.parts.store.commits()?,
            second: self.parts.clock.now().as_second(),
            policy: self.parts.policy.current(),
        };
        self.kept_views.shown(&now, &context.authenticated, id)
    }

    /// Remembers that a view was shown.
    pub(super) fn note_shown(&self, context: &CallContext, asker: &Asker, kept: &Kept) {
        let Some(commits) = kept.commits else {
            return;
        };
        self.kept_views.note(Shown {
            moment: Moment {
                commits,
                second: asker.scene.now.as_second(),
                policy: Arc::clone(&asker.policy),
            },
            caller: Arc::clone(&context.authenticated),
            read_at: kept.read_at,
            view: Arc::clone(&kept.view),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{NamedPrincipal, NamedTarget, WishView};
    use crate::domain::grant::tests::grant;
    use crate::domain::{GrantState, Identity, PrincipalStatus, Standing};

    fn view() -> Arc<GrantView> {
        let grant = grant(1, GrantState::Active);
        Arc::new(GrantView {
            principal: NamedPrincipal {
                reference: grant.principal.clone(),
                name: String::new(),
                status: PrincipalStatus::Unknown,
            },
            target: NamedTarget {
                target: grant.target.clone(),
                name: String::new(),
                account_name: String::new(),
            },
            standing: Standing::No,
            waiting: None,
            wish: WishView::default(),
            last_error: None,
            timeline: Vec::new(),
            grant,
        })
    }

    fn caller(name: &str) -> Authenticated {
        Authenticated {
            caller: Identity::Service(name.to_owned()),
            on_behalf_of: None,
            subject_proof: None,
        }
    }

    #[test]
    fn what_was_shown_is_shown_again_only_while_everything_is_as_it_was() {
        let (views, view) = (KeptViews::default(), view());
        let (policy, portal) = (Arc::new(PolicySet::development()), caller("portal"));
        let moment = |commits, second, policy: &Arc<PolicySet>| Moment {
            commits,
            second,
            policy: Arc::clone(policy),
        };
        let shown = |read_at| {
            views.note(Shown {
                moment: moment(7, 100, &policy),
                caller: Arc::new(portal.clone()),
                read_at,
                view: Arc::clone(&view),
            });
        };
        shown(Instant::now());
        let id = &view.grant.id;
        let same = moment(7, 100, &policy);
        let again = views.shown(&same, &portal, id);
        assert!(again.is_some_and(|again| Arc::ptr_eq(&again, &view)));
        let other_policy = Arc::new(PolicySet::development());
        for other in [
            moment(8, 100, &policy),
            moment(7, 101, &policy),
            moment(7, 100, &other_policy),
        ] {
            assert!(views.shown(&other, &portal, id).is_none());
        }
        let for_anna = Authenticated {
            on_behalf_of: Some("anna".to_owned()),
            ..portal.clone()
        };
        for other in [caller("tickets"), for_anna] {
            assert!(views.shown(&same, &other, id).is_none());
        }
        let other_grant = grant(2, GrantState::Active).id;
        assert!(views.shown(&same, &portal, &other_grant).is_none());
        // Read a second ago it is too old, whenever it was shown.
        shown(Instant::now().checked_sub(KEPT).unwrap());
        assert!(views.shown(&same, &portal, id).is_none());
    }
}
