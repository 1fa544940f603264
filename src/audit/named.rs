//! The names that a collection has, by id: its lists are sorted, so each is a few steps away.

use super::collection::Collection;
use crate::domain::facts::{FactKey, FactKind};
use crate::domain::{PrincipalKind, PrincipalRef};

impl Collection {
    /// The name of a user or group that it has.
    pub(super) fn name_of(&self, principal: &PrincipalRef) -> Option<&str> {
        match principal.kind {
            PrincipalKind::User => self.user_name(principal.id.as_str()),
            PrincipalKind::Group => self.group_name(principal.id.as_str()),
        }
    }

    /// The name of what a fact is about; none where it does not have it.
    pub(super) fn name_by_key(&self, key: &FactKey) -> Option<String> {
        let id = key.key.as_str();
        let name = match key.kind {
            FactKind::User => self.user_name(id)?,
            FactKind::Group => self.group_name(id)?,
            FactKind::Application => {
                let list = &self.applications;
                let place = list.binary_search_by(|it| it.application.arn.as_str().cmp(id));
                &list.get(place.ok()?)?.application.name
            }
            FactKind::PermissionSet => {
                let list = &self.permission_sets;
                let place = list.binary_search_by(|it| it.arn.as_str().cmp(id));
                &list.get(place.ok()?)?.name
            }
            FactKind::Account => {
                let list = &self.accounts;
                let place = list.binary_search_by(|it| it.account.id.as_str().cmp(id));
                &list.get(place.ok()?)?.account.name
            }
            _ => return None,
        };
        Some(name.to_owned())
    }

    fn user_name(&self, id: &str) -> Option<&str> {
        let place = (self.users).binary_search_by(|it| it.user.id.as_str().cmp(id));
        let named = place.ok().and_then(|place| self.users.get(place));
        let user = named.map(|facts| &facts.user).or_else(|| {
            let beside = &self.beside.users;
            let place = beside.binary_search_by(|it| it.id.as_str().cmp(id));
            beside.get(place.ok()?)
        });
        Some(&user?.user_name)
    }

    fn group_name(&self, id: &str) -> Option<&str> {
        let place = (self.groups).binary_search_by(|it| it.group.id.as_str().cmp(id));
        Some(&self.groups.get(place.ok()?)?.group.display_name)
    }
}
