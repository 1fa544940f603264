//! Facts of a made-up instance, written into a store before anybody serves it.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use usher::domain::InstanceArn;
use usher::domain::facts::{CollectionRecord, Fact, FactKey, FactKind, Gaps};
use usher::simulator::World;
use usher::store::{
    FACTS_PER_BATCH_MAX, FactStore as _, Finishing, SqliteOptions, SqliteStore, Store as _,
};

pub(crate) const USERS: u32 = 20_000;
pub(crate) const GROUPS: u32 = 2_000;

/// How many there are of what.
pub(crate) struct Sizes {
    pub(crate) applications: u32,
    pub(crate) members_of_a_group: u32,
    pub(crate) groups_of_an_application: u32,
    pub(crate) users_of_an_application: u32,
}

fn user(number: u32) -> String {
    format!("a{number:07}-0000-4000-8000-000000000000")
}

fn group(number: u32) -> String {
    format!("b{number:07}-0000-4000-8000-000000000000")
}

fn application(number: u32) -> String {
    format!("arn:aws:sso::123456789012:application/ssoins-72230123456789ab/apl-{number:016}")
}

fn fact(kind: FactKind, key: String, second: String, value: String) -> Fact {
    let key = FactKey { kind, key, second };
    Fact { key, value }
}

/// The facts, sorted.
fn facts(sizes: &Sizes) -> Vec<Fact> {
    let mut facts = Vec::new();
    for number in 0..USERS {
        let value = format!(
            r#"{{"exists":true,"status":"ENABLED","user_name":"user{number}","display_name":"User {number}","email":"user{number}@example.com"}}"#
        );
        facts.push(fact(FactKind::User, user(number), String::new(), value));
    }
    for number in 0..GROUPS {
        let value = format!(r#"{{"status":"ENABLED","display_name":"group {number}"}}"#);
        facts.push(fact(FactKind::Group, group(number), String::new(), value));
        for member in 0..sizes.members_of_a_group {
            let user = user((number * 37 + member * 101) % USERS);
            let key = fact(FactKind::Membership, group(number), user, "{}".to_owned());
            facts.push(key);
        }
    }
    for number in 0..sizes.applications {
        let value = format!(r#"{{"status":"ENABLED","required":"yes","name":"app {number}"}}"#);
        let arn = application(number);
        facts.push(fact(
            FactKind::Application,
            arn.clone(),
            String::new(),
            value,
        ));
        let groups = (0..sizes.groups_of_an_application)
            .map(|place| format!("GROUP/{}", group((number * 13 + place * 7) % GROUPS)));
        let users = (0..sizes.users_of_an_application)
            .map(|place| format!("USER/{}", user((number * 41 + place * 11) % USERS)));
        for principal in groups.chain(users) {
            let nothing = "{}".to_owned();
            facts.push(fact(FactKind::Assignment, arn.clone(), principal, nothing));
        }
    }
    facts.sort_by(|left, right| left.key.cmp(&right.key));
    facts.dedup_by(|left, right| left.key == right.key);
    facts
}

/// Writes them as the last collection of the simulated instance; answers how many there are of a kind.
pub(crate) async fn write(directory: &Path, sizes: &Sizes) -> impl Fn(FactKind) -> usize + use<> {
    let world = World::demo();
    let arn = &world.instances.first().expect("an instance").instance_arn;
    let instance = InstanceArn::parse(arn).expect("an ARN");
    std::fs::create_dir_all(directory).expect("a directory");
    let store = SqliteStore::open(directory, SqliteOptions::default()).await;
    let store = store.expect("a store");
    let now = Timestamp::now();
    let record = CollectionRecord {
        began_at: now,
        ended_at: now,
        observed: Some((now, now)),
        missing: Vec::new(),
        unread: Vec::new(),
        operations: Vec::new(),
        counts: Vec::new(),
    };
    let begun = store.begin_collection(&instance, &record, Arc::new(Gaps::default()));
    let taking = begun.await.expect("a store").expect("nothing unfinished");
    let facts = facts(sizes);
    let mut counts = [0; FactKind::ALL.len()];
    for fact in &facts {
        counts[fact.key.kind as usize] += 1;
    }
    let mut left = facts.as_slice();
    while !left.is_empty() {
        let batch = left.get(..FACTS_PER_BATCH_MAX).unwrap_or(left).to_vec();
        let taken = store.take_facts(&taking, batch).await.expect("facts");
        left = left.get(taken..).unwrap_or_default();
    }
    while store.finish_collection(&taking, &[]).await.expect("an end") == Finishing::GoesOn {}
    store.close().await;
    move |kind| counts[kind as usize]
}
