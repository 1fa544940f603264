//! Each finding by itself: from what it comes, and that nothing is claimed of what was not read.

use jiff::SignedDuration;

use super::super::fixtures::*;
use super::super::gather::Gathered;
use super::super::seen::Seen;
use super::super::store_facts::StoreFacts;
use super::*;
use crate::domain::facts::{Fact, Gap};
use crate::domain::grant::tests::{at, grant};
use crate::domain::{AssignmentRequired, Ending, EndingKind, GrantState, Justification};
use crate::store::KeptFact;

use AssignmentRequired::{No, Yes};

/// The words and details of what is found.
fn told(found: &[Found]) -> Vec<String> {
    let told = found.iter().map(|found| {
        let who = found.principal.as_ref().map(|it| it.id.to_string());
        let who = who.map_or(String::new(), |id| format!(" {}", &id[..8]));
        let detail = &found.detail;
        let detail = if detail.is_empty() {
            String::new()
        } else {
            format!(" ({detail})")
        };
        format!("{}{who}{detail}", found.finding.as_str())
    });
    told.collect()
}

fn find_with(collection: &Collection, grants: Vec<Grant>, seen: Seen) -> Vec<String> {
    let now = at(10_000);
    let facts = StoreFacts {
        grants: grants.clone(),
        ..StoreFacts::default()
    };
    let holdings = Holdings::new(facts, now).with_seen(seen);
    let unreviewed = grants.iter().filter(|grant| grant.review_due);
    let matters = Matters {
        elsewhere: Vec::new(),
        unreviewed: unreviewed.cloned().collect(),
        grants,
        mass_changes: Vec::new(),
    };
    told(&find(collection, &holdings, &matters, now))
}

fn findings(fill: impl FnOnce(&mut Gathered)) -> Vec<String> {
    find_with(&collection(fill), Vec::new(), Seen::default())
}

fn members(gathered: &mut Gathered, number: u32, users: &[u32]) {
    gathered.group_exists(group(number));
    let users = users.iter().map(|user| member(number, *user)).collect();
    gathered.members(&group_id(number), users, true);
    for user in users_of(number) {
        gathered.user_exists(user, true);
    }
}

fn users_of(_: u32) -> impl Iterator<Item = crate::domain::User> {
    (1..=4).map(user)
}

#[test]
fn what_is_odd_about_targets_and_principals_is_found_once_each() {
    let found = findings(|gathered| {
        let assigned = [the_group(1), the_group(2), the_group(3), the_user(9)];
        gather_application(gathered, application(1), No, &assigned);
        gather_application(gathered, application(2), Yes, &[the_group(1), the_user(1)]);
        members(gathered, 1, &[1, 2]);
        members(gathered, 2, &[]);
        let mut disabled = user(2);
        disabled.status = PrincipalStatus::Disabled;
        gathered.user_exists(disabled, true);
        gathered.user_is_deleted(&user_id(9));
    });
    let expected = [
        "disabled_user a0000002 (2 ways in)",
        "empty_group b0000002",
        "group_members_unknown b0000003",
        "open_application",
        "orphaned_assignment a0000009",
        "principal_unknown b0000003",
        "several_paths a0000001 (1 target)",
    ];
    assert_eq!(found, expected);
}

#[test]
fn nearly_as_many_groups_as_aws_lets_are_told() {
    let with = |count: u32| {
        findings(|gathered| {
            let groups: Vec<PrincipalRef> = (1..=count).map(the_group).collect();
            gather_application(gathered, application(1), Yes, &groups);
            for number in 1..=count {
                members(gathered, number, &[number % 4 + 1]);
            }
        })
    };
    let near = |found: &[String]| {
        let mut near = found.iter().filter(|it| it.starts_with("near"));
        near.next().cloned()
    };
    assert_eq!(near(&with(89)), None);
    let told = near(&with(90));
    assert_eq!(told.as_deref(), Some("near_group_quota (90 of 100 groups)"));
}

/// A collection in which the grant's target has these assignees; read from second 100 on.
fn standing(of: &Grant, assigned: &[PrincipalRef]) -> Collection {
    let Target::Application(arn) = &of.target else {
        panic!("an application")
    };
    let known = crate::domain::Application {
        arn: arn.clone(),
        ..application(1)
    };
    collection(|gathered| {
        gather_application(gathered, known, Yes, assigned);
        if let PrincipalKind::User = of.principal.kind {
            let mut held = user(1);
            held.id = of.principal.id.clone();
            gathered.user_exists(held, true);
        }
        gathered.observe(at(100));
    })
}

