//! What a decision costs with a thousand policies and a caller in fifty groups, its facts put into
//! Cedar's form each time. Run with `cargo bench --bench policy_decision`.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot go on says why and ends"
)]

use std::fmt::Write as _;
use std::time::Instant;

use usher::policy::{Asked, PolicyFile, PolicyRules, PolicySet, Question, read_row};

const POLICIES: usize = 1_000;
const GROUPS: usize = 50;
/// The company has so many groups, and so many callers who are each in other groups.
const GROUPS_OF_ALL: usize = 400;
const APPLICATIONS: usize = 7;
const DECISIONS: usize = 2_000;
const TARGET_MILLISECONDS: f64 = 0.5;

/// A company: most policies are about one group, some about everybody, some forbid.
fn policies() -> String {
    let mut text = String::new();
    for number in 0..POLICIES {
        let one = match number % 50 {
            0 => format!(
                "forbid (principal, action == Usher::Action::\"Activate\", resource in Usher::Account::\"{number:012}\") when {{ context.approval_count < 2 }};"
            ),
            1 => "permit (principal is Usher::User, action == Usher::Action::\"ReadGrants\", resource) when { resource.beneficiary_is_subject };".to_owned(),
            2 => "forbid (principal, action == Usher::Action::\"Request\", resource) when { context.people_count > 500 };".to_owned(),
            _ => format!(
                "permit (principal in Usher::Group::\"group {}\", action == Usher::Action::\"Request\", resource is Usher::Application) when {{ context.beneficiary_is_subject && resource.name == \"application {}\" }};",
                number % GROUPS_OF_ALL,
                number % APPLICATIONS
            ),
        };
        writeln!(text, "@id(\"policy-{number}\") {one}").expect("a string takes text");
    }
    text
}

/// What the caller of this number asks: callers differ in their groups, and each asks for another
/// application.
fn asked(caller: usize) -> Asked {
    let groups: Vec<String> = (caller..caller + GROUPS)
        .map(|it| format!("\"group {}\"", it % GROUPS_OF_ALL))
        .collect();
    let row = format!(
        "name = \"a\"\nsubject = {{ user = \"alice\", groups = [{}] }}\naction = \"Request\"\ntarget = {{ application = \"application {}\" }}\nduration = \"1h\"\n",
        groups.join(", "),
        caller % APPLICATIONS,
    );
    let row = read_row(&row).expect("a question");
    row.asked().expect("a question")
}

fn main() {
    // Test runs build this too, and only a benchmark run asks for figures.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let file = PolicyFile {
        name: "company.cedar".to_owned(),
        text: policies(),
    };
    let begun = Instant::now();
    let set = PolicySet::load(&[file], &PolicyRules::default()).expect("the policies load");
    let loaded_in = begun.elapsed().as_secs_f64() * 1_000.0;
    println!("figure policy_load_milliseconds {loaded_in:.0} ms");
    let same: Vec<Asked> = vec![asked(3)];
    let all: Vec<Asked> = (0..DECISIONS).map(asked).collect();
    report("policy_decision_milliseconds", &set, &same);
    report("policy_decision_other_callers_milliseconds", &set, &all);
}

/// Prints what decisions cost, the askers taking turns.
fn report(name: &str, set: &PolicySet, askers: &[Asked]) {
    let mut took: Vec<f64> = (0..DECISIONS)
        .map(|number| {
            let asked = &askers[number % askers.len()];
            let Question::Request(grant) = asked.question() else {
                return 0.0;
            };
            let begun = Instant::now();
            let decision = set.request(&asked.scene, grant);
            assert!(!decision.paths.is_empty() && decision.errors.is_empty());
            begun.elapsed().as_secs_f64() * 1_000.0
        })
        .collect();
    took.sort_by(f64::total_cmp);
    let (p50, p99) = (took[DECISIONS / 2], took[DECISIONS * 99 / 100]);
    println!("figure {name} {p50:.3},{p99:.3} ms target {TARGET_MILLISECONDS}");
}
