//! `usher restore --plan`: compares the store with AWS and says what the reconciler would do, assignment by
//! assignment, by the reconciler's own plan. It must never write, to the store or to AWS.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};

use super::CommandError;
use super::connect::{connect, explain, look_call};
use super::instances::{describe, discoverer, look_call_time};
use super::restore::{RestoreArgs, told_continuation};
use super::restore_rows::{Row, What, told_rows};
use super::serve::print_line;
use crate::clock::Clock;
use crate::config::Config;
use crate::decision_log::{Continuation, continuation, restored_from};
use crate::domain::{
    AssignmentKey, AssignmentRecord, DirectAssignment, Failure, Grant, InstanceArn, Operation,
    Target,
};
use crate::identity_center::{Call, IdentityCenter, WriteMode, collect_pages};
use crate::reconciler::Forecast;
use crate::store::{OpenWork, PostgresStore, SqliteStore, Store as _};

/// Targets that are read at once.
const TARGETS_AT_ONCE: usize = 8;
/// How long a question about one target may take, with its wait for the budget: a list of many pages.
const QUESTION_TIME_MAX: Duration = Duration::from_secs(300);
/// With so many assignments of one target the list of all of it costs less than to ask for each.
const ASKED_EACH_MAX: usize = 3;

type Port = Arc<dyn IdentityCenter>;

/// Prints the plan.
///
/// # Errors
/// A sentence: the store or AWS cannot be read at all, or some of it could not, which is named before.
pub(super) async fn run(args: &RestoreArgs, config: &Config) -> Result<(), CommandError> {
    let from_error = |error: &dyn std::error::Error| CommandError::from_error(error);
    let (work, shared) = match &config.postgres {
        None => {
            let work = SqliteStore::read_open_work(&args.data_dir).await;
            (work.map_err(|error| from_error(&error))?, None)
        }
        Some(_) if args.log.is_some() => {
            return Err(CommandError(
                "an export is compared with a SQLite store only; leave --log out".to_owned(),
            ));
        }
        Some(options) => {
            let store = PostgresStore::open(options).await;
            let store = store.map_err(|error| from_error(&error))?;
            let work = store.open_work().await;
            (work.map_err(|error| from_error(&error))?, Some(store))
        }
    };
    let lost = lost_of(args).await?;
    let budget = shared.as_ref().map(|store| store.shared_budget());
    let rows = compare(config, &work, lost.as_ref(), budget).await;
    if let Some(store) = shared {
        store.close().await;
    }
    let rows = rows?;
    for line in told_brake(&work) {
        print_line(&line);
    }
    if let Some(lost) = &lost {
        for line in told_continuation(lost, args.lines) {
            print_line(&line);
        }
    }
    for line in told_rows(&rows, args.lines) {
        print_line(&line);
    }
    if work.waiting_count > 0 {
        print_line(&format!(
            "{} grants wait for people or for their start: nothing of them is in AWS, and what opens is planned then",
            work.waiting_count
        ));
    }
    match rows.iter().filter(|row| row.what == What::Unread).count() {
        0 => Ok(()),
        unread => Err(CommandError(format!(
            "of {unread} assignments nobody knows what AWS has; see above, mend it and ask again"
        ))),
    }
}

/// What an export knows that came after the backup from which this store was restored.
async fn lost_of(args: &RestoreArgs) -> Result<Option<Continuation>, CommandError> {
    let Some(export) = &args.log else {
        return Ok(None);
    };
    let from = restored_from(&args.data_dir).await;
    let from = from.map_err(|error| CommandError::from_error(&error))?;
    let from = from.ok_or_else(|| {
        CommandError(
            "this store was not restored from a backup, so that nothing is lost; leave --log out"
                .to_owned(),
        )
    })?;
    let lost = continuation(&args.data_dir, from, export).await;
    lost.map(Some)
        .map_err(|error| CommandError::from_error(&error))
}

