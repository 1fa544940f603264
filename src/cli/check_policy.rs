//! What `usher check` says of policies: whether the files load, what was in force last and whether
//! the files are still that, and whether those who are to approve can. Nothing is recorded.

use std::path::Path;
use std::sync::Arc;

use super::CommandError;
use super::check::Findings;
use super::check_instance::first_row;
use super::connect::{connect, explain, look_call, start_call};
use super::instances::{discoverer, look_call_time};
use super::policy_files::{PolicyFolder, stand_in};
use crate::config::Config;
use crate::domain::{Failure, GroupId, Instance, PolicyLoad, PolicyTexts};
use crate::identity_center::{IdentityCenter, WriteMode};
use crate::policy::{PolicyRules, PolicySet, TABLE_FILE, read_rows};
use crate::telemetry::{self, LogFormat};

/// Loads the policies of a folder; answers the set, if it is one, and its texts.
pub(super) fn check_folder(
    findings: &mut Findings,
    directory: &Path,
    rules: &PolicyRules,
) -> (Option<PolicySet>, PolicyTexts) {
    let folder = PolicyFolder::read(directory, rules);
    let shown = directory.display();
    let set = match folder.load(rules) {
        Ok(set) => {
            let count = set.policies().count();
            let rows = folder.table().map(read_rows).and_then(Result::ok);
            let rows = rows.map_or_else(
                || format!("no {TABLE_FILE}"),
                |rows| format!("{} rows of {TABLE_FILE} as expected", rows.len()),
            );
            findings.good(&format!(
                "policies in {shown}: version {}, {count} policies with Usher's own, {rows}",
                set.version()
            ));
            Some(set)
        }
        Err(problems) => {
            for problem in &problems {
                findings.bad(&format!("policies in {shown}"), &problem.to_string());
            }
            None
        }
    };
    (set, folder.texts())
}

/// Tells which set was loaded last, and whether the files are still that; where they do not load, what a
/// start would do.
pub(super) fn tell_last_load(
    findings: &mut Findings,
    config: &Config,
    last: Option<&PolicyLoad>,
    on_disk: Option<&(Option<PolicySet>, PolicyTexts)>,
) {
    let Some(last) = last else {
        findings.not_tried("policies in force", "no service has loaded any here yet");
        return;
    };
    let told = format!(
        "policies in force: version {} since {} ({})",
        last.version,
        last.loaded_at,
        last.loaded_by.as_str()
    );
    let (Some((set, texts)), Some(directory)) = (on_disk, &config.policy.directory) else {
        findings.good(&told);
        return;
    };
    let differing = last.texts.differing(texts).join(", ");
    if set.is_none() {
        let start = match stand_in(Some(last), directory, &config.policy.rules()) {
            Ok(_) => "a start goes on with this version until they do".to_owned(),
            Err(why_not) => format!("a start is refused, since {why_not}"),
        };
        let which = match differing.as_str() {
            "" => String::new(),
            differing => format!(" ({differing})"),
        };
        let why = format!("the files do not load{which}; {start}");
        findings.warn(&told, &why);
    } else if differing.is_empty() {
        findings.good(&format!("{told}, as the files are now"));
    } else {
        let why = format!(
            "the files are others by now ({differing}); they come into force when they load"
        );
        findings.warn(&told, &why);
    }
}

/// `check_approvers` of every instance that the configuration means.
///
/// # Errors
/// AWS cannot be reached, or something is missing.
pub(super) async fn approvers_in_aws(
    set: &PolicySet,
    config: Option<&Path>,
) -> Result<(), CommandError> {
    telemetry::start(LogFormat::Text, "warn").map_err(CommandError)?;
    let config = match config {
        Some(path) => Config::read(path).map_err(|error| CommandError::from_error(&error))?,
        None => Config::default(),
    };
    let home = connect(&config, None, WriteMode::Never, None).await;
    let home = home.map_err(CommandError)?;
    let look = look_call(look_call_time(&config));
    let found = discoverer(home, &config).discover(look).await;
    let found = found.map_err(|failure| CommandError(explain(&failure)))?;
    let mut findings = Findings::default();
    check_groups(&mut findings, set, &found.instances).await;
    findings.end()
}

