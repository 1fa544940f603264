//! Rows of ACCESS and ASSIGNMENTS as a reader wants them: seven cells, names first and ids below.

use jiff::Timestamp;

use super::about::About;
use super::access::is_overdue;
use super::findings;
use super::markup::Html;
use super::reasons::Reason;
use crate::domain::report::{LIST_SEPARATOR, ReportPath, Row, View};

/// Grants of one assignment that are named; seldom are there more than two.
const GRANTS_SHOWN: usize = 5;
/// The headings over the cells of ACCESS.
pub(super) const OF_ACCESS: [&str; 7] = [
    "Person", "Target", "Way in", "Reason", "Since", "Until", "Findings",
];
/// The headings over the cells of ASSIGNMENTS.
pub(super) const OF_ASSIGNMENTS: [&str; 7] = [
    "Principal",
    "Target",
    "Kind",
    "Reason",
    "Since",
    "Until",
    "Findings",
];

/// A row's cells, in the order of the headings.
pub(super) fn of(row: &Row, about: &About) -> Vec<Html> {
    vec![
        principal(row),
        target(row, about),
        way(row, about.view),
        reason(row),
        moment(&row.granted_at, ""),
        until(row, is_overdue(row, about.started_at)),
        found(row),
    ]
}

/// Who: the user, else the group, else nobody that has a name.
fn principal(row: &Row) -> Html {
    let mut html = Html::default();
    html.raw("<b>").add(&principal_label(row)).raw("</b>");
    if row.user_id.is_empty() {
        small(&mut html, &row.group_id);
        return html;
    }
    if !row.display_name.is_empty() {
        small(&mut html, &row.user_name);
    }
    // An email address is often the user name too.
    if row.email != row.user_name {
        small(&mut html, &row.email);
    }
    small(&mut html, &row.user_id);
    match row.user_status.as_str() {
        "ENABLED" | "" => {}
        "DISABLED" => tag(&mut html, "Disabled"),
        "DELETED" => tag(&mut html, "Deleted"),
        _ => tag(&mut html, "Status unknown"),
    }
    html
}

/// The principal's name alone.
pub(super) fn principal_label(row: &Row) -> Html {
    let mut html = Html::default();
    let names = [&row.display_name, &row.user_name, &row.user_id];
    if !row.user_id.is_empty() {
        let name = names.into_iter().find(|name| !name.trim().is_empty());
        html.name(name.map_or("", |name| name));
    } else if !row.group_id.is_empty() {
        html.raw("Group ").add(&group_label(row));
    } else {
        html.raw("<i>nobody named</i>");
    }
    html
}

fn group_label(row: &Row) -> Html {
    let mut html = Html::default();
    let name = [&row.group_name, &row.group_id];
    let name = name.into_iter().find(|name| !name.trim().is_empty());
    html.name(name.map_or("", |name| name));
    html
}

fn target(row: &Row, about: &About) -> Html {
    let mut html = Html::default();
    html.raw("<b>").add(&target_label(row)).raw("</b>");
    if is_of_account(row) {
        small(&mut html, &row.account_id);
        small(&mut html, end_of_arn(&row.permission_set_arn));
    } else {
        small(&mut html, end_of_arn(&row.application_arn));
        if row.application_status == "DISABLED" {
            tag(&mut html, "Disabled");
        }
    }
    if let Some(label) = about.label_among_several(&row.instance_arn) {
        html.raw("<small>in ").name(label).raw("</small>");
    }
    html
}

/// The target's name alone.
pub(super) fn target_label(row: &Row) -> Html {
    let mut html = Html::default();
    if is_of_account(row) {
        html.name(&row.permission_set_name).raw(" on ");
        let account = if row.account_name.trim().is_empty() {
            &row.account_id
        } else {
            &row.account_name
        };
        html.name(account);
    } else {
        html.name(&row.application_name);
    }
    html
}

fn is_of_account(row: &Row) -> bool {
    row.application_arn.is_empty()
}

fn way(row: &Row, view: View) -> Html {
    let mut html = Html::default();
    let path = path(row);
    if view == View::Assignments {
        html.raw(match path {
            Some(ReportPath::None) => "Deleted",
            _ if row.user_id.is_empty() => "Group",
            _ => "User",
        });
        return html;
    }
    match path {
        Some(ReportPath::Direct) => html.raw("Direct"),
        Some(ReportPath::Group) if row.user_id.is_empty() => html.raw("Group, members unknown"),
        Some(ReportPath::Group) => html.raw("Group ").add(&group_label(row)),
        Some(ReportPath::OpenApplication) => html.raw("Open to everyone"),
        Some(ReportPath::None) => html.raw("Lets nobody in"),
        None => html.text(&row.path),
    };
    html
}

/// The row's way in.
pub(super) fn path(row: &Row) -> Option<ReportPath> {
    let paths = [
        ReportPath::Direct,
        ReportPath::Group,
        ReportPath::None,
        ReportPath::OpenApplication,
    ];
    paths.into_iter().find(|path| path.as_str() == row.path)
}

fn reason(row: &Row) -> Html {
    let mut html = Html::default();
    html.raw("<b>").raw(Reason::of(row).title()).raw("</b>");
    if !row.justification.trim().is_empty() {
        html.raw("<span>").name(&row.justification).raw("</span>");
    }
    for (word, value) in [
        ("ticket ", &row.ticket),
        ("asked by ", &row.requested_by),
        ("approved by ", &row.approved_by),
    ] {
        if !value.is_empty() {
            html.raw("<small>").raw(word).name(value).raw("</small>");
        }
    }
    let mut grants = row.grant_id.split(LIST_SEPARATOR);
    for grant in grants.by_ref().take(GRANTS_SHOWN) {
        small(&mut html, grant);
    }
    let left = grants.count() as u64;
    if left > 0 {
        html.raw("<small>and ")
            .count(left, "more grant", "more grants")
            .raw("</small>");
    }
    html
}

fn until(row: &Row, is_overdue: bool) -> Html {
    let has_grant = !row.grant_id.is_empty();
    let mut html = moment(&row.expires_at, if has_grant { "no end" } else { "" });
    if is_overdue {
        tag(&mut html, "Overdue");
    }
    html
}

/// A time, or these words without one.
fn moment(time: &str, without: &'static str) -> Html {
    let mut html = Html::default();
    match time.parse::<Timestamp>() {
        Ok(time) => html.time(time),
        Err(_) if time.is_empty() => html.raw(without),
        Err(_) => html.text(time),
    };
    html
}

fn found(row: &Row) -> Html {
    let mut html = Html::default();
    for finding in findings::of_cell(&row.findings) {
        tag(&mut html, finding.title());
    }
    html
}

/// The part of an ARN that tells one thing from another of its kind.
fn end_of_arn(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

fn small(html: &mut Html, text: &str) {
    if !text.is_empty() {
        html.raw("<small>").text(text).raw("</small>");
    }
}

fn tag(html: &mut Html, word: &'static str) {
    html.raw("<em>").raw(word).raw("</em>");
}
