//! `usher policy`: write, check, test and explain policies, without a server, and without AWS but
//! where `check` is told to look there.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::CommandError;
use super::check_policy::approvers_in_aws;
use crate::config::Config;
use crate::policy::{
    Answer, Explanation, NearMiss, Outcome, PolicyProblem, PolicyRules, PolicySet, Row, RowResult,
    SCHEMA_TEXT, TABLE_FILE, load_directory, read_directory, read_row, read_rows, read_text,
    run_table,
};

/// What `init` writes.
const STARTER_POLICIES: &str = include_str!("../policy/starter.cedar");
const STARTER_TABLE: &str = include_str!("../policy/starter_tests.toml");

/// Arguments of `usher policy`.
#[derive(Debug, clap::Args)]
pub(super) struct PolicyArgs {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Debug, clap::Subcommand)]
enum PolicyCommand {
    /// Prints the Cedar schema: every word that policies may use, with comments
    Schema,
    /// Writes a commented set of policies to begin with
    Init {
        /// Where to; made if it is not there. Nothing is overwritten
        #[arg(default_value = "policies")]
        directory: PathBuf,
    },
    /// Says everything that is wrong with a set: syntax, schema, annotations, expected decisions
    Check {
        /// The folder with the *.cedar files
        directory: PathBuf,
        #[command(flatten)]
        rules: RulesArgs,
        /// Also look into AWS for the groups whose members are to approve: each must be there and
        /// have members. Reads only
        #[arg(long)]
        against_aws: bool,
    },
    /// Runs a table of expected decisions
    Test {
        /// The folder with the *.cedar files
        directory: PathBuf,
        #[command(flatten)]
        rules: RulesArgs,
        /// The table; without it tests.toml beside the policies
        file: Option<PathBuf>,
    },
    /// Says what every policy says to a question, and what comes of it
    Explain {
        /// The folder with the *.cedar files
        directory: PathBuf,
        #[command(flatten)]
        rules: RulesArgs,
        /// The name of a row of tests.toml
        #[arg(
            long,
            required_unless_present = "question",
            conflicts_with = "question"
        )]
        row: Option<String>,
        /// A TOML file with one question, written like a row without `[[test]]`
        question: Option<PathBuf>,
    },
}

/// By whose bounds and default limits a set is loaded: those of the server that will.
#[derive(Debug, clap::Args)]
struct RulesArgs {
    /// The configuration file of the server, for its section `[policy]`; without one its defaults
    #[arg(long, env = "USHER_CONFIG")]
    config: Option<PathBuf>,
}

impl RulesArgs {
    fn read(&self) -> Result<PolicyRules, CommandError> {
        let Some(path) = &self.config else {
            return Ok(PolicyRules::default());
        };
        Config::read(path)
            .map(|config| config.policy.rules())
            .map_err(|error| CommandError::from_error(&error))
    }
}

/// Runs the command.
pub(super) async fn run(args: &PolicyArgs) -> Result<(), CommandError> {
    match &args.command {
        PolicyCommand::Schema => print(SCHEMA_TEXT),
        PolicyCommand::Init { directory } => init(directory),
        PolicyCommand::Check {
            directory,
            rules,
            against_aws,
        } => {
            let set = check(directory, &rules.read()?)?;
            if *against_aws {
                approvers_in_aws(&set, rules.config.as_deref()).await?;
            }
            Ok(())
        }
        PolicyCommand::Test {
            directory,
            rules,
            file,
        } => test(directory, &rules.read()?, file.as_deref()),
        PolicyCommand::Explain {
            directory,
            rules,
            row,
            question,
        } => explain(
            directory,
            &rules.read()?,
            row.as_deref(),
            question.as_deref(),
        ),
    }
}

fn print(text: &str) -> Result<(), CommandError> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| CommandError(format!("the answer cannot be printed: {error}")))
}

fn init(directory: &Path) -> Result<(), CommandError> {
    let shown = directory.display();
    let files = [
        ("usher.cedar", STARTER_POLICIES),
        (TABLE_FILE, STARTER_TABLE),
    ];
    // Looked at first, so that a folder is never filled by halves.
    for (name, _) in files {
        if directory.join(name).exists() {
            return Err(CommandError(format!(
                "{shown}/{name} is there already and stays as it is; name another folder"
            )));
        }
    }
    let cannot =
        |error: std::io::Error| CommandError(format!("{shown} cannot be written: {error}"));
    std::fs::create_dir_all(directory).map_err(cannot)?;
    for (name, text) in files {
        let path = directory.join(name);
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .open(path)
            .map_err(cannot)?;
        file.write_all(text.as_bytes()).map_err(cannot)?;
    }
    print(&format!(
        "Wrote {shown}/usher.cedar and {shown}/{TABLE_FILE}.\n\
         Put your groups in, say in the table what shall come out, and run `usher policy check {shown}`.\n"
    ))
}

/// Shows every problem and fails with their number.
fn refuse(directory: &Path, problems: &[PolicyProblem]) -> CommandError {
    for problem in problems {
        eprintln!("{problem}");
    }
    let count = problems.len();
    let problems = if count == 1 { "problem" } else { "problems" };
    CommandError(format!(
        "{} does not load: {count} {problems}",
        directory.display()
    ))
}