/// Looks for the services that are to approve among those that can prove themselves here.
pub(super) fn check_services(findings: &mut Findings, set: &PolicySet, config: &Config) {
    let certified = config.authentication.certificates.iter();
    let certified = certified.map(|certificate| certificate.service.as_str());
    let issuers = config.authentication.issuers.iter();
    let clients = issuers.flat_map(|issuer| issuer.clients.values().map(String::as_str));
    let known: Vec<&str> = certified.chain(clients).collect();
    for name in set.approver_services() {
        let what = format!("approver service `{name}`");
        if known.contains(&name) {
            findings.good(&format!("{what} is configured"));
        } else {
            let why =
                "no certificate and no issuer's client stands for it, so that it never approves";
            findings.bad(&what, why);
        }
    }
}

/// Looks for the groups that policies name, in every instance. What is said of one that is nowhere is
/// said of nobody: a permit gives nothing, and a forbid keeps nobody out.
pub(super) async fn check_groups(
    findings: &mut Findings,
    set: &PolicySet,
    instances: &[(Instance, Arc<dyn IdentityCenter>)],
) {
    for name in set.groups() {
        let what = format!("group `{name}`");
        let (mut lacking, mut failure) = (Vec::new(), None);
        for (instance, port) in instances {
            match group_id(port.as_ref(), instance, name).await {
                Ok(Some(_)) => {}
                Ok(None) => lacking.push(instance.arn.as_str()),
                Err(error) => failure = Some(explain(&error)),
            }
        }
        if let Some(failure) = failure {
            findings.not_tried(&what, &failure);
        } else if lacking.len() == instances.len() {
            let why =
                "no instance has such a group: policies that name it speak of nobody, forbids too";
            findings.bad(&what, why);
        } else if lacking.is_empty() {
            findings.good(&format!("{what} is there"));
        } else {
            findings.warn(&what, &format!("not in {}", lacking.join(", ")));
        }
    }
    check_approvers(findings, set, instances).await;
}

/// The groups whose members approve: one that is nowhere, or that has no members, can never approve
/// anything.
async fn check_approvers(
    findings: &mut Findings,
    set: &PolicySet,
    instances: &[(Instance, Arc<dyn IdentityCenter>)],
) {
    for name in set.approver_groups() {
        let what = format!("approver group `{name}`");
        let mut members = Vec::new();
        let mut failures = Vec::new();
        for (instance, port) in instances {
            match has_members(port.as_ref(), instance, name).await {
                Ok(None) => {}
                Ok(Some(has_members)) => members.push((instance, has_members)),
                Err(failure) => failures.push(explain(&failure)),
            }
        }
        for (instance, has_members) in &members {
            if *has_members {
                findings.good(&format!("{what} has members in {}", instance.arn));
            } else {
                let why = format!(
                    "it is empty in {}, so that nobody there can approve",
                    instance.arn
                );
                findings.bad(&what, &why);
            }
        }
        if let Some(failure) = failures.first() {
            findings.not_tried(&what, failure);
        } else if members.is_empty() {
            findings.bad(
                &what,
                "no instance has such a group, so that nobody can approve",
            );
        }
    }
}

/// Whether a group, by name or id, has members; none where there is no such group.
async fn has_members(
    port: &dyn IdentityCenter,
    instance: &Instance,
    name: &str,
) -> Result<Option<bool>, Failure> {
    let Some(id) = group_id(port, instance, name).await? else {
        return Ok(None);
    };
    let id = &id;
    let member = first_row(|page| async move {
        port.group_members(instance, id, page.as_ref(), start_call())
            .await
    });
    Ok(Some(member.await?.is_some()))
}

/// The group that policies write by name or id; none where there is no such group.
async fn group_id(
    port: &dyn IdentityCenter,
    instance: &Instance,
    name: &str,
) -> Result<Option<GroupId>, Failure> {
    match GroupId::parse(name) {
        Ok(id) => {
            let group = port.group(instance, &id, start_call()).await?;
            Ok(group.map(|group| group.id))
        }
        Err(_) => port.group_id_by_name(instance, name, start_call()).await,
    }
}
