//! `usher budget`: what a running server tells of its budget, for a terminal that is looked at. It asks
//! once a second and decides nothing.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::time::Duration;

use super::CommandError;
use super::server_args::ServerArgs;
use crate::grpc::{pb, seconds};
use crate::telemetry::{self, LogFormat};

/// How often the server is asked.
const EVERY: Duration = Duration::from_secs(1);
/// Moves the cursor to the top and clears what is below (ECMA-48).
const CLEAR: &str = "\x1b[H\x1b[J";

/// Arguments of `usher budget`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct BudgetArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// The instance, by ARN or alias, where the server has several
    #[arg(long, default_value = "")]
    instance: String,
    /// Tell it once; also where standard output is no terminal
    #[arg(long)]
    once: bool,
}

const AFTER_HELP: &str = "\
A line for each of AWS's quotas: operations a second that are sent, may be sent and are configured,
throttles of AWS, and what waits: break-glass, grants, ends whose time has come, questions, reports.
Below it who waits. Policy must permit ReadEvents on the instance. Ctrl-C ends it.";

/// Asks and tells until it is interrupted.
pub(super) async fn run(args: BudgetArgs) -> Result<(), CommandError> {
    telemetry::start(LogFormat::Text, "warn").map_err(CommandError)?;
    let connection = args.server.connect().await?;
    let is_live = !args.once && std::io::stdout().is_terminal();
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        let budget = connection.budget(&args.instance).await;
        let budget = budget.map_err(|error| CommandError::from_error(&error))?;
        let text = told(&budget);
        let text = if is_live {
            format!("{CLEAR}{text}")
        } else {
            text
        };
        let mut out = std::io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        // Who reads no further has seen enough.
        if !is_live || written.is_err() {
            return Ok(());
        }
    }
}

/// The budget as a person reads it.
fn told(budget: &pb::GetBudgetResponse) -> String {
    let mut text = String::new();
    line(
        &mut text,
        &[
            "",
            "sent/s",
            "may/s",
            "set/s",
            "throttles",
            "break-glass",
            "grants",
            "ends",
            "questions",
            "reports",
        ],
    );
    for bucket in &budget.buckets {
        let mut cells = vec![
            bucket.name.clone(),
            format!("{:.1}", bucket.used_per_second),
            format!("{:.2}", bucket.rate_per_second),
            format!("{:.0}", bucket.configured_per_second),
            bucket.throttles.to_string(),
        ];
        cells.extend(bucket.classes.iter().map(waiting));
        let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
        line(&mut text, &cells);
    }
    if budget.buckets.is_empty() {
        text.push_str("nothing was asked of AWS yet\n");
    }
    for bucket in &budget.buckets {
        if let Some(pause) = bucket.paused_for.as_ref().map(seconds) {
            let _ = writeln!(
                text,
                "{}: AWS throttled; nothing is sent for {pause:.1} s",
                bucket.name
            );
        }
        for caller in &bucket.callers {
            let class = class_name(caller.class());
            let _ = writeln!(
                text,
                "{}: {} waits for {} operations ({class})",
                bucket.name, caller.caller, caller.waiting
            );
        }
    }
    if let Some(changes) = &budget.account_changes {
        let _ = writeln!(
            text,
            "changes of account assignments under way: {} of {}",
            changes.under_way, changes.under_way_max
        );
    }
    text
}

/// What waits, and how long it has: `12 (0.4 s)`.
fn waiting(class: &pb::BudgetClassUse) -> String {
    match (class.longest_wait.as_ref().map(seconds), class.waiting) {
        (Some(wait), 1..) => format!("{} ({wait:.1} s)", class.waiting),
        _ => "-".to_owned(),
    }
}

fn class_name(class: pb::BudgetClass) -> &'static str {
    match class {
        pb::BudgetClass::Unspecified => "-",
        pb::BudgetClass::BreakGlass => "break-glass",
        pb::BudgetClass::Grant => "grant",
        pb::BudgetClass::Expiry => "end",
        pb::BudgetClass::Read => "question",
        pb::BudgetClass::Audit => "report",
    }
}

fn line(text: &mut String, cells: &[&str]) {
    let mut cells = cells.iter();
    let _ = write!(text, "{:<38}", cells.next().unwrap_or(&""));
    for cell in cells {
        let _ = write!(text, " {cell:>12}");
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_and_who_is_told_in_words() {
        let class = |class: pb::BudgetClass, waiting| pb::BudgetClassUse {
            class: class.into(),
            waiting,
            longest_wait: Duration::from_millis(1250).try_into().ok(),
            ..pb::BudgetClassUse::default()
        };
        let bucket = pb::BudgetBucket {
            name: "sso-admin".to_owned(),
            configured_per_second: 20.0,
            rate_per_second: 16.83,
            used_per_second: 16.5,
            throttles: 1,
            paused_for: Duration::from_millis(500).try_into().ok(),
            classes: vec![
                class(pb::BudgetClass::Grant, 0),
                class(pb::BudgetClass::Audit, 12),
            ],
            callers: vec![pb::BudgetCallerUse {
                caller: "service:auditor".to_owned(),
                class: pb::BudgetClass::Audit.into(),
                waiting: 12,
            }],
            ..pb::BudgetBucket::default()
        };
        let told = told(&pb::GetBudgetResponse {
            buckets: vec![bucket],
            ..pb::GetBudgetResponse::default()
        });
        for text in [
            "16.83",
            "12 (1.2 s)",
            "sso-admin: AWS throttled; nothing is sent for 0.5 s",
            "sso-admin: service:auditor waits for 12 operations (report)",
        ] {
            assert!(told.contains(text), "{text}:\n{told}");
        }
    }
}
