//! Cuts a file into its policies, before Cedar sees them: so each has its line, every error of syntax
//! is found at once, and what is nested too deep for a stack is refused without being parsed.
//!
//! It decides nothing about meaning: a piece that is cut wrongly is no policy to Cedar and refuses.

use super::config::PolicyBounds;
use super::problem::PolicyProblem;

/// The text of one policy.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    /// The line of its first word.
    pub(super) line: usize,
    /// From its first word on, with its `;`.
    pub(super) text: &'a str,
}

/// Operators that are words. Each operator can be one more step into the depth.
const OPERATORS: [&[u8]; 5] = [b"if", b"in", b"is", b"has", b"like"];

/// Walks over a file, outside of comments.
struct Cutter<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    start: Option<(usize, usize)>,
    tokens: usize,
    depth: usize,
    depth_seen: usize,
    operators: usize,
}

/// Cuts a file into policies.
pub(super) fn pieces<'a>(
    file: &str,
    text: &'a str,
    bounds: &PolicyBounds,
) -> Result<Vec<Piece<'a>>, Vec<PolicyProblem>> {
    let mut problems = Vec::new();
    if let Some(line) = text.lines().position(|line| line.chars().any(is_hidden)) {
        problems.push(PolicyProblem::at(
            file,
            line + 1,
            "has a control character or one that changes the direction of text; take it out",
        ));
        return Err(problems);
    }
    let mut cutter = Cutter {
        text,
        at: 0,
        line: 1,
        start: None,
        tokens: 0,
        depth: 0,
        depth_seen: 0,
        operators: 0,
    };
    let mut found = Vec::new();
    while let Some((line, piece)) = cutter.next_piece() {
        if cutter.is_too_large(bounds) {
            problems.push(PolicyProblem::at(
                file,
                line,
                format!(
                    "is too large: a policy has at most {} words and signs, {} operators, and {} brackets open at once; write several policies",
                    bounds.tokens_max, bounds.operators_max, bounds.nesting_max
                ),
            ));
        } else {
            found.push(Piece { line, text: piece });
        }
        cutter.begin_next();
    }
    if problems.is_empty() {
        Ok(found)
    } else {
        Err(problems)
    }
}

/// What a reader of the file does not see. `lines` has taken line ends away.
fn is_hidden(letter: char) -> bool {
    letter != '\t' && letter.is_control()
        || matches!(letter, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{2028}' | '\u{2029}' | '\u{e0000}'..='\u{e0fff}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

impl<'a> Cutter<'a> {
    fn is_too_large(&self, bounds: &PolicyBounds) -> bool {
        self.tokens > bounds.tokens_max
            || self.operators > bounds.operators_max
            || self.depth_seen > bounds.nesting_max
    }

    fn begin_next(&mut self) {
        self.start = None;
        self.tokens = 0;
        self.depth = 0;
        self.depth_seen = 0;
        self.operators = 0;
    }

    /// The next policy with its line, up to its `;` or to the end of the file.
    fn next_piece(&mut self) -> Option<(usize, &'a str)> {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            if byte == b'\n' {
                self.line += 1;
                self.at += 1;
                continue;
            }
            if byte.is_ascii_whitespace() {
                self.at += 1;
                continue;
            }
            if bytes[self.at..].starts_with(b"//") {
                self.skip_to(|next| next == b'\n');
                continue;
            }
            let (start, line) = *self.start.get_or_insert((self.at, self.line));
            self.tokens += 1;
            match byte {
                b'"' => self.skip_text(),
                b'(' | b'[' | b'{' => {
                    self.depth += 1;
                    self.depth_seen = self.depth_seen.max(self.depth);
                    self.at += 1;
                }
                b')' | b']' | b'}' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.at += 1;
                }
                b';' => {
                    self.at += 1;
                    return Some((line, &self.text[start..self.at]));
                }
                b'&' | b'|' | b'<' | b'>' | b'=' => {
                    self.operators += 1;
                    self.skip_to(|next| !b"&|<>=".contains(&next));
                }
                b'+' | b'-' | b'*' | b'!' | b'.' => {
                    self.operators += 1;
                    self.at += 1;
                }
                _ if is_word(byte) => {
                    let begin = self.at;
                    self.skip_to(|next| !is_word(next));
                    let word = &bytes[begin..self.at];
                    self.operators += usize::from(OPERATORS.contains(&word));
                }
                _ => self.at += 1,
            }
        }
        let (start, line) = self.start?;
        Some((line, &self.text[start..]))
    }

    fn skip_to(&mut self, is_end: impl Fn(u8) -> bool) {
        let rest = &self.text.as_bytes()[self.at..];
        let length = rest.iter().position(|&byte| is_end(byte));
        self.at += length.unwrap_or(rest.len());
    }

    /// Over a text in quotes; one without an end goes to the end of the file.
    fn skip_text(&mut self) {
        let bytes = self.text.as_bytes();
        self.at += 1;
        while let Some(&byte) = bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'"' => return,
                b'\\' => self.at += 1,
                b'\n' => self.line += 1,
                _ => {}
            }
        }
        self.at = bytes.len();
    }
}

/// Every byte of a letter outside ASCII counts as a part of a word, so that cuts fall between letters.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_cut_where_policies_end() {
        let text = "// a; \"\n\n@id(\"a;\\\"b\") permit(x) // ;\n;\nforbid(y);  // end\nrest";
        let found = pieces("a", text, &PolicyBounds::default()).unwrap();
        let cut: Vec<(usize, &str)> = found.iter().map(|it| (it.line, it.text)).collect();
        assert_eq!(
            cut,
            [
                (3, "@id(\"a;\\\"b\") permit(x) // ;\n;"),
                (5, "forbid(y);"),
                (6, "rest")
            ]
        );
    }

    #[test]
    fn what_is_too_deep_or_too_long_or_hidden_is_refused_before_it_is_parsed() {
        let deep = format!("permit({};", "(".repeat(100_000));
        let long = format!("permit(a) when {{ {} }};", "true && ".repeat(101));
        let unclosed = "permit(\"abc";
        for text in [deep.as_str(), &long, "a\0b", "a\u{202e}b", "\u{feff}a"] {
            assert!(pieces("a", text, &PolicyBounds::default()).is_err());
        }
        assert_eq!(
            pieces("a", unclosed, &PolicyBounds::default())
                .unwrap()
                .len(),
            1
        );
        assert_eq!(
            pieces("a", "\\\u{e9}\"\\", &PolicyBounds::default())
                .unwrap()
                .len(),
            1
        );
    }
}
