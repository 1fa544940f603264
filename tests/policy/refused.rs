//! What must not load, and that it says where and why.

use usher::policy::{PolicyFile, PolicyRules, PolicySet, load_directory, run_table};

use crate::{load, permit};

/// The sentences of everything that is wrong.
fn sentences(text: &str) -> String {
    match load(text) {
        Ok(_) => panic!("this loads: {text}"),
        Err(problems) => problems.iter().map(|it| format!("{it}\n")).collect(),
    }
}

#[test]
fn what_is_no_policy_does_not_load() {
    for (text, said) in [
        ("", "has no policy; write one"),
        ("// nothing\n", "has no policy; write one"),
        ("permit(", "is no policy"),
        (&permit(""), "has no @id"),
        (&permit("@id"), "@id is 1 to"),
        (&permit("@id(\"a b\")"), "@id is 1 to"),
        (&permit("@id(\"usher-mine\")"), "begins with `usher-`"),
        (&permit("@id(\"a\") @id(\"b\")"), "duplicate annotation"),
        (
            &permit("@id(\"a\") @aproval(\"2\")"),
            "@aproval is not an annotation",
        ),
        (
            &permit("@id(\"a\") @approvers(\"group:x\")"),
            "without @approvals",
        ),
        (&permit("@id(\"a\")\0"), "control character"),
        (&permit("@id(\"a\u{202e}\")"), "direction of text"),
        (
            "@id(\"a\") permit (principal == ?principal, action, resource);",
            "is no policy",
        ),
        (
            "@id(\"a\") permit (principal, action, resource);",
            "spans Activate",
        ),
        (
            "@id(\"a\") permit (principal, action == Usher::Action::\"Activate\", resource);",
            "write a forbid",
        ),
        (
            "@id(\"a\") @approvals(\"0\") permit (principal, action in [Usher::Action::\"Request\", Usher::Action::\"BreakGlass\"], resource);",
            "@approvals is a price",
        ),
        (
            "@id(\"a\") @approvals(\"0\") permit (principal, action == Usher::Action::\"ReadAudit\", resource);",
            "@approvals is a price",
        ),
        (
            "@id(\"a\") @max_duration(\"8h\") forbid (principal, action == Usher::Action::\"Request\", resource);",
            "@max_duration is a limit",
        ),
    ] {
        let told = sentences(text);
        assert!(told.contains(said), "{text}\nsays\n{told}");
    }
}

#[test]
fn what_the_schema_does_not_know_does_not_load() {
    for (scope, condition) in [
        (
            "principal in Usher::Gruop::\"a\", action == Usher::Action::\"Request\", resource",
            "",
        ),
        (
            "principal, action == Usher::Action::\"Reqest\", resource",
            "",
        ),
        (
            "principal, action == Usher::Action::\"ReadAudit\", resource is Usher::Application",
            "",
        ),
        (
            "principal, action == Usher::Action::\"Request\", resource",
            "when { context.people < 5 }",
        ),
        (
            "principal, action == Usher::Action::\"Request\", resource",
            "when { context.ticket == 5 }",
        ),
        (
            "principal, action == Usher::Action::\"Request\", resource",
            "when { context.duration_seconds < 5 }",
        ),
        (
            "principal, action == Usher::Action::\"Request\", resource",
            "when { resource.name == \"a\" }",
        ),
        (
            "principal, action == Usher::Action::\"Request\", resource",
            "when { false }",
        ),
        (
            "principal, action == Usher::Action::\"Request\", resource",
            "when { principal is Usher::Grant }",
        ),
    ] {
        for effect in ["permit", "forbid"] {
            let text = format!("@id(\"a\") {effect} ({scope}) {condition};");
            assert!(sentences(&text).contains("a.cedar:1: a: "), "{text}");
        }
    }
}

