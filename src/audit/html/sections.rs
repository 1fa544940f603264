//! What a page of ACCESS or ASSIGNMENTS says before its rows. Each section is left out where there
//! is nothing to say; what changed since an earlier report will be one more of them.

use super::super::answer::Summary;
use super::about::{About, Records};
use super::access::Access;
use super::markup::Html;
use super::people::{PEOPLE_MAX, STEPS};
use super::reasons::Reason;
use super::section::{Figure, Glance, Section, bar, table_head};
use super::since;
use super::top::SHOWN;
use super::words::Words;

/// Overdue grants that are listed; the number above them counts all.
const OVERDUE_SHOWN: usize = 50;

/// What stands before the rows.
pub(super) fn glance(access: &Access, about: &About, summary: &Summary) -> Glance {
    let words = Words::of(about.view);
    let sections = [
        overdue(access),
        since::section(summary),
        found(access, summary),
        reach(access, words),
        people(access, words),
        reasons(access, about, words),
    ];
    Glance {
        lead: lead(access, summary, words),
        figures: figures(access, summary, words),
        sections: sections.into_iter().flatten().collect(),
    }
}

/// How many have access. Where not all were counted, the summary knows better.
fn people_count(access: &Access, summary: &Summary) -> u64 {
    let counted = access.people.steps().iter().sum();
    if access.people.has_left_out() {
        summary.user_count.max(counted)
    } else {
        counted
    }
}

fn lead(access: &Access, summary: &Summary, words: &Words) -> Html {
    let mut html = Html::default();
    let people = people_count(access, summary);
    let all = access.reasons.total();
    if all == 0 {
        html.raw("Nobody has access to what this report is about.");
        return html;
    }
    html.count(people, words.person, words.people)
        .raw(" can enter ");
    html.count(access.target_count, "target", "targets")
        .raw(" by ");
    html.count(all, words.way, words.ways).raw(". ");
    html.share(access.reasons.of(Reason::Stated), all)
        .raw(" of the ")
        .raw(words.ways);
    html.raw(" have a stated reason.");
    html
}

fn figures(access: &Access, summary: &Summary, words: &Words) -> Vec<Figure> {
    let people = people_count(access, summary);
    let ways = access.people.ways();
    let (stated, all) = (access.reasons.of(Reason::Stated), access.reasons.total());
    let mut figures = vec![
        Figure::new(
            words.people_figure,
            |value| value.number(people),
            |note| {
                note.number(ways.direct).raw(words.directly);
                note.number(ways.group).raw(words.through_groups);
                if ways.open > 0 {
                    note.raw(", ")
                        .number(ways.open)
                        .raw(" through open applications");
                }
            },
        ),
        Figure::new(
            "Targets entered",
            |value| value.number(access.target_count),
            |note| {
                note.raw("looked at: ").count(
                    summary.application_count,
                    "application",
                    "applications",
                );
                note.raw(", ")
                    .count(summary.account_count, "account", "accounts");
            },
        ),
        Figure::new(
            "With a stated reason",
            |value| value.share(stated, all),
            |note| {
                note.number(stated)
                    .raw(" of ")
                    .count(all, words.way, words.ways);
            },
        ),
        overdue_figure(access),
        findings_figure(summary),
    ];
    figures.extend(since::figure(summary));
    figures
}

fn overdue_figure(access: &Access) -> Figure {
    let overdue = access.overdue.grants.len() as u64;
    let has_more = access.overdue.rows_beside > 0;
    let figure = Figure::new(
        "Overdue grants",
        |value| (value.number(overdue)).raw(if has_more { " or more" } else { "" }),
        |note| {
            note.raw(if overdue == 0 {
                "no ended grant is still there"
            } else {
                "ended, and still there"
            });
        },
    );
    figure.alarming_if(overdue > 0)
}

fn findings_figure(summary: &Summary) -> Figure {
    let kinds = summary.findings.len() as u64;
    let rows: u64 = summary.findings.values().sum();
    let figure = Figure::new(
        "Kinds of findings",
        |value| value.number(kinds),
        |note| {
            if kinds == 0 {
                note.raw("nothing to point at");
            } else {
                note.raw("on ").count(rows, "row", "rows");
            }
        },
    );
    figure.alarming_if(kinds > 0)
}

fn overdue(access: &Access) -> Option<Section> {
    let overdue = &access.overdue;
    if overdue.grants.is_empty() {
        return None;
    }
    let mut html = Html::default();
    html.raw("<p>These grants are over, and their access is still in AWS. Usher goes on trying to take it away; <code>GetGrant</code> says what it waits for.</p>\n");
    table_head(
        &mut html,
        "Grants that are over, longest first",
        &["Who", "Target", "Ended", "Grant", "#Rows"],
    );
    for ((end, grant), line) in overdue.grants.iter().take(OVERDUE_SHOWN) {
        html.raw("<tr><th scope=\"row\">")
            .add(&line.principal)
            .raw("<td>")
            .add(&line.target);
        html.raw("<td>");
        match end.parse() {
            Ok(end) => html.time(end),
            Err(_) => html.text(end),
        };
        html.raw("<td><code>")
            .text(grant)
            .raw("</code><td class=\"n\">")
            .number(line.rows)
            .raw("\n");
    }
    html.raw("</table>\n");
    let left = overdue.grants.len().saturating_sub(OVERDUE_SHOWN) as u64;
    if left > 0 || overdue.rows_beside > 0 {
        html.raw("<p class=\"note\">")
            .number(left)
            .raw(" further grants");
        if overdue.rows_beside > 0 {
            html.raw(" and ")
                .count(overdue.rows_beside, "row", "rows")
                .raw(" of others");
        }
        html.raw(" are not listed here; CSV has them.</p>\n");
    }
    Some(Section {
        id: "overdue",
        heading: "Overdue",
        body: html,
    })
}

