//! What is written down of an answer comes back as it was, as far as a report tells it.

use std::fmt::Debug;

use super::super::fixtures::{account, account_id, application, arn, group, group_id, set_arn};
use super::super::fixtures::{permission_set, the_group, the_user, user, user_id};
use super::*;
use crate::domain::{
    AccountAccess, AssignmentRequired, DirectAssignment, ExternalId, Membership, Target, User,
};

fn comes_back<T: Kept + Debug + PartialEq>(items: Vec<T>, about: &str) {
    let rows: Vec<T::Row> = items.iter().map(Kept::row).collect();
    let page = KeptPage {
        read_at: Timestamp::UNIX_EPOCH,
        content: to_text(&rows).unwrap(),
    };
    let (read, read_at) = page_read::<T>(&page, about).unwrap();
    assert_eq!((read, read_at), (items, Timestamp::UNIX_EPOCH));
    let unreadable = KeptPage {
        content: "[{\"of\":\"another version\"}]".to_owned(),
        ..page
    };
    assert!(page_read::<T>(&unreadable, about).is_err());
}

#[test]
fn what_aws_answers_comes_back_from_a_reading() {
    use AssignmentRequired::{No, Unknown, Yes};
    comes_back(vec![application(1), application(2)], "");
    comes_back(vec![Yes], arn(1).as_str());
    comes_back(vec![No], arn(1).as_str());
    comes_back(vec![Unknown], arn(1).as_str());
    let access = Target::AccountAccess(AccountAccess {
        account: account_id(1),
        permission_set: set_arn(1),
    });
    for target in [Target::Application(arn(1)), access] {
        let of = |principal| DirectAssignment {
            target: target.clone(),
            principal,
        };
        let assignments = vec![of(the_user(1)), of(the_group(2))];
        comes_back(assignments, &target.key());
    }
    comes_back(vec![set_arn(1)], "");
    comes_back(vec![account_id(1)], set_arn(1).as_str());
    comes_back(vec![permission_set(1)], set_arn(1).as_str());
    comes_back(vec![group(1), group(2)], "");
    let joined = |created_at, created_by: &str| Membership {
        group_id: group_id(1),
        user_id: user_id(1),
        created_at,
        created_by: created_by.to_owned(),
    };
    let members = vec![joined(None, ""), joined(Some(Timestamp::UNIX_EPOCH), "me")];
    comes_back(members, group_id(1).as_str());
    let known = User {
        external_ids: vec![ExternalId {
            issuer: "https://idp.example".to_owned(),
            id: "1".to_owned(),
        }],
        ..user(1)
    };
    comes_back(vec![known, user(2)], "");
    comes_back(vec![account(1)], "");
    comes_back(Vec::<User>::new(), "");
}