fn check(directory: &Path, rules: &PolicyRules) -> Result<PolicySet, CommandError> {
    let set = load_directory(directory, rules).map_err(|problems| refuse(directory, &problems))?;
    let policies: Vec<_> = set.policies().collect();
    let permits = policies.iter().filter(|policy| policy.is_permit).count();
    let mut answer = format!(
        "{}: {} policies ({permits} permit, {} forbid; Usher's own included), version {}\n",
        directory.display(),
        policies.len(),
        policies.len() - permits,
        set.version()
    );
    let groups: Vec<&str> = set.groups().chain(set.approver_groups()).collect();
    if !groups.is_empty() {
        answer += &format!("groups that it needs: {}\n", groups.join(", "));
    }
    if !directory.join(TABLE_FILE).exists() {
        answer += &format!(
            "there is no {TABLE_FILE}; write down what shall come out, and every load makes sure of it\n"
        );
    }
    print(&answer)?;
    Ok(set)
}

/// The set without its table, which the command itself runs.
fn load(directory: &Path, rules: &PolicyRules) -> Result<PolicySet, CommandError> {
    read_directory(directory, &rules.bounds)
        .and_then(|files| PolicySet::load(&files, rules))
        .map_err(|problems| refuse(directory, &problems))
}

fn read(path: &Path, rules: &PolicyRules) -> Result<String, CommandError> {
    read_text(path, rules.bounds.file_bytes_max)
        .map_err(|sentence| CommandError(format!("{} {sentence}", path.display())))
}

fn test(directory: &Path, rules: &PolicyRules, file: Option<&Path>) -> Result<(), CommandError> {
    let set = load(directory, rules)?;
    let beside = directory.join(TABLE_FILE);
    let path = file.unwrap_or(&beside);
    let results = run_table(&set, &read(path, rules)?)
        .map_err(|problem| CommandError(format!("{}: {}", path.display(), problem.sentence)))?;
    let mut answer = String::new();
    for RowResult { name, difference } in &results {
        answer += &match difference {
            None => format!("ok      {name}\n"),
            Some(difference) => format!("FAILED  {name}: {difference}\n"),
        };
    }
    print(&answer)?;
    let failed = results
        .iter()
        .filter(|row| row.difference.is_some())
        .count();
    if failed == 0 {
        print(&format!("{} rows, all as expected\n", results.len()))
    } else {
        Err(CommandError(format!(
            "{failed} of {} rows came out otherwise",
            results.len()
        )))
    }
}

fn explain(
    directory: &Path,
    rules: &PolicyRules,
    row: Option<&str>,
    question: Option<&Path>,
) -> Result<(), CommandError> {
    let set = load(directory, rules)?;
    let row = find_row(directory, rules, row, question)?;
    let asked = row.asked().map_err(CommandError)?;
    let answer = set.answer(&asked.scene, &asked.question());
    let mut text = format!("{}: {}\n", row.name, answer.sentence());
    if let Answer::Paths(decision) = &answer {
        for path in &decision.paths {
            let price: Vec<String> = path.steps.iter().map(step_text).collect();
            let price = if price.is_empty() {
                "nobody has to agree".to_owned()
            } else {
                price.join(", then ")
            };
            text += &format!("  path {}: {price}\n", path.policy);
        }
    }
    match set.explain(&asked.scene, &asked.question()) {
        None => {
            text += "  no policy is asked: the subject is not enabled, or a fact has no form in Cedar\n";
        }
        Some(explanations) => {
            for explanation in &explanations {
                text += &explanation_text(explanation);
            }
        }
    }
    text += &format!("  policy version {}\n", set.version());
    print(&text)
}

fn find_row(
    directory: &Path,
    rules: &PolicyRules,
    row: Option<&str>,
    question: Option<&Path>,
) -> Result<Row, CommandError> {
    if let Some(path) = question {
        let text = read(path, rules)?;
        return read_row(&text)
            .map_err(|error| CommandError(format!("{}: {error}", path.display())));
    }
    let path = directory.join(TABLE_FILE);
    let rows = read_rows(&read(&path, rules)?)
        .map_err(|error| CommandError(format!("{}: {error}", path.display())))?;
    let wanted = row.unwrap_or_default();
    let names: Vec<String> = rows.iter().map(|row| format!("  {}", row.name)).collect();
    rows.into_iter()
        .find(|row| row.name == wanted)
        .ok_or_else(|| {
            CommandError(format!(
                "{} has no row `{wanted}`; there are\n{}",
                path.display(),
                names.join("\n")
            ))
        })
}

fn step_text(step: &crate::domain::ApprovalStep) -> String {
    use crate::domain::Approvers;
    let approvers: Vec<String> = step
        .approvers
        .iter()
        .map(|approver| match approver {
            Approvers::Group(name) => format!("group {name}"),
            Approvers::Service(name) => format!("service {name}"),
        })
        .collect();
    if approvers.is_empty() {
        format!("{} of whoever may Approve", step.count)
    } else {
        format!("{} of {}", step.count, approvers.join(" or "))
    }
}

fn explanation_text(explanation: &Explanation) -> String {
    let effect = if explanation.is_permit {
        "permit"
    } else {
        "forbid"
    };
    let outcome = match &explanation.outcome {
        Outcome::Fits => "fits".to_owned(),
        Outcome::Misses(misses) => {
            let misses: Vec<String> = misses.iter().map(miss_text).collect();
            format!("would fit, but {}", misses.join("; "))
        }
        Outcome::OtherAction => "is about other actions".to_owned(),
        Outcome::OtherScope(wanted) => format!("wants {wanted}"),
        Outcome::ConditionFails(conditions) => {
            format!("does not hold: {}", conditions.join("; "))
        }
        Outcome::CannotBeEvaluated(error) => {
            format!("cannot be evaluated, which denies: {error}")
        }
    };
    format!("  {effect} {}: {outcome}\n", explanation.policy)
}

fn miss_text(miss: &NearMiss) -> String {
    format!(
        "{} allows {}, asked {}",
        miss.limit, miss.allowed, miss.asked
    )
}
