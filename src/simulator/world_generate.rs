//! Worlds from a seed: the same seed and sizes give the same world, for ever. They hold what real
//! stores hold and naive readers stumble over; each oddity sits at a fixed place, so that it is
//! there whenever the sizes leave room for it.

use std::collections::BTreeSet;

use fastrand::Rng;
use serde_json::{Map, json};

use super::world::{
    Application, Assignment, Caller, EnabledStatus, ExternalId, Group, Instance, InstanceStatus,
    Membership, PrincipalType, User, World,
};
use super::world_generate_organization as organization;
use super::world_sizes::WorldSizes;
use super::world_texts::{AWKWARD_TEXTS, AWKWARD_USER_NAMES, PROVIDERS, provider_arn, providers};

/// 2024-01-01T00:00:00Z: the generated past begins here, so that no clock enters a world.
pub(super) const FIRST_DAY_SECONDS: f64 = 1_704_067_200.0;

impl World {
    /// A world of these sizes: one instance, and those of accounts if there are any.
    pub fn generate(seed: u64, sizes: &WorldSizes) -> World {
        let mut generator = Generator::new(seed);
        let (others, share) = (
            organization::account_instances_of(sizes),
            organization::sizes_of_account_instance(sizes),
        );
        generator.fill(&WorldSizes {
            applications: sizes.applications - others * share.applications,
            groups: sizes.groups - others * share.groups,
            users: sizes.users - others * share.users,
            ..sizes.clone()
        });
        organization::add_organization(&mut generator.world, seed, sizes);
        generator.add_account_side(sizes);
        organization::add_account_instances(&mut generator.world, seed, sizes);
        generator.world
    }
}

pub(super) struct Generator {
    pub(super) random: Rng,
    pub(super) world: World,
    pub(super) instance: Instance,
}

impl Generator {
    /// Fills the generator's instance and its store.
    pub(super) fn fill(&mut self, sizes: &WorldSizes) {
        for at in 0..sizes.users {
            self.add_user(at);
        }
        for at in 0..sizes.groups {
            self.add_group(at, sizes.members_per_group);
        }
        for at in 0..sizes.applications {
            self.add_application(at, sizes.assignments_per_application);
        }
    }

    pub(super) fn new(seed: u64) -> Generator {
        let mut random = Rng::with_seed(seed);
        let caller = Caller::default();
        let instance = Instance {
            instance_arn: format!(
                "arn:aws:sso:::instance/ssoins-{}",
                hexadecimal(&mut random, 16)
            ),
            identity_store_id: format!("d-{}", hexadecimal(&mut random, 10)),
            owner_account_id: caller.account_id.clone(),
            name: Some("generated".to_owned()),
            status: InstanceStatus::Active,
            created_date_seconds: Some(FIRST_DAY_SECONDS),
            primary_region: Some("us-east-1".to_owned()),
            prefixed_ids: random.bool(),
        };
        let world = World {
            caller,
            instances: vec![instance.clone()],
            application_providers: providers(),
            ..World::default()
        };
        Generator {
            random,
            world,
            instance,
        }
    }

    /// A UUID, behind the store's digits where the store is an old one.
    pub(super) fn id(&mut self) -> String {
        let uuid = uuid::Builder::from_random_bytes(self.random.u128(..).to_be_bytes()).into_uuid();
        match self.instance.identity_store_id.strip_prefix("d-") {
            Some(prefix) if self.instance.prefixed_ids => format!("{prefix}-{uuid}"),
            _ => uuid.to_string(),
        }
    }

    /// A moment of the generated past, with a fraction.
    pub(super) fn moment(&mut self) -> Option<f64> {
        let days = f64::from(self.random.u32(0..500));
        Some(FIRST_DAY_SECONDS + days * 86_400.0 + f64::from(self.random.u32(0..86_400_000)) / 1e3)
    }