#[test]
fn a_grant_that_is_over_or_unreviewed_or_without_its_assignment_is_found() {
    let mut held = grant(1, GrantState::Active);
    held.started_at = Some(at(10));
    held.end_at = Some(at(9_000));
    let there = standing(&held, std::slice::from_ref(&held.principal));
    let none = standing(&held, &[]);
    let find = |collection: &Collection, grant: &Grant| {
        find_with(collection, vec![grant.clone()], Seen::default())
    };
    let who = &held.principal.id.to_string()[..8];
    assert_eq!(find(&there, &held), [format!("overdue_revocation {who}")]);
    held.end_at = Some(at(10_000) - SignedDuration::from_secs(60));
    assert!(find(&there, &held).is_empty(), "a minute is Usher's");
    let gone = [format!("grant_without_assignment {who}")];
    assert_eq!(find(&none, &held), gone);
    held.started_at = Some(at(100));
    assert!(find(&none, &held).is_empty(), "made while it was read");
    held.started_at = Some(at(10));
    let mut unseen = none.clone();
    unseen.missing.push(super::super::collection::Missing {
        instance_arn: None,
        scope: String::new(),
        reason: String::new(),
        gaps: vec![Gap::key(
            crate::domain::facts::FactKind::Assignment,
            &held.target.key(),
        )],
    });
    assert!(find(&unseen, &held).is_empty(), "nobody could see it");
    held.review_due = true;
    assert_eq!(
        find(&there, &held),
        [format!("unreviewed_break_glass {who}")]
    );
    held.review_due = false;
    held.state = GrantState::Revoking;
    held.ending = Some(Ending {
        kind: EndingKind::Revoked,
        by: None,
        reason: Justification::parse("over").unwrap(),
        at: at(9_900),
    });
    assert_eq!(find(&there, &held), [format!("overdue_revocation {who}")]);
}

#[test]
fn a_group_that_grew_since_it_was_agreed_to_is_found_with_both_numbers() {
    let mut held = grant(1, GrantState::Active);
    held.principal = the_group(1);
    held.people_count = 2;
    held.end_at = None;
    let Target::Application(arn) = held.target.clone() else {
        panic!("an application")
    };
    let of = |users: &[u32]| {
        let known = crate::domain::Application {
            arn: arn.clone(),
            ..application(1)
        };
        let found = collection(|gathered| {
            gather_application(gathered, known, Yes, &[the_group(1)]);
            members(gathered, 1, users);
        });
        find_with(&found, vec![held.clone()], Seen::default())
    };
    assert!(of(&[1, 2]).is_empty());
    let grew = ["group_grew b0000001 (2 people then, 3 now)"];
    assert_eq!(of(&[1, 2, 3]), grew);
}

#[test]
fn what_appeared_beside_usher_is_found_and_what_was_there_before_is_not() {
    let key = |user| FactKey::assignment(&Target::Application(arn(1)), &the_user(user));
    let kept = |user, since| KeptFact {
        fact: Fact {
            key: key(user),
            value: "{}".to_owned(),
        },
        since: crate::domain::facts::CollectionId(since),
    };
    let mut seen = Seen::of_whole(Some(crate::domain::facts::CollectionId(1)));
    seen.take(&kept(1, 1));
    seen.take(&kept(2, 2));
    let found = collection(|gathered| {
        gather_application(gathered, application(1), Yes, &[the_user(1), the_user(2)]);
        for number in 1..=2 {
            gathered.user_exists(user(number), true);
        }
    });
    let beside = find_with(&found, Vec::new(), seen);
    assert_eq!(beside, ["out_of_band a0000002"]);
    assert!(find_with(&found, Vec::new(), Seen::default()).is_empty());
}

#[test]
fn findings_keep_the_time_when_they_were_found_first() {
    let one = about_principal(Finding::DisabledUser, the_user(1), "1 way in".to_owned());
    let known = Known::of(vec![Found {
        since: Some(at(5)),
        ..one.clone()
    }]);
    let mut now = vec![
        Found {
            detail: "2 ways in".to_owned(),
            ..one.clone()
        },
        about_principal(Finding::DisabledUser, the_user(2), String::new()),
    ];
    known.date(&mut now, at(9));
    assert_eq!([now[0].since, now[1].since], [Some(at(5)), Some(at(9))]);
    let words = |found: &[Found], whole| -> Vec<String> {
        let events = events(&instance().arn, &known, found, whole, at(9));
        let told = events
            .iter()
            .map(|event| event.to_canonical_json().unwrap());
        let kind = |text: String| {
            crate::domain::log_event::LogEvent::read(&text)
                .unwrap()
                .kind
        };
        told.map(kind).collect()
    };
    assert_eq!(words(&now, true), ["finding_new"]);
    assert_eq!(words(&now[1..], true), ["finding_new", "finding_gone"]);
    // What was not seen may be there all the same.
    assert_eq!(words(&now[1..], false), ["finding_new"]);
}

#[test]
fn very_many_new_findings_are_told_together() {
    let many: Vec<Found> = (0..1_000)
        .map(|number| about_principal(Finding::SeveralPaths, the_user(number), String::new()))
        .collect();
    let told = events(&instance().arn, &Known::default(), &many, true, at(1));
    assert_eq!(told.len(), 1);
    let text = told[0].to_canonical_json().unwrap();
    assert!(text.contains("\"count\":1000"), "{text}");
}
