//! The parts of a report as `usher audit` tells and writes them, whether they were made here or came
//! from a server. It tells what it is told: plan and progress on standard error, then what the report
//! holds and lacks. It takes nothing for a whole report whose text is not the one that was summed up.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use indicatif::{ProgressBar, ProgressStyle};

use super::CommandError;
use super::audit_output::Output;
use crate::audit::{Completeness, Part};
use crate::domain::Operation;
use crate::domain::log::to_hex;
use crate::grpc::pb::{self, audit_report_response as wire};
use crate::grpc::seconds;

/// A part of a report.
pub(super) enum Piece {
    Plan(Plan),
    Progress {
        done: u64,
        planned: u64,
        step: String,
    },
    Text(String),
    Summary(Summary),
    /// Rows, which no format of a file has.
    Rows,
}

/// What will be asked of AWS.
pub(super) struct Plan {
    /// Operations by AWS's names.
    operations: Vec<(String, u64)>,
    duration: Duration,
    note: String,
}

/// What the report holds and lacks.
pub(super) struct Summary {
    /// Row, user, application, account, permission set and assignment.
    counts: [u64; 6],
    operation_count: u64,
    sha256: String,
    findings: Vec<(String, u64)>,
    missing: Vec<Missing>,
    is_complete: bool,
}

/// Something that a report lacks.
struct Missing {
    instance_arn: String,
    scope: String,
    reason: String,
}

impl From<Part> for Piece {
    fn from(part: Part) -> Self {
        match part {
            Part::Header(header) => Self::Plan(Plan {
                operations: (header.plan.operations.iter())
                    .map(|(operation, count)| (operation.name().to_owned(), *count))
                    .collect(),
                duration: header.estimated_duration,
                note: header.plan.note,
            }),
            Part::Progress(progress) => Self::Progress {
                done: progress.operations_done,
                planned: progress.operations_planned,
                step: progress.step.to_owned(),
            },
            Part::Text(text) => Self::Text(text),
            Part::Rows(_) => Self::Rows,
            Part::Summary(summary) => Self::Summary(Summary {
                counts: [
                    summary.row_count,
                    summary.user_count,
                    summary.application_count,
                    summary.account_count,
                    summary.permission_set_count,
                    summary.assignment_count,
                ],
                operation_count: summary.operations_used.iter().map(|(_, count)| count).sum(),
                sha256: summary.sha256,
                findings: (summary.findings.iter())
                    .map(|(finding, rows)| (finding.as_str().to_owned(), *rows))
                    .collect(),
                missing: (summary.missing.into_iter())
                    .map(|missing| Missing {
                        instance_arn: missing
                            .instance_arn
                            .map_or_else(String::new, |it| it.to_string()),
                        scope: missing.scope,
                        reason: missing.reason,
                    })
                    .collect(),
                is_complete: summary.completeness == Some(Completeness::Complete),
            }),
        }
    }
}

impl From<wire::Part> for Piece {
    fn from(part: wire::Part) -> Self {
        match part {
            wire::Part::Header(header) => Self::Plan(Plan {
                operations: (header.planned_operations.into_iter())
                    .map(|planned| (planned.operation, count(planned.count)))
                    .collect(),
                duration: (header.estimated_duration.as_ref().map(seconds))
                    .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                    .unwrap_or_default(),
                note: header.plan_note,
            }),
            wire::Part::Progress(progress) => Self::Progress {
                done: count(progress.operations_done),
                planned: count(progress.operations_planned),
                step: progress.step,
            },
            wire::Part::Text(text) => Self::Text(text),
            wire::Part::Rows(_) => Self::Rows,
            wire::Part::Summary(summary) => Self::Summary(Summary {
                is_complete: summary.completeness() == pb::Completeness::Complete,
                counts: [
                    summary.row_count,
                    summary.user_count,
                    summary.application_count,
                    summary.account_count,
                    summary.permission_set_count,
                    summary.assignment_count,
                ]
                .map(count),
                operation_count: (summary.operations_used.iter())
                    .map(|used| count(used.count))
                    .sum(),
                sha256: summary.sha256,
                findings: (summary.findings.into_iter())
                    .map(|finding| (finding.finding, count(finding.count)))
                    .collect(),
                missing: (summary.missing.into_iter())
                    .map(|missing| Missing {
                        instance_arn: missing.instance_arn,
                        scope: missing.scope,
                        reason: missing.reason,
                    })
                    .collect(),
            }),
        }
    }
}

/// A count of the wire, which has no unsigned ones.
fn count(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}

/// A report that is being written.
pub(super) struct Writing {
    output: Output,
    bar: ProgressBar,
    digest: Context,
    summary: Option<Summary>,
}

impl Writing {
    pub(super) fn into(output: Output) -> Self {
        Self {
            output,
            bar: progress_bar(),
            digest: Context::new(&SHA256),
            summary: None,
        }
    }

