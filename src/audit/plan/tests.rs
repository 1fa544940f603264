//! Plans against the worked numbers of the facts sheet.

use super::*;

fn plan(view: View, scope: PlanScope, known: &KnownCounts) -> Plan {
    let part = PlanPart::of_instance(view, &scope, known);
    let shared = PlanPart::of_organization(view, [(&scope, known)]);
    Plan::joined(view, [&shared, &part])
}

fn known(applications: u64, groups: u64, users: u64, member_pages: u64) -> KnownCounts {
    KnownCounts {
        applications: Some(applications),
        assignment_pages: Some(applications),
        member_pages: Some(member_pages),
        users: Some(users),
        groups: Some(groups),
        ..KnownCounts::default()
    }
}

/// The S2 lines of aws-api.md §9; ListInstances is asked before a report is planned.
#[test]
fn the_worked_numbers_of_the_facts_sheet() {
    for (applications, groups, users, member_pages, calls) in [
        (10, 50, 500, 50, 78),
        (200, 1_000, 10_000, 1_000, 1_515),
        (1_000, 10_000, 100_000, 10_000, 13_121),
        (1_000, 10_000, 100_000, 20_000, 23_121),
    ] {
        let known = known(applications, groups, users, member_pages);
        let plan = plan(View::Access, PlanScope::default(), &known);
        assert_eq!(plan.total() + 1, calls);
        assert!(!plan.note.contains("lower bound"), "{}", plan.note);
    }
}

#[test]
fn without_counts_the_plan_is_a_lower_bound_and_says_so() {
    let plan = plan(View::Access, PlanScope::default(), &KnownCounts::default());
    assert_eq!(
        plan.operations,
        [
            (Operation::ListApplications, 1),
            (Operation::ListUsers, 1),
            (Operation::ListGroups, 1),
        ]
    );
    assert!(
        plan.note
            .starts_with("A lower bound: how many applications")
    );
}

#[test]
fn what_was_not_looked_at_is_not_forgotten() {
    let seen = KnownCounts {
        member_pages: None,
        users: None,
        ..known(12, 50, 500, 0)
    };
    let merged = seen.or(known(10, 40, 400, 70));
    assert_eq!(merged.member_pages, Some(70));
    assert_eq!(merged.users, Some(400));
    assert_eq!(merged.applications, Some(12));
}

#[test]
fn assignments_do_not_read_members() {
    let known = known(10, 50, 500, 50);
    let plan = plan(View::Assignments, PlanScope::default(), &known);
    assert_eq!(plan.total() + 1, 28);
}

#[test]
fn scoped_reports_ask_little() {
    let of_application = |is_known, principal| PlanScope {
        target: PlanTarget::Application { is_known },
        principal,
        covers_accounts: true,
        ..PlanScope::default()
    };
    let total =
        |scope: PlanScope| plan(View::Access, scope, &known(200, 1_000, 10_000, 1_000)).total();
    assert_eq!(total(of_application(false, None)), 3);
    assert_eq!(total(of_application(true, None)), 2);
    assert_eq!(total(of_application(false, Some(PrincipalKind::User))), 5);
    for kind in [PrincipalKind::User, PrincipalKind::Group] {
        let scope = PlanScope {
            principal: Some(kind),
            ..PlanScope::default()
        };
        assert_eq!(total(scope), 4 + 200 + 200 + 2);
        let by_principal = PlanScope {
            covers_accounts: true,
            lists_by_principal: true,
            ..scope
        };
        assert_eq!(total(by_principal), 4 + 200 + 200 + 2 + 1);
    }
    let of_access = |is_known| PlanScope {
        target: PlanTarget::AccountAccess {
            account_is_known: is_known,
            permission_set_is_known: is_known,
        },
        covers_accounts: true,
        ..PlanScope::default()
    };
    assert_eq!(total(of_access(true)), 1);
    assert_eq!(total(of_access(false)), 3);
}

