//! Each oddity of a real instance by itself: what rows it makes, with which findings.

use super::super::fixtures::*;
use super::super::gather::Gathered;
use super::super::store_facts::StoreFacts;
use super::*;
use crate::domain::grant::tests::grant;
use crate::domain::{Application, ApplicationStatus, AssignmentRequired, GrantState, Target, User};

use AssignmentRequired::{No, Unknown, Yes};

/// The telling cells of a report: application, user, status, path, group, findings.
fn report(
    collection: &Collection,
    view: View,
    principal: Option<&PrincipalRef>,
) -> (Vec<String>, Tally) {
    let holdings = Holdings::without_store();
    let mut rows = Rows::new(collection, &holdings, view, principal);
    let all: Vec<Row> = rows.by_ref().collect();
    let keys: Vec<_> = all.iter().map(Row::sort_key).collect();
    assert!(keys.is_sorted_by(|left, right| left < right), "{keys:#?}");
    let told = all.iter().map(|row| {
        format!(
            "{}|{}|{}|{}|{}|{}",
            row.application_name,
            row.user_name,
            row.user_status,
            row.path,
            row.group_name,
            row.findings
        )
    });
    let told = told.collect();
    (told, rows.into_tally())
}

fn access(collection: &Collection) -> Vec<String> {
    report(collection, View::Access, None).0
}

fn people(gathered: &mut Gathered, numbers: impl IntoIterator<Item = u32>) {
    for number in numbers {
        gathered.user_exists(user(number), true);
    }
}

fn members(gathered: &mut Gathered, number: u32, users: &[u32]) {
    gathered.group_exists(group(number));
    let users = users.iter().map(|user| member(number, *user)).collect();
    gathered.members(&group_id(number), users, true);
}

#[test]
fn direct_and_group_are_two_ways_in_and_several_groups_several() {
    let found = collection(|gathered| {
        let assigned = [the_group(2), the_user(1), the_group(1)];
        gather_application(gathered, application(1), Yes, &assigned);
        members(gathered, 1, &[2, 1]);
        members(gathered, 2, &[1]);
        people(gathered, 1..=3);
    });
    let (rows, tally) = report(&found, View::Access, None);
    assert_eq!(
        rows,
        [
            "application 1|user1|ENABLED|DIRECT||",
            "application 1|user1|ENABLED|GROUP|group 1|",
            "application 1|user1|ENABLED|GROUP|group 2|",
            "application 1|user2|ENABLED|GROUP|group 1|",
        ]
    );
    assert_eq!((tally.rows, tally.user_count()), (4, 2));
}

#[test]
fn an_open_application_lets_everybody_in_beside_its_assignments() {
    let found = collection(|gathered| {
        let assigned = [the_user(2), the_group(1), the_user(9)];
        gather_application(gathered, application(1), No, &assigned);
        members(gathered, 1, &[1]);
        people(gathered, 1..=2);
        gathered.user_is_deleted(&user_id(9));
    });
    let (rows, tally) = report(&found, View::Access, None);
    assert_eq!(
        rows,
        [
            "application 1|user1|ENABLED|GROUP|group 1|open_application",
            "application 1|user1|ENABLED|OPEN_APPLICATION||open_application",
            "application 1|user2|ENABLED|DIRECT||open_application",
            "application 1|user2|ENABLED|OPEN_APPLICATION||open_application",
            "application 1||DELETED|NONE||open_application;orphaned_assignment",
        ]
    );
    assert_eq!(tally.findings[&Finding::OpenApplication], 5);
    assert_eq!(tally.user_count(), 2);
}

#[test]
fn only_open_rows_have_no_provenance() {
    let found = collection(|gathered| {
        gather_application(gathered, application(1), No, &[the_user(1)]);
        people(gathered, 1..=1);
    });
    let holdings = Holdings::without_store();
    let provenance: Vec<String> = Rows::new(&found, &holdings, View::Access, None)
        .map(|row| row.provenance)
        .collect();
    assert_eq!(provenance, ["UNRECORDED", ""]);
}