fn found(access: &Access, summary: &Summary) -> Option<Section> {
    if summary.findings.is_empty() {
        return None;
    }
    let mut html = Html::default();
    table_head(
        &mut html,
        "What this report points at",
        &[
            "Finding",
            "#Rows",
            "What it means, and what to do",
            "For example",
        ],
    );
    for (finding, rows) in &summary.findings {
        html.raw("<tr><th scope=\"row\">").raw(finding.title());
        html.raw("<button type=\"button\" data-search=\"")
            .raw(finding.title())
            .raw("\" hidden>Show rows</button>");
        html.raw("<td class=\"n\">")
            .number(*rows)
            .raw("<td>")
            .raw(finding.advice())
            .raw("<td>");
        for example in access.examples.get(finding).into_iter().flatten() {
            html.raw("<span>").add(example).raw("</span>");
        }
        html.raw("\n");
    }
    html.raw("</table>\n");
    Some(Section {
        id: "findings",
        heading: "Findings",
        body: html,
    })
}

fn reach(access: &Access, words: &Words) -> Option<Section> {
    let largest = access.targets.largest();
    if largest == 0 {
        return None;
    }
    let is_open = access.targets.iter().any(|(_, line)| line.ways.open > 0);
    let has_unknown = access.targets.iter().any(|(_, line)| line.has_unknown);
    let mut headings = vec![
        "Target",
        words.people_heading,
        words.direct_heading,
        words.group_heading,
    ];
    headings.extend(is_open.then_some("#As everyone"));
    let mut html = Html::default();
    table_head(&mut html, words.targets_caption, &headings);
    for (people, line) in access.targets.iter() {
        html.raw("<tr><th scope=\"row\">").add(&line.label);
        bar(&mut html, *people, largest);
        html.raw("<td class=\"n\">")
            .raw(if line.has_unknown { "≥&nbsp;" } else { "" })
            .number(*people);
        html.raw("<td class=\"n\">").number(line.ways.direct);
        html.raw("<td class=\"n\">").number(line.ways.group);
        if is_open {
            html.raw("<td class=\"n\">").number(line.ways.open);
        }
        html.raw("\n");
    }
    html.raw("</table>\n<p class=\"note\">");
    if access.target_count > SHOWN as u64 {
        html.raw("The first of ")
            .count(access.target_count, "target", "targets")
            .raw(". ");
    }
    html.raw(words.targets_note);
    if has_unknown {
        html.raw(" ≥: the members of a group could not be read.");
    }
    html.raw("</p>\n");
    Some(Section {
        id: "targets",
        heading: "What is reached",
        body: html,
    })
}

fn people(access: &Access, words: &Words) -> Option<Section> {
    let all: u64 = access.people.steps().iter().sum();
    let (largest, _) = access.people.top().next()?;
    let mut html = Html::default();
    html.raw("<div class=\"pair\">\n");
    table_head(
        &mut html,
        words.people_caption,
        &[words.person_heading, "#Targets"],
    );
    for (targets, label) in access.people.top() {
        html.raw("<tr><th scope=\"row\">").add(label);
        bar(&mut html, targets, largest);
        html.raw("<td class=\"n\">").number(targets).raw("\n");
    }
    html.raw("</table>\n");
    table_head(
        &mut html,
        words.steps_caption,
        &["Targets", words.people_heading, "#Share"],
    );
    let mut start = 1;
    let steps = access.people.steps();
    let last = steps.iter().rposition(|count| *count > 0).unwrap_or(0);
    for (end, count) in STEPS.iter().zip(steps).take(last + 1) {
        html.raw("<tr><th scope=\"row\">");
        match *end {
            u64::MAX => html.raw("from ").number(start),
            end if end == start => html.number(end),
            end => html.number(start).raw(" to ").number(end),
        };
        bar(&mut html, *count, all);
        html.raw("<td class=\"n\">")
            .number(*count)
            .raw("<td class=\"n\">")
            .share(*count, all)
            .raw("\n");
        start = end.saturating_add(1);
    }
    html.raw("</table>\n</div>\n");
    if access.people.has_left_out() {
        html.raw("<p class=\"note\">An instance has more people than are counted here: these tables show the first ");
        html.number(PEOPLE_MAX as u64).raw(" of it.</p>\n");
    }
    Some(Section {
        id: "people",
        heading: words.people_section,
        body: html,
    })
}

fn reasons(access: &Access, about: &About, words: &Words) -> Option<Section> {
    if access.reasons.total() == 0 {
        return None;
    }
    let mut html = Html::default();
    if about.records == Records::Absent {
        html.raw("<p>This report was made without Usher's own records, as <code>usher audit</code> does: it can know of no grant. A report of the server has the reasons.</p>\n");
    }
    access.reasons.write(&mut html, words.ways_heading);
    Some(Section {
        id: "reasons",
        heading: "Why it stands",
        body: html,
    })
}
