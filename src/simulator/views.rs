//! What an account sees of the instances and what it may do with them (aws-api.md §5.8-§5.10): the
//! management account, its delegated administrator, the other members. In a world without an
//! organization, and for an instance whose owner is no account of it, nothing is judged here.

use super::credentials::Identity;
use super::settings::Switches;
use super::store::Store;
use super::world::{Caller, Instance};

/// What a caller's account is to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    /// The world does not say.
    Unjudged,
    /// The instance was made in the account.
    Owner,
    /// The account administers the organization's instance for its owner.
    DelegatedAdministrator,
    /// Another account of the organization whose instance it is.
    Member,
    /// An account instance of another account, or another organization.
    Stranger,
}

/// The operations on account assignments that name the account as `TargetId`.
const ACCOUNT_ASSIGNMENT_WRITES: &[&str] = &["CreateAccountAssignment", "DeleteAccountAssignment"];
/// Documented for the management account only (aws-api.md §3c).
const MANAGEMENT_ONLY: &str = "ListAccountAssignmentsForPrincipal";

impl Store {
    /// What the caller's account is to the instance.
    pub(super) fn relation(&self, caller: &Caller, instance: &Instance) -> Relation {
        let owner = &instance.owner_account_id;
        let judged = self.organization.as_ref();
        let Some(organization) = judged.filter(|_| self.accounts.contains_key(owner)) else {
            return Relation::Unjudged;
        };
        let account = &caller.account_id;
        if account == owner {
            return Relation::Owner;
        }
        if *owner != organization.management_account_id {
            return Relation::Stranger;
        }
        if self.administers(caller) {
            Relation::DelegatedAdministrator
        } else if self.accounts.contains_key(account) {
            Relation::Member
        } else {
            Relation::Stranger
        }
    }

    /// Whether the caller's account is a delegated administrator of Identity Center.
    pub(super) fn administers(&self, caller: &Caller) -> bool {
        let organization = self.organization.as_ref();
        caller.delegated_administrator
            || organization.is_some_and(|organization| {
                organization
                    .delegated_administrators
                    .contains(&caller.account_id)
            })
    }

    /// Whether the caller may work with the whole instance and its identity store.
    pub(super) fn may_manage(&self, caller: &Caller, instance: &Instance) -> bool {
        matches!(
            self.relation(caller, instance),
            Relation::Unjudged | Relation::Owner | Relation::DelegatedAdministrator
        )
    }

    /// Whether the caller's account is shown the instance.
    pub(super) fn sees(&self, caller: &Caller, instance: &Instance, switches: &Switches) -> bool {
        match self.relation(caller, instance) {
            Relation::Unjudged | Relation::Owner | Relation::DelegatedAdministrator => true,
            Relation::Member => switches.organization_instance_visible_to_members,
            Relation::Stranger => false,
        }
    }

    /// Whether a call that names the instance, and a target account if the operation takes one, goes
    /// beyond what even those who manage the instance may do: access to the management account is
    /// the management account's own affair (aws-api.md §5.10).
    pub(super) fn is_left_to_management(
        &self,
        caller: &Caller,
        operation: &str,
        instance: &Instance,
        target_account: Option<&str>,
    ) -> bool {
        let organization = self.organization.as_ref();
        let Some(management) = organization.map(|row| row.management_account_id.as_str()) else {
            return false;
        };
        let of_organization = instance.owner_account_id == management;
        if !of_organization || caller.account_id == management {
            return false;
        }
        let writes = ACCOUNT_ASSIGNMENT_WRITES.contains(&operation);
        operation == MANAGEMENT_ONLY || (writes && target_account == Some(management))
    }

    /// The account whose quota an sso-admin call on this instance spends (aws-api.md §4 does not
    /// say: the instance's owner). Without an organization there is one for all.
    pub(super) fn quota_account(&self, caller: &Caller, instance: Option<&Instance>) -> String {
        if self.organization.is_none() {
            return String::new();
        }
        let owner = instance.map(|row| &row.owner_account_id);
        owner.unwrap_or(&caller.account_id).clone()
    }
}