/// What stops it now.
fn told_brake(work: &OpenWork) -> Vec<String> {
    let everywhere = &work.frozen_everywhere;
    let mut lines = Vec::new();
    if let Some(freeze) = everywhere
        .grants
        .as_ref()
        .or(everywhere.revocations.as_ref())
    {
        lines.push(format!(
            "restored at {}: frozen on every instance, also on those found later, until Unfreeze there",
            freeze.since
        ));
    }
    lines.extend(work.brakes.iter().map(|brake| {
        let frozen = [
            ("GRANTS", brake.freezes.grants.is_some()),
            ("REVOCATIONS", brake.freezes.revocations.is_some()),
        ];
        let frozen = frozen.iter().filter(|(_, is_frozen)| *is_frozen);
        let frozen: Vec<&str> = frozen.map(|(what, _)| *what).collect();
        format!(
            "frozen   {} on {}",
            frozen.join(" and "),
            brake.instance_arn
        )
    }));
    if lines.is_empty() {
        lines.push("nothing is frozen: a service that runs does this now".to_owned());
    }
    lines
}

/// An assignment in words.
pub(super) fn told_key(key: &AssignmentKey) -> String {
    format!(
        "{} {} on {}",
        key.principal.kind.as_str(),
        key.principal.id,
        key.target.key()
    )
}

/// What is asked about: each assignment that something is open on, and those of lost grants.
struct Subjects {
    open: BTreeMap<AssignmentKey, (AssignmentRecord, Vec<Grant>)>,
    /// Assignments that only lost grants speak of, with the last of them.
    lost: BTreeMap<AssignmentKey, String>,
}

impl Subjects {
    fn of(work: &OpenWork, lost: Option<&Continuation>) -> Self {
        let mut open = BTreeMap::new();
        for record in &work.records {
            let is_open =
                record.removal.is_some() || record.pending.is_some() || record.recheck_at.is_some();
            if is_open {
                open.insert(record.key.clone(), (record.clone(), Vec::new()));
            }
        }
        let records: BTreeMap<&AssignmentKey, &AssignmentRecord> =
            work.records.iter().map(|it| (&it.key, it)).collect();
        for grant in &work.grants {
            let key = grant.assignment_key();
            let entry = open.entry(key).or_insert_with_key(|key| {
                let record = records.get(key).copied().cloned();
                let record = record.unwrap_or_else(|| AssignmentRecord::new(key.clone()));
                (record, Vec::new())
            });
            entry.1.push(grant.clone());
        }
        let lost = lost.into_iter().flat_map(|lost| &lost.grants);
        let lost = lost.filter_map(|grant| Some((grant.key.clone()?, grant.id.clone())));
        let lost = lost.filter(|(key, _)| open.get(key).is_none_or(|(_, on)| on.is_empty()));
        let lost = lost.collect();
        Self { open, lost }
    }

    fn keys(&self) -> BTreeSet<&AssignmentKey> {
        self.open.keys().chain(self.lost.keys()).collect()
    }
}

/// Reads AWS and plans.
async fn compare(
    config: &Config,
    work: &OpenWork,
    lost: Option<&Continuation>,
    shared: Option<Arc<dyn crate::budget::SharedBudget>>,
) -> Result<Vec<Row>, CommandError> {
    let home = connect(config, None, WriteMode::Never, shared).await;
    let home = home.map_err(CommandError)?;
    let found = discoverer(home, config)
        .discover(look_call(look_call_time(config)))
        .await
        .map_err(|failure| CommandError(explain(&failure)))?;
    for row in &found.unreachable {
        print_line(&format!("warning  {}", describe(row)));
    }
    let ports: BTreeMap<InstanceArn, Port> = (found.instances.into_iter())
        .map(|(instance, port)| (instance.arn, port))
        .collect();
    let subjects = Subjects::of(work, lost);
    let mut presences = read_presences(&ports, &subjects.keys()).await;
    let attempt_timeout = config.aws.attempt_timeout();
    let forecast = Forecast::new(&config.reconciler, attempt_timeout, &work.records);
    let now = Clock::system().now();
    let mut rows = Vec::new();
    for (key, (record, grants)) in &subjects.open {
        let row = match (presences.remove(key), ports.get(&key.instance_arn)) {
            (Some(Ok(is_present)), Some(port)) => {
                let call = look_call(QUESTION_TIME_MAX);
                let asked = (port.as_ref(), call);
                let foreseen = forecast.of(record, grants, is_present, now, asked).await;
                match foreseen {
                    Ok(foreseen) => Row::foreseen(record, grants, is_present, foreseen),
                    Err(failure) => Row::unread(key, &explain(&failure)),
                }
            }
            (Some(Err(why)), _) => Row::unread(key, &why),
            _ => Row::unread(key, "its instance is not found with these credentials"),
        };
        rows.push(row);
    }
    for (key, grant_id) in &subjects.lost {
        match presences.remove(key) {
            Some(Ok(true)) => rows.push(Row::left(key, grant_id)),
            Some(Ok(false)) => {}
            Some(Err(why)) => rows.push(Row::unread(key, &why)),
            None => {
                let why = "its instance is not found with these credentials";
                rows.push(Row::unread(key, why));
            }
        }
    }
    Ok(rows)
}