#[test]
fn an_id_that_nobody_can_have_does_not_load() {
    for (scope, said) in [
        (
            "principal == Usher::User::\"alice\", action == Usher::Action::\"Request\", resource",
            "principal.name",
        ),
        (
            "principal, action == Usher::Action::\"Request\", resource == Usher::Application::\"Payroll\"",
            "resource.name",
        ),
        (
            "principal, action == Usher::Action::\"Request\", resource in Usher::Account::\"prod\"",
            "twelve digits",
        ),
        (
            "principal, action == Usher::Action::\"Request\", resource in Usher::PermissionSet::\"ReadOnly\"",
            "by ARN",
        ),
        (
            "principal, action == Usher::Action::\"ReadAudit\", resource == Usher::Instance::\"main\"",
            "resource in",
        ),
        (
            "principal, action == Usher::Action::\"ReadAudit\", resource in Usher::Instance::\"arn:aws:s3:::a\"",
            "neither",
        ),
        (
            "principal in Usher::Group::\" a\", action == Usher::Action::\"ReadAudit\", resource",
            "blanks",
        ),
        (
            "principal in Usher::Group::\"\", action == Usher::Action::\"ReadAudit\", resource",
            "blanks",
        ),
    ] {
        let told = sentences(&format!("@id(\"a\") forbid ({scope});"));
        assert!(told.contains(said), "{scope}\nsays\n{told}");
    }
    let inside = "@id(\"a\") forbid (principal, action == Usher::Action::\"Request\", resource) when { principal == Usher::User::\"alice\" };";
    assert!(sentences(inside).contains("principal.name"));
}

#[test]
fn every_problem_is_told_with_its_place() {
    let text = format!(
        "// first\n\n{}\n{}\n@id(\"c\")\npermit (principal,\n  action == Usher::Action::\"Request\",\n  resource)\nwhen {{ context.nothing }};\n",
        permit("@id(\"a\")"),
        permit("@id(\"a\")")
    );
    let told = sentences(&text);
    assert!(
        told.contains("a.cedar:4: a: is the @id of another policy too, at a.cedar:3"),
        "{told}"
    );
    assert!(told.contains("a.cedar:9: c: "), "{told}");
    let both = [("a", "@id(\"x\")"), ("b", "@id(\"x\")")].map(|(name, id)| PolicyFile {
        name: format!("{name}.cedar"),
        text: permit(id),
    });
    let problems = PolicySet::load(&both, &PolicyRules::default()).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!(
        (problems[0].file.as_str(), problems[0].line),
        ("b.cedar", Some(1))
    );
}

#[test]
fn deep_and_long_policies_are_refused_or_evaluated_but_never_overflow_a_stack() {
    let with = |condition: &str| {
        format!(
            "@id(\"a\") permit (principal, action == Usher::Action::\"Request\", resource) when {{ {condition} }};"
        )
    };
    for (open, close) in [("(", ")"), ("[", "]"), ("!(", ")"), ("if true then ", "")] {
        let deep = format!("{}true{}", open.repeat(50_000), close.repeat(50_000));
        assert!(sentences(&with(&deep)).contains("too large"), "{open}");
    }
    for chain in ["true && ", "1 + ", "context.a.", "!", "-", "true || "] {
        assert!(sentences(&with(&chain.repeat(100_000))).contains("too large"));
    }
    // As deep as a policy may be, on the small stack of a test's thread.
    for (link, last, end, operators) in [
        ("context.people_count > 1 && ", "true", "", 3),
        ("context.people_count > 1 || ", "true", "", 3),
        ("true && ", "true", "", 1),
        ("1 + ", "1 > 0", "", 1),
        ("context.people_count - ", "1 > 0", "", 2),
        (
            "if context.people_count > 1 then false else ",
            "true",
            "",
            3,
        ),
        ("if true then false else ", "true", "", 1),
        ("(", "true", ")", 5),
        ("[", "true", "]", 5),
        ("(1 + ", "1", ")", 5),
    ] {
        let times = 98 / operators;
        let whole = format!("{}{last}{}", link.repeat(times), end.repeat(times));
        let whole = if last == "1" {
            format!("{whole} > 0")
        } else {
            whole
        };
        let text = with(&whole);
        match load(&text) {
            Ok(set) => {
                let row = "[[test]]\nname = \"a\"\nsubject = { user = \"a\" }\naction = \"Request\"\ntarget = { application = \"x\" }\nduration = \"1h\"\npeople_count = 2\nexpect = \"allowed\"\n";
                assert_eq!(run_table(&set, row).unwrap().len(), 1);
            }
            Err(problems) => {
                let problem = problems[0].to_string();
                assert!(!problem.contains("too large"), "{problem}");
            }
        }
    }
}