/// Whether the instance is there for who calls in this Region.
pub(super) fn is_in_region(identity: &Identity, instance: &Instance) -> bool {
    match (&identity.region, &instance.primary_region) {
        (Some(called), Some(primary)) => called == primary,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::super::world::World;
    use super::*;

    const MANAGEMENT: &str = "111122223333";

    fn caller(account_id: &str) -> Caller {
        Caller {
            account_id: account_id.to_owned(),
            ..Caller::default()
        }
    }

    /// The demo world with an account instance in its third account, and a delegated administrator.
    fn store() -> (Store, Instance, Instance) {
        let mut world = World::demo();
        let of_organization = world.instances[0].clone();
        let of_account = Instance {
            instance_arn: "arn:aws:sso:::instance/ssoins-000000000000000a".to_owned(),
            identity_store_id: "d-000000000a".to_owned(),
            owner_account_id: world.accounts[2].account_id.clone(),
            ..of_organization.clone()
        };
        let administrator = world.accounts[1].account_id.clone();
        let organization = world.organization.as_mut().expect("the demo has one");
        organization.delegated_administrators = vec![administrator];
        world.instances.push(of_account.clone());
        (world.into(), of_organization, of_account)
    }

    #[test]
    fn every_account_is_something_to_every_instance() {
        let (store, of_organization, of_account) = store();
        let accounts: Vec<&String> = store.accounts.keys().collect();
        let relations: Vec<(Relation, Relation)> = (accounts.iter())
            .map(|account| {
                let caller = caller(account);
                (
                    store.relation(&caller, &of_organization),
                    store.relation(&caller, &of_account),
                )
            })
            .collect();
        assert_eq!(
            relations,
            [
                (Relation::Owner, Relation::Stranger),
                (Relation::DelegatedAdministrator, Relation::Stranger),
                (Relation::Member, Relation::Owner),
                (Relation::Member, Relation::Stranger),
            ]
        );
        let nobody = caller("999999999999");
        assert_eq!(
            store.relation(&nobody, &of_organization),
            Relation::Stranger
        );
        let elsewhere = Instance {
            owner_account_id: "999999999999".to_owned(),
            ..of_organization
        };
        assert_eq!(
            store.relation(&caller(MANAGEMENT), &elsewhere),
            Relation::Unjudged
        );
    }

    #[test]
    fn access_to_the_management_account_is_left_to_it() {
        let (store, of_organization, of_account) = store();
        let administrator = caller(store.accounts.keys().nth(1).expect("an account"));
        let left = |caller: &Caller, operation, instance, target| {
            store.is_left_to_management(caller, operation, instance, target)
        };
        for operation in ["CreateAccountAssignment", "DeleteAccountAssignment"] {
            let target = Some(MANAGEMENT);
            assert!(left(&administrator, operation, &of_organization, target));
            assert!(!left(
                &administrator,
                operation,
                &of_organization,
                Some("222233334444")
            ));
            assert!(!left(
                &caller(MANAGEMENT),
                operation,
                &of_organization,
                target
            ));
            assert!(!left(&administrator, operation, &of_account, target));
        }
        assert!(left(
            &administrator,
            MANAGEMENT_ONLY,
            &of_organization,
            None
        ));
        assert!(!left(
            &caller(MANAGEMENT),
            MANAGEMENT_ONLY,
            &of_organization,
            None
        ));
        assert!(!left(
            &administrator,
            "ListPermissionSets",
            &of_organization,
            None
        ));
    }

    #[test]
    fn a_region_counts_only_where_both_sides_tell_one() {
        let mut instance = World::demo().instances[0].clone();
        let at = |region: Option<&str>| Identity {
            region: region.map(str::to_owned),
            ..Identity::default()
        };
        assert!(is_in_region(&at(Some("us-east-1")), &instance));
        assert!(!is_in_region(&at(Some("eu-west-1")), &instance));
        assert!(is_in_region(&at(None), &instance));
        instance.primary_region = None;
        assert!(is_in_region(&at(Some("eu-west-1")), &instance));
    }
}
