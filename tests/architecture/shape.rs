//! What every file looks like: it says what it is for, is short, is compiled, and is finished.

use crate::modules::walk;
use crate::tokens::{Kind, Token, tokens};
use crate::tree::{File, expect_none, files};

/// The most lines of a file.
const FILE_LINES_MAX: usize = 400;
/// The most lines of a function, from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

fn opening_violations(file: &File) -> Vec<String> {
    if file.text.starts_with("//!") {
        Vec::new()
    } else {
        vec![file.path.clone()]
    }
}

fn length_violations(file: &File) -> Vec<String> {
    let lines = file.text.lines().count();
    if lines <= FILE_LINES_MAX {
        Vec::new()
    } else {
        vec![format!("{}: {lines} lines", file.path)]
    }
}

fn function_violations(file: &File) -> Vec<String> {
    let tokens = tokens(&file.text);
    let mut violations = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let name = tokens.get(at + 1).filter(|name| name.kind == Kind::Word);
        let (true, Some(name)) = (token.is_word("fn"), name) else {
            continue;
        };
        let lines = last_line(&tokens[at..]).saturating_sub(token.line) + 1;
        if lines > FUNCTION_LINES_MAX {
            violations.push(format!(
                "{}:{}: `{}` has {lines} lines",
                file.path, token.line, name.text
            ));
        }
    }
    violations
}

/// The line of the brace that closes what begins here, or of the `;` that ends it without a body.
fn last_line(tokens: &[Token]) -> usize {
    let (mut braces, mut brackets) = (0_usize, 0_usize);
    for token in tokens.iter().filter(|token| token.kind == Kind::Sign) {
        match token.text.as_str() {
            "(" | "[" => brackets += 1,
            ")" | "]" => brackets = brackets.saturating_sub(1),
            "{" => braces += 1,
            "}" => {
                braces = braces.saturating_sub(1);
                if braces == 0 {
                    return token.line;
                }
            }
            ";" if braces == 0 && brackets == 0 => return token.line,
            _ => {}
        }
    }
    tokens.last().map_or(0, |token| token.line)
}

fn unfinished_violations(file: &File) -> Vec<String> {
    let mut violations = Vec::new();
    let mut note =
        |line: usize, what: &str| violations.push(format!("{}:{line}: {what}", file.path));
    let tokens = tokens(&file.text);
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1);
        let is_macro = matches!(token.text.as_str(), "todo" | "unimplemented");
        if token.kind == Kind::Word && is_macro && next.is_some_and(|next| next.is_sign("!")) {
            note(token.line, "an unfinished place");
        }
        if token.is_sign("#") && next.is_some_and(|next| next.is_sign("[")) {
            let end = tokens[at..].iter().position(|token| token.is_sign("]"));
            let attribute = &tokens[at..at + end.unwrap_or(0)];
            if attribute.iter().any(|token| token.is_word("ignore")) {
                note(token.line, "an ignored test");
            }
        }
    }
    // Put together here, so that this file does not hold the word.
    let mark = ["FIX", "ME"].concat();
    for (at, line) in file.text.lines().enumerate() {
        if line.contains(&mark) {
            note(at + 1, "a mark for later");
        }
    }
    violations
}

fn all(rule: fn(&File) -> Vec<String>) -> Vec<String> {
    files(&["src", "tests"]).iter().flat_map(rule).collect()
}

#[test]
fn every_file_says_what_it_is_for() {
    expect_none(
        &all(opening_violations),
        "Begin the file with `//!` and one true sentence.",
    );
}

#[test]
fn files_are_short() {
    expect_none(
        &all(length_violations),
        "A file holds one idea in at most 400 lines. Find the second idea in it and give it a file.",
    );
}

#[test]
fn functions_are_short() {
    expect_none(
        &all(function_violations),
        "A function has at most 70 lines. Name the steps and give each a function.",
    );
}

#[test]
fn every_file_is_compiled() {
    expect_none(
        &walk(&files(&["src", "tests"])).violations,
        "Declare the file with `mod`, or delete it: code that is not compiled is not tested.",
    );
}

#[test]
fn nothing_is_left_for_later() {
    expect_none(
        &all(unfinished_violations),
        "Finish it, or take it out and write an issue.",
    );
}

#[cfg(test)]
mod snippets {
    //! Small violations, each found by its rule.

    use super::*;
    use crate::tree::file;

    #[test]
    fn a_file_that_opens_with_code_is_found() {
        assert_eq!(
            opening_violations(&file("src/a.rs", "use std::fmt;\n//! late\n")).len(),
            1
        );
        assert_eq!(
            opening_violations(&file("src/a.rs", "//! Adds.\n")).len(),
            0
        );
    }

    #[test]
    fn a_long_file_is_found() {
        assert_eq!(
            length_violations(&file("src/a.rs", &"\n".repeat(401))).len(),
            1
        );
        assert_eq!(
            length_violations(&file("src/a.rs", &"\n".repeat(400))).len(),
            0
        );
    }

    #[test]
    fn a_long_function_is_found_and_a_declaration_is_not() {
        let long = format!("fn f(a: [u8; 2]) {{\n{}}}\n", "g(\"}\"); // }\n".repeat(69));
        let found = function_violations(&file("src/a.rs", &long));
        assert_eq!(found, ["src/a.rs:1: `f` has 71 lines"]);
        let short = format!("trait T {{\nfn f(&self);\n{}}}\n", "\n".repeat(80));
        assert_eq!(
            function_violations(&file("src/a.rs", &short)),
            Vec::<String>::new()
        );
    }

    #[test]
    fn unfinished_places_are_found() {
        let mark = format!("// {}{}: later", "FIX", "ME");
        for text in [
            "fn f() { todo!() }",
            "unimplemented!(\"a\")",
            "#[test]\n#[ignore = \"slow\"]",
            mark.as_str(),
        ] {
            assert_eq!(
                unfinished_violations(&file("src/a.rs", text)).len(),
                1,
                "{text}"
            );
        }
        let told = file(
            "src/a.rs",
            "//! says todo!() and \"#[ignore]\"\nfn todo() {}",
        );
        assert_eq!(unfinished_violations(&told), Vec::<String>::new());
    }
}
