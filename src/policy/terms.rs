//! What a permit costs and how far it goes: its annotations, read against an allow-list.
//!
//! Cedar ignores annotations, so that a typo in one would weaken a policy without a word. Here every
//! key and every value that is not known refuses.

use jiff::SignedDuration;
use regex_lite::{Regex, RegexBuilder};

use super::question::Action;
use crate::domain::{ApprovalStep, Approvers};

/// The most approvals of one step, and the most steps.
const APPROVALS_MAX: u32 = 20;
const STEPS_MAX: usize = 10;
/// The longest pattern of `@requires`, and how much memory it may take compiled. A match takes as
/// long as text times pattern, and a text has at most 10,000 letters.
const PATTERN_BYTES_MAX: usize = 200;
const PATTERN_SIZE_MAX: usize = 64 * 1024;

/// Keys of every policy, and those of permits that only speak of `Request` or of `BreakGlass`.
const KEYS_OF_ALL: [&str; 2] = ["id", "description"];
const KEYS_OF_LIMITS: [&str; 2] = ["max_duration", "requires"];
const KEYS_OF_PRICES: [&str; 3] = ["approvals", "approvers", "steps"];

/// Price and limits of a permit.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    /// Who must agree.
    pub(super) steps: Vec<ApprovalStep>,
    /// The longest duration; none when there is none.
    pub(super) duration_max: Option<SignedDuration>,
    /// What a text of the request must look like.
    pub(super) requires: Option<Requirement>,
}

/// `@requires`.
#[derive(Debug, Clone)]
pub(super) struct Requirement {
    /// Which text.
    pub(super) field: RequiredField,
    /// The pattern as it is written, after the field.
    pub(super) pattern: String,
    regex: Regex,
}

/// A text that `@requires` may speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequiredField {
    /// The ticket.
    Ticket,
    /// The justification.
    Justification,
}

impl Requirement {
    /// Whether the whole text looks as required.
    pub(super) fn fits(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

/// What kind of policy it is, as far as annotations go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A permit that speaks of `Request` alone.
    Request,
    /// A permit that speaks of `BreakGlass` alone.
    BreakGlass,
    /// Everything else.
    Other,
}

impl Kind {
    /// The kind of a policy with these actions.
    pub(super) fn of(is_permit: bool, actions: &[Action]) -> Self {
        match actions {
            [Action::Request] if is_permit => Self::Request,
            [Action::BreakGlass] if is_permit => Self::BreakGlass,
            _ => Self::Other,
        }
    }
}

/// Reads the annotations of a policy; a sentence for everything that is wrong.
pub(super) fn read<'a>(
    kind: Kind,
    annotations: impl Iterator<Item = (&'a str, &'a str)>,
    duration_max_default: Option<SignedDuration>,
) -> Result<Terms, Vec<String>> {
    let mut problems = Vec::new();
    let mut written = Written::default();
    for (key, value) in annotations {
        if let Some(problem) = key_problem(kind, key) {
            problems.push(problem);
            continue;
        }
        match key {
            "approvals" => written.approvals = Some(value),
            "approvers" => written.approvers = Some(value),
            "steps" => written.steps = Some(value),
            "max_duration" => written.max_duration = Some(value),
            "requires" => written.requires = Some(value),
            "description" if value.trim().is_empty() => {
                problems.push("@description is empty; write a sentence or leave it out".to_owned());
            }
            _ => {}
        }
    }
    let mut or_note = |problem: String| problems.push(problem);
    let steps = written.price().map_err(&mut or_note).ok();
    let duration_max = match written.max_duration {
        None => Ok(duration_max_default),
        Some(text) => read_duration("@max_duration", text),
    };
    let duration_max = duration_max.map_err(&mut or_note).ok();
    let requires = written.requires.map(read_requirement).transpose();
    let requires = requires.map_err(&mut or_note).ok();
    match (steps, duration_max, requires) {
        (Some(steps), Some(duration_max), Some(requires)) if problems.is_empty() => Ok(Terms {
            steps,
            duration_max,
            requires,
        }),
        _ => Err(problems),
    }
}

fn key_problem(kind: Kind, key: &str) -> Option<String> {
    let is_price = KEYS_OF_PRICES.contains(&key);
    let is_limit = KEYS_OF_LIMITS.contains(&key);
    if KEYS_OF_ALL.contains(&key)
        || is_price && kind == Kind::Request
        || is_limit && kind != Kind::Other
    {
        return None;
    }
    Some(if is_price {
        format!(
            "@{key} is a price, and only a permit whose scope says action == Usher::Action::\"Request\" has one; give that action a permit of its own"
        )
    } else if is_limit {
        format!(
            "@{key} is a limit, and only a permit whose scope says action == Usher::Action::\"Request\" or \"BreakGlass\" has one; give that action a permit of its own, or write the condition in `when`"
        )
    } else {
        format!(
            "@{key} is not an annotation of Usher; there are @id, @description, @approvals, @approvers, @steps, @max_duration, @requires"
        )
    })
}

/// The annotations as they stand there.
#[derive(Default)]
struct Written<'a> {
    approvals: Option<&'a str>,
    approvers: Option<&'a str>,
    steps: Option<&'a str>,
    max_duration: Option<&'a str>,
    requires: Option<&'a str>,
}

