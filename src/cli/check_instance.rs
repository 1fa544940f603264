//! What `usher check` asks of one instance: one read of every kind that Usher makes there. Every IAM
//! action is named, as allowed, refused, or not tried and why.

use super::check::Findings;
use super::connect::start_call;
use super::serve::print_line;
use crate::domain::plan::Write;
use crate::domain::{
    AccountAccess, Application, ApplicationArn, AssignmentRequestId, DirectAssignment, Failure,
    Group, Instance, Operation, PermissionSetArn, PrincipalKind, PrincipalRef, Target, User,
};
use crate::identity_center::{IdentityCenter, Page, PageToken};

/// Pages of a list that are read for its first row: AWS gives an empty one now and then.
const PAGES_TRIED_MAX: usize = 5;
/// Why an operation on a row was not tried.
const NO_ROW: &str = "the first pages of the list that it needs show none";

/// Checks one instance.
pub(super) async fn run(findings: &mut Findings, port: &dyn IdentityCenter, instance: &Instance) {
    let alias = instance.alias.as_ref();
    let alias = alias.map_or_else(String::new, |alias| format!(" ({alias})"));
    let from = instance.called_from.as_ref();
    let from = from.map_or_else(String::new, |account| format!(", called from {account}"));
    print_line("");
    findings.good(&format!(
        "instance {}{alias} of kind {} in {}{from}",
        instance.arn,
        instance.kind.as_str(),
        instance.region,
    ));
    let mut check = InstanceCheck {
        findings,
        port,
        instance,
    };
    let user = check.users().await;
    check.groups().await;
    check.applications(user.as_ref()).await;
    if instance.gives_account_access() {
        check.permission_sets(user.as_ref()).await;
        check.requests().await;
    }
}

struct InstanceCheck<'a> {
    findings: &'a mut Findings,
    port: &'a dyn IdentityCenter,
    instance: &'a Instance,
}

