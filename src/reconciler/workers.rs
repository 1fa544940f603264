//! The workers that run, by instance and kind of work: each instance has its own places, so that one
//! whose answers never come keeps no other waiting, and each kind, so that ends which fall due together
//! keep nobody's grant waiting. Decides nothing about the work.

use std::collections::{BTreeMap, HashMap};

use tokio::task::{Id, JoinError, JoinSet};

use crate::domain::InstanceArn;
use crate::store::{OfEachKind, WorkKind};

/// The running workers.
#[derive(Default)]
pub(super) struct Workers {
    tasks: JoinSet<()>,
    places: HashMap<Id, (InstanceArn, WorkKind)>,
}

impl Workers {
    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Runs a worker on a kind of work of an instance.
    pub(super) fn spawn(
        &mut self,
        instance: InstanceArn,
        kind: WorkKind,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let task = self.tasks.spawn(work);
        self.places.insert(task.id(), (instance, kind));
    }

    /// Those of the instances that have free places, by how many, of so many for each kind of work.
    pub(super) fn free(
        &self,
        instances: &[InstanceArn],
        places: usize,
    ) -> BTreeMap<OfEachKind, Vec<InstanceArn>> {
        let mut left: HashMap<&InstanceArn, OfEachKind> = HashMap::new();
        for (instance, kind) in self.places.values() {
            let left = left.entry(instance);
            left.or_insert(OfEachKind::all(places)).take(*kind);
        }
        let mut free: BTreeMap<OfEachKind, Vec<InstanceArn>> = BTreeMap::new();
        for instance in instances {
            let left = left.get(instance).copied();
            let left = left.unwrap_or(OfEachKind::all(places));
            if !left.is_none() {
                free.entry(left).or_default().push(instance.clone());
            }
        }
        free
    }

    /// Waits until one has ended. Dropping it loses nothing.
    pub(super) async fn one_ended(&mut self) {
        if let Some(done) = self.tasks.join_next_with_id().await {
            self.note(done);
        }
    }

    /// Takes note of all that have ended.
    pub(super) fn note_ended(&mut self) {
        while let Some(done) = self.tasks.try_join_next_with_id() {
            self.note(done);
        }
    }

    fn note(&mut self, done: Result<(Id, ()), JoinError>) {
        let id = match done {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!(error = %error, "a reconciler worker ended abnormally; its claim runs out and is taken again");
                error.id()
            }
        };
        self.places.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn places_that_are_taken_leave_those_of_others_and_of_other_kinds_free() {
        let instance = |letter: &str| {
            let arn = format!("arn:aws:sso:::instance/ssoins-{}", letter.repeat(16));
            InstanceArn::parse(&arn).unwrap()
        };
        let (hanging, healthy) = (instance("a"), instance("b"));
        let all = [hanging.clone(), healthy.clone()];
        let mut workers = Workers::default();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let mut left = OfEachKind::all(1);
        for kind in WorkKind::ALL {
            workers.spawn(hanging.clone(), kind, std::future::pending());
        }
        let all_of = OfEachKind::all;
        let free = [
            (all_of(1), vec![hanging.clone()]),
            (all_of(2), vec![healthy.clone()]),
        ];
        assert_eq!(workers.free(&all, 2), BTreeMap::from(free));
        workers.spawn(hanging.clone(), WorkKind::Rest, async move {
            drop(ended.await);
        });
        left.take(WorkKind::Rest);
        let free = [
            (left, vec![hanging.clone()]),
            (all_of(2), vec![healthy.clone()]),
        ];
        assert_eq!(workers.free(&all, 2), BTreeMap::from(free));
        assert_eq!(
            workers.free(&all, 1),
            BTreeMap::from([(all_of(1), vec![healthy.clone()])])
        );
        end.send(()).unwrap();
        workers.one_ended().await;
        let free = [(all_of(1), vec![hanging]), (all_of(2), vec![healthy])];
        assert_eq!(workers.free(&all, 2), BTreeMap::from(free));
    }
}
