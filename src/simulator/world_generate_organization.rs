//! The organization of worlds from a seed: accounts, roles and account instances. Drawn from numbers
//! of its own, so that a seed gives the same first instance whether an organization is asked for or
//! not. Some people are in several stores, and some only look as if they were.

use fastrand::Rng;

use super::world::{ExternalId, User, World};
use super::world_generate::{FIRST_DAY_SECONDS, Generator, hexadecimal};
use super::world_organization::{Account, AccountStatus, FeatureSet, Organization, Role};
use super::world_sizes::WorldSizes;

/// Regions of account instances, in turn; the organization's instance is in the last one.
const REGIONS: &[&str] = &["eu-west-1", "ap-southeast-2", "us-east-1"];
/// Management account, delegated administrator and suspended account have no instance of their own.
const ACCOUNTS_WITHOUT_INSTANCE: usize = 3;
/// Parts the organization's numbers from the first instance's.
const ORGANIZATION_SEED: u64 = 0x6f72_6761_6e69;

/// How many account instances there is room for.
pub(super) fn account_instances_of(sizes: &WorldSizes) -> usize {
    let room = sizes.accounts.saturating_sub(ACCOUNTS_WITHOUT_INSTANCE);
    sizes.account_instances.min(room)
}

/// The sizes of each account instance: half of everything is theirs together.
pub(super) fn sizes_of_account_instance(sizes: &WorldSizes) -> WorldSizes {
    let count = account_instances_of(sizes).max(1);
    let share = |total: usize| total / 2 / count;
    WorldSizes {
        applications: share(sizes.applications),
        groups: share(sizes.groups),
        users: share(sizes.users),
        ..sizes.clone()
    }
}

/// Adds accounts and roles; nothing when no accounts are asked for.
pub(super) fn add_organization(world: &mut World, seed: u64, sizes: &WorldSizes) {
    if sizes.accounts == 0 {
        return;
    }
    let mut random = Rng::with_seed(seed ^ ORGANIZATION_SEED);
    let management = world.caller.account_id.clone();
    for at in 0..sizes.accounts {
        let row = account(&management, at, sizes.accounts);
        world.accounts.push(row);
    }
    let administrator = world.accounts.get(1).map(|row| row.account_id.clone());
    if let Some(name) = &sizes.role_name {
        let external_id = sizes.role_external_id.as_deref();
        let trusted: Vec<&str> = std::iter::once(&management)
            .chain(&administrator)
            .map(String::as_str)
            .collect();
        for row in &world.accounts {
            let role = Role::new(&row.account_id, name, external_id, &trusted);
            world.roles.push(role);
        }
    }
    world.organization = Some(Organization {
        id: format!("o-{}", hexadecimal(&mut random, 10)),
        management_account_id: management,
        feature_set: FeatureSet::All,
        delegated_administrators: administrator.into_iter().collect(),
    });
}

fn account(management: &str, at: usize, count: usize) -> Account {
    let id = match at {
        0 => management.to_owned(),
        _ => format!("{:012}", 200_000_000_000 + at * 7_919),
    };
    let name = match at {
        0 => "management".to_owned(),
        1 => "identity".to_owned(),
        // Account names are of any ASCII characters, and not unique.
        _ if at % 7 == 3 => format!("=team, \"{at}\""),
        _ if at % 11 == 5 => "sandbox".to_owned(),
        _ => format!("account-{at}"),
    };
    let last = at >= 2 && at + 1 == count;
    Account {
        account_id: id,
        name,
        email: format!("aws+{at}@example.com"),
        status: if last {
            AccountStatus::Suspended
        } else {
            AccountStatus::Active
        },
        joined_at_seconds: Some(FIRST_DAY_SECONDS + 3_600.0),
    }
}

/// Adds the account instances with all that is in them.
pub(super) fn add_account_instances(world: &mut World, seed: u64, sizes: &WorldSizes) {
    let share = sizes_of_account_instance(sizes);
    for at in 0..account_instances_of(sizes) {
        let Some(owner) = world.accounts.get(at + 2).cloned() else {
            return;
        };
        let seed = (seed ^ ORGANIZATION_SEED).wrapping_add(at as u64 + 1);
        let mut generator = Generator::new(seed);
        generator
            .instance
            .owner_account_id
            .clone_from(&owner.account_id);
        generator.instance.name = Some(format!("account-instance-{at}"));
        generator.instance.primary_region = Some(REGIONS[at % REGIONS.len()].to_owned());
        generator.world.instances = vec![generator.instance.clone()];
        generator.fill(&share);
        let mut made = generator.world;
        for (place, user) in made.users.iter_mut().enumerate() {
            part(user, place, &owner.account_id);
        }
        world.instances.append(&mut made.instances);
        world.applications.append(&mut made.applications);
        world.users.append(&mut made.users);
        world.groups.append(&mut made.groups);
        world.memberships.append(&mut made.memberships);
        world.assignments.append(&mut made.assignments);
    }
}

