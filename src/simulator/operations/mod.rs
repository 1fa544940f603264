//! The operations of AWS that the simulator knows (aws-api.md §3), each a plain function from the
//! world and an input to a reply. No waiting, no wire, no quota and no fault here.

mod account_assignment_lists;
mod account_assignment_status;
mod account_assignments;
mod applications;
mod assignments;
mod caller;
mod groups;
mod instances;
mod memberships;
mod organizations;
mod permission_sets;
mod provisioning;
mod user_attributes;
mod users;

use serde_json::{Map, Value, json};

use super::account_assignments::AccountAssignment;
use super::asynchronous::{AsynchronousOperations, AsynchronousRecord};
use super::credentials::{Identity, Sessions};
use super::failure::{Failure, Service};
use super::input::Input;
use super::paging::{Page, PageRequest, omits_empty_list};
use super::patterns;
use super::settings::{Settings, Switches, UnknownInstance};
use super::store::Store;
use super::views::{Relation, is_in_region};
use super::visibility::Visibility;
use super::world::{Application, Assignment, Instance, InstanceStatus};

/// Rows on a page of most lists (aws-api.md §2, MaxResults).
const ROWS_AT_MOST: usize = 100;

/// An operation and the code behind it.
pub(super) struct Operation {
    pub(super) service: Service,
    pub(super) name: &'static str,
    run: fn(&mut Context<'_>, &mut Input<'_>) -> Result<Value, Failure>,
}

/// What an operation works with.
pub(super) struct Context<'a> {
    pub(super) operation: &'static Operation,
    pub(super) store: &'a mut Store,
    pub(super) visibility: &'a mut Visibility<Assignment>,
    pub(super) sessions: &'a mut Sessions,
    /// Who calls, and from where.
    pub(super) identity: &'a Identity,
    pub(super) account_visibility: &'a mut Visibility<AccountAssignment>,
    pub(super) asynchronous: &'a mut AsynchronousOperations,
    pub(super) beginning: Beginning,
    pub(super) settings: &'a Settings,
    pub(super) switches: &'a Switches,
    pub(super) now_seconds: f64,
    /// How long reads lag behind a write of this call.
    pub(super) visibility_milliseconds: u64,
    /// Set by whoever changes the world.
    pub(super) changed: bool,
}

/// What a call says about an asynchronous operation that it may begin.
pub(super) struct Beginning {
    /// The call's number in the log.
    pub(super) sequence: u64,
    /// How long the operation takes.
    pub(super) milliseconds: u64,
    /// A fault's word that it fails, with or without a reason.
    pub(super) failure: Option<Option<String>>,
    /// Set by whoever begins one.
    pub(super) begun: Option<AsynchronousRecord>,
}

macro_rules! operations {
    ($($service:ident $name:literal => $run:path;)*) => {
        static OPERATIONS: &[Operation] =
            &[$(Operation { service: Service::$service, name: $name, run: $run }),*];
    };
}