impl InstanceCheck<'_> {
    fn not_tried(&mut self, operations: &[Operation], why: &str) {
        for operation in operations {
            self.findings.not_tried(&operation.iam_action(), why);
        }
    }

    /// Tries the list of users, and what is asked about one of them.
    async fn users(&mut self) -> Option<PrincipalRef> {
        let (port, at) = (self.port, self.instance);
        let users =
            first_row(|page| async move { port.users(at, page.as_ref(), 1, start_call()).await });
        let user = self.findings.operation(Operation::ListUsers, users.await);
        let Some(user) = user.flatten() else {
            let untried = [
                Operation::DescribeUser,
                Operation::GetUserId,
                Operation::ListGroupMembershipsForMember,
                Operation::ListApplicationAssignmentsForPrincipal,
            ];
            self.not_tried(&untried, NO_ROW);
            return None;
        };
        self.one_user(&user).await;
        Some(PrincipalRef {
            kind: PrincipalKind::User,
            id: user.id,
        })
    }

    async fn one_user(&mut self, user: &User) {
        let (port, instance) = (self.port, self.instance);
        self.findings.operation(
            Operation::DescribeUser,
            port.user(instance, &user.id, start_call()).await,
        );
        if user.user_name.is_empty() {
            self.not_tried(&[Operation::GetUserId], "AWS gives no name for the user");
        } else {
            let found = port.user_id_by_name(instance, &user.user_name, start_call());
            self.findings.operation(Operation::GetUserId, found.await);
        }
        let groups = port.groups_of_user(instance, &user.id, None, start_call());
        self.findings
            .operation(Operation::ListGroupMembershipsForMember, groups.await);
        let user = PrincipalRef {
            kind: PrincipalKind::User,
            id: user.id.clone(),
        };
        let assignments = port.assignments_for_principal(&instance.arn, &user, None, start_call());
        self.findings.operation(
            Operation::ListApplicationAssignmentsForPrincipal,
            assignments.await,
        );
    }

    /// Tries the list of groups, and what is asked about one of them.
    async fn groups(&mut self) {
        let (port, at) = (self.port, self.instance);
        let groups =
            first_row(|page| async move { port.groups(at, page.as_ref(), 1, start_call()).await });
        let group = self.findings.operation(Operation::ListGroups, groups.await);
        match group.flatten() {
            Some(group) => self.one_group(&group).await,
            None => {
                let untried = [
                    Operation::DescribeGroup,
                    Operation::GetGroupId,
                    Operation::ListGroupMemberships,
                ];
                self.not_tried(&untried, NO_ROW);
            }
        }
    }

    async fn one_group(&mut self, group: &Group) {
        let (port, instance) = (self.port, self.instance);
        self.findings.operation(
            Operation::DescribeGroup,
            port.group(instance, &group.id, start_call()).await,
        );
        if group.display_name.is_empty() {
            self.not_tried(&[Operation::GetGroupId], "AWS gives no name for the group");
        } else {
            let found = port.group_id_by_name(instance, &group.display_name, start_call());
            self.findings.operation(Operation::GetGroupId, found.await);
        }
        let members = port.group_members(instance, &group.id, None, start_call());
        self.findings
            .operation(Operation::ListGroupMemberships, members.await);
    }

    /// Tries the list of applications, and what is asked about one of them.
    async fn applications(&mut self, user: Option<&PrincipalRef>) {
        let (port, at) = (self.port, self.instance);
        let applications =
            first_row(
                |page| async move { port.applications(at, page.as_ref(), start_call()).await },
            );
        let application = (self.findings)
            .operation(Operation::ListApplications, applications.await)
            .flatten();
        let Some(Application { arn, .. }) = application else {
            let untried = [
                Operation::DescribeApplication,
                Operation::GetApplicationAssignmentConfiguration,
                Operation::ListApplicationAssignments,
                Operation::DescribeApplicationAssignment,
            ];
            self.not_tried(&untried, NO_ROW);
            return;
        };
        self.one_application(arn, user).await;
    }

    async fn one_application(&mut self, arn: ApplicationArn, user: Option<&PrincipalRef>) {
        let port = self.port;
        self.findings.operation(
            Operation::DescribeApplication,
            port.application(&arn, start_call()).await,
        );
        self.findings.operation(
            Operation::GetApplicationAssignmentConfiguration,
            port.assignment_required(&arn, start_call()).await,
        );
        self.findings.operation(
            Operation::ListApplicationAssignments,
            port.application_assignments(&arn, None, start_call()).await,
        );
        let Some(user) = user else {
            self.not_tried(&[Operation::DescribeApplicationAssignment], NO_ROW);
            return;
        };
        let assignment = DirectAssignment {
            target: Target::Application(arn),
            principal: user.clone(),
        };
        self.findings.operation(
            Operation::DescribeApplicationAssignment,
            port.assignment_is_present(&assignment, start_call()).await,
        );
    }

    /// Tries the list of permission sets, and what is asked about one of them, about an account
    /// that has it, and about a user's access to accounts.
    async fn permission_sets(&mut self, user: Option<&PrincipalRef>) {
        let (port, at) = (self.port, &self.instance.arn);
        let sets =
            first_row(
                |page| async move { port.permission_sets(at, page.as_ref(), start_call()).await },
            );
        let set = (self.findings)
            .operation(Operation::ListPermissionSets, sets.await)
            .flatten();
        match set {
            Some(set) => self.one_permission_set(set).await,
            None => {
                let untried = [
                    Operation::DescribePermissionSet,
                    Operation::ListAccountsForProvisionedPermissionSet,
                    Operation::ListAccountAssignments,
                ];
                self.not_tried(&untried, NO_ROW);
            }
        }
        let by_principal = Operation::ListAccountAssignmentsForPrincipal;
        match user {
            _ if !self.instance.lists_account_access_by_principal() => {
                self.not_tried(
                    &[by_principal],
                    "AWS takes it from the management account only",
                );
            }
            None => self.not_tried(&[by_principal], NO_ROW),
            Some(user) => {
                let rows = port.account_assignments_for_principal(at, user, None, start_call());
                self.findings.operation(by_principal, rows.await);
            }
        }
    }

    async fn one_permission_set(&mut self, set: PermissionSetArn) {
        let (port, at) = (self.port, self.instance);
        self.findings.operation(
            Operation::DescribePermissionSet,
            port.permission_set(&set, start_call()).await,
        );
        let named = &set;
        let accounts = first_row(|page| async move {
            port.accounts_with_permission_set(named, page.as_ref(), start_call())
                .await
        });
        let account = (self.findings)
            .operation(
                Operation::ListAccountsForProvisionedPermissionSet,
                accounts.await,
            )
            .flatten();
        // Where nobody has it whose access Usher may see, the account that it calls from is as good
        // for the question.
        let account = account.filter(|account| !at.is_out_of_reach(account));
        let Some(account) = account.or_else(|| at.called_from.clone()) else {
            self.not_tried(&[Operation::ListAccountAssignments], NO_ROW);
            return;
        };
        let access = AccountAccess {
            account,
            permission_set: set,
        };
        let rows = port.account_assignments(&access, None, start_call());
        self.findings
            .operation(Operation::ListAccountAssignments, rows.await);
    }

    /// Tries what tells how asynchronous changes go. One that does not exist is described too: AWS
    /// decides whether Usher may ask before it looks for it.
    async fn requests(&mut self) {
        let (port, at) = (self.port, &self.instance.arn);
        let unknown = AssignmentRequestId::parse(&uuid::Uuid::new_v4().to_string());
        for (write, list, describe) in [
            (
                Write::Create,
                Operation::ListAccountAssignmentCreationStatus,
                Operation::DescribeAccountAssignmentCreationStatus,
            ),
            (
                Write::Delete,
                Operation::ListAccountAssignmentDeletionStatus,
                Operation::DescribeAccountAssignmentDeletionStatus,
            ),
        ] {
            let listed = port.requests_in_progress(at, write, start_call()).await;
            self.findings.operation(list, listed);
            match &unknown {
                Ok(id) => {
                    let described = port.assignment_request(at, write, id, start_call()).await;
                    self.findings.operation(describe, described);
                }
                Err(_) => self.not_tried(&[describe], "no id could be made for it"),
            }
        }
    }
}

/// The first row of a list, none when its first pages are empty.
pub(super) async fn first_row<T, F>(
    read: impl Fn(Option<PageToken>) -> F,
) -> Result<Option<T>, Failure>
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