#[test]
fn folders_that_are_no_policies_do_not_load() {
    let folder = tempfile::tempdir().unwrap();
    let rules = PolicyRules::default();
    let told = |path: &std::path::Path| {
        let problems = load_directory(path, &rules).unwrap_err();
        problems
            .iter()
            .map(|it| format!("{it}\n"))
            .collect::<String>()
    };
    assert!(told(&folder.path().join("none")).contains("is not a folder that can be read"));
    assert!(told(folder.path()).contains("has no *.cedar file"));
    let file = folder.path().join("a.cedar");
    std::fs::write(&file, b"\xff\xfe").unwrap();
    assert!(told(folder.path()).contains("a.cedar: is not UTF-8 text"));
    std::fs::write(&file, permit("@id(\"a\")\0")).unwrap();
    assert!(told(folder.path()).contains("a.cedar:1: has a control character"));
    std::fs::write(&file, permit("@id(\"a\")")).unwrap();
    for (name, why) in [
        ("floors.Cedar", "does not end in `.cedar`"),
        ("floors.cedar.txt", "does not end in `.cedar`"),
        ("test.toml", "is called tests.toml"),
        ("Tests.toml", "is called tests.toml"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, "").unwrap();
        assert!(told(folder.path()).contains(why), "{name}");
        std::fs::remove_file(path).unwrap();
    }
    let below = folder.path().join("production");
    std::fs::create_dir(&below).unwrap();
    std::fs::write(below.join("floors.cedar"), "").unwrap();
    assert!(told(folder.path()).contains("production: is a folder with policies"));
    std::fs::remove_dir_all(below).unwrap();
    std::fs::write(&file, vec![b' '; 10 * 1024 * 1024]).unwrap();
    assert!(told(folder.path()).contains("a.cedar: is larger than"));
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    assert!(told(folder.path()).contains("a.cedar: is not a file"));
    std::fs::remove_dir(&file).unwrap();
    for number in 0..5 {
        let path = folder.path().join(format!("{number}.cedar"));
        std::fs::write(path, vec![b' '; 1024 * 1024]).unwrap();
    }
    assert!(told(folder.path()).contains("4.cedar: is larger than"));
    for number in 0..257 {
        std::fs::write(folder.path().join(format!("{number}.cedar")), "").unwrap();
    }
    assert!(told(folder.path()).contains("has more than 256 policy files"));
}

#[test]
fn a_table_that_does_not_come_out_refuses_the_set() {
    let folder = tempfile::tempdir().unwrap();
    let rules = PolicyRules::default();
    std::fs::write(folder.path().join("a.cedar"), permit("@id(\"a\")")).unwrap();
    assert!(load_directory(folder.path(), &rules).is_ok());
    let row = |expect: &str| {
        let text = format!(
            "[[test]]\nname = \"one\"\nsubject = {{ user = \"a\" }}\naction = \"Request\"\ntarget = {{ application = \"x\" }}\nduration = \"1h\"\n{expect}\n"
        );
        std::fs::write(folder.path().join("tests.toml"), text).unwrap();
        load_directory(folder.path(), &rules)
    };
    assert!(row("expect = [\"a for 1 approval\"]").is_ok());
    for (wrong, said) in [
        (
            "expect = \"denied\"",
            "expected denied, and it is a for 1 approval",
        ),
        (
            "expect = []",
            "expected nothing, and it is a for 1 approval",
        ),
        ("expect = \"allowd\"", "`allowd` is nothing to expect"),
        ("expect = [\"a for 1 approvals\"]", "nothing to expect"),
        (
            "expect = \"allowed\"\nby = [\"b\"]",
            "expected a decision by b",
        ),
        ("expects = \"denied\"", "unknown field"),
        ("", "says nothing in `expect`"),
    ] {
        let problems = row(wrong).unwrap_err();
        assert!(
            problems[0].to_string().contains(said),
            "{wrong}: {}",
            problems[0]
        );
    }
}
