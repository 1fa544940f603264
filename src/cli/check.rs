//! `usher check`: is everything there that Usher needs? Reads only, one operation of each kind.

use std::path::PathBuf;

use super::CommandError;
use super::connect::{choose_instance, connect, explain, start_call};
use super::serve::print_line;
use crate::config::Config;
use crate::domain::{
    Application, DirectAssignment, Failure, Group, Instance, Operation, PrincipalKind,
    PrincipalRef, Target, User,
};
use crate::identity_center::{IdentityCenter, Page, PageToken, SdkIdentityCenter, WriteMode};
use crate::store::{SqliteStore, Store};
use crate::telemetry::{self, LogFormat};

/// Pages of a list that are read for its first row: AWS gives an empty one now and then.
const PAGES_TRIED_MAX: usize = 5;

/// Arguments of `usher check`.
#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// The configuration file; without one every setting has its default
    #[arg(long, env = "USHER_CONFIG")]
    config: Option<PathBuf>,
    /// Also check this data directory; it is made when it is not there
    #[arg(long, env = "USHER_DATA_DIR")]
    data_dir: Option<PathBuf>,
}

/// What has been found out so far, told line by line.
#[derive(Default)]
struct Findings {
    missing: usize,
    untried: usize,
}

impl Findings {
    fn good(&self, what: &str) {
        print_line(&format!("ok       {what}"));
    }

    fn bad(&mut self, what: &str, why: &str) {
        self.missing += 1;
        print_line(&format!("missing  {what}: {why}"));
    }

    fn not_tried(&mut self, what: &str, why: &str) {
        self.untried += 1;
        print_line(&format!("untried  {what}: {why}"));
    }

    fn operation<T>(&mut self, operation: Operation, result: Result<T, Failure>) -> Option<T> {
        match result {
            Ok(value) => {
                self.good(&operation.iam_action());
                Some(value)
            }
            Err(failure) => {
                self.bad(&operation.iam_action(), &explain(&failure));
                None
            }
        }
    }
}

/// Checks everything and ends with exit code 1 when something is missing.
pub(super) async fn run(args: CheckArgs) -> Result<(), CommandError> {
    telemetry::start(LogFormat::Text, "warn").map_err(CommandError)?;
    let mut findings = Findings::default();
    let config = match &args.config {
        Some(path) => {
            let config = Config::read(path).map_err(|error| CommandError::from_error(&error))?;
            findings.good(&format!("configuration {}", path.display()));
            config
        }
        None => Config::default(),
    };
    if let Some(directory) = &args.data_dir {
        match SqliteStore::open(directory, config.store.clone()).await {
            Ok(store) => {
                store.close().await;
                findings.good(&format!("data directory {}", directory.display()));
            }
            Err(error) => findings.bad("data directory", &error.to_string()),
        }
    }
    match connect(&config, None, WriteMode::Never).await {
        Ok(port) => check_aws(&mut findings, &config, &port).await,
        Err(problem) => findings.bad("AWS", &problem),
    }
    if findings.missing > 0 {
        return Err(CommandError(format!(
            "{} missing; see above",
            findings.missing
        )));
    }
    let untried = if findings.untried > 0 {
        format!(", {} could not be tried", findings.untried)
    } else {
        String::new()
    };
    print_line(&format!(
        "Usher can read what it needs{untried}. Writing was not tried: that would change AWS."
    ));
    Ok(())
}

async fn check_aws(findings: &mut Findings, config: &Config, port: &SdkIdentityCenter) {
    match port.caller_identity(start_call()).await {
        Ok(identity) => findings.good(&format!("credentials: {}", identity.arn)),
        Err(failure) => {
            findings.bad("credentials", &explain(&failure));
            return;
        }
    }
    let Some(listed) =
        findings.operation(Operation::ListInstances, port.instances(start_call()).await)
    else {
        return;
    };
    let instance = match choose_instance(listed, config.instance.as_ref()) {
        Ok(instance) => instance,
        Err(problem) => {
            findings.bad("instance", &problem);
            return;
        }
    };
    findings.good(&format!("instance {} in {}", instance.arn, instance.region));
    let at = &instance;
    let users =
        first_row(|page| async move { port.users(at, page.as_ref(), 1, start_call()).await });
    let user = findings
        .operation(Operation::ListUsers, users.await)
        .flatten();
    let groups =
        first_row(|page| async move { port.groups(at, page.as_ref(), 1, start_call()).await });
    let group = findings
        .operation(Operation::ListGroups, groups.await)
        .flatten();
    let applications =
        first_row(|page| async move { port.applications(at, page.as_ref(), start_call()).await });
    let application = findings
        .operation(Operation::ListApplications, applications.await)
        .flatten();
    check_user(findings, port, &instance, user.as_ref()).await;
    check_group(findings, port, &instance, group.as_ref()).await;
    check_application(findings, port, application.as_ref(), user.as_ref()).await;
}

