//! Counts of small reports.

use super::super::super::Scope;
use super::super::super::fixtures::request;
use super::super::about::Records;
use super::*;

fn about(view: View) -> About {
    let now = "2026-03-01T12:00:00Z".parse().unwrap();
    About::of(&request(view, Scope::default()), now, Records::Kept)
}

fn row(application: u32, user: &str, path: ReportPath) -> Row {
    Row {
        instance_arn: "arn:aws:sso:::instance/ssoins-1".to_owned(),
        application_arn: format!("apl-{application}"),
        application_name: format!("application {application}"),
        user_id: user.to_owned(),
        user_name: user.to_owned(),
        path: path.as_str().to_owned(),
        group_id: if path == ReportPath::Group { "g" } else { "" }.to_owned(),
        provenance: if path == ReportPath::OpenApplication {
            ""
        } else {
            "STANDING"
        }
        .to_owned(),
        ..Row::default()
    }
}

fn counted(view: View, rows: &[Row]) -> Access {
    let mut access = Access::default();
    for row in rows {
        access.count(row, &about(view));
    }
    access.end();
    access
}

fn text(html: &Html) -> String {
    html.clone().into_string()
}

#[test]
fn people_count_once_for_a_target_whatever_their_ways() {
    use ReportPath::{Direct, Group, OpenApplication};
    let access = counted(
        View::Access,
        &[
            row(1, "a", Direct),
            row(1, "a", Group),
            row(1, "b", Group),
            row(1, "b", Group),
            row(2, "a", OpenApplication),
            row(2, "c", OpenApplication),
        ],
    );
    assert_eq!(access.target_count, 2);
    let lines: Vec<_> = access.targets.iter().collect();
    let (people, line) = lines[0];
    assert_eq!(
        (*people, text(&line.label)),
        (2, "<bdi>application 1</bdi>".to_owned())
    );
    assert_eq!(
        line.ways,
        WayCounts {
            direct: 1,
            group: 2,
            open: 0
        }
    );
    assert_eq!(
        lines[1].1.ways,
        WayCounts {
            direct: 0,
            group: 0,
            open: 2
        }
    );
    assert_eq!(
        access.people.ways(),
        WayCounts {
            direct: 1,
            group: 2,
            open: 2
        }
    );
    assert_eq!(access.people.steps()[..2], [2, 1]);
    assert_eq!(access.reasons.total(), 6);
    assert_eq!(access.reasons.of(Reason::Open), 2);
}

#[test]
fn who_cannot_enter_does_not_count_and_who_is_unknown_is_said() {
    let disabled = Row {
        user_status: "DISABLED".to_owned(),
        findings: "disabled_user".to_owned(),
        ..row(1, "a", ReportPath::Direct)
    };
    let unknown = row(1, "", ReportPath::Group);
    let nobody = row(2, "", ReportPath::None);
    let access = counted(
        View::Access,
        &[unknown, disabled, row(1, "b", ReportPath::Group), nobody],
    );
    assert_eq!((access.target_count, access.reasons.total()), (1, 2));
    let (people, line) = access.targets.iter().next().unwrap();
    assert_eq!((*people, line.has_unknown), (1, true));
    let examples = &access.examples[&Finding::DisabledUser];
    assert_eq!(text(&examples[0]), "<bdi>a</bdi>");
}

#[test]
fn assigned_groups_are_principals_of_their_own() {
    let rows = [
        row(1, "", ReportPath::Group),
        Row {
            group_id: "h".to_owned(),
            ..row(1, "", ReportPath::Group)
        },
        row(1, "a", ReportPath::Direct),
    ];
    let access = counted(View::Assignments, &rows);
    let (principals, line) = access.targets.iter().next().unwrap();
    assert_eq!(*principals, 3);
    assert_eq!(
        line.ways,
        WayCounts {
            direct: 1,
            group: 2,
            open: 0
        }
    );
}

#[test]
fn the_same_id_in_two_instances_is_two_people() {
    let elsewhere = Row {
        instance_arn: "arn:aws:sso:::instance/ssoins-2".to_owned(),
        ..row(1, "a", ReportPath::Direct)
    };
    let access = counted(View::Access, &[row(1, "a", ReportPath::Direct), elsewhere]);
    assert_eq!((access.target_count, access.people.steps()[0]), (2, 2));
    assert_eq!(access.people.top().count(), 2);
}

#[test]
fn a_grant_is_overdue_a_minute_after_its_end_and_counts_once() {
    let granted = |user: &str, end: &str| Row {
        provenance: "GRANT".to_owned(),
        grant_id: format!("grant_{end}"),
        expires_at: end.to_owned(),
        group_name: "operators".to_owned(),
        ..row(1, user, ReportPath::Group)
    };
    let access = counted(
        View::Access,
        &[
            granted("a", "2026-03-01T11:00:00Z"),
            granted("b", "2026-03-01T11:00:00Z"),
            granted("c", "2026-02-01T11:00:00Z"),
            granted("d", "2026-03-01T11:59:30Z"),
            granted("e", "2026-03-01T13:00:00Z"),
            granted("f", ""),
            Row {
                provenance: "STANDING".to_owned(),
                ..granted("g", "2026-02-01T11:00:00Z")
            },
        ],
    );
    let ends: Vec<(&str, u64, String)> = (access.overdue.grants.iter())
        .map(|((end, _), line)| (end.as_str(), line.rows, text(&line.principal)))
        .collect();
    let who = "Group <bdi>operators</bdi>".to_owned();
    assert_eq!(
        ends,
        [
            ("2026-02-01T11:00:00Z", 1, who.clone()),
            ("2026-03-01T11:00:00Z", 2, who)
        ]
    );
}

#[test]
fn examples_and_overdue_grants_are_bounded() {
    let rows: Vec<Row> = (0..5_000)
        .map(|number| Row {
            provenance: "GRANT".to_owned(),
            grant_id: format!("grant_{number}"),
            expires_at: "2020-01-01T00:00:00Z".to_owned(),
            findings: "orphaned_assignment".to_owned(),
            ..row(number, "a", ReportPath::None)
        })
        .collect();
    let access = counted(View::Access, &rows);
    assert_eq!(access.overdue.grants.len(), OVERDUE_MAX);
    assert_eq!(access.overdue.rows_beside, 4_000);
    assert_eq!(
        access.examples[&Finding::OrphanedAssignment].len(),
        EXAMPLES_MAX
    );
}
