//! The words of Usher as types, and the rules that hold between them.
//!
//! Everything here is pure: no I/O, no clock, no async. Time is an argument. Text from outside is
//! parsed once, into types that cannot be wrong, and never checked again.
//!
//! Reading order: `ids`, `target`, `text`, `directory`, `operation`, `aws`, `approval`, `grant`, `assignment`, `plan`, `event`, `service_event`, `policy_record`, `log`, `log_head`, `log_event`, `log_verify`, `brake`, `brake_fact`, `eject`, `external`, `report`, `facts`, `finding_event`.

pub mod approval;
pub mod assignment;
pub mod aws;
pub mod brake;
pub mod brake_fact;
pub mod directory;
pub mod eject;
pub mod event;
pub mod external;
pub mod facts;
pub mod finding_event;
pub mod grant;
pub mod identity;
pub mod ids;
pub mod intent;
pub mod log;
pub mod log_event;
pub mod log_head;
pub mod log_verify;
pub mod operation;
pub mod plan;
pub mod policy_record;
pub mod report;
pub mod service_event;
pub mod target;
pub mod text;
pub mod waiting;

pub use approval::{ApprovalStep, Approver, Approvers, Path, Review, ReviewDecision};
pub use assignment::{AssignmentKey, AssignmentRecord, PendingChange, Removal, Standing};
pub use aws::{ErrorKind, FailedAttempt, Failure};
pub use brake::{
    Brake, Freeze, Freezes, Frozen, Gone, MassChange, MassChangeId, MassChangeLimit,
    MassChangeState, Order,
};
pub use brake_fact::{BrakeFact, FreezeFact};
pub use directory::{
    Account, AccountStatus, Application, ApplicationStatus, AssignmentRequired, DirectAssignment,
    ExternalId, Group, Instance, InstanceKind, Membership, Organization, PermissionSet, Principal,
    PrincipalStatus, User,
};
pub use event::{Actor, Event, EventKind};
pub use finding_event::{FindingChange, FindingEvent};
pub use grant::{
    Adoption, Ending, EndingKind, Extension, Grant, GrantState, Requester, Transition,
    TransitionError,
};
pub use identity::{Authenticated, Identity, MatchBy, Person};
pub use ids::{
    AccountId, ApplicationArn, GrantId, GroupId, IdentityStoreId, InstanceArn, InvalidValue,
    PrincipalId, PrincipalKind, PrincipalRef, UserId,
};
pub use operation::{Operation, QuotaBucket};
pub use policy_record::{LoadedBy, PolicyLoad, PolicyRefusal, PolicyTexts};
pub use service_event::{About, AccessDenied, ServiceEvent, ServiceFact, Unauthenticated};
pub use target::{AccountAccess, AssignmentRequestId, PermissionSetArn, Target};
pub use text::{CallerName, Justification, RequestId, Ticket};
