//! Names beside the ids of changes: as the later collection has them, else as the earlier one had.

use std::collections::HashMap;

use super::super::seen::every_fact;
use crate::domain::facts::{Fact, FactKind, KnownFact};
use crate::store::{FactRange, FactStore, FinishedCollection, KeptFact, StoreError};

/// Names by kind and id.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<(FactKind, String), String>);

impl Names {
    /// Those of two collections.
    pub(super) async fn read(
        store: &dyn FactStore,
        earlier: Option<&FinishedCollection>,
        later: Option<&FinishedCollection>,
    ) -> Result<Self, StoreError> {
        let mut names = Self::default();
        let kinds = vec![
            FactKind::User,
            FactKind::Group,
            FactKind::Application,
            FactKind::PermissionSet,
            FactKind::Account,
        ];
        let range = FactRange::Kinds(kinds);
        for collection in earlier.into_iter().chain(later) {
            let mut take = |kept: &KeptFact| names.take(&kept.fact);
            every_fact(store, collection.id, &range, &mut take).await?;
        }
        Ok(names)
    }

    /// Takes the name of a fact, in the place of an older one.
    pub(super) fn take(&mut self, fact: &Fact) {
        let name = KnownFact::read(fact).name;
        if !name.is_empty() {
            self.0.insert((fact.key.kind, fact.key.key.clone()), name);
        }
    }

    /// The name of something; empty where it is not known.
    pub(super) fn of(&self, kind: FactKind, id: &str) -> String {
        let key = (kind, id.to_owned());
        self.0.get(&key).cloned().unwrap_or_default()
    }
}