operations! {
    Sts "GetCallerIdentity" => caller::get_caller_identity;
    Sts "AssumeRole" => caller::assume_role;
    Organizations "ListAccounts" => organizations::list_accounts;
    Organizations "DescribeOrganization" => organizations::describe_organization;
    Organizations "ListDelegatedAdministrators" => organizations::list_delegated_administrators;
    SsoAdmin "ListInstances" => instances::list_instances;
    SsoAdmin "DescribeInstance" => instances::describe_instance;
    SsoAdmin "ListApplicationProviders" => instances::list_application_providers;
    SsoAdmin "ListApplications" => applications::list_applications;
    SsoAdmin "DescribeApplication" => applications::describe_application;
    SsoAdmin "GetApplicationAssignmentConfiguration" => applications::get_assignment_configuration;
    SsoAdmin "PutApplicationAssignmentConfiguration" => applications::put_assignment_configuration;
    SsoAdmin "CreateApplicationAssignment" => assignments::create_application_assignment;
    SsoAdmin "DeleteApplicationAssignment" => assignments::delete_application_assignment;
    SsoAdmin "DescribeApplicationAssignment" => assignments::describe_application_assignment;
    SsoAdmin "ListApplicationAssignments" => assignments::list_application_assignments;
    SsoAdmin "ListApplicationAssignmentsForPrincipal" => assignments::list_for_principal;
    SsoAdmin "ListPermissionSets" => permission_sets::list_permission_sets;
    SsoAdmin "DescribePermissionSet" => permission_sets::describe_permission_set;
    SsoAdmin "CreatePermissionSet" => permission_sets::create_permission_set;
    SsoAdmin "DeletePermissionSet" => permission_sets::delete_permission_set;
    SsoAdmin "ListAccountsForProvisionedPermissionSet" => provisioning::list_accounts;
    SsoAdmin "ListPermissionSetsProvisionedToAccount" => provisioning::list_permission_sets;
    SsoAdmin "CreateAccountAssignment" => account_assignments::create_account_assignment;
    SsoAdmin "DeleteAccountAssignment" => account_assignments::delete_account_assignment;
    SsoAdmin "DescribeAccountAssignmentCreationStatus" => account_assignment_status::describe_creation;
    SsoAdmin "DescribeAccountAssignmentDeletionStatus" => account_assignment_status::describe_deletion;
    SsoAdmin "ListAccountAssignmentCreationStatus" => account_assignment_status::list_creations;
    SsoAdmin "ListAccountAssignmentDeletionStatus" => account_assignment_status::list_deletions;
    SsoAdmin "ListAccountAssignments" => account_assignment_lists::list_account_assignments;
    SsoAdmin "ListAccountAssignmentsForPrincipal" => account_assignment_lists::list_for_principal;
    IdentityStore "ListUsers" => users::list_users;
    IdentityStore "DescribeUser" => users::describe_user;
    IdentityStore "GetUserId" => users::get_user_id;
    IdentityStore "CreateUser" => users::create_user;
    IdentityStore "DeleteUser" => users::delete_user;
    IdentityStore "ListGroups" => groups::list_groups;
    IdentityStore "DescribeGroup" => groups::describe_group;
    IdentityStore "GetGroupId" => groups::get_group_id;
    IdentityStore "CreateGroup" => groups::create_group;
    IdentityStore "DeleteGroup" => groups::delete_group;
    IdentityStore "ListGroupMemberships" => memberships::list_group_memberships;
    IdentityStore "ListGroupMembershipsForMember" => memberships::list_for_member;
    IdentityStore "IsMemberInGroups" => memberships::is_member_in_groups;
    IdentityStore "DescribeGroupMembership" => memberships::describe_group_membership;
    IdentityStore "GetGroupMembershipId" => memberships::get_group_membership_id;
    IdentityStore "CreateGroupMembership" => memberships::create_group_membership;
    IdentityStore "DeleteGroupMembership" => memberships::delete_group_membership;
}

/// The operation of this name, if the simulator knows it.
pub(super) fn find(service: Service, name: &str) -> Option<&'static Operation> {
    OPERATIONS
        .iter()
        .find(|each| each.service == service && each.name == name)
}

/// Whether any service has an operation of this name.
pub(super) fn is_known(name: &str) -> bool {
    OPERATIONS.iter().any(|each| each.name == name)
}

/// Whether an operation of this name goes on after its call.
pub(super) fn is_asynchronous(name: &str) -> bool {
    ["CreateAccountAssignment", "DeleteAccountAssignment"].contains(&name)
}

/// The last part of an id that may be given as an ARN.
pub(super) fn bare_id(id: &str) -> &str {
    id.rsplit_once('/').map_or(id, |(_, bare)| bare)
}

