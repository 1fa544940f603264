//! From texts to a policy set, or to everything that is wrong with them. Nothing that is not
//! understood whole is loaded, and nothing is loaded in part.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest;
use cedar_policy::ffi::DetailedError;
use cedar_policy::{Effect, Policy, PolicyId, PolicySet as CedarSet, ValidationMode, Validator};

use super::index::Index;
use super::memory::Memory;
use super::problem::{PolicyFile, PolicyProblem, PolicyRules};
use super::question::Action;
use super::reach::is_by_target_alone;
use super::terms::{self, Terms};
use super::vocabulary::schema;
use super::{rules, text};
use crate::domain::Approvers;

/// The built-in permit of every set that somebody wrote.
const ACTIVATE_TEXT: &str = include_str!("activate.cedar");
/// The beginning of the ids of built-in policies.
const BUILT_IN: &str = "usher-";
/// The longest id.
const ID_BYTES_MAX: usize = 64;
/// How many steps a policy may look from an entity: its own attributes and what it is in. So
/// nothing but the subject and the resource has to be gathered for a question.
const LEVEL: u32 = 1;

/// A policy that is loaded.
pub(super) struct Loaded {
    pub(super) policy: Policy,
    pub(super) actions: Vec<Action>,
    pub(super) terms: Terms,
    pub(super) file: String,
    pub(super) line: usize,
    /// Its own text: places that errors tell are places in it.
    text: String,
    groups: Vec<String>,
    /// Whether it answers alike for all who have the same target.
    pub(super) by_target_alone: bool,
}

/// A set that is loaded.
pub(super) struct Inner {
    pub(super) version: String,
    pub(super) files: Vec<PolicyFile>,
    pub(super) policies: BTreeMap<PolicyId, Loaded>,
    pub(super) index: Index,
    pub(super) groups: BTreeSet<String>,
    pub(super) approver_groups: BTreeSet<String>,
    pub(super) approver_services: BTreeSet<String>,
    pub(super) memory: Memory,
}

/// Whose text it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Author {
    /// Usher's own.
    Usher,
    /// Somebody's who writes policies.
    User,
}

/// Loads the texts that somebody wrote, with Usher's own permit beside them.
pub(super) fn load_written(
    files: &[PolicyFile],
    rules: &PolicyRules,
) -> Result<Inner, Vec<PolicyProblem>> {
    size_problems(files, rules)?;
    let mut policies = read(ACTIVATE_TEXT, "activate.cedar", Author::Usher, rules)?;
    let mut problems = Vec::new();
    for file in files {
        match read(&file.text, &file.name, Author::User, rules) {
            // A file that was emptied or cut would take its forbids with it.
            Ok(read) if read.is_empty() => problems.push(PolicyProblem::of_file(
                &file.name,
                "has no policy; write one, or take the file away",
            )),
            Ok(read) => policies.extend(read),
            Err(found) => problems.extend(found),
        }
    }
    if policies.len() == 1 && problems.is_empty() {
        problems.push(PolicyProblem::of_file(
            "",
            "there is no policy, so that nobody could do anything; write one, or begin with `usher policy init`",
        ));
    }
    if policies.len() > rules.bounds.policies_max {
        problems.push(PolicyProblem::of_file(
            "",
            format!("a set has at most {} policies", rules.bounds.policies_max),
        ));
        return Err(problems);
    }
    finish(policies, files.to_vec(), version(files, rules), problems)
}

/// Loads a text of Usher's own.
pub(super) fn load_built_in(
    text: &str,
    version: &str,
    rules: &PolicyRules,
) -> Result<Inner, Vec<PolicyProblem>> {
    let name = format!("{version}.cedar");
    let policies = read(text, &name, Author::Usher, rules)?;
    let file = PolicyFile {
        name,
        text: text.to_owned(),
    };
    finish(policies, vec![file], version.to_owned(), Vec::new())
}

