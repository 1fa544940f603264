//! Between the wire and the use cases: requests are parsed once, all violations told together;
//! answers are built without anything that the proto does not name.

mod answers;
mod audit;
mod fields;
mod requests;

pub(super) use answers::{
    application, assign_response, grant, instance, list_assignments_response, principal_entry,
    revoke_response, timestamp,
};
pub(super) use audit::{audit_report, audit_response};
pub(super) use requests::{
    applications_page, assign, grant_id, list_assignments, list_grants, list_principals, revoke,
};
