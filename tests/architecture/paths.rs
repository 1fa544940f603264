//! The paths that a file names: `use` trees unfolded, `super` and `self` resolved.

use crate::tokens::{Kind, Token, tokens};

/// A path with its line. `segments` begins with `crate` when it stays inside the crate, and
/// otherwise with whatever the code wrote first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedPath {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
}

/// Every path of a file whose module is `module` (`src/store/sqlite/rows.rs`: store, sqlite, rows).
pub(crate) fn named_paths(module: &[String], source: &str) -> Vec<NamedPath> {
    let mut finder = Finder {
        tokens: tokens(source),
        module: module.to_vec(),
        inline: Vec::new(),
        depth: 0,
        found: Vec::new(),
    };
    finder.run();
    finder.found
}

struct Finder {
    tokens: Vec<Token>,
    module: Vec<String>,
    /// Inline modules around here: the name, and the depth of braces outside.
    inline: Vec<(String, usize)>,
    depth: usize,
    found: Vec<NamedPath>,
}

impl Finder {
    fn run(&mut self) {
        let mut at = 0;
        while at < self.tokens.len() {
            at = self.step(at);
        }
    }

    fn token(&self, at: usize) -> Option<&Token> {
        self.tokens.get(at)
    }

    fn is_sign(&self, at: usize, sign: &str) -> bool {
        self.token(at).is_some_and(|token| token.is_sign(sign))
    }

    fn word(&self, at: usize) -> Option<&Token> {
        self.token(at).filter(|token| token.kind == Kind::Word)
    }

    /// Looks at one place and says where to go on.
    fn step(&mut self, at: usize) -> usize {
        let token = self.tokens[at].clone();
        if token.is_sign("{") {
            self.depth += 1;
        } else if token.is_sign("}") {
            self.depth = self.depth.saturating_sub(1);
            if self
                .inline
                .last()
                .is_some_and(|(_, depth)| *depth == self.depth)
            {
                self.inline.pop();
            }
        } else if token.is_word("mod") && self.is_sign(at + 2, "{") {
            let name = self.tokens[at + 1].text.clone();
            self.inline.push((name, self.depth));
            self.depth += 1;
            return at + 3;
        } else if token.is_word("use") && !self.is_sign(at + 1, "<") {
            return self.use_tree(at + 1, &[]);
        } else if token.is_word("extern")
            && self.word(at + 1).is_some_and(|next| next.is_word("crate"))
        {
            let name = self.word(at + 2).map(|name| name.text.clone());
            self.keep(name.into_iter().collect(), token.line);
            return at + 3;
        } else if token.kind == Kind::Word && self.starts_path(at) {
            return self.expression_path(at);
        }
        at + 1
    }

    /// Whether the word begins a path of at least two segments.
    fn starts_path(&self, at: usize) -> bool {
        if !self.is_sign(at + 1, "::") {
            return false;
        }
        if at == 0 || !self.is_sign(at - 1, "::") {
            return true;
        }
        // `::tonic::Status` begins here, `Vec::<T>::new` and `a::b` do not.
        at == 1 || !(self.word(at - 2).is_some() || self.is_sign(at - 2, ">"))
    }

    fn expression_path(&mut self, start: usize) -> usize {
        let line = self.tokens[start].line;
        let mut segments = vec![self.tokens[start].text.clone()];
        let mut at = start + 1;
        while self.is_sign(at, "::") {
            let Some(word) = self.word(at + 1) else { break };
            segments.push(word.text.clone());
            at += 2;
        }
        self.keep(segments, line);
        at
    }

    /// Unfolds `a::{b, c::*} as d` from `at` on; answers the place of what follows.
    fn use_tree(&mut self, mut at: usize, prefix: &[String]) -> usize {
        let line = self.token(at).map_or(0, |token| token.line);
        let mut segments = prefix.to_vec();
        loop {
            if self.is_sign(at, "::") {
                at += 1;
            } else if self.is_sign(at, "{") {
                at += 1;
                while at < self.tokens.len() && !self.is_sign(at, "}") {
                    at = self.use_tree(at, &segments);
                    if self.is_sign(at, ",") {
                        at += 1;
                    }
                }
                return at + 1;
            } else if self.word(at).is_some_and(|word| word.is_word("as")) {
                at += 2;
            } else if self.is_sign(at, "*") || self.word(at).is_some() {
                let text = self.tokens[at].text.clone();
                if text != "self" || segments.is_empty() {
                    segments.push(text);
                }
                at += 1;
            } else {
                self.keep(segments, line);
                // Never stand still, whatever this is.
                return if self.is_sign(at, ",") || self.is_sign(at, "}") {
                    at
                } else {
                    at + 1
                };
            }
        }
    }

    fn keep(&mut self, segments: Vec<String>, line: usize) {
        let Some(first) = segments.first() else {
            return;
        };
        let mut base: Vec<String> = self.module.clone();
        base.extend(self.inline.iter().map(|(name, _)| name.clone()));
        let ups = segments.iter().take_while(|name| *name == "super").count();
        let segments = if first == "self" || ups > 0 {
            base.truncate(base.len().saturating_sub(ups));
            let rest = segments.iter().skip(ups.max(1)).cloned();
            ["crate".to_owned()]
                .into_iter()
                .chain(base)
                .chain(rest)
                .collect()
        } else {
            segments
        };
        self.found.push(NamedPath { segments, line });
    }
}

#[cfg(test)]
fn paths_of(module: &[&str], source: &str) -> Vec<String> {
    let module: Vec<String> = module.iter().map(|&name| name.to_owned()).collect();
    named_paths(&module, source)
        .into_iter()
        .map(|path| path.segments.join("::"))
        .collect()
}

#[test]
fn use_trees_unfold() {
    assert_eq!(
        paths_of(
            &["app"],
            "pub use crate::{domain::{self, Grant as G}, store::*}; use tonic;"
        ),
        [
            "crate::domain",
            "crate::domain::Grant",
            "crate::store::*",
            "tonic"
        ]
    );
}

#[test]
fn super_and_inline_modules_resolve() {
    let source = "use super::view; mod tests { use super::*; fn f() { super::super::wait::g(); } }";
    assert_eq!(
        paths_of(&["app", "assign"], source),
        [
            "crate::app::view",
            "crate::app::assign::*",
            "crate::app::wait::g"
        ]
    );
}

#[test]
fn paths_in_expressions_attributes_and_types_are_seen() {
    let source = "#[tonic::async_trait] fn f(x: &::sqlx::Pool) -> Vec::<crate::store::Claim> { x.y(<prost::A as B>::c, \"crate::no\") }";
    assert_eq!(
        paths_of(&["grpc"], source),
        [
            "tonic::async_trait",
            "sqlx::Pool",
            "Vec",
            "crate::store::Claim",
            "prost::A"
        ]
    );
}
