//! The instances that Usher serves now, shared by everything that works with them: configured ones
//! and those that discovery found. Holds the list; who fills it decides what is on it.

use std::sync::{Arc, PoisonError, RwLock};

use crate::domain::{AccountId, Instance, InstanceArn};

/// An account that discovery could not look into.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnreachableAccount {
    /// The account.
    pub account_id: AccountId,
    /// Its name; empty when unknown.
    pub name: String,
    /// Why, for people, in Usher's words.
    pub reason: String,
}

/// The list; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Instances {
    inner: Arc<RwLock<Arc<Listed>>>,
}

#[derive(Debug, Default)]
struct Listed {
    instances: Vec<Arc<Instance>>,
    unreachable: Vec<UnreachableAccount>,
}

impl Instances {
    /// A list of these instances.
    #[must_use]
    pub fn new(instances: Vec<Instance>) -> Self {
        let list = Self::default();
        list.replace(instances, Vec::new());
        list
    }

    /// Puts a new list in the place of the old one, sorted by ARN.
    pub fn replace(&self, mut instances: Vec<Instance>, mut unreachable: Vec<UnreachableAccount>) {
        instances.sort_by(|left, right| left.arn.cmp(&right.arn));
        instances.dedup_by(|left, right| left.arn == right.arn);
        unreachable.sort();
        let listed = Listed {
            instances: instances.into_iter().map(Arc::new).collect(),
            unreachable,
        };
        *self.inner.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(listed);
    }

    /// The instances, sorted by ARN.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Instance>> {
        self.listed().instances.clone()
    }

    /// Their ARNs, sorted.
    #[must_use]
    pub fn arns(&self) -> Vec<InstanceArn> {
        let listed = self.listed();
        let arns = listed.instances.iter();
        arns.map(|instance| instance.arn.clone()).collect()
    }

    /// The instance of this ARN.
    #[must_use]
    pub fn get(&self, arn: &InstanceArn) -> Option<Arc<Instance>> {
        let listed = self.listed();
        let mut instances = listed.instances.iter();
        instances.find(|instance| instance.arn == *arn).cloned()
    }

    /// The accounts that could not be looked into when the list was made, sorted.
    #[must_use]
    pub fn unreachable(&self) -> Vec<UnreachableAccount> {
        self.listed().unreachable.clone()
    }

    fn listed(&self) -> Arc<Listed> {
        Arc::clone(&self.inner.read().unwrap_or_else(PoisonError::into_inner))
    }
}