    fn add_user(&mut self, at: usize) {
        let user_name = match at {
            0 => "Alice".to_owned(),
            1 => "alice".to_owned(),
            // Somebody else's email address.
            2 => "user3@example.com".to_owned(),
            _ if at % 11 == 7 => format!("{}{at}", pick(AWKWARD_USER_NAMES, at / 11)),
            _ => format!("user{at}"),
        };
        let display_name = match at {
            _ if at % 13 == 11 => None,
            _ if at % 5 == 4 => Some(pick(AWKWARD_TEXTS, at / 5).to_owned()),
            _ => Some(format!("User {at}")),
        };
        let name = Map::from_iter([
            ("GivenName".to_owned(), json!("User")),
            ("FamilyName".to_owned(), json!(format!("Number {at}"))),
        ]);
        let user_status = match at {
            _ if at % 12 == 5 => None,
            _ if at % 10 == 3 => Some(EnabledStatus::Disabled),
            _ => Some(EnabledStatus::Enabled),
        };
        let external_ids = (at % 6 == 5).then(|| ExternalId {
            issuer: "https://idp.example.com".to_owned(),
            id: format!("employee-{at}"),
        });
        let row = User {
            identity_store_id: self.instance.identity_store_id.clone(),
            user_id: self.id(),
            user_name,
            display_name,
            name: if at % 9 == 8 { Map::new() } else { name },
            email: (at % 9 != 4).then(|| format!("user{at}@example.com")),
            user_status,
            external_ids: external_ids.into_iter().collect(),
            other_attributes: Map::new(),
            created_at_seconds: self.moment(),
        };
        self.world.users.push(row);
    }

    fn add_group(&mut self, at: usize, members: usize) {
        let display_name = match at {
            _ if at % 4 == 2 => {
                let (text, round) = (pick(AWKWARD_TEXTS, at / 4), at / 4 / AWKWARD_TEXTS.len());
                // Group names are unique in their store.
                if round == 0 {
                    text.to_owned()
                } else {
                    format!("{text} {round}")
                }
            }
            _ => format!("group-{at}"),
        };
        let row = Group {
            identity_store_id: self.instance.identity_store_id.clone(),
            group_id: self.id(),
            display_name,
            description: at
                .is_multiple_of(3)
                .then(|| format!("The group of number {at}, \"quoted\"")),
            external_ids: Vec::new(),
            created_at_seconds: self.moment(),
        };
        if at % 8 != 7 && members > 0 {
            let count = self
                .random
                .usize(1..=members * 2 - 1)
                .min(self.world.users.len());
            for place in sample(&mut self.random, self.world.users.len(), count) {
                let membership = Membership {
                    identity_store_id: self.instance.identity_store_id.clone(),
                    membership_id: self.id(),
                    group_id: row.group_id.clone(),
                    user_id: self.world.users[place].user_id.clone(),
                    created_at_seconds: self.moment(),
                };
                self.world.memberships.push(membership);
            }
        }
        self.world.groups.push(row);
    }

    fn add_application(&mut self, at: usize, assignments: usize) {
        let name = match at {
            // Two of one name.
            3 | 4 => "Data Portal".to_owned(),
            _ if at % 6 == 5 => pick(AWKWARD_TEXTS, at / 6).to_owned(),
            _ => format!("Application {at}"),
        };
        let (_, instance_id) = self
            .instance
            .instance_arn
            .split_once('/')
            .unwrap_or_default();
        let account = &self.instance.owner_account_id;
        let id: String = (0..16).map(|_| self.random.alphanumeric()).collect();
        let provider = PROVIDERS[at % PROVIDERS.len()].0;
        let row = Application {
            application_arn: format!("arn:aws:sso::{account}:application/{instance_id}/apl-{id}"),
            instance_arn: self.instance.instance_arn.clone(),
            application_provider_arn: provider_arn(provider),
            name,
            application_account: account.clone(),
            status: if at % 7 == 2 {
                EnabledStatus::Disabled
            } else {
                EnabledStatus::Enabled
            },
            assignment_required: at % 5 != 1,
            assignment_configuration_supported: at % 20 != 8,
            description: at
                .is_multiple_of(2)
                .then(|| format!("What application {at} is for")),
            created_date_seconds: self.moment(),
            created_from: self.instance.primary_region.clone(),
            portal_visibility: EnabledStatus::Enabled,
        };
        self.assign(&row.application_arn, at, assignments);
        self.world.applications.push(row);
    }

