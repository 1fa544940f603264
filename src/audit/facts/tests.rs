//! Facts lead back to the collection that they were made of, whatever it lacks.

use jiff::Timestamp;
use proptest::prelude::*;

use super::super::accounts::AccountList;
use super::super::beside::Shown;
use super::super::collection::{Collection, Members, UserFacts};
use super::super::fixtures::*;
use super::super::gather::Gathered;
use super::{CollectionReader, Findings, commit, facts, gaps, load, record};
use crate::domain::facts::{CollectionRecord, Extent, Fact, FactKey, FactKind, Gap};
use crate::domain::{
    AccountStatus, ApplicationStatus, AssignmentRequired, ExternalId, Membership, Operation,
    PrincipalRef, PrincipalStatus, Target,
};
use crate::store::{FactStore as _, SqliteOptions, SqliteStore, Store as _};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// One of them.
fn any_of<T: Clone>(random: &mut fastrand::Rng, all: &[T]) -> T {
    all[random.usize(..all.len())].clone()
}

fn some_user(random: &mut fastrand::Rng, number: u32) -> UserFacts {
    use PrincipalStatus::{Deleted, Disabled, Enabled, Unknown};
    let mut known = user(number);
    known.status = any_of(random, &[Enabled, Disabled, Unknown]);
    if random.bool() {
        known.email.clear();
        known.external_ids = vec![ExternalId {
            issuer: "idp".to_owned(),
            id: number.to_string(),
        }];
    }
    if random.u8(..4) > 0 {
        return UserFacts {
            user: known,
            exists: true,
        };
    }
    let mut unknown = user(number);
    (unknown.user_name, unknown.display_name, unknown.email) = Default::default();
    unknown.status = any_of(random, &[Deleted, Unknown]);
    UserFacts {
        user: unknown,
        exists: false,
    }
}

fn some_principals(random: &mut fastrand::Rng) -> Vec<PrincipalRef> {
    let some = (0..random.u32(..4)).map(|_| {
        if random.bool() {
            the_user(random.u32(..12))
        } else {
            the_group(random.u32(..6))
        }
    });
    some.collect()
}

fn some_group(random: &mut fastrand::Rng, gathered: &mut Gathered, number: u32) {
    let id = &group_id(number);
    if !gathered.names_group(id) {
        return;
    }
    match random.u8(..6) {
        0 => return gathered.group_is_deleted(id),
        1 => {}
        _ => gathered.group_exists(group(number)),
    }
    let members = (0..random.u32(..5)).map(|_| Membership {
        group_id: id.clone(),
        user_id: user_id(random.u32(..12)),
        created_at: random.bool().then(|| at(random.i64(0..9))),
        created_by: any_of(random, &["", "SCIM", "arn:aws:iam::123456789012:root"]).to_owned(),
    });
    let members: Vec<Membership> = members.collect();
    match random.u8(..4) {
        0 => {}
        how => gathered.members(id, members, how > 1),
    }
}

/// What a list or one answer says of a user: reports have it where something names it, or everybody may enter.
fn some_users_facts(gathered: &mut Gathered, facts: UserFacts) {
    if gathered.has_open_application() || gathered.names_user(&facts.user.id) {
        gathered.known_user(facts);
    } else if facts.exists {
        gathered.user_exists(facts.user, false);
    }
}

/// A collection of a small world, a part of which could not be read.
fn some_collection(seed: u64) -> Collection {
    let random = &mut fastrand::Rng::with_seed(seed);
    let mut gathered = Gathered::default();
    for number in 0..random.u32(..4) {
        use AssignmentRequired::{No, Unknown, Yes};
        let mut one = application(number);
        one.status = any_of(
            random,
            &[ApplicationStatus::Enabled, ApplicationStatus::Unknown],
        );
        one.account_id = random.bool().then(|| account_id(number));
        let required = any_of(random, &[Yes, No, Unknown]);
        gather_application(&mut gathered, one, required, &some_principals(random));
    }
    for number in 0..random.u32(..3) {
        let name = any_of(random, &["", "admin"]);
        let mut set = permission_set(number);
        name.clone_into(&mut set.name);
        gathered.permission_set(set);
    }
    for _ in 0..random.u32(..5) {
        let access = access(random.u32(..4), random.u32(..3));
        gathered.account_access(access.clone());
        for principal in some_principals(random) {
            gathered.assigned(&Target::AccountAccess(access.clone()), principal);
        }
    }
    if random.bool() {
        let groups = (0..9).filter(|_| random.bool()).map(group);
        gathered.shown = Some(Shown {
            groups: groups.collect(),
            users: Vec::new(),
        });
    }
    for number in 0..6 {
        some_group(random, &mut gathered, number);
    }
    for number in 0..random.u32(..12) {
        some_users_facts(&mut gathered, some_user(random, number));
    }
    if random.bool() {
        let gap = any_of(
            random,
            &[
                Gap::all(FactKind::User),
                Gap::key(FactKind::Assignment, arn(1).as_str()),
                Gap::assignments(Extent::Accounts),
            ],
        );
        gathered.miss("something".to_owned(), "AWS does not answer", vec![gap]);
    }
    if random.bool() {
        gathered.observe(at(random.i64(0..9)));
    }
    if random.u8(..4) > 0 {
        gathered.listed.users = Some(12);
        gathered.listed.groups = Some(7);
        gathered.listed.accounts = Some(1);
    }
    let mut known = account(1);
    known.status = any_of(random, &[AccountStatus::Active, AccountStatus::Unknown]);
    let list = AccountList::of_known(known, at(0));
    let list = random.bool().then_some(&list);
    let mut collection = gathered.finish(organization_instance(), list);
    collection.operations = vec![(Operation::ListUsers, 3)];
    collection
}