#[test]
fn an_unknown_configuration_is_never_open() {
    let found = collection(|gathered| {
        gather_application(gathered, application(1), Unknown, &[the_user(1)]);
        people(gathered, 1..=2);
    });
    let holdings = Holdings::without_store();
    let rows: Vec<Row> = Rows::new(&found, &holdings, View::Access, None).collect();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].assignment_required, "unknown");
    assert_eq!(rows[0].findings, "assignment_configuration_unknown");
}

#[test]
fn disabled_applications_and_users_are_listed_and_pointed_at() {
    let found = collection(|gathered| {
        let off = Application {
            status: ApplicationStatus::Disabled,
            ..application(1)
        };
        gather_application(gathered, off, Yes, &[the_user(1), the_user(2)]);
        people(gathered, 1..=1);
        let disabled = User {
            status: PrincipalStatus::Disabled,
            ..user(2)
        };
        gathered.user_exists(disabled, true);
    });
    let (rows, tally) = report(&found, View::Access, None);
    assert_eq!(
        rows,
        [
            "application 1|user1|ENABLED|DIRECT||application_disabled",
            "application 1|user2|DISABLED|DIRECT||application_disabled;disabled_user",
        ]
    );
    assert_eq!(tally.user_count(), 1);
}

#[test]
fn what_lets_nobody_in_is_one_row_each() {
    let found = collection(|gathered| {
        let assigned = [the_group(1), the_group(2), the_user(7)];
        gather_application(gathered, application(1), Yes, &assigned);
        members(gathered, 1, &[]);
        gathered.group_is_deleted(&group_id(2));
        gathered.user_is_deleted(&user_id(7));
    });
    let (rows, tally) = report(&found, View::Access, None);
    assert_eq!(
        rows,
        [
            "application 1|||NONE|group 1|empty_group",
            "application 1|||NONE||orphaned_assignment",
            "application 1||DELETED|NONE||orphaned_assignment",
        ]
    );
    assert_eq!(tally.user_count(), 0);
    let holdings = Holdings::without_store();
    let ids: Vec<(String, String)> = Rows::new(&found, &holdings, View::Access, None)
        .map(|row| (row.user_id, row.group_id))
        .collect();
    assert_eq!(ids[1].1, group_id(2).as_str());
    assert_eq!(ids[2].0, user_id(7).as_str());
}

#[test]
fn a_deleted_member_is_a_row_that_says_so_and_does_not_enter() {
    let found = collection(|gathered| {
        gather_application(gathered, application(1), Yes, &[the_group(1)]);
        members(gathered, 1, &[1, 8]);
        people(gathered, 1..=1);
        gathered.user_is_deleted(&user_id(8));
    });
    let (rows, tally) = report(&found, View::Access, None);
    assert_eq!(
        rows,
        [
            "application 1|user1|ENABLED|GROUP|group 1|",
            "application 1||DELETED|GROUP|group 1|deleted_member",
        ]
    );
    assert_eq!(tally.user_count(), 1);
}

#[test]
fn what_could_not_be_read_still_has_its_rows() {
    let found = collection(|gathered| {
        let assigned = [the_group(1), the_group(2), the_user(5)];
        gather_application(gathered, application(1), No, &assigned);
        gathered.group_exists(group(1));
        gathered.members(&group_id(1), vec![member(1, 1)], false);
        people(gathered, 1..=1);
    });
    assert_eq!(
        access(&found),
        [
            "application 1|||GROUP|group 1|open_application;group_members_unknown",
            "application 1|||GROUP||open_application;group_members_unknown",
            "application 1|user1|ENABLED|GROUP|group 1|open_application",
            "application 1|user1|ENABLED|OPEN_APPLICATION||open_application",
            "application 1||unknown|DIRECT||open_application;principal_unknown",
        ]
    );
}

#[test]
fn a_status_that_aws_leaves_out_is_unknown_and_nothing_more() {
    let found = collection(|gathered| {
        gather_application(gathered, application(1), Yes, &[the_user(1)]);
        let untold = User {
            status: PrincipalStatus::Unknown,
            ..user(1)
        };
        gathered.user_exists(untold, true);
    });
    assert_eq!(access(&found), ["application 1|user1|unknown|DIRECT||"]);
}

