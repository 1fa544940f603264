//! Why access stands, in the few kinds that an auditor asks about.

use super::markup::Html;
use super::section::{table_head, thousandths};
use crate::domain::report::{Provenance, ReportPath, Row};

/// A kind of reason, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Stated,
    Unstated,
    External,
    Standing,
    OutOfBand,
    Unrecorded,
    Open,
    NotTold,
}

impl Reason {
    /// All kinds, in their order.
    pub(super) const ALL: [Self; 8] = [
        Self::Stated,
        Self::Unstated,
        Self::External,
        Self::Standing,
        Self::OutOfBand,
        Self::Unrecorded,
        Self::Open,
        Self::NotTold,
    ];

    /// That of a row.
    pub(super) fn of(row: &Row) -> Self {
        let provenances = [
            Provenance::Grant,
            Provenance::Standing,
            Provenance::External,
            Provenance::OutOfBand,
            Provenance::Unrecorded,
        ];
        let known = (provenances.into_iter()).find(|known| known.as_str() == row.provenance);
        match known {
            Some(Provenance::Grant) if row.justification.trim().is_empty() => Self::Unstated,
            Some(Provenance::Grant) => Self::Stated,
            Some(Provenance::Standing) => Self::Standing,
            Some(Provenance::External) => Self::External,
            Some(Provenance::OutOfBand) => Self::OutOfBand,
            Some(Provenance::Unrecorded) => Self::Unrecorded,
            None if row.path == ReportPath::OpenApplication.as_str() => Self::Open,
            None => Self::NotTold,
        }
    }

    /// Its name.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Stated => "Granted, reason stated",
            Self::Unstated => "Granted, no reason stated",
            Self::External => "Kept elsewhere",
            Self::Standing => "Standing",
            Self::OutOfBand => "Out of band",
            Self::Unrecorded => "Unrecorded",
            Self::Open => "Open to everyone",
            Self::NotTold => "Not told",
        }
    }

    /// What it means, in a sentence.
    fn meaning(self) -> &'static str {
        match self {
            Self::Stated => "A live grant of Usher holds it, with a justification.",
            Self::Unstated => "A live grant of Usher holds it; its justification is empty.",
            Self::External => "A rule of the configuration names who keeps it outside of Usher.",
            Self::Standing => "It was there before Usher first touched it, or kept account of it.",
            Self::OutOfBand => "It appeared beside Usher: somebody assigned it in AWS.",
            Self::Unrecorded => "Nothing that Usher keeps says why it is there.",
            Self::Open => "The application lets everybody in; no assignment is needed.",
            Self::NotTold => "Usher's records could not be read.",
        }
    }

    /// The class of its colour.
    fn class(self) -> &'static str {
        match self {
            Self::Stated => "r1",
            Self::Unstated => "r2",
            Self::External => "r3",
            Self::Standing => "r4",
            Self::OutOfBand => "r5",
            Self::Unrecorded => "r8",
            Self::Open => "r6",
            Self::NotTold => "r7",
        }
    }
}

/// How often each kind was met.
#[derive(Debug, Clone, Default)]
pub(super) struct Reasons([u64; Reason::ALL.len()]);

impl Reasons {
    /// One more.
    pub(super) fn add(&mut self, reason: Reason) {
        if let Some(count) = self.0.get_mut(reason as usize) {
            *count += 1;
        }
    }

    /// How many there are of a kind.
    pub(super) fn of(&self, reason: Reason) -> u64 {
        self.0.get(reason as usize).copied().unwrap_or_default()
    }

    /// How many there are.
    pub(super) fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// A bar of all kinds, and a table that says the same in words and numbers.
    pub(super) fn write(&self, html: &mut Html, heading: &'static str) {
        html.raw("<svg class=\"bar whole\" viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">");
        let mut start = 0;
        let met = || {
            Reason::ALL
                .into_iter()
                .filter(|reason| self.of(*reason) > 0)
        };
        for reason in met() {
            let width = thousandths(self.of(reason), self.total());
            html.raw("<rect class=\"")
                .raw(reason.class())
                .raw("\" x=\"")
                .digits(start);
            html.raw("\" width=\"")
                .digits(width)
                .raw("\" height=\"10\"/>");
            start += width;
        }
        html.raw("</svg>\n");
        table_head(
            html,
            "What the access rests on",
            &["Reason", heading, "#Share", "What it means"],
        );
        for reason in met() {
            html.raw("<tr><th scope=\"row\"><svg class=\"key\" viewBox=\"0 0 10 10\" aria-hidden=\"true\"><rect class=\"");
            html.raw(reason.class())
                .raw("\" width=\"10\" height=\"10\"/></svg>")
                .raw(reason.title());
            html.raw("<td class=\"n\">").number(self.of(reason));
            html.raw("<td class=\"n\">")
                .share(self.of(reason), self.total());
            html.raw("<td>").raw(reason.meaning()).raw("\n");
        }
        html.raw("</table>\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provenance_has_its_reason() {
        let reason = |provenance: &str, justification: &str, path: &str| {
            Reason::of(&Row {
                provenance: provenance.to_owned(),
                justification: justification.to_owned(),
                path: path.to_owned(),
                ..Row::default()
            })
        };
        assert_eq!(reason("GRANT", "INC-42", "GROUP"), Reason::Stated);
        assert_eq!(reason("GRANT", " \n", "GROUP"), Reason::Unstated);
        assert_eq!(reason("STANDING", "left over", "DIRECT"), Reason::Standing);
        assert_eq!(reason("EXTERNAL", "", "DIRECT"), Reason::External);
        assert_eq!(reason("UNRECORDED", "", "DIRECT"), Reason::Unrecorded);
        assert_eq!(reason("", "", "OPEN_APPLICATION"), Reason::Open);
        assert_eq!(reason("", "", "DIRECT"), Reason::NotTold);
    }

    #[test]
    fn reasons_count_by_their_place() {
        let mut reasons = Reasons::default();
        for (place, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, place);
            reasons.add(reason);
            reasons.add(Reason::Standing);
        }
        assert_eq!((reasons.of(Reason::Standing), reasons.total()), (9, 16));
        let mut html = Html::default();
        reasons.write(&mut html, "#Ways in");
        let text = html.into_string();
        assert!(text.contains("<td class=\"n\">56&nbsp;%"), "{text}");
    }
}