/// Decides who the user of an account instance is. Every third is the person of the same place in
/// the other stores by email, others are by external id, and the rest are somebody else of the same
/// user name: user names are unique in one store only (aws-api.md §5.14).
fn part(user: &mut User, place: usize, account: &str) {
    let same_by_email = place.is_multiple_of(3);
    let same_by_external_id = place % 6 == 5;
    if !same_by_email && user.email.is_some() {
        user.email = Some(format!("user{place}@{account}.example.com"));
    }
    if !same_by_external_id && !user.external_ids.is_empty() {
        user.external_ids = vec![ExternalId {
            issuer: "https://idp.example.com".to_owned(),
            id: format!("{account}-{place}"),
        }];
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn sizes() -> WorldSizes {
        WorldSizes {
            applications: 40,
            groups: 300,
            users: 2_000,
            accounts: 30,
            account_instances: 2,
            role_name: Some("usher-audit".to_owned()),
            role_external_id: Some("handshake".to_owned()),
            ..WorldSizes::default()
        }
    }

    #[test]
    fn organizations_are_lawful_and_follow_their_seed() {
        for seed in 0..5 {
            let world = World::generate(seed, &sizes());
            world.check().expect("a lawful world");
            assert_eq!(world, World::generate(seed, &sizes()));
            let text = serde_json::to_string(&world).expect("a world is JSON");
            assert_eq!(World::from_json(&text).expect("its own form"), world);
        }
        for accounts in 0..5 {
            let small = WorldSizes {
                accounts,
                ..sizes()
            };
            let world = World::generate(1, &small);
            world.check().expect("a lawful world");
            assert_eq!(world.organization.is_some(), accounts > 0);
            assert_eq!(world.instances.len(), 1 + account_instances_of(&small));
            assert_eq!(world.users.len(), 2_000);
        }
    }

    #[test]
    fn an_organization_has_its_instances_regions_and_sizes() {
        let world = World::generate(3, &sizes());
        assert_eq!(world.accounts.len(), 30);
        assert_eq!(world.roles.len(), 30);
        assert_eq!((world.applications.len(), world.groups.len()), (40, 300));
        assert_eq!(world.users.len(), 2_000);
        let owners: BTreeSet<&str> = (world.instances.iter())
            .map(|row| row.owner_account_id.as_str())
            .collect();
        let regions: BTreeSet<Option<&str>> = (world.instances.iter())
            .map(|row| row.primary_region.as_deref())
            .collect();
        assert_eq!((owners.len(), regions.len()), (3, 3));
        let suspended = (world.accounts.iter())
            .filter(|row| row.status == AccountStatus::Suspended)
            .count();
        assert_eq!(suspended, 1);
    }

    #[test]
    fn an_organization_changes_nothing_of_the_first_instance() {
        let alone = WorldSizes {
            accounts: 30,
            account_instances: 0,
            ..WorldSizes::default()
        };
        let with = World::generate(9, &alone);
        let without = World::generate(9, &WorldSizes::default());
        assert_eq!(with.users, without.users);
        assert_eq!(with.assignments, without.assignments);
    }

    #[test]
    fn some_people_are_in_several_stores() {
        let world = World::generate(3, &sizes());
        let mut emails = BTreeMap::<&str, BTreeSet<&str>>::new();
        let mut ids = BTreeMap::<&ExternalId, BTreeSet<&str>>::new();
        let mut names = BTreeMap::<&str, BTreeSet<&str>>::new();
        for row in &world.users {
            let store = row.identity_store_id.as_str();
            if let Some(email) = &row.email {
                emails.entry(email).or_default().insert(store);
            }
            for id in &row.external_ids {
                ids.entry(id).or_default().insert(store);
            }
            names.entry(&row.user_name).or_default().insert(store);
        }
        let by_email = emails.values().filter(|stores| stores.len() > 1).count();
        let by_id = ids.values().filter(|stores| stores.len() > 1).count();
        let by_name = names.values().filter(|stores| stores.len() > 1).count();
        assert!(by_email > 100 && by_email < 500, "{by_email}");
        assert!(by_id > 50 && by_id < 300, "{by_id}");
        assert!(by_name > by_email, "names alone prove nothing: {by_name}");
    }
}