fn written(collection: &Collection) -> (Vec<Fact>, CollectionRecord) {
    let facts = facts(collection, &[]).map(Result::unwrap).collect();
    (facts, record(collection, None, at(0), at(60)))
}

fn read(facts: &[Fact], collection: &Collection, record: CollectionRecord) -> Collection {
    let mut reader = CollectionReader::new(collection.instance.clone(), record);
    for fact in facts {
        reader.take(fact).unwrap();
    }
    reader.finish()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn facts_lead_back_to_the_collection_that_they_were(seed in any::<u64>()) {
        let collection = some_collection(seed);
        let (facts, record) = written(&collection);
        prop_assert!(facts.is_sorted_by(|left, right| left.key < right.key), "{facts:#?}");
        prop_assert_eq!(read(&facts, &collection, record), collection);
    }

    #[test]
    fn what_lists_show_beside_is_a_fact_and_nobody_is_in_its_groups(seed in any::<u64>()) {
        let collection = some_collection(seed);
        let (facts, record) = written(&collection);
        let gaps = gaps(&collection, &record);
        let has = |key: FactKey| facts.iter().any(|fact| fact.key == key);
        for user in &collection.beside.users {
            prop_assert!(has(FactKey::user(&user.id)));
        }
        for group in &collection.beside.groups {
            prop_assert!(has(FactKey::group(&group.id)));
            // Whoever was in it when it was last looked at did not leave because nobody looks.
            prop_assert!(gaps.cover(&FactKey::membership(&group.id, &user_id(1))));
        }
    }

    #[test]
    fn what_a_collection_did_not_see_is_a_gap(seed in any::<u64>()) {
        let collection = some_collection(seed);
        let record = record(&collection, None, at(0), at(60));
        let gaps = gaps(&collection, &record);
        for facts in &collection.groups {
            let of_stranger = FactKey::membership(&facts.group.id, &user_id(99));
            let is_read = matches!(facts.members, Members::Read(_));
            let is_deleted = facts.status == PrincipalStatus::Deleted;
            prop_assert_eq!(gaps.cover(&of_stranger), !is_read && !is_deleted);
        }
        let is_open = record.gaps().any(|gap| gap.kind == FactKind::Assignment);
        let of_unnamed = FactKey::membership(&group_id(99), &user_id(99));
        let is_unlisted = collection.counts.groups.is_none();
        prop_assert_eq!(gaps.cover(&of_unnamed), is_open || is_unlisted);
        prop_assert!(!is_open || !record.is_whole());
    }
}

#[test]
fn what_is_kept_within_a_gap_is_read_as_not_surely_all() {
    let all = collection(|gathered| {
        let assigned = [the_group(1)];
        gather_application(gathered, application(1), AssignmentRequired::Yes, &assigned);
        gathered.group_exists(group(1));
        gathered.members(&group_id(1), vec![member(1, 2)], true);
    });
    let mut failed = all.clone();
    failed.groups[0].members = Members::NotRead;
    let (facts, _) = written(&all);
    let record = record(&failed, None, at(0), at(60));
    // The store kept the membership, as nobody saw it gone.
    let read = read(&facts, &failed, record);
    assert!(matches!(&read.groups[0].members, Members::Partly(users) if users.len() == 1));
}

#[tokio::test]
async fn a_collection_that_was_committed_is_loaded_as_it_was() {
    let place = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(place.path(), SqliteOptions::default());
    let store = store.await.unwrap();
    let instance = organization_instance();
    let mut kept = Vec::new();
    for seed in 0..40 {
        let collection = some_collection(seed);
        let day = i64::try_from(seed).unwrap() * 100;
        let committed = commit(
            &store,
            &collection,
            Findings::default(),
            record(&collection, None, at(day), at(day + 60)),
        );
        let committed = committed.await.unwrap();
        // Within gaps what was there before stays: then it is not the collection alone. The first has
        // nothing before it.
        let counts = &collection.counts;
        let lists_all = counts
            .users
            .and(counts.groups)
            .and(counts.accounts)
            .is_some();
        let is_alone = seed == 0 || (committed.record.is_whole() && lists_all);
        let found = store.collection_at(&instance.arn, at(day + 60)).await;
        assert_eq!(found.unwrap(), Some(committed.clone()));
        let loaded = load(&store, instance.clone(), committed.clone()).await;
        let loaded = loaded.unwrap();
        if is_alone {
            assert_eq!(loaded.0, collection);
            kept.push((committed, collection));
        }
    }
    assert!(kept.len() > 3, "{}", kept.len());
    for (committed, collection) in kept {
        let loaded = load(&store, instance.clone(), committed).await;
        assert_eq!(loaded.unwrap().0, collection);
    }
    store.close().await;
}
