//! The guard of spreadsheet cells: a cell that a spreadsheet would run gets a leading apostrophe.
//! It never changes a harmless cell, and what it did can be taken back exactly.

use std::borrow::Cow;

const GUARD: char = '\'';

/// The cell as it may be opened in a spreadsheet.
///
/// A spreadsheet runs a cell that begins with `=`, `+`, `-`, `@` or their wide forms (which some
/// locales fold), and some trim blanks and quotes before they look. Tabs and line breaks at the
/// start are dangerous by themselves: importers drop them. Where the list separator is not the
/// comma, a quote in the middle of a line quotes nothing, and a semicolon, a bar or a tab inside the
/// cell begins another: what follows one of them is guarded as a cell of its own.
#[must_use]
pub fn guarded(cell: &str) -> Cow<'_, str> {
    if !parts(cell).any(is_dangerous) {
        return Cow::Borrowed(cell);
    }
    let mut safe = String::with_capacity(cell.len() + 4);
    for part in parts(cell) {
        if is_dangerous(part) {
            safe.push(GUARD);
        }
        safe.push_str(part);
    }
    Cow::Owned(safe)
}

/// The cell before `guarded`. For programs that read a CSV report back.
#[must_use]
pub fn unguarded(cell: &str) -> Cow<'_, str> {
    let bare = |part| unguarded_part(part).unwrap_or(part);
    if parts(cell).any(|part| unguarded_part(part).is_some()) {
        Cow::Owned(parts(cell).map(bare).collect())
    } else {
        Cow::Borrowed(cell)
    }
}

fn unguarded_part(part: &str) -> Option<&str> {
    part.strip_prefix(GUARD).filter(|rest| is_dangerous(rest))
}

/// The cell cut after each letter that separates cells somewhere.
fn parts(cell: &str) -> impl Iterator<Item = &str> {
    cell.split_inclusive([';', '|', '\t'])
}

/// Whether an apostrophe before a cell changes nothing here, as it must: what a guard is taken off
/// again would otherwise be in doubt. So a dangerous letter is one also after others that are
/// skipped.
fn is_dangerous(cell: &str) -> bool {
    let first_that_counts = cell
        .chars()
        .find(|letter| is_dropped_with_effect(*letter) || !is_skipped(*letter));
    first_that_counts
        .is_some_and(|letter| is_dropped_with_effect(letter) || starts_a_formula(letter))
}

/// Importers drop these at the start of a cell, and what follows becomes its start.
fn is_dropped_with_effect(letter: char) -> bool {
    matches!(letter, '\t' | '\r' | '\n')
}

/// What a spreadsheet may drop before it looks at the first letter: blanks, controls, quotes, and
/// the letters without width.
fn is_skipped(letter: char) -> bool {
    letter.is_whitespace()
        || letter.is_control()
        || matches!(
            letter,
            '"' | '\''
                | '`'
                | '\u{2018}'..='\u{201F}'
                | '\u{FF02}'
                | '\u{FF07}'
                | '\u{200B}'..='\u{200F}'
                | '\u{2060}'
                | '\u{FEFF}'
        )
}

fn starts_a_formula(letter: char) -> bool {
    matches!(
        letter,
        '=' | '+' | '-' | '@'
            // Full-width forms: = + - @
            | '\u{FF1D}' | '\u{FF0B}' | '\u{FF0D}' | '\u{FF20}'
            // Small forms of the same, and the mathematical minus.
            | '\u{FE66}' | '\u{FE62}' | '\u{FE63}' | '\u{FE6B}' | '\u{2212}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cells_that_would_run_get_an_apostrophe() {
        for cell in [
            "=cmd|'/c calc'!A1",
            "+1",
            "-2+3",
            "@SUM(A1)",
            "\tx",
            "\rx",
            "'\t,",
            "\nx",
            "＝1",
            "＋1",
            "－1",
            "＠x",
            "﹦1",
            "−1",
            "\"=1",
            "'=1",
            "''=1",
            " =1",
            "\u{3000}=1",
            "\u{A0}@x",
            "\u{FEFF}=1",
            "“=1”",
            "\u{200B}+1",
        ] {
            assert_eq!(guarded(cell), format!("'{cell}"), "{cell:?}");
            assert_eq!(unguarded(&guarded(cell)), cell, "{cell:?}");
        }
    }

    #[test]
    fn what_another_separator_would_make_a_cell_is_guarded_too() {
        for (cell, safe) in [
            ("a;=cmd|'/c calc'!A1", "a;'=cmd|'/c calc'!A1"),
            ("a| =1", "a|' =1"),
            ("a\t@x;b;-1", "a\t'@x;b;'-1"),
            ("=1;=2", "'=1;'=2"),
            (" \n\"\t=1", "' \n\"\t'=1"),
        ] {
            assert_eq!(guarded(cell), safe, "{cell:?}");
            assert_eq!(unguarded(safe), cell, "{cell:?}");
        }
        for harmless in ["a;b|c", "a;'quoted'", "1;2;3"] {
            assert_eq!(guarded(harmless), harmless);
            assert_eq!(unguarded(harmless), harmless);
        }
    }

    #[test]
    fn harmless_cells_stay_as_they_are() {
        for cell in [
            "",
            "a",
            "a=b",
            "1-2",
            "'quoted'",
            "\"quoted\"",
            " padded",
            "O'Brien",
            "日本語",
            "Ærø, \"x\"\ny",
            "a\n=b",
            "arn:aws:sso:::instance/x",
            "|x",
            "%1",
            "0",
            "\u{301}a",
        ] {
            assert_eq!(guarded(cell), cell);
            assert_eq!(unguarded(cell), cell);
        }
    }

    proptest! {
        #[test]
        fn the_guard_can_be_taken_back(cell in "[=+@ '\"\t\r\na,;|＝-]{0,6}") {
            let safe = guarded(&cell);
            prop_assert_eq!(unguarded(&safe), cell.as_str());
            for part in parts(&safe) {
                prop_assert!(part.starts_with('\'') || !is_dangerous(part));
            }
        }
    }
}