    /// Writes or tells a part.
    pub(super) fn take(&mut self, piece: Piece) -> Result<(), CommandError> {
        match piece {
            Piece::Plan(plan) => eprintln!("{}", told_plan(&plan)),
            Piece::Progress {
                done,
                planned,
                step,
            } => {
                self.bar.set_length(planned.max(done));
                self.bar.set_position(done);
                self.bar.set_message(step);
            }
            Piece::Text(text) => {
                self.digest.update(text.as_bytes());
                self.output.write(&text)?;
            }
            Piece::Summary(whole) => self.summary = Some(whole),
            Piece::Rows => {}
        }
        Ok(())
    }

    /// Moves the report to its place, and says what it holds and lacks.
    pub(super) fn finish(mut self) -> Result<(), CommandError> {
        self.bar.finish_and_clear();
        let Some(summary) = self.summary else {
            return Err(CommandError(
                "the report was cut: it has no summary".to_owned(),
            ));
        };
        if to_hex(self.digest.finish().as_ref()) != summary.sha256 {
            return Err(CommandError(
                "the report was changed on its way: its text is not the one of its summary"
                    .to_owned(),
            ));
        }
        let written_to = self.output.finish(summary.is_complete)?;
        tell(&summary);
        if summary.is_complete {
            eprintln!("the report is complete");
            return Ok(());
        }
        let place = written_to.map(|place| format!("; it was written to {}", place.display()));
        Err(CommandError(format!(
            "the report is incomplete: what is missing stands above{}",
            place.unwrap_or_default()
        )))
    }
}

/// A bar in a terminal, nothing elsewhere.
fn progress_bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:30} {pos}/{len} operations, {eta} left: {msg}")
    {
        bar.set_style(style);
    }
    bar
}

/// The plan on a line, with the operations of each of AWS's quotas.
fn told_plan(plan: &Plan) -> String {
    let mut buckets: BTreeMap<String, u64> = BTreeMap::new();
    for (name, count) in &plan.operations {
        // An operation that this version does not know stands by its name.
        let bucket = Operation::from_name(name)
            .map_or_else(|| name.clone(), |it| it.quota_bucket().to_string());
        *buckets.entry(bucket).or_default() += count;
    }
    let total: u64 = buckets.values().sum();
    if total == 0 {
        return format!("plan: no operations. {}", plan.note);
    }
    let shares: Vec<String> = (buckets.iter())
        .map(|(bucket, count)| format!("{bucket} {count}"))
        .collect();
    format!(
        "plan: {total} {}, {} ({}). {}",
        if total == 1 {
            "operation"
        } else {
            "operations"
        },
        about(plan.duration),
        shares.join(", "),
        plan.note
    )
}

/// A length of time as a person says it.
fn about(duration: Duration) -> String {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    match seconds {
        0..=1 => "about a second".to_owned(),
        2..=119 => format!("about {seconds} seconds"),
        _ => format!("about {} minutes", seconds.div_ceil(60)),
    }
}

/// Says on standard error what the report holds and what it lacks.
fn tell(summary: &Summary) {
    let [
        rows,
        users,
        applications,
        accounts,
        permission_sets,
        assignments,
    ] = summary.counts;
    eprintln!(
        "{rows} rows; {users} users; {applications} applications; {accounts} accounts; {permission_sets} permission sets; {assignments} assignments; {} operations; sha256 {}",
        summary.operation_count, summary.sha256
    );
    for (finding, rows) in &summary.findings {
        eprintln!("finding {finding}: {rows} rows");
    }
    for missing in &summary.missing {
        eprintln!("missing {}", lack(missing));
    }
}

/// What is missing, with its instance, which the scope may not name.
fn lack(missing: &Missing) -> String {
    let Missing {
        instance_arn,
        scope,
        reason,
    } = missing;
    if instance_arn.is_empty() {
        return format!("{scope}: {reason}");
    }
    format!("{scope}: {reason} (instance {instance_arn})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_told_by_quota_and_in_words() {
        let mut plan = Plan {
            operations: [
                ("ListApplications", 1),
                ("ListApplicationAssignments", 40),
                ("ListUsers", 3),
                ("ListSomethingNew", 2),
            ]
            .map(|(name, count)| (name.to_owned(), count))
            .to_vec(),
            duration: Duration::from_millis(2_100),
            note: "A lower bound.".to_owned(),
        };
        assert_eq!(
            told_plan(&plan),
            "plan: 46 operations, about 3 seconds (ListSomethingNew 2, identitystore ListUsers 3, sso-admin 41). A lower bound."
        );
        plan.operations.clear();
        assert_eq!(told_plan(&plan), "plan: no operations. A lower bound.");
        assert_eq!(about(Duration::ZERO), "about a second");
        assert_eq!(about(Duration::from_secs(1200)), "about 20 minutes");
    }
}
