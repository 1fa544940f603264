//! The examples and the starter set: each loads with its table, and no typo in one does.

use usher::policy::{PolicyRules, load_directory};

use crate::{example, texts, usher_policy};

const EXAMPLES: [&str; 4] = [
    "self-service-portal",
    "ticket-system",
    "break-glass",
    "read-only-auditors",
];

#[test]
fn every_example_loads_with_its_table() {
    for name in EXAMPLES {
        let loaded = load_directory(&example(name), &PolicyRules::default());
        assert!(loaded.is_ok(), "{name}: {:?}", loaded.err());
        assert!(example(name).join("tests.toml").exists(), "{name}");
    }
}

#[test]
fn a_typo_in_an_example_refuses() {
    for name in EXAMPLES {
        let folder = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(example(name)).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
        let policies = std::fs::read_dir(folder.path()).unwrap();
        let file = policies
            .map(|entry| entry.unwrap().path())
            .find(|path| path.extension().is_some_and(|end| end == "cedar"))
            .unwrap();
        let right = std::fs::read_to_string(&file).unwrap();
        for (from, to) in [
            ("@id(", "@ide("),
            ("@description(", "@descripton("),
            ("Usher::Action::\"Read", "Usher::Action::\"Raed"),
            ("Usher::Action::\"Req", "Usher::Action::\"Rqe"),
            ("principal in Usher::Group::", "principal in Usher::Grup::"),
            ("@approvals(\"", "@approval(\""),
            ("@max_duration(\"", "@max_duration(\"x"),
            ("resource.beneficiary_is_subject", "resource.beneficiary"),
            ("permit (", "prmit ("),
            ("permit (", "forbid ("),
        ] {
            let wrong = right.replacen(from, to, 1);
            if wrong == right {
                continue;
            }
            std::fs::write(&file, wrong).unwrap();
            let loaded = load_directory(folder.path(), &PolicyRules::default());
            assert!(loaded.is_err(), "{name}: {from} as {to} loads");
        }
    }
}

#[test]
fn the_starter_set_is_written_once_and_checks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policies");
    let path = path.to_str().unwrap();
    let (said, _) = texts(&usher_policy(&["init", path]));
    assert!(said.contains("usher.cedar and"), "{said}");
    let again = usher_policy(&["init", path]);
    assert_eq!(again.status.code(), Some(1));
    assert!(
        texts(&again)
            .1
            .contains("is there already and stays as it is")
    );
    let check = usher_policy(&["check", path]);
    assert!(check.status.success(), "{:?}", texts(&check));
    assert!(
        texts(&check)
            .0
            .contains("groups that it needs: auditors, engineering")
    );
    let test = usher_policy(&["test", path]);
    assert!(
        texts(&test).0.contains("9 rows, all as expected"),
        "{:?}",
        texts(&test)
    );
}

#[test]
fn the_commands_show_schema_problems_and_reasons() {
    let (schema, _) = texts(&usher_policy(&["schema"]));
    assert!(schema.contains("namespace Usher {") && schema.contains("action BreakGlass"));
    let tickets = example("ticket-system");
    let tickets = tickets.to_str().unwrap();
    let row = "without a ticket nothing is given";
    let (said, _) = texts(&usher_policy(&["explain", tickets, "--row", row]));
    for part in [
        "denied: ticketed-administration misses requires",
        "permit ticketed-administration: would fit, but requires allows ticket that matches ^CHG-[0-9]+$, asked ticket \"\"",
        "permit ticketed-read-only: does not hold: when {",
        "permit security-breaks-glass: is about other actions",
        "permit usher-activate: is about other actions",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    let unknown = usher_policy(&["explain", tickets, "--row", "nothing"]);
    assert!(texts(&unknown).1.contains(row));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.cedar"), "\n@id(\"a\") @aproval(\"1\") permit (principal, action == Usher::Action::\"Request\", resource);").unwrap();
    let check = usher_policy(&["check", folder.path().to_str().unwrap()]);
    assert_eq!(check.status.code(), Some(1));
    let (_, errors) = texts(&check);
    assert!(
        errors.contains("a.cedar:2: a: @aproval is not an annotation of Usher"),
        "{errors}"
    );
    assert!(errors.contains("does not load: 1 problem"), "{errors}");
    let question = folder.path().join("question.toml");
    std::fs::write(&question, "name = \"q\"\nsubject = { user = \"anna\", groups = [\"auditors\"] }\naction = \"ReadAudit\"\n").unwrap();
    let auditors = example("read-only-auditors");
    let asked = usher_policy(&[
        "explain",
        auditors.to_str().unwrap(),
        question.to_str().unwrap(),
    ]);
    assert!(
        texts(&asked).0.contains("q: allowed by auditors-read"),
        "{:?}",
        texts(&asked)
    );
}

#[test]
fn the_rules_of_a_configuration_count() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(place("a.cedar"), crate::permit("@id(\"a\")")).unwrap();
    let row = "name = \"a\"\nsubject = { user = \"a\" }\naction = \"Request\"\n\
        target = { application = \"x\" }\nduration = \"20h\"\n";
    std::fs::write(place("question"), row).unwrap();
    let explain = |config: &str| {
        std::fs::write(place("usher.toml"), config).unwrap();
        let output = usher_policy(&[
            "explain",
            &place(""),
            &place("question"),
            "--config",
            &place("usher.toml"),
        ]);
        texts(&output)
    };
    assert!(explain("").0.contains("max_duration allows 8h, asked 20h"));
    let (told, _) = explain("[policy]\nduration_max_default = \"1d\"\n");
    assert!(told.contains("permit a: fits"), "{told}");
    let (_, told) = explain("[policy.bounds]\ntokens_max = 5\n");
    assert!(told.contains("at most 5 words and signs"), "{told}");
}
