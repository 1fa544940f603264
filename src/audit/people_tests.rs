//! Who is one person, and who is not.

use super::super::collection::{Collection, UserFacts};
use super::super::fixtures::{collection, other_instance, user};
use super::*;
use crate::domain::ExternalId;

fn person(number: u32, email: &str, external: &[(&str, &str)]) -> User {
    User {
        email: email.to_owned(),
        external_ids: external
            .iter()
            .map(|(issuer, id)| ExternalId {
                issuer: (*issuer).to_owned(),
                id: (*id).to_owned(),
            })
            .collect(),
        ..user(number)
    }
}

fn store(number: u32, users: Vec<User>) -> Collection {
    Collection {
        instance: other_instance(number),
        users: users
            .into_iter()
            .map(|user| UserFacts { user, exists: true })
            .collect(),
        ..collection(|_| {})
    }
}

/// Person, stores, kind, value and user name of each row.
fn told(stores: Vec<Collection>) -> Vec<String> {
    let mut people = People::default();
    for store in stores {
        people.add(&store);
    }
    let rows = people.rows().into_iter();
    rows.map(|row| {
        format!(
            "{} {} {} {} {}",
            row.person, row.store_count, row.match_kind, row.match_value, row.user_name
        )
    })
    .collect()
}

#[test]
fn an_address_is_the_same_in_any_case_and_with_blanks_around() {
    let found = told(vec![
        store(
            1,
            vec![
                person(1, " Ann@Example.com", &[]),
                person(2, "bob@example.com", &[]),
            ],
        ),
        store(2, vec![person(3, "ann@example.COM ", &[])]),
    ]);
    assert_eq!(
        found,
        [
            "1 2 EMAIL ann@example.com user1",
            "1 2 EMAIL ann@example.com user3",
        ]
    );
}

#[test]
fn sharing_chains_over_stores() {
    let found = told(vec![
        store(1, vec![person(1, "a@x", &[])]),
        store(2, vec![person(2, "a@x", &[("idp", "7")])]),
        store(
            3,
            vec![
                person(3, "c@x", &[("idp", "7")]),
                person(4, "d@x", &[("idp", "8")]),
            ],
        ),
    ]);
    assert_eq!(
        found,
        [
            "1 3 EMAIL a@x user1",
            "1 3 EMAIL a@x user2",
            "1 3 EXTERNAL_ID 7 user2",
            "1 3 EXTERNAL_ID 7 user3",
        ]
    );
}

#[test]
fn the_same_id_of_two_systems_is_two_people_and_nothing_matches_nothing() {
    let found = told(vec![
        store(
            1,
            vec![
                person(1, "", &[("okta", "7")]),
                person(2, "  ", &[]),
                person(3, "", &[("", "9")]),
            ],
        ),
        store(
            2,
            vec![
                person(4, "", &[("entra", "7")]),
                person(5, "", &[]),
                person(6, "", &[("", "9")]),
            ],
        ),
    ]);
    assert_eq!(found, [""; 0]);
}

#[test]
fn one_store_is_no_duplicate() {
    let both = vec![person(1, "a@x", &[]), person(2, "a@x", &[])];
    assert_eq!(told(vec![store(1, both), store(2, vec![])]), [""; 0]);
}

#[test]
fn persons_are_numbered_in_the_order_of_their_first_user() {
    let found = told(vec![
        store(1, vec![person(1, "z@x", &[]), person(2, "a@x", &[])]),
        store(2, vec![person(3, "a@x", &[]), person(4, "z@x", &[])]),
    ]);
    let firsts: Vec<&str> = found.iter().map(|row| &row[..1]).collect();
    assert_eq!(firsts, ["1", "1", "2", "2"]);
    assert!(found[0].ends_with("z@x user1"), "{found:#?}");
}

#[test]
fn long_chains_are_one_person() {
    let stores = (0..100).map(|number| {
        let shared = [
            ("idp", format!("{number}")),
            ("idp", format!("{}", number + 1)),
        ];
        let shared: Vec<(&str, &str)> = shared.iter().map(|(i, id)| (*i, id.as_str())).collect();
        store(number + 1, vec![person(number, "", &shared)])
    });
    let rows = told(stores.collect());
    assert_eq!(rows.len(), 2 * 99);
    assert!(rows.iter().all(|row| row.starts_with("1 100 EXTERNAL_ID")));
}