#[test]
fn applications_of_one_name_stay_apart() {
    let found = collection(|gathered| {
        for number in [2, 1] {
            let same = Application {
                name: "same".to_owned(),
                ..application(number)
            };
            gather_application(gathered, same, Yes, &[the_user(number)]);
        }
        gather_application(gathered, application(3), Yes, &[]);
        people(gathered, 1..=2);
    });
    assert_eq!(
        access(&found),
        ["same|user1|ENABLED|DIRECT||", "same|user2|ENABLED|DIRECT||"]
    );
}

#[test]
fn assignments_are_as_aws_has_them() {
    let found = collection(|gathered| {
        let assigned = [
            the_group(1),
            the_group(2),
            the_group(3),
            the_user(1),
            the_user(7),
        ];
        gather_application(gathered, application(1), No, &assigned);
        gathered.group_exists(group(1));
        gathered.group_is_deleted(&group_id(2));
        people(gathered, 1..=2);
        gathered.user_is_deleted(&user_id(7));
    });
    assert_eq!(
        report(&found, View::Assignments, None).0,
        [
            "application 1|||GROUP|group 1|open_application",
            "application 1|||GROUP||open_application;principal_unknown",
            "application 1|||NONE||open_application;orphaned_assignment",
            "application 1|user1|ENABLED|DIRECT||open_application",
            "application 1||DELETED|NONE||open_application;orphaned_assignment",
        ]
    );
}

#[test]
fn a_principal_sees_its_own_rows_only() {
    let found = collection(|gathered| {
        let assigned = [the_group(1), the_group(2), the_user(1), the_user(2)];
        gather_application(gathered, application(1), No, &assigned);
        members(gathered, 1, &[1, 2]);
        members(gathered, 2, &[]);
        people(gathered, 1..=3);
    });
    let paths = |principal: &PrincipalRef, view| -> Vec<String> {
        let rows = report(&found, view, Some(principal)).0;
        let paths = rows
            .iter()
            .map(|row| row.split('|').skip(1).take(4).collect::<Vec<_>>());
        paths.map(|cells| cells.join("|")).collect()
    };
    assert_eq!(
        paths(&the_user(1), View::Access),
        [
            "user1|ENABLED|DIRECT|",
            "user1|ENABLED|GROUP|group 1",
            "user1|ENABLED|OPEN_APPLICATION|",
        ]
    );
    assert_eq!(
        paths(&the_group(1), View::Access),
        ["user1|ENABLED|GROUP|group 1", "user2|ENABLED|GROUP|group 1"]
    );
    assert_eq!(paths(&the_group(2), View::Access), ["||NONE|group 2"]);
    assert_eq!(
        paths(&the_user(2), View::Assignments),
        ["user2|ENABLED|DIRECT|"]
    );
}

#[test]
fn every_row_of_an_assignment_tells_its_grants() {
    let mut held = grant(1, GrantState::Active);
    held.instance_arn = instance().arn;
    held.target = Target::Application(arn(1));
    held.principal = the_group(1);
    let found = collection(|gathered| {
        let assigned = [the_group(1), the_user(1)];
        gather_application(gathered, application(1), Yes, &assigned);
        members(gathered, 1, &[1, 2]);
        people(gathered, 1..=2);
    });
    let facts = StoreFacts {
        grants: vec![held.clone()],
        ..StoreFacts::default()
    };
    let holdings = Holdings::new(facts, crate::domain::grant::tests::at(0));
    let rows: Vec<Row> = Rows::new(&found, &holdings, View::Access, None).collect();
    let told: Vec<[&str; 4]> = (rows.iter())
        .map(|row| {
            [
                row.path.as_str(),
                row.provenance.as_str(),
                row.grant_id.as_str(),
                row.requested_by.as_str(),
            ]
        })
        .collect();
    let by_group = ["GROUP", "GRANT", held.id.as_str(), "portal"];
    assert_eq!(told, [["DIRECT", "UNRECORDED", "", ""], by_group, by_group]);
    assert_eq!(rows[1].approved_by, "");
}