    fn assign(&mut self, application_arn: &str, at: usize, assignments: usize) {
        let total = self.random.usize(0..=assignments * 2);
        // AWS lets 100 groups be assigned; one place is kept for an orphan.
        let groups = (total * 3 / 5).min(self.world.groups.len()).min(99);
        let users = (total - total * 3 / 5).min(self.world.users.len());
        let mut principals = Vec::new();
        for place in sample(&mut self.random, self.world.groups.len(), groups) {
            principals.push((
                PrincipalType::Group,
                self.world.groups[place].group_id.clone(),
            ));
        }
        for place in sample(&mut self.random, self.world.users.len(), users) {
            principals.push((PrincipalType::User, self.world.users[place].user_id.clone()));
        }
        match at % 4 {
            0 => principals.push((PrincipalType::User, self.id())),
            2 => principals.push((PrincipalType::Group, self.id())),
            _ => {}
        }
        self.world
            .assignments
            .extend(
                principals
                    .into_iter()
                    .map(|(principal_type, id)| Assignment {
                        application_arn: application_arn.to_owned(),
                        principal_type,
                        principal_id: id,
                    }),
            );
    }
}

/// Different places below `length`, `count` of them or all there are. Cost follows the count, not
/// the length: a large world has many small samples.
fn sample(random: &mut Rng, length: usize, count: usize) -> BTreeSet<usize> {
    if count >= length {
        return (0..length).collect();
    }
    let mut places = BTreeSet::new();
    while places.len() < count {
        places.insert(random.usize(..length));
    }
    places
}

pub(super) fn hexadecimal(random: &mut Rng, length: usize) -> String {
    (0..length)
        .filter_map(|_| char::from_digit(random.u32(0..16), 16))
        .collect()
}

fn pick<'a>(texts: &[&'a str], at: usize) -> &'a str {
    texts[at % texts.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worlds_are_lawful_and_follow_their_seed() {
        for seed in 0..10 {
            let world = World::generate(seed, &WorldSizes::default());
            world.check().expect("a lawful world");
            assert_eq!(world, World::generate(seed, &WorldSizes::default()));
            assert_ne!(world, World::generate(seed + 1, &WorldSizes::default()));
            let text = serde_json::to_string(&world).expect("a world is JSON");
            assert_eq!(World::from_json(&text).expect("its own form"), world);
        }
        let none = WorldSizes {
            applications: 0,
            groups: 0,
            users: 0,
            assignments_per_application: 0,
            members_per_group: 0,
            ..WorldSizes::default()
        };
        World::generate(1, &none).check().expect("an empty world");
        let lonely = WorldSizes {
            applications: 3,
            ..none
        };
        World::generate(1, &lonely).check().expect("orphans only");
    }

    #[test]
    fn worlds_hold_what_real_ones_hold() {
        let world = World::generate(1, &WorldSizes::default());
        let users: BTreeSet<&str> = world.users.iter().map(|row| row.user_id.as_str()).collect();
        let groups: BTreeSet<&str> = world
            .groups
            .iter()
            .map(|row| row.group_id.as_str())
            .collect();
        let orphan = |row: &Assignment| match row.principal_type {
            PrincipalType::User => !users.contains(row.principal_id.as_str()),
            PrincipalType::Group => !groups.contains(row.principal_id.as_str()),
        };
        assert!(world.assignments.iter().any(orphan));
        assert!(
            world
                .applications
                .iter()
                .any(|row| !row.assignment_required)
        );
        assert!(
            world
                .applications
                .iter()
                .any(|row| row.status == EnabledStatus::Disabled)
        );
        assert!(
            world
                .applications
                .iter()
                .any(|row| !row.assignment_configuration_supported)
        );
        assert!(world.application_named("Data Portal").is_none());
        assert!(
            world
                .users
                .iter()
                .any(|row| row.user_status == Some(EnabledStatus::Disabled))
        );
        assert!(world.users.iter().any(|row| row.user_status.is_none()));
        assert!(world.users.iter().any(|row| row.email.is_none()));
        assert!(
            world
                .groups
                .iter()
                .any(|row| world.members_of(&row.group_id).is_empty())
        );
        assert!(
            world
                .groups
                .iter()
                .any(|row| row.display_name.contains('\n'))
        );
        let name = &world
            .user_named("user3@example.com")
            .expect("by name")
            .user_name;
        assert!(
            world
                .users
                .iter()
                .any(|row| row.email.as_ref() == Some(name))
        );
    }
}
