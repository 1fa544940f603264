//! What a page says of FINDINGS: how many of each severity, and a row for each.

use std::collections::BTreeMap;

use super::super::answer::Summary;
use super::change_cells::named;
use super::markup::Html;
use super::section::{Figure, Glance, Section, table_head};
use crate::domain::report::{Finding, FindingRow, Severity};

/// The headings over the cells of FINDINGS.
pub(super) const OF_FINDINGS: [&str; 6] = [
    "Severity",
    "Finding",
    "Who",
    "Target",
    "Since",
    "What to do",
];

/// How many findings there are of each kind.
#[derive(Debug, Default)]
pub(in crate::audit) struct FindingCounts(BTreeMap<(Severity, Finding), u64>);

impl FindingCounts {
    pub(super) fn count(&mut self, row: &FindingRow) {
        if let Some(finding) = Finding::from_word(&row.finding) {
            *self.0.entry((finding.severity(), finding)).or_default() += 1;
        }
    }

    pub(super) fn glance(&self, summary: &Summary) -> Glance {
        let of = |severity: Severity| -> u64 {
            let counts = self.0.iter().filter(|((it, _), _)| *it == severity);
            counts.map(|(_, count)| count).sum()
        };
        let mut lead = Html::default();
        if summary.row_count == 0 {
            lead.raw("Nothing was found that somebody should look at.");
        } else {
            lead.count(summary.row_count, "thing", "things")
                .raw(" to look at, ")
                .number(of(Severity::High))
                .raw(" of them today.");
        }
        let number = |label, number: u64| Figure::new(label, |value| value.number(number), |_| ());
        Glance {
            lead,
            figures: vec![
                number("High", of(Severity::High)).alarming_if(of(Severity::High) > 0),
                number("Medium", of(Severity::Medium)),
                number("Low", of(Severity::Low)),
            ],
            sections: self.section().into_iter().collect(),
        }
    }

    fn section(&self) -> Option<Section> {
        if self.0.is_empty() {
            return None;
        }
        let mut html = Html::default();
        table_head(
            &mut html,
            "What was found, the gravest first",
            &[
                "Finding",
                "#Count",
                "Severity",
                "What it means, and what to do",
            ],
        );
        for ((severity, finding), count) in &self.0 {
            html.raw("<tr><th scope=\"row\">").raw(finding.title());
            html.raw("<button type=\"button\" data-search=\"")
                .raw(finding.title())
                .raw("\" hidden>Show rows</button>");
            html.raw("<td class=\"n\">").number(*count).raw("<td>");
            html.raw(severity.as_str())
                .raw("<td>")
                .raw(finding.advice())
                .raw("\n");
        }
        html.raw("</table>\n");
        Some(Section {
            id: "findings",
            heading: "Findings",
            body: html,
        })
    }
}

/// A finding's cells, in the order of the headings.
pub(super) fn finding_cells(row: &FindingRow) -> Vec<Html> {
    let finding = Finding::from_word(&row.finding);
    let mut severity = Html::default();
    severity.text(&row.severity);
    let mut title = Html::default();
    title
        .raw("<b>")
        .raw(finding.map_or("", Finding::title))
        .raw("</b>");
    if !row.detail.is_empty() {
        title.raw("<small>").text(&row.detail).raw("</small>");
    }
    let mut since = Html::default();
    if let Ok(at) = row.since.parse() {
        since.time(at);
    }
    let mut advice = Html::default();
    advice.text(&row.what_to_do);
    vec![severity, title, who(row), target(row), since, advice]
}

fn who(row: &FindingRow) -> Html {
    let mut html = Html::default();
    named(&mut html, &row.principal_name, &row.principal_id);
    if !row.grant_id.is_empty() {
        html.raw("<small><code>")
            .text(&row.grant_id)
            .raw("</code></small>");
    }
    html
}

fn target(row: &FindingRow) -> Html {
    let mut html = Html::default();
    if row.account_id.is_empty() {
        named(&mut html, &row.application_name, &row.application_arn);
    } else {
        named(&mut html, &row.account_name, &row.account_id);
        named(&mut html, &row.permission_set_name, &row.permission_set_arn);
    }
    html
}
