//! What a page is put together from: sections under a heading, and the numbers at its top.

use super::markup::Html;

/// A part of a page. There is none where there is nothing to say.
#[derive(Debug)]
pub(super) struct Section {
    /// Its name in links, one word.
    pub(super) id: &'static str,
    /// Its heading.
    pub(super) heading: &'static str,
    /// What stands below the heading.
    pub(super) body: Html,
}

/// A number to be seen first.
#[derive(Debug)]
pub(super) struct Figure {
    pub(super) label: &'static str,
    pub(super) value: Html,
    pub(super) note: Html,
    /// Whether somebody should look into it.
    pub(super) is_alarming: bool,
}

/// What a page says before its rows.
#[derive(Debug, Default)]
pub(in crate::audit) struct Glance {
    /// A sentence or two that say it all.
    pub(super) lead: Html,
    pub(super) figures: Vec<Figure>,
    pub(super) sections: Vec<Section>,
}

impl Figure {
    /// A number with what it is, and a few words below it.
    pub(super) fn new(
        label: &'static str,
        write: impl FnOnce(&mut Html) -> &mut Html,
        write_note: impl FnOnce(&mut Html),
    ) -> Self {
        let (mut value, mut note) = (Html::default(), Html::default());
        write(&mut value);
        write_note(&mut note);
        Self {
            label,
            value,
            note,
            is_alarming: false,
        }
    }

    /// The same, to be looked into where this holds.
    pub(super) fn alarming_if(self, is_alarming: bool) -> Self {
        Self {
            is_alarming,
            ..self
        }
    }
}

/// A bar as long as its share; the number stands beside it in words.
pub(super) fn bar(html: &mut Html, part: u64, whole: u64) {
    html.raw("<svg class=\"bar\" viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect width=\"");
    html.digits(thousandths(part, whole))
        .raw("\" height=\"10\"/></svg>");
}

/// The head of a table that can be sorted; a heading that begins with `#` is over numbers.
pub(super) fn table_head(html: &mut Html, caption: &'static str, headings: &[&'static str]) {
    // A name and two numbers fit the narrowest screen; more than that does not.
    let texts = headings.iter().filter(|heading| !heading.starts_with('#'));
    html.raw(if texts.count() > 1 || headings.len() > 3 {
        "<table data-sortable class=\"cards\"><caption>"
    } else {
        "<table data-sortable><caption>"
    })
    .raw(caption)
    .raw("</caption>\n<thead><tr>");
    for heading in headings {
        match heading.strip_prefix('#') {
            Some(heading) => html.raw("<th scope=\"col\" class=\"n\">").raw(heading),
            None => html.raw("<th scope=\"col\">").raw(heading),
        };
    }
    html.raw("\n<tbody>\n");
}

/// A share in whole thousandths: the widths of a bar.
pub(super) fn thousandths(part: u64, whole: u64) -> u64 {
    let share = (u128::from(part) * 1000).checked_div(u128::from(whole));
    u64::try_from(share.unwrap_or(0)).unwrap_or(1000).min(1000)
}
