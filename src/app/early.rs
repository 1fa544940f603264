//! Hearing at once that the budget cannot serve a request in time. To look up who and what a request is about
//! takes operations too, and a caller who is refused should not wait for them. The arithmetic is that of
//! `refuse_if_late`, as things are on arrival; that it comes too late is so told before it is denied.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{App, AppError, Assign, CallContext, TargetKind};
use crate::store::{RequestKey, RequestUse};

/// The keys of the Assigns that are under way here, and not recorded yet. Their repeats are not refused
/// early: they share the look-ups of the first, and its outcome.
#[derive(Clone, Default)]
pub(super) struct UnderWay(Arc<Mutex<HashSet<RequestKey>>>);

/// An Assign that is under way until this is dropped.
pub(super) struct Entry {
    under_way: UnderWay,
    key: RequestKey,
}

impl UnderWay {
    /// Notes an Assign; none where one of the same key is under way.
    fn enter(&self, key: &RequestKey) -> Option<Entry> {
        let is_first = self.lock().insert(key.clone());
        is_first.then(|| Entry {
            under_way: self.clone(),
            key: key.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<RequestKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.under_way.lock().remove(&self.key);
    }
}

impl App {
    /// Refuses an Assign before anything is looked up, where it surely wants operations at once and these
    /// come too late. Where policy asks people for anything, it has to be known first who asks for what: what
    /// waits for people is recorded. The answer is kept for as long as the call is under way.
    ///
    /// # Errors
    /// What `instance_for` and `refuse_if_late` refuse with.
    pub(super) async fn refuse_early(
        &self,
        context: &CallContext,
        request: &Assign,
        usage: Option<&RequestUse>,
    ) -> Result<Option<Entry>, AppError> {
        let entry = match usage.map(|usage| self.under_way.enter(&usage.key)) {
            Some(None) => return Ok(None),
            first => first.flatten(),
        };
        let wants_aws_at_once = !request.break_glass
            && request.start_at.is_none()
            && self.policy_of(context).asks_nobody();
        if !wants_aws_at_once {
            return Ok(entry);
        }
        let instance = self.instance_for(&request.instance, Some(&request.target))?;
        let kind = TargetKind::of_query(&request.target);
        let Err(late) = self.refuse_if_late(context, &instance, kind).await else {
            return Ok(entry);
        };
        // To come again does not help against a freeze, which is for those to hear who may ask.
        match self.check_not_frozen(&instance).await {
            Ok(()) => Err(late),
            Err(_) => Ok(entry),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CallerName, RequestId};

    #[test]
    fn of_equal_assigns_one_is_the_first_until_it_is_over() {
        let name = |text| CallerName::parse(text).unwrap();
        let key = |caller| RequestKey {
            caller: name(caller),
            subject: name("anna"),
            request_id: RequestId::parse("r-1").unwrap(),
        };
        let under_way = UnderWay::default();
        let first = under_way.enter(&key("portal"));
        assert!(first.is_some());
        assert!(under_way.enter(&key("portal")).is_none());
        assert!(under_way.enter(&key("tickets")).is_some());
        drop(first);
        assert!(under_way.enter(&key("portal")).is_some());
        assert!(under_way.lock().is_empty());
    }
}
