//! The page itself, in pieces: head, what is missing, what is to be seen first, sections, rows, how
//! it was made. Holds the rows until they are written, and nothing else that grows with them.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::answer::{Completeness, Summary};
use super::super::collection::Missing;
use super::about::About;
use super::detail::{Detail, ROWS_MAX};
use super::markup::Html;
use super::section::{Glance, Section, table_head};
use crate::domain::report::View;

/// A piece is cut at the first character beyond this: as pieces of the other texts are.
const PIECE_BYTES: usize = 32 * 1024;
/// What is missing and named before the reader asks for more.
const MISSING_SHOWN: usize = 20;
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// A finished page, given out piece by piece.
#[derive(Debug)]
pub(in crate::audit) struct Document {
    /// Written, not given out.
    text: String,
    detail: Detail,
    next_row: usize,
    /// What comes after the rows.
    rest: Option<Html>,
}

impl Document {
    pub(super) fn new(about: &About, glance: &Glance, detail: Detail, summary: &Summary) -> Self {
        let mut top = Html::default();
        head(&mut top, about);
        banner(&mut top, about, summary);
        figures(&mut top, glance);
        missing(&mut top, summary);
        contents(&mut top, glance);
        for section in &glance.sections {
            open_section(&mut top, section.id, section.heading);
            top.add(&section.body).raw("</section>\n");
        }
        open_rows(&mut top, &detail);
        let mut rest = Html::default();
        if detail.row_count() > 0 {
            close_rows(&mut rest);
        }
        rest.raw("</section>\n");
        made(&mut rest, about, summary);
        Self {
            text: top.into_string(),
            detail,
            next_row: 0,
            rest: Some(rest),
        }
    }
}

impl Iterator for Document {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        while self.text.len() < PIECE_BYTES && self.next_row < self.detail.row_count() {
            self.detail.write_row(self.next_row, &mut self.text);
            self.next_row += 1;
        }
        if self.next_row >= self.detail.row_count()
            && let Some(rest) = self.rest.take()
        {
            self.text.push_str(&rest.into_string());
        }
        if self.text.is_empty() {
            return None;
        }
        let end = self.text.floor_char_boundary(PIECE_BYTES);
        let piece = self.text.get(..end).map(str::to_owned);
        self.text.drain(..end);
        piece
    }
}

/// What the view is called.
fn title(about: &About) -> &'static str {
    match about.view {
        View::Changes => "What happened",
        _ if about.is_compared => "What changed",
        View::Access => "Who has access to what",
        View::Assignments => "What is assigned to whom",
        View::Instances => "Instances of IAM Identity Center",
        View::DuplicateUsers => "People in several identity stores",
        View::Findings => "What somebody should look at",
    }
}

fn head(html: &mut Html, about: &About) {
    html.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    // First, so that it holds for everything below. Scripts and styles are those of this program, by
    // their hash, and nothing is fetched from anywhere; the icon is an empty one, so that no browser
    // looks for another.
    html.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-");
    html.text(&hash(STYLE))
        .raw("'; script-src 'sha256-")
        .text(&hash(SCRIPT));
    html.raw("'; img-src data:; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'\">\n");
    html.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    html.raw("<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n");
    html.raw(
        "<meta name=\"robots\" content=\"noindex\">\n<link rel=\"icon\" href=\"data:,\">\n<title>",
    );
    html.raw(title(about)).raw(" · ");
    html.text(&about.started_at.strftime("%Y-%m-%d").to_string());
    html.raw("</title>\n<style>")
        .raw(STYLE)
        .raw("</style>\n<script>")
        .raw(SCRIPT);
    html.raw("</script>\n</head>\n<body class=\"")
        .raw(match about.view {
            View::Access | View::Assignments => "assigned",
            View::Instances => "instances",
            View::DuplicateUsers => "duplicates",
            View::Findings => "findings",
            View::Changes => "changes",
        });
    html.raw("\">\n<a class=\"skip\" href=\"#rows\">Skip to the rows</a>\n");
}

