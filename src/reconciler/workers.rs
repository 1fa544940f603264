//! The workers that run, by instance: each instance has its own places, so that one whose answers
//! never come keeps no other waiting. Decides nothing about the work.

use std::collections::{BTreeMap, HashMap};

use tokio::task::{Id, JoinError, JoinSet};

use crate::domain::InstanceArn;

/// The running workers.
#[derive(Default)]
pub(super) struct Workers {
    tasks: JoinSet<()>,
    instances: HashMap<Id, InstanceArn>,
}

impl Workers {
    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Runs a worker of an instance.
    pub(super) fn spawn(
        &mut self,
        instance: InstanceArn,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let task = self.tasks.spawn(work);
        self.instances.insert(task.id(), instance);
    }

    /// Those of the instances that have free places, by how many, of so many each.
    pub(super) fn free(
        &self,
        instances: &[InstanceArn],
        places: usize,
    ) -> BTreeMap<usize, Vec<InstanceArn>> {
        let mut taken: HashMap<&InstanceArn, usize> = HashMap::new();
        for instance in self.instances.values() {
            *taken.entry(instance).or_default() += 1;
        }
        let mut free: BTreeMap<usize, Vec<InstanceArn>> = BTreeMap::new();
        for instance in instances {
            let left = places.saturating_sub(taken.get(instance).copied().unwrap_or_default());
            if left > 0 {
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
        self.instances.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_instance_whose_places_are_taken_leaves_those_of_others_free() {
        let instance = |letter: &str| {
            let arn = format!("arn:aws:sso:::instance/ssoins-{}", letter.repeat(16));
            InstanceArn::parse(&arn).unwrap()
        };
        let (hanging, healthy) = (instance("a"), instance("b"));
        let all = [hanging.clone(), healthy.clone()];
        let mut workers = Workers::default();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        workers.spawn(hanging.clone(), std::future::pending());
        workers.spawn(hanging.clone(), async move { drop(ended.await) });
        assert_eq!(
            workers.free(&all, 2),
            BTreeMap::from([(2, vec![healthy.clone()])])
        );
        end.send(()).unwrap();
        workers.one_ended().await;
        let free = BTreeMap::from([(1, vec![hanging]), (2, vec![healthy])]);
        assert_eq!(workers.free(&all, 2), free);
    }
}