/// Whether AWS has each of these, or why nobody knows; those of instances without a port are left out.
async fn read_presences(
    ports: &BTreeMap<InstanceArn, Port>,
    keys: &BTreeSet<&AssignmentKey>,
) -> BTreeMap<AssignmentKey, Result<bool, String>> {
    let mut by_target: BTreeMap<(&InstanceArn, &Target), Vec<&AssignmentKey>> = BTreeMap::new();
    for key in keys {
        let of_target = by_target.entry((&key.instance_arn, &key.target));
        of_target.or_default().push(key);
    }
    let targets = by_target
        .into_iter()
        .filter_map(|((instance, target), keys)| {
            let port = Arc::clone(ports.get(instance)?);
            Some(async move { read_target(port.as_ref(), target, &keys).await })
        });
    let read: Vec<_> = stream::iter(targets)
        .buffer_unordered(TARGETS_AT_ONCE)
        .collect()
        .await;
    read.into_iter().flatten().collect()
}

/// Whether AWS has each of these, which are all of one target.
async fn read_target(
    port: &dyn IdentityCenter,
    target: &Target,
    keys: &[&AssignmentKey],
) -> Vec<(AssignmentKey, Result<bool, String>)> {
    if keys.len() > ASKED_EACH_MAX {
        let listed = list(port, target, look_call(QUESTION_TIME_MAX)).await;
        let listed = listed.map_err(|failure| explain(&failure));
        let is_there = |key: &AssignmentKey| {
            let there = listed.as_ref().map_err(Clone::clone)?;
            Ok(there.contains(&(
                key.principal.kind.as_str(),
                key.principal.id.as_str().to_owned(),
            )))
        };
        let found = keys.iter().map(|key| ((*key).clone(), is_there(key)));
        return found.collect();
    }
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        let assignment = DirectAssignment {
            target: key.target.clone(),
            principal: key.principal.clone(),
        };
        let read = port.assignment_is_present(&assignment, look_call(QUESTION_TIME_MAX));
        let read = read.await.map_err(|failure| explain(&failure));
        found.push(((*key).clone(), read));
    }
    found
}

/// Everybody who is assigned to a target.
async fn list(
    port: &dyn IdentityCenter,
    target: &Target,
    call: Call,
) -> Result<BTreeSet<(&'static str, String)>, Failure> {
    let operation = match target {
        Target::Application(_) => Operation::ListApplicationAssignments,
        Target::AccountAccess(_) => Operation::ListAccountAssignments,
    };
    let rows = collect_pages(operation, async |page| match target {
        Target::Application(arn) => port.application_assignments(arn, page.as_ref(), call).await,
        Target::AccountAccess(access) => {
            port.account_assignments(access, page.as_ref(), call).await
        }
    });
    let rows = rows.await?.into_iter();
    let who = rows.map(|row| {
        (
            row.principal.kind.as_str(),
            row.principal.id.as_str().to_owned(),
        )
    });
    Ok(who.collect())
}
