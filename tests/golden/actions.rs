//! Asks the policies alone: actions that no call asks yet, by the same people.

use std::fmt::Write as _;
use std::path::Path;

use usher::policy::{Answer, PolicyFile, PolicyRules, PolicySet, read_row};

use crate::callers::{Caller, PEOPLE, Who};

/// The examples, and what they leave open.
const FILES: [&str; 4] = [
    "examples/policies/self-service-portal/portal.cedar",
    "examples/policies/ticket-system/tickets.cedar",
    "examples/policies/read-only-auditors/auditors.cedar",
    "tests/golden/more.cedar",
];

/// The files of the table's policies.
pub(crate) fn files() -> Vec<PolicyFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &&str| PolicyFile {
        name: path.rsplit('/').next().unwrap().to_owned(),
        text: std::fs::read_to_string(root.join(path)).unwrap(),
    };
    FILES.iter().map(read).collect()
}

/// The set that they make.
pub(crate) fn policies() -> PolicySet {
    PolicySet::load(&files(), &PolicyRules::default()).unwrap()
}

/// A user as rows of policy tables write it.
fn user(name: &str) -> String {
    let person = PEOPLE.iter().find(|it| it.user == name).unwrap();
    let groups: Vec<String> = person.groups.iter().map(|it| format!("\"{it}\"")).collect();
    let (groups, disabled) = (groups.join(", "), person.is_disabled);
    format!("{{ user = \"{name}\", groups = [{groups}], disabled = {disabled} }}")
}

/// What an action is about, as rows of policy tables write it.
fn about_what(action: &str, about: &str) -> &'static str {
    match (action, about) {
        ("Approve", "Bilal's grant") => {
            "target = { application = \"Amazon Redshift\" }\nbeneficiary = { user = \"bilal.khan\" }\n"
        }
        ("Approve", "Carla's grant") => {
            "target = { application = \"Amazon Redshift\" }\nbeneficiary = { user = \"carla.mendes\" }\n"
        }
        ("BreakGlass", "the sandbox for Dmitri, with a reason") => {
            "target = { account = \"333344445555\", permission_set = \"ReadOnly\" }\nbeneficiary = \
             { user = \"dmitri.orlov\" }\nduration = \"1h\"\njustification = \"the database burns\"\n"
        }
        ("BreakGlass", "the same, without a word") => {
            "target = { account = \"333344445555\", permission_set = \"ReadOnly\" }\nbeneficiary = \
             { user = \"dmitri.orlov\" }\nduration = \"1h\"\n"
        }
        ("ReadEvents", "the instance") => "",
        _ => panic!("{action} has no question about `{about}`"),
    }
}

/// The answer to one question.
fn is_allowed(policies: &PolicySet, row: &str) -> bool {
    let asked = read_row(row).unwrap().asked().unwrap();
    match policies.answer(&asked.scene, &asked.question()) {
        Answer::Paths(decision) => !decision.paths.is_empty(),
        Answer::Decision(decision) => decision.is_allowed,
    }
}

/// The word of the table.
pub(crate) fn told(
    policies: &PolicySet,
    caller: &Caller,
    action: &str,
    about: &str,
) -> &'static str {
    let mut row = format!("name = \"cell\"\naction = \"{action}\"\n");
    let acts = match &caller.who {
        Who::Person(name) => writeln!(row, "subject = {}", user(name)).is_ok(),
        Who::Stranger => writeln!(row, "subject = {{ unmatched = \"someone.else\" }}").is_ok(),
        Who::Service(name) => writeln!(row, "subject = {{ service = \"{name}\" }}").is_ok(),
        Who::For {
            service,
            user: name,
            is_proven,
        } if PEOPLE.iter().any(|it| it.user == *name) => {
            let person = user(name);
            let how = format!("service = \"{service}\"\nproven = {is_proven}");
            writeln!(row, "subject = {person}\n{how}").unwrap();
            is_allowed(
                policies,
                &format!(
                    "name = \"acts\"\naction = \"ActFor\"\nsubject = {{ service = \"{service}\" }}\n\
                     proven = {is_proven}\ntarget = {{ person = {person} }}\n"
                ),
            )
        }
        Who::For { .. } | Who::Claims { .. } | Who::Nobody => return "nobody is asked for",
    };
    row.push_str(about_what(action, about));
    if acts && is_allowed(policies, &row) {
        "allowed"
    } else {
        "denied"
    }
}
