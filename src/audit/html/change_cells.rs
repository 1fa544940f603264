//! What a page says of changes: how many of each kind, and a row for each.

use std::collections::BTreeMap;

use super::super::answer::Summary;
use super::markup::Html;
use super::section::{Figure, Glance, Section, table_head};
use crate::domain::report::{ChangeCause, ChangeRow};

/// The headings over the cells of changes.
pub(super) const OF_CHANGES: [&str; 7] = ["When", "What", "Who", "Target", "By", "Before", "After"];

/// How often each kind of change was met.
#[derive(Debug, Default)]
pub(in crate::audit) struct ChangeCounts {
    kinds: BTreeMap<(String, String), u64>,
    out_of_band: u64,
    late: u64,
}

impl ChangeCounts {
    pub(super) fn count(&mut self, row: &ChangeRow) {
        let kind = (row.what.clone(), row.change.clone());
        *self.kinds.entry(kind).or_default() += 1;
        self.out_of_band += u64::from(row.cause == ChangeCause::OutOfBand.as_str());
        self.late += u64::from(!row.late_seconds.is_empty());
    }

    fn of(&self, what: &str, change: &str) -> u64 {
        let key = (what.to_owned(), change.to_owned());
        self.kinds.get(&key).copied().unwrap_or_default()
    }

    pub(super) fn glance(&self, summary: &Summary) -> Glance {
        let mut lead = Html::default();
        let (added, removed) = (
            self.of("ASSIGNMENT", "ADDED"),
            self.of("ASSIGNMENT", "REMOVED"),
        );
        if summary.row_count == 0 {
            lead.raw("Nothing changed.");
        } else {
            lead.count(added, "assignment", "assignments")
                .raw(" came and ")
                .number(removed)
                .raw(" went; ")
                .number(self.out_of_band)
                .raw(" of these changes went beside Usher.");
        }
        let number = |label, number: u64| Figure::new(label, |value| value.number(number), |_| ());
        Glance {
            lead,
            figures: vec![
                number("Assignments added", added),
                number("Assignments removed", removed),
                number("Out of band", self.out_of_band).alarming_if(self.out_of_band > 0),
                number("Joined groups", self.of("MEMBERSHIP", "ADDED")),
                number("Left groups", self.of("MEMBERSHIP", "REMOVED")),
                number("Late revocations", self.late).alarming_if(self.late > 0),
            ],
            sections: self.section().into_iter().collect(),
        }
    }

    fn section(&self) -> Option<Section> {
        if self.kinds.is_empty() {
            return None;
        }
        let mut html = Html::default();
        table_head(
            &mut html,
            "What happened, by kind",
            &["What", "Change", "#Count"],
        );
        for ((what, change), count) in &self.kinds {
            html.raw("<tr><th scope=\"row\">").text(what).raw("<td>");
            html.text(change)
                .raw("<td class=\"n\">")
                .number(*count)
                .raw("\n");
        }
        html.raw("</table>\n");
        Some(Section {
            id: "changes",
            heading: "Changes",
            body: html,
        })
    }
}

/// A change's cells, in the order of the headings.
pub(super) fn change_cells(row: &ChangeRow) -> Vec<Html> {
    let mut when = Html::default();
    if let Ok(at) = row.at.parse() {
        when.time(at);
    }
    let mut what = Html::default();
    what.raw("<b>").text(&row.change).raw("</b><small>");
    what.text(&row.what).raw("</small>");
    if !row.cause.is_empty() {
        what.raw("<small>").text(&row.cause).raw("</small>");
    }
    let mut by = Html::default();
    by.text(&row.by);
    for text in [&row.grant_id, &row.ticket, &row.justification] {
        if !text.is_empty() {
            by.raw("<small>").text(text).raw("</small>");
        }
    }
    let plain = |text: &str| {
        let mut html = Html::default();
        html.text(text);
        html
    };
    vec![
        when,
        what,
        who(row),
        target(row),
        by,
        plain(&row.before),
        plain(&row.after),
    ]
}

fn who(row: &ChangeRow) -> Html {
    let mut html = Html::default();
    named(&mut html, &row.principal_name, &row.principal_id);
    named(&mut html, &row.group_name, &row.group_id);
    html
}

fn target(row: &ChangeRow) -> Html {
    let mut html = Html::default();
    named(&mut html, &row.application_name, &row.application_arn);
    named(&mut html, &row.account_name, &row.account_id);
    named(&mut html, &row.permission_set_name, &row.permission_set_arn);
    html
}

/// A name with its id below; nothing where there is no id.
pub(super) fn named(html: &mut Html, name: &str, id: &str) {
    if id.is_empty() {
        return;
    }
    if !name.trim().is_empty() {
        html.raw("<b>").name(name).raw("</b>");
    }
    html.raw("<small>").text(id).raw("</small>");
}
