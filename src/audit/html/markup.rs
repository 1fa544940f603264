//! Markup that cannot be broken by what stands in it. Fixed markup comes from the program's own
//! text; everything else goes through `text`, which is safe between tags and inside a quoted
//! attribute. Nothing that others wrote may ever stand in a script, a style or a tag's name.

use std::fmt::Write as _;

use jiff::Timestamp;

/// Characters of one text that are shown. AWS's longest name has 1024 and a justification 2000: a
/// page of such names cannot be read, and CSV has them whole.
const SHOWN_CHARACTERS_MAX: usize = 300;

/// A piece of a page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::audit) struct Html(String);

impl Html {
    /// Markup of the program's own. The lifetime keeps out what was read anywhere.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text of anybody. Characters that show nothing, or turn the direction of what stands around
    /// them, are written as their number: what a reader sees is what is there. Long text is cut, and
    /// says so.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        let mut letters = text.chars();
        for letter in letters.by_ref().take(SHOWN_CHARACTERS_MAX) {
            self.letter(letter);
        }
        let left = letters.count();
        if left > 0 {
            // Writing to a string cannot fail, here and below.
            let _ = write!(self.0, "… ({left} more characters)");
        }
        self
    }

    /// Text of anybody among other text: its direction does not reach beyond it.
    pub(super) fn name(&mut self, text: &str) -> &mut Self {
        if text.trim().is_empty() {
            return self.raw("<i>no name</i>");
        }
        self.raw("<bdi>").text(text).raw("</bdi>")
    }

    /// A number with its thousands apart.
    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        let digits = number.to_string();
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                self.0.push(',');
            }
            self.0.push(digit);
        }
        self
    }

    /// A number with a word that fits it.
    pub(super) fn count(
        &mut self,
        number: u64,
        one: &'static str,
        many: &'static str,
    ) -> &mut Self {
        let word = if number == 1 { one } else { many };
        self.number(number).raw(" ").raw(word)
    }

    /// A number as an attribute has it.
    pub(super) fn digits(&mut self, number: u64) -> &mut Self {
        let _ = write!(self.0, "{number}");
        self
    }

    /// A share in whole hundredths. What is not all is never said to be, nor what is not nothing.
    pub(super) fn share(&mut self, part: u64, whole: u64) -> &mut Self {
        match hundredths(part, whole) {
            0 if part > 0 => self.raw("under 1&nbsp;%"),
            100 if part < whole => self.raw("over 99&nbsp;%"),
            share => self.digits(share).raw("&nbsp;%"),
        }
    }

    /// A time to the second.
    pub(super) fn time(&mut self, time: Timestamp) -> &mut Self {
        let _ = write!(
            self.0,
            "<time datetime=\"{}\">{} UTC</time>",
            time.strftime("%Y-%m-%dT%H:%M:%SZ"),
            time.strftime("%Y-%m-%d %H:%M:%S"),
        );
        self
    }

    /// Another piece behind this.
    pub(super) fn add(&mut self, other: &Self) -> &mut Self {
        self.0.push_str(&other.0);
        self
    }

    /// The finished text.
    pub(super) fn into_string(self) -> String {
        self.0
    }

    /// Its length in bytes.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn letter(&mut self, letter: char) {
        match letter {
            '&' => self.0.push_str("&amp;"),
            '<' => self.0.push_str("&lt;"),
            '>' => self.0.push_str("&gt;"),
            '"' => self.0.push_str("&quot;"),
            '\'' => self.0.push_str("&#39;"),
            '\n' | '\r' | '\t' => self.0.push(' '),
            _ if is_hidden(letter) => {
                let _ = write!(self.0, "[U+{:04X}]", u32::from(letter));
            }
            _ => self.0.push(letter),
        }
    }
}

/// A share in whole hundredths, the nearest; of nothing it is nothing.
fn hundredths(part: u64, whole: u64) -> u64 {
    let (part, whole) = (u128::from(part), u128::from(whole));
    let share = (part * 100 + whole / 2).checked_div(whole).unwrap_or(0);
    u64::try_from(share).unwrap_or(100).min(100)
}

/// Whether a character shows nothing by itself or changes how others are shown. The joiners U+200C
/// and U+200D stay: names in Persian and in Indian scripts need them.
fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            // Soft hyphen, letter mark of Arabic, fillers of Hangul and Khmer, vowel separator.
            '\u{AD}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180E}'
                | '\u{3164}' | '\u{FFA0}'
                // Spaces without width, marks of direction, separators of lines and paragraphs.
                | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}' | '\u{FEFF}'
                // Annotations, no characters, tags.
                | '\u{FFF9}'..='\u{FFFB}' | '\u{FFFE}' | '\u{FFFF}' | '\u{FDD0}'..='\u{FDEF}'
                | '\u{E0000}'..='\u{E007F}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        let mut html = Html::default();
        html.text(text);
        html.into_string()
    }

    #[test]
    fn hostile_text_stays_text() {
        for (text, safe) in [
            (
                "</script><script>alert(1)",
                "&lt;/script&gt;&lt;script&gt;alert(1)",
            ),
            ("<!-- -->", "&lt;!-- --&gt;"),
            ("]]>", "]]&gt;"),
            ("\" onload=\"x", "&quot; onload=&quot;x"),
            ("' onload='x", "&#39; onload=&#39;x"),
            ("a&lt;b", "a&amp;lt;b"),
            ("a\u{202E}b\u{2066}c", "a[U+202E]b[U+2066]c"),
            ("\0\u{7}\u{FEFF}\u{85}", "[U+0000][U+0007][U+FEFF][U+0085]"),
            ("two\nlines\tand more", "two lines and more"),
            ("नमस्ते 日本 שלום", "नमस्ते 日本 שלום"),
        ] {
            assert_eq!(shown(text), safe, "{text:?}");
        }
    }

    #[test]
    fn long_text_is_cut_and_empty_names_are_said() {
        let long = shown(&"x".repeat(1024));
        assert!(long.ends_with("x… (724 more characters)"), "{long}");
        assert_eq!(shown(&"😀".repeat(300)), "😀".repeat(300));
        for name in ["", "  "] {
            let mut html = Html::default();
            html.name(name);
            assert_eq!(html.into_string(), "<i>no name</i>");
        }
    }

    #[test]
    fn numbers_and_shares_are_told_truly() {
        let written = |write: fn(&mut Html) -> &mut Html| {
            let mut html = Html::default();
            write(&mut html);
            html.into_string()
        };
        assert_eq!(written(|html| html.number(1_234_567)), "1,234,567");
        assert_eq!(written(|html| html.number(999)), "999");
        assert_eq!(written(|html| html.share(0, 0)), "0&nbsp;%");
        assert_eq!(written(|html| html.share(1, 1_000)), "under 1&nbsp;%");
        assert_eq!(written(|html| html.share(999, 1_000)), "over 99&nbsp;%");
        assert_eq!(written(|html| html.share(5, 18)), "28&nbsp;%");
        assert_eq!(written(|html| html.share(u64::MAX, u64::MAX)), "100&nbsp;%");
        assert_eq!(written(|html| html.count(1, "row", "rows")), "1 row");
    }

    proptest! {
        #[test]
        fn no_text_opens_a_tag_ends_a_value_or_hides(text in any::<String>()) {
            let shown = shown(&text);
            prop_assert!(!shown.contains(['<', '>', '"', '\'']));
            prop_assert!(!shown.chars().any(is_hidden));
            for (at, _) in shown.match_indices('&') {
                let entity = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"];
                prop_assert!(entity.iter().any(|entity| shown[at..].starts_with(entity)));
            }
        }
    }
}
