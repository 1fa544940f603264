//! The words of Usher as types, and the rules that hold between them.
//!
//! Everything here is pure: no I/O, no clock, no async. Time is an argument. Text from outside is
//! parsed once, into types that cannot be wrong, and never checked again.
//!
//! Reading order: `ids`, `text`, `directory`, `aws`, `grant`, `assignment`, `plan`, `event`, `report`.

pub mod assignment;
pub mod aws;
pub mod directory;
pub mod event;
pub mod grant;
pub mod ids;
pub mod intent;
pub mod plan;
pub mod report;
pub mod text;
pub mod waiting;

pub use assignment::{AssignmentKey, AssignmentRecord, Removal, Standing};
pub use aws::{ErrorKind, FailedAttempt, Failure, Operation, QuotaBucket};
pub use directory::{
    Application, ApplicationStatus, AssignmentRequired, DirectAssignment, Group, Instance,
    Membership, Principal, PrincipalStatus, User,
};
pub use event::{Actor, Event, EventKind};
pub use grant::{Ending, EndingKind, Grant, GrantState, Transition, TransitionError};
pub use ids::{
    AccountId, ApplicationArn, GrantId, GroupId, IdentityStoreId, InstanceArn, InvalidValue,
    PrincipalId, PrincipalKind, PrincipalRef, Target, UserId,
};
pub use text::{CallerName, Justification, RequestId, Ticket};