impl Written<'_> {
    fn price(&self) -> Result<Vec<ApprovalStep>, String> {
        match (self.approvals, self.approvers, self.steps) {
            (None, None, None) => Ok(vec![ApprovalStep {
                count: 1,
                approvers: Vec::new(),
            }]),
            (None, None, Some(steps)) => read_steps(steps),
            (_, _, Some(_)) => Err(
                "@steps stands beside @approvals or @approvers; write the price one way".to_owned(),
            ),
            (None, Some(_), None) => Err(
                "@approvers stands without @approvals; add how many of them must agree".to_owned(),
            ),
            (Some(count), approvers, None) => {
                let count = match count {
                    "0" => 0,
                    text => read_count("@approvals", text)?,
                };
                match (count, approvers) {
                    (0, None) => Ok(Vec::new()),
                    (0, Some(_)) => Err(
                        "@approvals(\"0\") means that nobody is asked; take @approvers out"
                            .to_owned(),
                    ),
                    (count, approvers) => {
                        let approvers = approvers.map(|text| read_approvers("@approvers", text));
                        Ok(vec![ApprovalStep {
                            count,
                            approvers: approvers.transpose()?.unwrap_or_default(),
                        }])
                    }
                }
            }
        }
    }
}

fn read_count(key: &str, text: &str) -> Result<u32, String> {
    let plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(count) if plain && count <= APPROVALS_MAX => Ok(count),
        _ => Err(format!(
            "{key} has `{text}`, which is not a number of approvals from 1 to {APPROVALS_MAX}{}",
            if key == "@approvals" {
                ", or 0 for nobody"
            } else {
                ""
            }
        )),
    }
}

/// `group:secops, service:tickets`
fn read_approvers(key: &str, text: &str) -> Result<Vec<Approvers>, String> {
    let mut approvers = Vec::new();
    for one in text.split(',') {
        let (kind, name) = one.trim().split_once(':').unwrap_or((one, ""));
        let name = name.trim();
        let has_sign = name.contains(';') || name.contains('"');
        let approver = match kind {
            "group" if !name.is_empty() && !has_sign => Approvers::Group(name.to_owned()),
            "service" if !name.is_empty() && !has_sign => Approvers::Service(name.to_owned()),
            _ => {
                return Err(format!(
                    "{key} has `{}`; write group:NAME or service:NAME, with commas between several",
                    one.trim()
                ));
            }
        };
        if approvers.contains(&approver) {
            return Err(format!("{key} names `{}` twice", one.trim()));
        }
        approvers.push(approver);
    }
    Ok(approvers)
}

/// `2 of group:secops; 1 of service:tickets`
fn read_steps(text: &str) -> Result<Vec<ApprovalStep>, String> {
    let steps: Vec<&str> = text.split(';').collect();
    if steps.len() > STEPS_MAX {
        return Err(format!("@steps has more than {STEPS_MAX} steps"));
    }
    steps
        .into_iter()
        .map(|step| {
            let (count, approvers) = step.trim().split_once(" of ").ok_or_else(|| {
                format!(
                    "@steps has `{}`; write it like \"2 of group:secops; 1 of service:tickets\"",
                    step.trim()
                )
            })?;
            Ok(ApprovalStep {
                count: read_count("@steps", count.trim())?,
                approvers: read_approvers("@steps", approvers)?,
            })
        })
        .collect()
}

/// A longest duration, or none; `key` is the place for what is told of a wrong one.
pub(super) fn read_duration(key: &str, text: &str) -> Result<Option<SignedDuration>, String> {
    if text == "none" {
        return Ok(None);
    }
    match parse_duration(text) {
        Some(duration) if duration.is_zero() => Err(format!(
            "{key} is 0, so that the permit never fits; give it time, or take the policy out"
        )),
        Some(duration) => Ok(Some(duration)),
        None => Err(format!(
            "{key} has `{text}`, which is not a whole number with s, m, h or d such as 8h, and not none"
        )),
    }
}

/// A whole number with its unit: s, m, h or d.
#[must_use]
pub fn parse_duration(text: &str) -> Option<SignedDuration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: i64 = number.parse().ok().filter(|_| plain)?;
    let seconds = number.checked_mul(seconds)?;
    Some(SignedDuration::from_secs(seconds))
}

/// A duration as `@max_duration` writes it, in the largest unit that is whole.
pub(super) fn write_duration(duration: SignedDuration) -> String {
    let seconds = duration.as_secs() + i64::from(duration.subsec_nanos() > 0);
    for (unit, length) in [("d", 86_400), ("h", 3600), ("m", 60)] {
        if seconds != 0 && seconds % length == 0 {
            return format!("{}{unit}", seconds / length);
        }
    }
    format!("{seconds}s")
}

/// `ticket:^INC-[0-9]+$`. The pattern always has to fit the whole text: a forgotten `^` is no hole.
fn read_requirement(text: &str) -> Result<Requirement, String> {
    let (field, pattern) = text.split_once(':').unwrap_or((text, ""));
    let field = match field {
        "ticket" => RequiredField::Ticket,
        "justification" => RequiredField::Justification,
        _ => {
            return Err(format!(
                "@requires speaks of `{field}`; it is ticket:PATTERN or justification:PATTERN"
            ));
        }
    };
    if pattern.is_empty() || pattern.len() > PATTERN_BYTES_MAX {
        return Err(format!(
            "@requires needs a regular expression of 1 to {PATTERN_BYTES_MAX} bytes after the colon, such as ticket:^INC-[0-9]+$"
        ));
    }
    let regex = RegexBuilder::new(&format!("^(?:{pattern})$"))
        .size_limit(PATTERN_SIZE_MAX)
        .nest_limit(16)
        .build()
        .map_err(|error| {
            format!("@requires has a regular expression that cannot be used: {error}")
        })?;
    // `a)|(b` is one only because of the brackets around it.
    if Regex::new(pattern).is_err() {
        return Err("@requires has brackets that do not match".to_owned());
    }
    Ok(Requirement {
        field,
        pattern: pattern.to_owned(),
        regex,
    })
}
