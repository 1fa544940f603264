//! What a page says of what changed since the last time somebody looked.

use super::super::answer::Summary;
use super::markup::Html;
use super::section::{Figure, Section, table_head};

/// How many assignments came and went; none where nothing was collected before.
pub(super) fn figure(summary: &Summary) -> Option<Figure> {
    let since = summary.since_last.as_ref()?;
    let assignments = since.assignments;
    Some(Figure::new(
        "Changed since last time",
        |value| value.number(assignments.came + assignments.went),
        |note| {
            note.raw("assignments: ")
                .number(assignments.came)
                .raw(" came, ")
                .number(assignments.went)
                .raw(" went");
        },
    ))
}

/// What changed, in numbers and the first by name.
pub(super) fn section(summary: &Summary) -> Option<Section> {
    let since = summary.since_last.as_ref()?;
    let mut html = Html::default();
    html.raw("<p>Since the collection of ")
        .time(since.last_at)
        .raw(": ");
    let (assignments, memberships) = (since.assignments, since.memberships);
    html.count(assignments.came, "assignment", "assignments")
        .raw(" came and ")
        .number(assignments.went)
        .raw(" went; ");
    html.count(memberships.came, "membership", "memberships")
        .raw(" of groups came and ")
        .number(memberships.went)
        .raw(" went. The view CHANGES has each, with what explains it.</p>\n");
    if !since.shown.is_empty() {
        table_head(
            &mut html,
            "Assignments that came and went",
            &["Who", "Target", "Change"],
        );
        for change in &since.shown {
            html.raw("<tr><th scope=\"row\">")
                .name(&change.principal)
                .raw("<td>")
                .name(&change.target)
                .raw("<td>")
                .raw(if change.has_come { "came" } else { "went" })
                .raw("\n");
        }
        html.raw("</table>\n");
        let all = assignments.came + assignments.went;
        let left = all.saturating_sub(since.shown.len() as u64);
        if left > 0 {
            html.raw("<p class=\"note\">And ")
                .count(left, "other.", "others.")
                .raw("</p>\n");
        }
    }
    Some(Section {
        id: "changes",
        heading: "What changed since last time",
        body: html,
    })
}
