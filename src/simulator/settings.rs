//! What can be turned on a running simulator: `Switches` for what nobody could verify about AWS,
//! `Settings` for its pace. Plain data; the effect of each is where it is read.

use serde::{Deserialize, Serialize};

/// One field for each AWS behaviour that aws-api.md calls UNVERIFIED, or describes in two ways.
/// A client that works must work in every position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// CreateApplicationAssignment of a standing assignment (§3b).
    pub repeat_create: RepeatCreate,
    /// DeleteApplicationAssignment of an absent assignment (§3b).
    pub repeat_delete: RepeatDelete,
    /// CreateApplicationAssignment for a principal that is not in the store (§3b).
    pub unknown_principal: UnknownPrincipal,
    /// Whether a DISABLED application refuses new assignments, with a ValidationException (§3b).
    pub disabled_application_refuses_assignment: bool,
    /// Whether ListApplicationAssignmentsForPrincipal of a USER also returns the rows of the
    /// user's groups, with the group as principal (§3b).
    pub group_rows_for_user: bool,
    /// Whether user names, emails and group names that differ only by case count as equal (§3d).
    pub names_ignore_case: bool,
    /// Whether GetApplicationAssignmentConfiguration too answers "not supported for this action"
    /// for the applications whose Put does (§5.2).
    pub get_configuration_refuses_unsupported: bool,
    /// Rows on a page when MaxResults is absent; the operation's own limit still holds (§3).
    pub default_page_size: u32,
    /// `true`: one collective identitystore bucket per store (the earlier quota text); `false`:
    /// one per operation and store (§4).
    pub identity_store_collective_quota: bool,
    /// Whether ListUsers and ListGroups refuse Filters as in newer Regions (§3d).
    pub filters_deprecated: bool,
    /// An InstanceArn that does not exist (§3a).
    pub unknown_instance: UnknownInstance,
    /// Whether IsMemberInGroups answers ResourceNotFoundException for unknown users and groups
    /// (`false`: MembershipExists is false). The facts sheet is silent.
    pub membership_question_checks_ids: bool,
    /// Whether a member account must filter by its own account on the organization instance
    /// (§3a, §3b; a delegated administrator need not).
    pub member_account_must_filter: bool,
    /// Whether calls must carry a Signature Version 4 header for the right service. The signature
    /// itself is never checked (§1).
    pub signature_required: bool,
    /// Whether ListInstances of a member account also shows the organization's instance (§5.9).
    pub organization_instance_visible_to_members: bool,
    /// Whether a member account may work with its own applications on the organization's instance
    /// (§3a: it may list them; about the rest the facts sheet is silent).
    pub member_account_manages_own_applications: bool,
    /// Whether accounts are told without the older member `Status`, which AWS announced to retire
    /// on 2026-09-09 in favour of `State` (§3e).
    pub account_status_retired: bool,
    /// DeleteAccountAssignment of an absent assignment (§3c).
    pub account_repeat_delete: AccountRepeatDelete,
    /// Whether a create or delete of an account assignment is refused with a ConflictException
    /// while another one of the same assignment is in progress (§1; `false`: it runs beside it).
    pub account_overlap_conflicts: bool,
    /// CreateAccountAssignment for a principal that is not in the store. The facts sheet is silent.
    pub account_unknown_principal: AccountUnknownPrincipal,
    /// CreateAccountAssignment in an account that is suspended or not in the organization. The
    /// facts sheet is silent.
    pub unavailable_account: UnavailableAccount,
    /// Whether ListAccountAssignmentsForPrincipal of a USER also returns the rows of the user's
    /// groups, with the group as principal. The facts sheet is silent.
    pub account_group_rows_for_user: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Switches {
            repeat_create: RepeatCreate::Success,
            repeat_delete: RepeatDelete::Success,
            unknown_principal: UnknownPrincipal::ResourceNotFound,
            disabled_application_refuses_assignment: false,
            group_rows_for_user: true,
            names_ignore_case: true,
            get_configuration_refuses_unsupported: true,
            default_page_size: 100,
            identity_store_collective_quota: false,
            filters_deprecated: true,
            unknown_instance: UnknownInstance::AccessDenied,
            membership_question_checks_ids: true,
            member_account_must_filter: true,
            signature_required: true,
            organization_instance_visible_to_members: true,
            member_account_manages_own_applications: true,
            account_status_retired: true,
            account_repeat_delete: AccountRepeatDelete::ResourceNotFound,
            account_overlap_conflicts: true,
            account_unknown_principal: AccountUnknownPrincipal::ResourceNotFound,
            unavailable_account: UnavailableAccount::Silent,
            account_group_rows_for_user: true,
        }
    }
}

/// Answer to the creation of what exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RepeatCreate {
    /// 200, nothing changes.
    Success,
    /// ConflictException.
    Conflict,
}

/// Answer to the deletion of what is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RepeatDelete {
    /// 200, nothing changes.
    Success,
    /// ResourceNotFoundException.
    ResourceNotFound,
}

/// Answer to an assignment for nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownPrincipal {
    /// ResourceNotFoundException.
    ResourceNotFound,
    /// ValidationException.
    Validation,
    /// 200: the orphan is made.
    Accepted,
}

/// Answer to an unknown instance: never ResourceNotFoundException.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownInstance {
    /// AccessDeniedException.
    AccessDenied,
    /// ValidationException.
    Validation,
}

/// Answer to the deletion of an account assignment that is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountRepeatDelete {
    /// ResourceNotFoundException at once.
    ResourceNotFound,
    /// The operation ends SUCCEEDED.
    Succeeded,
    /// The operation ends FAILED with a reason.
    Failed,
}