fn hash(text: &str) -> String {
    STANDARD.encode(digest(&SHA256, text.as_bytes()))
}

/// What the report is about, when it was read, and whether it is whole.
fn banner(html: &mut Html, about: &About, summary: &Summary) {
    html.raw("<header>\n<p class=\"kind\">IAM Identity Center access report</p>\n<h1>");
    html.raw(title(about))
        .raw("</h1>\n<dl class=\"facts\">\n<div><dt>About<dd>");
    match about.instances.as_slice() {
        [line] => html.name(&line.label),
        lines => html.count(lines.len() as u64, "instance", "instances"),
    };
    if let Some(scope) = &about.scope {
        html.raw(", only ").name(scope);
    }
    html.raw("</div>\n<div><dt>Facts read<dd>");
    match summary.observed_from.zip(summary.observed_until) {
        None => html.raw("none"),
        Some((from, until)) if from == until => html.time(from),
        Some((from, until)) => html.time(from).raw(" to ").time(until),
    };
    html.raw("</div>\n<div><dt>Completeness<dd>");
    if is_partial(summary) {
        let lacks = summary.missing.len() as u64;
        html.raw("<a class=\"status bad\" href=\"#missing\">Incomplete: ");
        html.count(lacks, "thing", "things")
            .raw(" could not be read</a>");
    } else {
        html.raw("<span class=\"status good\">Complete: nothing is missing</span>");
    }
    html.raw("</div>\n</dl>\n</header>\n<main>\n");
}

fn is_partial(summary: &Summary) -> bool {
    summary.completeness != Some(Completeness::Complete)
}

fn figures(html: &mut Html, glance: &Glance) {
    open_section(html, "glance", "At a glance");
    html.raw("<p class=\"lead\">")
        .add(&glance.lead)
        .raw("</p>\n<dl class=\"figures\">\n");
    for figure in &glance.figures {
        html.raw(if figure.is_alarming {
            "<div class=\"look\">"
        } else {
            "<div>"
        });
        html.raw("<dt>")
            .raw(figure.label)
            .raw("<dd>")
            .add(&figure.value);
        if figure.note.len() > 0 {
            html.raw("<dd class=\"note\">").add(&figure.note);
        }
        html.raw("</div>\n");
    }
    html.raw("</dl>\n</section>\n");
}

fn missing(html: &mut Html, summary: &Summary) {
    if !is_partial(summary) {
        return;
    }
    html.raw("<section id=\"missing\" class=\"alarm\" aria-labelledby=\"missing-heading\">\n<h2 id=\"missing-heading\">What is missing</h2>\n");
    html.raw("<p>The numbers on this page leave out what could not be read. Somebody may have access that does not stand here.</p>\n");
    let (shown, hidden) = summary
        .missing
        .split_at(summary.missing.len().min(MISSING_SHOWN));
    missing_table(html, "What could not be read, and why", shown);
    if !hidden.is_empty() {
        html.raw("<details><summary>")
            .number(hidden.len() as u64)
            .raw(" more</summary>\n");
        missing_table(html, "What else could not be read, and why", hidden);
        html.raw("</details>\n");
    }
    html.raw("</section>\n");
}

fn missing_table(html: &mut Html, caption: &'static str, missing: &[Missing]) {
    table_head(html, caption, &["What", "Why", "Instance"]);
    for lack in missing {
        html.raw("<tr><th scope=\"row\">")
            .text(&lack.scope)
            .raw("<td>")
            .text(&lack.reason)
            .raw("<td>");
        if let Some(arn) = &lack.instance_arn {
            html.text(&arn.to_string());
        }
        html.raw("\n");
    }
    html.raw("</table>\n");
}