/// The account side of aws-api.md §9: 500 sets on 200 accounts each.
#[test]
fn the_worked_number_of_the_account_side() {
    let known = KnownCounts {
        permission_sets: Some(500),
        accounts: Some(200),
        account_pages: Some(500 * 2),
        account_assignment_pages: Some(500 * 200),
        ..known(0, 0, 0, 0)
    };
    let scope = PlanScope {
        covers_accounts: true,
        lists_by_principal: true,
        ..PlanScope::default()
    };
    let plan = plan(View::Access, scope, &known);
    let account_side: u64 = (plan.operations.iter())
        .filter(|(operation, _)| {
            operation.name().contains("PermissionSet")
                || operation.name().contains("AccountAssignments")
        })
        .map(|(_, count)| count)
        .sum();
    assert_eq!(account_side, 101_505);
    assert!(plan.operations.contains(&(Operation::ListAccounts, 10)));
    assert!(!plan.note.contains("lower bound"), "{}", plan.note);
}

#[test]
fn accounts_are_listed_once_for_all_instances_and_not_without_permission_sets() {
    let scope = PlanScope {
        covers_accounts: true,
        ..PlanScope::default()
    };
    let without = KnownCounts {
        permission_sets: Some(0),
        ..KnownCounts::default()
    };
    let shared = |known: &[KnownCounts]| {
        let instances = known.iter().map(|known| (&scope, known));
        PlanPart::of_organization(View::Access, instances).operations
    };
    let some = KnownCounts {
        accounts: Some(41),
        ..KnownCounts::default()
    };
    assert_eq!(
        shared(&[some, some, without]),
        [(Operation::ListAccounts, 3)]
    );
    assert_eq!(shared(&[without]), []);
}

#[test]
fn the_views_without_access_read_lists_only() {
    let scope = PlanScope {
        covers_accounts: true,
        ..PlanScope::default()
    };
    let known = KnownCounts {
        permission_sets: Some(101),
        accounts: Some(20),
        ..known(51, 101, 201, 77)
    };
    assert_eq!(
        plan(View::Instances, scope, &known).operations,
        [
            (Operation::ListApplications, 2),
            (Operation::ListPermissionSets, 2),
            (Operation::ListUsers, 3),
            (Operation::ListGroups, 2),
            (Operation::ListAccounts, 1),
        ]
    );
    assert_eq!(
        plan(View::DuplicateUsers, scope, &known).operations,
        [(Operation::ListUsers, 3)]
    );
    let nothing = Plan::joined(View::DuplicateUsers, []);
    assert!(nothing.note.starts_with("Nothing is read"));
}

#[test]
fn describing_wins_only_while_it_is_cheaper() {
    for (wanted, population, is_whole, lookup) in [
        (5, Some(500), false, Lookup::Describe),
        (6, Some(500), false, Lookup::List),
        (6, Some(500), true, Lookup::List),
        (0, Some(0), true, Lookup::Describe),
        (20, None, false, Lookup::Describe),
        (21, None, false, Lookup::List),
        (1, None, true, Lookup::List),
    ] {
        assert_eq!(
            cheaper_lookup(wanted, population, is_whole),
            lookup,
            "{wanted} of {population:?}"
        );
    }
}

#[test]
fn an_empty_list_is_one_page() {
    assert_eq!([0, 1, 100, 101].map(list_pages), [1, 1, 1, 2]);
    assert_eq!(pages(51, 50), 2);
}

#[test]
fn what_was_read_before_is_not_counted_again_and_the_note_says_so() {
    let known = known(10, 50, 500, 50);
    let part = |spared| {
        let part = PlanPart::of_instance(View::Access, &PlanScope::default(), &known);
        part.sparing(spared)
    };
    let whole = Plan::joined(View::Access, [&part(Vec::new())]);
    let (members, applications) = (
        (Operation::ListGroupMemberships, 60),
        (Operation::ListApplicationAssignments, 4),
    );
    let spared = Plan::joined(View::Access, [&part(vec![members, applications])]);
    // Of groups that are assigned no more there are readings too: no plan is less than nothing.
    assert_eq!(spared.total(), whole.total() - 50 - 4);
    assert!(!whole.note.contains("spared"), "{}", whole.note);
    assert!(
        spared.note.contains("64 operations are spared"),
        "{}",
        spared.note
    );
    let mut all = part(Vec::new());
    all.spared = all.operations.clone();
    let nothing = Plan::joined(View::Access, [&all]);
    assert_eq!(nothing.operations, []);
    assert!(nothing.note.contains("one Describe"), "{}", nothing.note);
}
