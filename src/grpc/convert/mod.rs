//! Between the wire and the use cases: requests are parsed once, all violations told together;
//! answers are built without anything that the proto does not name.

mod adoptions;
mod answers;
mod audit;
mod budget;
mod directory;
mod events;
mod explanation;
mod fields;
mod operations;
mod requests;
mod targets;
mod timeline;
mod wishes;

pub(super) use adoptions::{adopt, adopt_response, release, release_response};
pub(super) use answers::{
    assign_response, duration, grant, list_assignments_response, revoke_response, timestamp,
};
pub(super) use audit::{audit_report, audit_response, report_format, report_view};
pub(super) use budget::budget;
pub(super) use directory::{
    account, application, instance, permission_set, principal_entry, who_am_i,
};
pub(super) use events::{
    event, instance_name, list_events, log_head, watch_events, watch_grants, watched_event,
    watched_grant,
};
pub(super) use explanation::{explain_access, explanation};
pub(super) use operations::{
    brake_state, confirm_mass_change, freeze, mass_change, retry_now, unfreeze,
};
pub(super) use requests::{
    assign, grant_id, list_accounts, list_applications, list_assignments, list_grants,
    list_permission_sets, list_principals, revoke,
};
pub(super) use wishes::{approve, cancel, deny, extend, extend_response, review};