impl Context<'_> {
    /// Carries the operation out on the input. `Value::Null` is an empty reply.
    pub(super) fn run(&mut self, members: &Map<String, Value>) -> Result<Value, Failure> {
        self.visibility.settle(self.now_seconds);
        self.account_visibility.settle(self.now_seconds);
        self.leave_to_management(members)?;
        (self.operation.run)(self, &mut Input::new(members))
    }

    /// Access to the management account is its own affair, whoever else manages the instance.
    fn leave_to_management(&self, members: &Map<String, Value>) -> Result<(), Failure> {
        let text = |member| members.get(member).and_then(Value::as_str);
        let instance = text("InstanceArn").and_then(|arn| self.store.instances.get(arn));
        let (caller, operation) = (&self.identity.caller, self.operation.name);
        let left = instance.filter(|instance| {
            let target = text("TargetId");
            (self.store).is_left_to_management(caller, operation, instance, target)
        });
        left.map_or(Ok(()), |instance| {
            Err(self.not_authorized(&instance.instance_arn))
        })
    }

    /// The instance that a call names, if it can be worked with and the caller manages it.
    fn instance(&self, instance_arn: &str) -> Result<&Instance, Failure> {
        let instance = self.working_instance(instance_arn)?;
        self.check_management(instance, instance_arn)?;
        Ok(instance)
    }

    fn check_management(&self, instance: &Instance, resource: &str) -> Result<(), Failure> {
        if self.store.may_manage(&self.identity.caller, instance) {
            return Ok(());
        }
        Err(self.not_authorized(resource))
    }

    /// The instance that a call names, if it can be worked with, whoever calls: the operation says
    /// who may.
    fn working_instance(&self, instance_arn: &str) -> Result<&Instance, Failure> {
        let instance = self.known_instance(instance_arn)?;
        if instance.status == InstanceStatus::Active {
            return Ok(instance);
        }
        Err(Failure::validation(format!(
            "The instance {instance_arn} is not active."
        )))
    }

    /// The instance that a call names, whatever its state. Never ResourceNotFound: §3a.
    fn known_instance(&self, instance_arn: &str) -> Result<&Instance, Failure> {
        self.store
            .instances
            .get(instance_arn)
            .filter(|instance| is_in_region(self.identity, instance))
            .ok_or_else(|| match self.switches.unknown_instance {
                UnknownInstance::AccessDenied => self.not_authorized(instance_arn),
                UnknownInstance::Validation => {
                    Failure::validation(format!("The instance {instance_arn} is not valid."))
                }
            })
    }

    fn not_authorized(&self, resource: &str) -> Failure {
        let caller_arn = &self.identity.caller.arn;
        Failure::not_authorized(
            caller_arn,
            self.operation.service,
            self.operation.name,
            resource,
        )
    }

    /// The application that a call names.
    fn application(&self, application_arn: &str) -> Result<&Application, Failure> {
        let application = self
            .store
            .applications
            .get(application_arn)
            .filter(|application| self.is_here(application))
            .ok_or_else(|| {
                Failure::not_found(format!(
                    "Application with ARN {application_arn} is not found."
                ))
            })?;
        let own = self.switches.member_account_manages_own_applications
            && self.is_members_own(application);
        if own {
            self.working_instance(&application.instance_arn)?;
        } else {
            self.instance(&application.instance_arn)?;
        }
        Ok(application)
    }

    /// Whether the application's instance is in the Region of the call.
    fn is_here(&self, application: &Application) -> bool {
        let instance = self.store.instances.get(&application.instance_arn);
        instance.is_none_or(|instance| is_in_region(self.identity, instance))
    }

    /// Whether a member account asks the organization's instance for its own application.
    fn is_members_own(&self, application: &Application) -> bool {
        let caller = &self.identity.caller;
        let instance = self.store.instances.get(&application.instance_arn);
        let member =
            instance.is_some_and(|row| self.store.relation(caller, row) == Relation::Member);
        member && application.application_account == caller.account_id
    }

    /// The bare id of the store that a call names by id or by ARN.
    fn identity_store(&self, identity_store: &str) -> Result<String, Failure> {
        let id = bare_id(identity_store);
        let known = self.store.instance_of_store(id).filter(|instance| {
            id == identity_store || instance.identity_store_arn() == identity_store
        });
        let instance = known
            .filter(|instance| is_in_region(self.identity, instance))
            .ok_or_else(|| Failure::resource_not_found("IDENTITY_STORE", id))?;
        self.check_management(instance, &instance.identity_store_arn())?;
        Ok(id.to_owned())
    }

    /// A member account must ask the organization's instance for its own applications (§3a).
    fn member_account_filter(
        &self,
        instance: &Instance,
        filtered_to_own: bool,
    ) -> Result<(), Failure> {
        let caller = &self.identity.caller;
        let free = caller.account_id == instance.owner_account_id
            || self.store.administers(caller)
            || !self.switches.member_account_must_filter;
        let stranger = self.store.relation(caller, instance) == Relation::Stranger;
        if !stranger && (free || filtered_to_own) {
            return Ok(());
        }
        Err(self.not_authorized(&instance.instance_arn))
    }

    /// The page that a call asks for. `rows_at_most` is the model's limit for the list.
    fn page(
        &self,
        input: &Input<'_>,
        max_results: Option<usize>,
        rows_at_most: usize,
    ) -> Result<PageRequest, Failure> {
        let default = usize::try_from(self.switches.default_page_size).unwrap_or(usize::MAX);
        let size = max_results.unwrap_or(default).clamp(1, rows_at_most);
        PageRequest::new(
            self.operation.name,
            input.members(),
            size,
            self.settings.seed,
        )
    }

    /// The reply of a list operation. sso-admin leaves an empty list out now and then (§1);
    /// identitystore's lists are required members of its model.
    fn list_reply(&self, input: &Input<'_>, member: &str, page: Page<Value>) -> Value {
        let mut reply = Map::new();
        let omitted = page.rows.is_empty()
            && self.operation.service == Service::SsoAdmin
            && omits_empty_list(self.settings, self.operation.name, input.members());
        if !omitted {
            reply.insert(member.to_owned(), Value::Array(page.rows));
        }
        if let Some(token) = page.next_token {
            reply.insert("NextToken".to_owned(), json!(token));
        }
        Value::Object(reply)
    }

    /// A fresh id of a user, group or membership in a store.
    fn new_id(&self, store: &str) -> String {
        let uuid = uuid::Uuid::new_v4();
        let prefixed = self
            .store
            .instance_of_store(store)
            .is_some_and(|row| row.prefixed_ids);
        match store.strip_prefix("d-").filter(|_| prefixed) {
            Some(prefix) => format!("{prefix}-{uuid}"),
            None => uuid.to_string(),
        }
    }
}

/// Reads MaxResults and checks the form of NextToken.
fn read_paging(input: &mut Input<'_>, service: Service) -> Option<usize> {
    let token = match service {
        Service::IdentityStore => &patterns::IDENTITY_STORE_TOKEN,
        _ => &patterns::SSO_ADMIN_TOKEN,
    };
    input.text("NextToken", token);
    input
        .integer("MaxResults", 1, 100)
        .and_then(|number| usize::try_from(number).ok())
}

/// The only revision of every row: the simulator has no update operations.
const REVISION: &str = "1";

fn user_arn(id: &str) -> String {
    format!("arn:aws:identitystore:::user/{id}")
}

fn group_arn(id: &str) -> String {
    format!("arn:aws:identitystore:::group/{id}")
}

fn membership_arn(id: &str) -> String {
    format!("arn:aws:identitystore:::membership/{id}")
}

/// Puts a member into a reply if it has a value: AWS leaves absent members out (§1).
fn put(reply: &mut Map<String, Value>, member: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        reply.insert(member.to_owned(), value.into());
    }
}
