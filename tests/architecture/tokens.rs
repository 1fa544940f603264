//! Rust text as words, signs and literals, so that nothing in a comment or a string is taken for
//! code. As exact as the rules need: numbers are words, and every sign but `::` is one character.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A word or a number.
    Word,
    /// The content of a string literal, escapes as they stand.
    Text,
    /// `::`, or one character.
    Sign,
}

/// A token and its line, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) text: String,
    pub(crate) line: usize,
}

impl Token {
    pub(crate) fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text == word
    }

    pub(crate) fn is_sign(&self, sign: &str) -> bool {
        self.kind == Kind::Sign && self.text == sign
    }
}

/// Splits a file into tokens.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let mut reader = Reader {
        characters: source.chars().collect(),
        at: 0,
        line: 1,
        tokens: Vec::new(),
    };
    while reader.at < reader.characters.len() {
        reader.step();
    }
    reader.tokens
}

struct Reader {
    characters: Vec<char>,
    at: usize,
    line: usize,
    tokens: Vec<Token>,
}

impl Reader {
    fn peek(&self, ahead: usize) -> char {
        self.characters
            .get(self.at + ahead)
            .copied()
            .unwrap_or('\0')
    }

    fn take(&mut self) -> char {
        let character = self.peek(0);
        self.at += 1;
        if character == '\n' {
            self.line += 1;
        }
        character
    }

    fn push(&mut self, kind: Kind, text: String, line: usize) {
        self.tokens.push(Token { kind, text, line });
    }

    fn step(&mut self) {
        match (self.peek(0), self.peek(1)) {
            ('/', '/') => {
                while self.at < self.characters.len() && self.peek(0) != '\n' {
                    self.at += 1;
                }
            }
            ('/', '*') => self.skip_block_comment(),
            ('"', _) => self.text(),
            ('\'', _) => self.character_or_lifetime(),
            (':', ':') => {
                self.at += 2;
                self.push(Kind::Sign, "::".to_owned(), self.line);
            }
            (character, _) if is_word(character) => self.word(),
            (character, _) if character.is_whitespace() => {
                self.take();
            }
            _ => {
                let sign = self.take().to_string();
                self.push(Kind::Sign, sign, self.line);
            }
        }
    }

    fn skip_block_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.characters.len() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                _ => {
                    self.take();
                    continue;
                }
            }
            self.at += 2;
            if depth == 0 {
                return;
            }
        }
    }

    fn word(&mut self) {
        let mut word = String::new();
        while is_word(self.peek(0)) {
            word.push(self.take());
        }
        match (word.as_str(), self.peek(0)) {
            ("b" | "c", '"') => self.text(),
            ("b", '\'') => self.character_or_lifetime(),
            ("r" | "br" | "cr", '"') => self.raw_text(),
            ("r" | "br" | "cr", '#') if matches!(self.peek(1), '"' | '#') => self.raw_text(),
            ("r", '#') => self.at += 1, // a raw identifier: its word follows
            _ => self.push(Kind::Word, word, self.line),
        }
    }

    fn text(&mut self) {
        let line = self.line;
        let mut text = String::new();
        self.take();
        while self.at < self.characters.len() && self.peek(0) != '"' {
            if self.peek(0) == '\\' {
                text.push(self.take());
            }
            text.push(self.take());
        }
        self.take();
        self.push(Kind::Text, text, line);
    }

    fn raw_text(&mut self) {
        let line = self.line;
        let mut end = String::from("\"");
        while self.peek(0) == '#' {
            end.push(self.take());
        }
        self.take();
        let mut text = String::new();
        while self.at < self.characters.len() && !text.ends_with(&end) {
            text.push(self.take());
        }
        text.truncate(text.len().saturating_sub(end.len()));
        self.push(Kind::Text, text, line);
    }

    fn character_or_lifetime(&mut self) {
        self.take();
        if self.peek(0) == '\\' {
            self.at += 2;
        } else if self.peek(1) == '\'' {
            self.take();
        } else {
            // A lifetime, or a label: its word says nothing here.
            while is_word(self.peek(0)) {
                self.at += 1;
            }
            return;
        }
        while self.at < self.characters.len() && self.take() != '\'' {}
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[test]
fn comments_and_literals_are_not_code() {
    let source = "a /* b /* c */ d */ \"e\\\" f\" // g\nr#\"h \" i\"# 'j' '\\'' 'k: b'l' r#m::n";
    let words: Vec<String> = tokens(source)
        .into_iter()
        .filter(|token| token.kind == Kind::Word)
        .map(|token| token.text)
        .collect();
    assert_eq!(words, ["a", "m", "n"]);
    let texts: Vec<(String, usize)> = tokens(source)
        .into_iter()
        .filter(|token| token.kind == Kind::Text)
        .map(|token| (token.text, token.line))
        .collect();
    assert_eq!(texts, [("e\\\" f".to_owned(), 1), ("h \" i".to_owned(), 2)]);
}
