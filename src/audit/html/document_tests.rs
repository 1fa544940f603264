//! Pages of small and of hostile worlds, of every view.

use super::super::super::Scope;
use super::super::super::fixtures::{instance, other_instance, request_about};
use super::super::{Page, PageRow, Records};
use super::*;
use crate::domain::report::{COLUMN_COUNT, DuplicateUserRow, InstanceRow, Row};
use crate::domain::{Instance, Operation};

/// Texts that would do something, were they not escaped.
const HOSTILE: &str = "</script></style></title>--><script>alert(1)</script><!--\
    <img src=x onerror=alert(1)>\"'&amp;\u{202E}\0\u{2066}";

fn about(view: View, instances: Vec<Instance>) -> About {
    let request = request_about(instances, view, Scope::default());
    About::of(
        &request,
        "2026-03-01T12:00:00Z".parse().unwrap(),
        Records::Kept,
    )
}

fn page<R: PageRow>(about: About, rows: &[R], summary: &Summary) -> String {
    let mut page = Page::new(about);
    for row in rows {
        page.push(row);
    }
    page.finish(summary).collect()
}

fn complete() -> Summary {
    Summary {
        completeness: Some(Completeness::Complete),
        operations_used: vec![(Operation::ListUsers, 1_234)],
        ..Summary::default()
    }
}

fn hostile_row() -> Row {
    Row {
        application_arn: String::new(),
        findings: "orphaned_assignment;disabled_user".to_owned(),
        ..Row::from_cells([HOSTILE; COLUMN_COUNT].map(str::to_owned))
    }
}

/// Every tag that was opened is one of the page's own, and no text left its place.
fn assert_harmless(page: &str) {
    assert!(
        !page.contains("<img") && !page.contains("alert(1)</"),
        "{page}"
    );
    assert_eq!(page.matches("<script").count(), 1);
    assert_eq!(page.matches("</script").count(), 1);
    assert_eq!(page.matches("<style").count(), 1);
    assert!(!page.contains("<!--") && !page.contains("-->"));
    assert!(!page.contains(['\u{202E}', '\u{2066}', '\0']));
    for outside in ["http:", "https:", "url(", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn hostile_text_stays_text_wherever_it_stands() {
    let named = |instance: Instance| Instance {
        name: HOSTILE.to_owned(),
        alias: Some(HOSTILE.to_owned()),
        ..instance
    };
    let instances = || vec![named(instance()), named(other_instance(7))];
    let summary = Summary {
        completeness: Some(Completeness::Partial),
        missing: vec![Missing {
            instance_arn: None,
            scope: HOSTILE.to_owned(),
            reason: HOSTILE.to_owned(),
            gaps: Vec::new(),
        }],
        findings: [
            (crate::domain::report::Finding::OrphanedAssignment, 1),
            (crate::domain::report::Finding::DisabledUser, 1),
        ]
        .into(),
        ..complete()
    };
    let overdue = Row {
        provenance: "GRANT".to_owned(),
        path: "GROUP".to_owned(),
        expires_at: "2020-01-01T00:00:00Z".to_owned(),
        ..hostile_row()
    };
    let unscoped = about(View::Access, instances());
    let scoped = About {
        scope: Some(HOSTILE.to_owned()),
        ..unscoped
    };
    let pages = [
        page(scoped, &[overdue, hostile_row()], &summary),
        page(
            about(View::Assignments, instances()),
            &[hostile_row()],
            &summary,
        ),
        page(
            about(View::Instances, instances()),
            &[InstanceRow::from_cells([HOSTILE; 15].map(str::to_owned))],
            &summary,
        ),
        page(
            about(View::DuplicateUsers, instances()),
            &[DuplicateUserRow::from_cells(
                [HOSTILE; 13].map(str::to_owned),
            )],
            &summary,
        ),
    ];
    for page in &pages {
        assert_harmless(page);
        assert!(page.contains("&lt;/script&gt;&lt;/style&gt;") && page.contains("[U+202E]"));
    }
    assert!(pages[0].contains("Overdue"));
}

#[test]
fn a_page_says_first_what_is_missing_and_what_it_is_about() {
    let missing: Vec<Missing> = (0..30)
        .map(|number| Missing {
            instance_arn: Some(instance().arn),
            scope: format!("members of group {number}"),
            reason: "AWS denies it".to_owned(),
            gaps: Vec::new(),
        })
        .collect();
    let summary = Summary {
        completeness: Some(Completeness::Partial),
        missing,
        observed_from: Some("2026-03-01T12:00:01Z".parse().unwrap()),
        observed_until: Some("2026-03-01T12:04:09.5Z".parse().unwrap()),
        ..complete()
    };
    let page = page::<Row>(about(View::Access, vec![instance()]), &[], &summary);
    assert!(page.contains("Incomplete: 30 things could not be read"));
    assert!(page.contains("<summary>10 more</summary>"));
    let order = [
        "Completeness",
        "At a glance",
        "What is missing",
        "All rows",
        "How it was made",
    ];
    let places: Vec<usize> = order.iter().map(|text| page.find(text).unwrap()).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert!(page.contains(">2026-03-01 12:00:01 UTC</time> to <time"));
    assert!(page.contains("ListUsers<td class=\"n\">1,234"));
    assert!(page.contains("Nobody has access to what this report is about."));
    assert!(page.contains("<p>There are none.</p>") && !page.contains("id=\"tools\""));
    // Nothing that is empty is shown.
    for id in ["overdue", "findings", "targets", "people", "reasons"] {
        assert!(!page.contains(&format!("id=\"{id}\"")), "{id}");
    }
}

#[test]
fn every_view_has_its_page() {
    let own = |view| about(view, vec![instance()]);
    let pages = [
        page(own(View::Access), &[hostile_row()], &complete()),
        page(own(View::Assignments), &[hostile_row()], &complete()),
        page(own(View::Instances), &[InstanceRow::default()], &complete()),
        page(
            own(View::DuplicateUsers),
            &[DuplicateUserRow::default()],
            &complete(),
        ),
    ];
    for (page, title) in pages.iter().zip([
        "Who has access to what",
        "What is assigned to whom",
        "Instances of IAM Identity Center",
        "People in several identity stores",
    ]) {
        assert!(page.contains(&format!("<h1>{title}</h1>")), "{title}");
        assert!(page.contains("Complete: nothing is missing"));
        assert!(page.contains("id=\"rows\"") && page.ends_with("</html>\n"));
    }
}

#[test]
fn scripts_and_styles_are_let_in_by_their_hash_alone() {
    let page = page::<Row>(about(View::Access, vec![instance()]), &[], &complete());
    let policy = page
        .split("Content-Security-Policy\" content=\"")
        .nth(1)
        .unwrap();
    let policy = policy.split('"').next().unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"));
    for text in [STYLE, SCRIPT] {
        assert!(policy.contains(&format!("'sha256-{}'", hash(text))));
        assert!(!text.contains("</"), "it would end its element");
    }
    // An attribute of style or an event's attribute would be refused by the policy.
    assert!(!page.contains(" style=\"") && !page.contains(" onclick="));
}