fn size_problems(files: &[PolicyFile], rules: &PolicyRules) -> Result<(), Vec<PolicyProblem>> {
    let bounds = &rules.bounds;
    let mut problems = Vec::new();
    if files.len() > bounds.files_max {
        let sentence = format!("a set has at most {} files", bounds.files_max);
        problems.push(PolicyProblem::of_file("", sentence));
    }
    let mut total = 0;
    for file in files {
        total += file.text.len();
        if file.text.len() > bounds.file_bytes_max {
            let sentence = format!("is larger than {} bytes", bounds.file_bytes_max);
            problems.push(PolicyProblem::of_file(&file.name, sentence));
        }
    }
    if total > bounds.bytes_max {
        let sentence = format!(
            "the files together are larger than {} bytes",
            bounds.bytes_max
        );
        problems.push(PolicyProblem::of_file("", sentence));
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}

/// Hex sha256 over the default limit, names and texts in order, each behind its length, so that no two
/// sets that decide otherwise are alike.
fn version(files: &[PolicyFile], rules: &PolicyRules) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    let duration = rules
        .duration_max_default
        .map(|duration| duration.as_secs());
    context.update(&duration.unwrap_or(-1_i64).to_be_bytes());
    for part in files.iter().flat_map(|file| [&file.name, &file.text]) {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    let hash = context.finish();
    hash.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn read(
    text: &str,
    file: &str,
    author: Author,
    rules: &PolicyRules,
) -> Result<Vec<Loaded>, Vec<PolicyProblem>> {
    let mut loaded = Vec::new();
    let mut problems = Vec::new();
    for piece in text::pieces(file, text, &rules.bounds)? {
        match read_policy(&piece, file, author, rules) {
            Ok(policy) => loaded.push(policy),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() {
        Ok(loaded)
    } else {
        Err(problems)
    }
}

fn read_policy(
    piece: &text::Piece<'_>,
    file: &str,
    author: Author,
    rules: &PolicyRules,
) -> Result<Loaded, Vec<PolicyProblem>> {
    let parsed = Policy::parse(None, piece.text).map_err(|errors| {
        let error = DetailedError::from(&errors);
        let line = piece.line + lines_before(piece.text, &error);
        let sentence = format!("is no policy: {}", told(&error));
        vec![PolicyProblem::at(file, line, sentence)]
    })?;
    let at = |sentence: String| PolicyProblem::at(file, piece.line, sentence);
    let id = read_id(parsed.annotation("id"), author).map_err(|sentence| vec![at(sentence)])?;
    let policy = parsed.new_id(PolicyId::new(&id));
    let actions = rules::actions(&policy);
    let kind = match author {
        Author::Usher => terms::Kind::Request,
        Author::User => rules::kind(&policy, &actions),
    };
    let mut sentences = Vec::new();
    if author == Author::User {
        sentences.extend(rules::scope_problem(&policy, &actions));
    }
    let terms = terms::read(kind, policy.annotations(), rules.duration_max_default);
    let terms = terms.map_err(|found| sentences.extend(found)).ok();
    let groups = rules::groups(&policy);
    let groups = groups.map_err(|found| sentences.extend(found)).ok();
    match (terms, groups) {
        (Some(terms), Some(groups)) if sentences.is_empty() => Ok(Loaded {
            by_target_alone: is_by_target_alone(&policy),
            policy,
            actions,
            terms,
            file: file.to_owned(),
            line: piece.line,
            text: piece.text.to_owned(),
            groups,
        }),
        _ => Err(sentences
            .into_iter()
            .map(|sentence| PolicyProblem {
                policy: Some(id.clone()),
                ..at(sentence)
            })
            .collect()),
    }
}

fn read_id(id: Option<&str>, author: Author) -> Result<String, String> {
    let Some(id) = id else {
        return Err(
            "has no @id; give it a name of its own above the policy, such as @id(\"engineers-redshift\")"
                .to_owned(),
        );
    };
    let fits = (1..=ID_BYTES_MAX).contains(&id.len())
        && id.starts_with(|letter: char| letter.is_ascii_alphanumeric())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if !fits {
        return Err(format!(
            "@id is 1 to {ID_BYTES_MAX} letters, digits, `-`, `_` and `.`, and begins with a letter or digit"
        ));
    }
    if author == Author::User && id.starts_with(BUILT_IN) {
        return Err(format!(
            "@id begins with `{BUILT_IN}`, as only Usher's own policies do; choose another"
        ));
    }
    Ok(id.to_owned())
}

fn finish(
    policies: Vec<Loaded>,
    files: Vec<PolicyFile>,
    version: String,
    mut problems: Vec<PolicyProblem>,
) -> Result<Inner, Vec<PolicyProblem>> {
    let mut by_id: BTreeMap<PolicyId, Loaded> = BTreeMap::new();
    let mut whole = CedarSet::new();
    for loaded in policies {
        let id = loaded.policy.id().clone();
        if let Some(first) = by_id.get(&id) {
            let sentence = format!(
                "is the @id of another policy too, at {}:{}; every policy has its own",
                first.file, first.line
            );
            problems.push(PolicyProblem {
                policy: Some(id.to_string()),
                ..PolicyProblem::at(&loaded.file, loaded.line, sentence)
            });
        } else if whole.add(loaded.policy.clone()).is_ok() {
            by_id.insert(id, loaded);
        }
    }
    problems.extend(validation_problems(&whole, &by_id));
    let mut index = Index::default();
    for loaded in by_id.values() {
        if index.add(&loaded.policy, &loaded.actions).is_none() {
            let sentence = "cannot be put beside the others";
            problems.push(PolicyProblem::at(&loaded.file, loaded.line, sentence));
        }
    }
    if !problems.is_empty() {
        problems.sort();
        return Err(problems);
    }
    let groups = by_id.values().flat_map(|it| it.groups.iter().cloned());
    let groups = groups.collect();
    let approvers = || by_id.values().flat_map(approvers);
    let approver_groups = approvers().filter_map(|approver| match approver {
        Approvers::Group(name) => Some(name.clone()),
        Approvers::Service(_) => None,
    });
    let approver_services = approvers().filter_map(|approver| match approver {
        Approvers::Service(name) => Some(name.clone()),
        Approvers::Group(_) => None,
    });
    let (approver_groups, approver_services) =
        (approver_groups.collect(), approver_services.collect());
    Ok(Inner {
        version,
        files,
        policies: by_id,
        index,
        groups,
        approver_groups,
        approver_services,
        memory: Memory::default(),
    })
}

fn approvers(loaded: &Loaded) -> impl Iterator<Item = &Approvers> {
    let steps = loaded.terms.steps.iter();
    steps.flat_map(|step| step.approvers.iter())
}

/// Cedar's strict validation; its warnings refuse too, since each means that a policy says
/// something else than it seems to.
fn validation_problems(
    whole: &CedarSet,
    policies: &BTreeMap<PolicyId, Loaded>,
) -> Vec<PolicyProblem> {
    let validator = Validator::new(schema().clone());
    let result = validator.validate_with_level(whole, ValidationMode::Strict, LEVEL);
    let errors = result
        .validation_errors()
        .map(|error| (error.policy_id(), DetailedError::from(error)));
    let warnings = result
        .validation_warnings()
        .map(|warning| (warning.policy_id(), DetailedError::from(warning)));
    let mut problems: Vec<PolicyProblem> = errors
        .chain(warnings)
        .map(|(id, error)| {
            let place = policies.get(id);
            PolicyProblem {
                file: place.map(|it| it.file.clone()).unwrap_or_default(),
                line: place.map(|it| it.line + lines_before(&it.text, &error)),
                policy: Some(id.to_string()),
                sentence: told(&error),
            }
        })
        .collect();
    problems.sort();
    problems.dedup();
    problems
}

/// How many line ends of a policy's text stand before the place that an error tells.
fn lines_before(text: &str, error: &DetailedError) -> usize {
    let labels = error.source_locations.iter().chain(
        error
            .related
            .iter()
            .flat_map(|it| it.source_locations.iter()),
    );
    let at = labels.map(|label| label.loc.start).next().unwrap_or(0);
    let before = text.as_bytes().get(..at).unwrap_or_default();
    before.iter().filter(|byte| **byte == b'\n').count()
}

/// An error in one line, with what Cedar suggests.
fn told(error: &DetailedError) -> String {
    let mut sentence = error.message.replace('\n', " ");
    for related in &error.related {
        sentence = format!("{sentence}; {}", related.message.replace('\n', " "));
    }
    if let Some(help) = &error.help {
        sentence = format!("{sentence} ({})", help.replace('\n', " "));
    }
    sentence
}

impl Loaded {
    /// Whether it permits or forbids.
    pub(super) fn is_permit(&self) -> bool {
        self.policy.effect() == Effect::Permit
    }

    /// Whether it is a way to access.
    pub(super) fn is_way(&self) -> bool {
        self.is_permit() && self.actions.contains(&Action::Request)
    }

    /// Whether nobody must agree.
    pub(super) fn is_free(&self) -> bool {
        self.terms.steps.is_empty()
    }
}