/// Answer to an account assignment for nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountUnknownPrincipal {
    /// ResourceNotFoundException at once.
    ResourceNotFound,
    /// The operation ends FAILED with a reason.
    Failed,
}

/// Answer to an account assignment in an account that cannot have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnavailableAccount {
    /// The operation ends SUCCEEDED and nothing appears.
    Silent,
    /// The operation ends FAILED with a reason.
    Failed,
    /// ValidationException at once.
    Validation,
}

/// Pace and temper of the simulated AWS.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Seed of everything that looks like chance in answers: odd pages, jitter, faults.
    pub seed: u64,
    /// sso-admin's collective rate; 0 or null is unlimited. 20 is aws-api.md §4.
    pub sso_admin_rate_per_second: Option<f64>,
    /// Capacity of that bucket. No burst is documented (§4 UNVERIFIED): the rate's own number.
    pub sso_admin_burst: f64,
    /// identitystore's rate per bucket; 0 or null is unlimited.
    pub identity_store_rate_per_second: Option<f64>,
    /// Capacity of each of those buckets.
    pub identity_store_burst: f64,
    /// organizations' rate per calling account; 0 or null is unlimited. No figure is published
    /// (§4): below sso-admin's, so that whoever walks many accounts meets it.
    pub organizations_rate_per_second: Option<f64>,
    /// Capacity of each of those buckets.
    pub organizations_burst: f64,
    /// Sessions of AssumeRole end after so long at the latest, whatever was asked for; null leaves
    /// AWS's lengths. For tests of clients that must renew theirs.
    pub session_seconds: Option<u64>,
    /// `RetryAfterSeconds` in identitystore's ThrottlingException; null omits it.
    pub throttle_retry_after_seconds: Option<u32>,
    /// Time that every call takes, half of it before the effect and half after.
    pub latency_milliseconds: u64,
    /// Up to so much more, evenly spread.
    pub jitter_milliseconds: u64,
    /// How long reads of assignments show the state before a write (§5.12). 0: at once.
    pub visibility_milliseconds: u64,
    /// How long the status lists of account assignment operations show what was before: an
    /// accepted operation is missing, an ended one is in progress.
    pub status_visibility_milliseconds: u64,
    /// Time from the acceptance of an account assignment operation to its end (§3c).
    pub asynchronous_milliseconds: u64,
    /// Up to so much more, evenly spread.
    pub asynchronous_jitter_milliseconds: u64,
    /// Account assignment operations that may be in progress on one instance at one time; null is
    /// unlimited. §4 gives 15, earlier texts 10: the stricter number.
    pub outstanding_assignments_max: Option<usize>,
    /// Share of pages, 0 to 1, that come empty or short although more follows (§3).
    pub odd_page_rate: f64,
    /// Share of empty lists, 0 to 1, whose member sso-admin leaves out of the reply (§1).
    pub omitted_list_rate: f64,
    /// Calls kept in the log; older ones are dropped and counted.
    pub log_capacity: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            seed: 1,
            sso_admin_rate_per_second: Some(20.0),
            sso_admin_burst: 20.0,
            identity_store_rate_per_second: Some(20.0),
            identity_store_burst: 20.0,
            organizations_rate_per_second: Some(10.0),
            organizations_burst: 10.0,
            session_seconds: None,
            throttle_retry_after_seconds: Some(1),
            latency_milliseconds: 0,
            jitter_milliseconds: 0,
            visibility_milliseconds: 0,
            status_visibility_milliseconds: 0,
            asynchronous_milliseconds: 1_000,
            asynchronous_jitter_milliseconds: 0,
            outstanding_assignments_max: Some(10),
            odd_page_rate: 0.05,
            omitted_list_rate: 0.5,
            log_capacity: 1_000_000,
        }
    }
}

impl Settings {
    /// The default pace without quotas, odd pages or latency, and with account assignment
    /// operations that end soon: for tests of something else.
    pub fn unlimited() -> Settings {
        Settings {
            sso_admin_rate_per_second: None,
            identity_store_rate_per_second: None,
            organizations_rate_per_second: None,
            odd_page_rate: 0.0,
            omitted_list_rate: 0.0,
            asynchronous_milliseconds: 20,
            outstanding_assignments_max: None,
            ..Settings::default()
        }
    }

    /// Names the first value that makes no sense.
    pub fn check(&self) -> Result<(), String> {
        if self.outstanding_assignments_max == Some(0) {
            return Err("outstanding_assignments_max must be at least 1, or null".to_owned());
        }
        for (name, share) in [
            ("odd_page_rate", self.odd_page_rate),
            ("omitted_list_rate", self.omitted_list_rate),
        ] {
            if !(0.0..=1.0).contains(&share) {
                return Err(format!("{name} must be between 0 and 1, not {share}"));
            }
        }
        for (name, number, least) in [
            (
                "sso_admin_rate_per_second",
                self.sso_admin_rate_per_second.unwrap_or(0.0),
                0.0,
            ),
            (
                "identity_store_rate_per_second",
                self.identity_store_rate_per_second.unwrap_or(0.0),
                0.0,
            ),
            (
                "organizations_rate_per_second",
                self.organizations_rate_per_second.unwrap_or(0.0),
                0.0,
            ),
            ("organizations_burst", self.organizations_burst, 1.0),
            ("sso_admin_burst", self.sso_admin_burst, 1.0),
            ("identity_store_burst", self.identity_store_burst, 1.0),
        ] {
            if !number.is_finite() || number < least {
                return Err(format!(
                    "{name} must be a number of at least {least}, not {number}"
                ));
            }
        }
        Ok(())
    }
}