/// The first row of a list, none when its first pages are empty.
async fn first_row<T, F>(read: impl Fn(Option<PageToken>) -> F) -> Result<Option<T>, Failure>
where
    F: Future<Output = Result<Page<T>, Failure>>,
{
    let mut token = None;
    for _ in 0..PAGES_TRIED_MAX {
        let page = read(token).await?;
        let first = page.items.into_iter().next();
        if first.is_some() || page.next.is_none() {
            return Ok(first);
        }
        token = page.next;
    }
    Ok(None)
}

async fn check_user(
    findings: &mut Findings,
    port: &SdkIdentityCenter,
    instance: &Instance,
    user: Option<&User>,
) {
    let Some(user) = user else {
        findings.not_tried(
            "operations on a user",
            "the first pages of the identity store list none",
        );
        return;
    };
    findings.operation(
        Operation::DescribeUser,
        port.user(instance, &user.id, start_call()).await,
    );
    if user.user_name.is_empty() {
        findings.not_tried(
            &Operation::GetUserId.iam_action(),
            &format!("AWS gives no user name for {}", user.id),
        );
    } else {
        let found = port.user_id_by_name(instance, &user.user_name, start_call());
        findings.operation(Operation::GetUserId, found.await);
    }
    let groups = port
        .groups_of_user(instance, &user.id, None, start_call())
        .await;
    findings.operation(Operation::ListGroupMembershipsForMember, groups);
    let reference = PrincipalRef {
        kind: PrincipalKind::User,
        id: user.id.clone(),
    };
    let assignments = port
        .assignments_for_principal(&instance.arn, &reference, None, start_call())
        .await;
    findings.operation(
        Operation::ListApplicationAssignmentsForPrincipal,
        assignments,
    );
}

async fn check_group(
    findings: &mut Findings,
    port: &SdkIdentityCenter,
    instance: &Instance,
    group: Option<&Group>,
) {
    let Some(group) = group else {
        findings.not_tried(
            "operations on a group",
            "the first pages of the identity store list none",
        );
        return;
    };
    findings.operation(
        Operation::DescribeGroup,
        port.group(instance, &group.id, start_call()).await,
    );
    if group.display_name.is_empty() {
        findings.not_tried(
            &Operation::GetGroupId.iam_action(),
            &format!("AWS gives no name for {}", group.id),
        );
    } else {
        let found = port.group_id_by_name(instance, &group.display_name, start_call());
        findings.operation(Operation::GetGroupId, found.await);
    }
    let members = port
        .group_members(instance, &group.id, None, start_call())
        .await;
    findings.operation(Operation::ListGroupMemberships, members);
}

async fn check_application(
    findings: &mut Findings,
    port: &SdkIdentityCenter,
    application: Option<&Application>,
    user: Option<&User>,
) {
    let Some(application) = application else {
        findings.not_tried(
            "operations on an application",
            "the first pages of the instance list none",
        );
        return;
    };
    findings.operation(
        Operation::DescribeApplication,
        port.application(&application.arn, start_call()).await,
    );
    let required = port
        .assignment_required(&application.arn, start_call())
        .await;
    findings.operation(Operation::GetApplicationAssignmentConfiguration, required);
    let assignments = port
        .application_assignments(&application.arn, None, start_call())
        .await;
    findings.operation(Operation::ListApplicationAssignments, assignments);
    let Some(user) = user else {
        findings.not_tried(
            "sso:DescribeApplicationAssignment",
            "the first pages of the identity store list no user",
        );
        return;
    };
    let assignment = DirectAssignment {
        target: Target::Application(application.arn.clone()),
        principal: PrincipalRef {
            kind: PrincipalKind::User,
            id: user.id.clone(),
        },
    };
    let present = port.assignment_is_present(&assignment, start_call()).await;
    findings.operation(Operation::DescribeApplicationAssignment, present);
}
