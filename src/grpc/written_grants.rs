//! Grants as messages, kept for as long as their views are answered again: who polls gets the same view,
//! and writing it out is then most of the work. Nothing here decides who sees what.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use super::{convert, pb};
use crate::app::GrantView;
use crate::domain::GrantId;

/// Messages that are kept, of some kilobytes each.
const MESSAGES_MAX: u64 = 4_096;
/// For how long: as long as views are (`app::kept_views`).
const KEPT: Duration = Duration::from_secs(1);

/// Of views, their messages.
pub(super) struct WrittenGrants(Cache<GrantId, Arc<Written>>);

struct Written {
    /// The very view: while it is held no other can be at its place in memory.
    of: Arc<GrantView>,
    message: pb::Grant,
}

impl Default for WrittenGrants {
    fn default() -> Self {
        let messages = Cache::builder().max_capacity(MESSAGES_MAX);
        Self(messages.time_to_live(KEPT).build())
    }
}

impl WrittenGrants {
    /// The message of a view.
    pub(super) fn of(&self, view: Arc<GrantView>) -> pb::Grant {
        if let Some(written) = self.0.get(&view.grant.id)
            && Arc::ptr_eq(&written.of, &view)
        {
            return written.message.clone();
        }
        // A view that nobody else holds is not answered again.
        if Arc::strong_count(&view) == 1 {
            return convert::grant(Arc::unwrap_or_clone(view));
        }
        let message = convert::grant(view.as_ref().clone());
        let written = Written {
            message: message.clone(),
            of: view,
        };
        let id = written.of.grant.id.clone();
        self.0.insert(id, Arc::new(written));
        message
    }
}