/// Links to the sections that there are.
fn contents(html: &mut Html, glance: &Glance) {
    html.raw("<nav aria-label=\"Sections\"><ul>\n");
    for Section { id, heading, .. } in &glance.sections {
        html.raw("<li><a href=\"#")
            .raw(id)
            .raw("\">")
            .raw(heading)
            .raw("</a>\n");
    }
    html.raw("<li><a href=\"#rows\">All rows</a>\n<li><a href=\"#made\">How it was made</a>\n</ul></nav>\n");
}

fn open_section(html: &mut Html, id: &'static str, heading: &'static str) {
    html.raw("<section id=\"")
        .raw(id)
        .raw("\" aria-labelledby=\"")
        .raw(id)
        .raw("-heading\">\n<h2 id=\"");
    html.raw(id).raw("-heading\">").raw(heading).raw("</h2>\n");
}

fn open_rows(html: &mut Html, detail: &Detail) {
    open_section(html, "rows", "All rows");
    let shown = detail.row_count() as u64;
    if shown < detail.seen() {
        html.raw("<p class=\"cut\"><strong>The first ")
            .number(shown)
            .raw(" of ");
        html.count(detail.seen(), "row", "rows")
            .raw(" are listed.</strong> The numbers above count all of them. ");
        if shown < ROWS_MAX as u64 {
            html.raw("Their texts are too long for more. ");
        }
        html.raw("All rows are in the formats CSV and JSON Lines: <code>usher audit --format csv</code>.</p>\n");
    }
    if shown == 0 {
        html.raw("<p>There are none.</p>\n");
        return;
    }
    html.raw("<div id=\"tools\" role=\"search\" hidden>\n<p><label for=\"search\">Search the rows</label><input id=\"search\" type=\"search\" autocomplete=\"off\" spellcheck=\"false\" aria-describedby=\"search-help\"><small id=\"search-help\">All words must stand in a row, in any order.</small></p>\n");
    html.raw("<p><label for=\"size\">Rows on a page</label><select id=\"size\"><option>100<option>500<option>2000</select></p>\n");
    html.raw("<p role=\"status\" id=\"status\"></p>\n</div>\n");
    html.raw("<div id=\"detail\">\n");
    table_head(
        html,
        "The rows of this report, in the order of CSV",
        detail.headings(),
    );
}

fn close_rows(html: &mut Html) {
    html.raw("</table>\n</div>\n<nav id=\"pages\" aria-label=\"Pages of rows\" hidden><button type=\"button\" id=\"earlier\">Earlier rows</button> <span id=\"page\"></span> <button type=\"button\" id=\"later\">Later rows</button></nav>\n");
}

/// How the report came to be, and the end of the page.
fn made(html: &mut Html, about: &About, summary: &Summary) {
    open_section(html, "made", "How it was made");
    html.raw("<p>Begun ").time(about.started_at).raw(". Times are in UTC. Who cannot sign in, because the user is disabled or deleted, does not count as having access; such rows are among the findings.");
    html.raw(" The names are those that AWS had; characters that show nothing stand as their number, for example [U+202E].</p>\n");
    html.raw("<div class=\"pair\">\n");
    table_head(html, "Instances in this report", &["Instance", "ARN"]);
    for line in &about.instances {
        html.raw("<tr><th scope=\"row\">")
            .name(&line.label)
            .raw("<td>")
            .text(&line.arn)
            .raw("\n");
    }
    html.raw("</table>\n");
    if summary.operations_used.is_empty() {
        html.raw("<p>AWS was asked for nothing.</p>\n");
    } else {
        operations(html, summary);
    }
    html.raw("</div>\n</section>\n</main>\n<footer><p>Made by Usher. The sha256 of this file stands in the summary of the report.</p></footer>\n</body>\n</html>\n");
}

fn operations(html: &mut Html, summary: &Summary) {
    table_head(html, "Operations asked of AWS", &["Operation", "#Times"]);
    for (operation, times) in &summary.operations_used {
        html.raw("<tr><th scope=\"row\">")
            .text(operation.name())
            .raw("<td class=\"n\">")
            .number(*times)
            .raw("\n");
    }
    html.raw("</table>\n");
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
