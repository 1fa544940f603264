//! Names beside ids, beyond a restart: what is read from AWS is written to the store, so that an
//! answer can show names without asking AWS again.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use moka::sync::Cache;

use crate::domain::{Account, Application, PermissionSet, Principal};
use crate::store::{NameEntry, NameKind, Store};

/// Names, in the store and before it.
pub(super) struct Names {
    store: Arc<dyn Store>,
    /// What the store holds for certain.
    remembered: Cache<(NameKind, String), String>,
}

impl Names {
    pub(super) fn new(store: Arc<dyn Store>, names_max: u64, kept: Duration) -> Self {
        let remembered = Cache::builder()
            .max_capacity(names_max)
            .time_to_live(kept)
            .build();
        Self { store, remembered }
    }

    /// Writes names that are new or changed to the store. A store that does not answer costs the
    /// names, not the caller's read.
    pub(super) async fn remember(&self, names: impl Iterator<Item = NameEntry>) {
        let changed: Vec<NameEntry> = names
            .filter(|entry| !entry.name.is_empty())
            .filter(|entry| {
                let known = self.remembered.get(&(entry.kind, entry.id.clone()));
                known.is_none_or(|name| name != entry.name)
            })
            .collect();
        if changed.is_empty() {
            return;
        }
        match self.store.remember_names(&changed).await {
            Ok(()) => {
                for entry in changed {
                    self.remembered.insert((entry.kind, entry.id), entry.name);
                }
            }
            Err(error) => tracing::warn!(%error, "names could not be remembered"),
        }
    }

    pub(super) async fn name_of(&self, kind: NameKind, id: &str) -> Option<String> {
        let key = (kind, id.to_owned());
        if let Some(name) = self.remembered.get(&key) {
            return Some(name);
        }
        match self.store.name(kind, id).await {
            Ok(name) => {
                if let Some(name) = &name {
                    self.remembered.insert(key, name.clone());
                }
                name
            }
            Err(error) => {
                tracing::warn!(%error, "a name could not be looked up");
                None
            }
        }
    }
}

pub(super) fn name_of_principal(principal: &Principal, seen_at: Timestamp) -> NameEntry {
    NameEntry {
        kind: match principal {
            Principal::User(_) => NameKind::User,
            Principal::Group(_) => NameKind::Group,
        },
        id: principal.reference().id.as_str().to_owned(),
        name: principal.name().to_owned(),
        seen_at,
    }
}

pub(super) fn name_of_application(application: &Application, seen_at: Timestamp) -> NameEntry {
    NameEntry {
        kind: NameKind::Application,
        id: application.arn.as_str().to_owned(),
        name: application.name.clone(),
        seen_at,
    }
}

pub(super) fn name_of_account(account: &Account, seen_at: Timestamp) -> NameEntry {
    NameEntry {
        kind: NameKind::Account,
        id: account.id.as_str().to_owned(),
        name: account.name.clone(),
        seen_at,
    }
}

pub(super) fn name_of_permission_set(set: &PermissionSet, seen_at: Timestamp) -> NameEntry {
    NameEntry {
        kind: NameKind::PermissionSet,
        id: set.arn.as_str().to_owned(),
        name: set.name.clone(),
        seen_at,
    }
}
