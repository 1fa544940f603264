//! The audit: who has access to what, which way, and why it stands; which instances there are, and
//! who is in several of them.
//!
//! `question` says what is asked and `answer` what comes back. `plan` says beforehand what it will
//! ask of AWS; for each instance `collect` asks it through the AWS port and builds a `collection`;
//! `report` turns that and the store's `holdings` into sorted rows; `format` turns rows into
//! pieces, `html` into a page. `run` does all of it for one report, instances side by side, rows in their order.
//! `facts` writes a collection into the store as facts, and reads it back as of any day; `kept` answers with it.
//! `readings` keeps what AWS said as it comes, so that nothing that was interrupted is asked for twice.
//!
//! It only reads. It never leaves a failed scope unsaid, never calls an application open because
//! nobody could say, never lets one instance or account spoil the rest, and stops when nobody
//! listens any more.

mod accounts;
mod answer;
mod beside;
mod changes;
mod collect;
mod collection;
mod config;
pub mod facts;
#[cfg(test)]
mod fake;
mod findings;
#[cfg(test)]
mod fixtures;
mod format;
mod gather;
mod header;
mod holdings;
mod html;
mod kept;
mod meter;
mod named;
mod people;
mod places;
mod plan;
mod question;
mod read_instance;
mod readings;
mod report;
mod run;
mod schedule;
mod seen;
mod since_last;
mod store_facts;
mod write;

pub use answer::{Completeness, Header, Part, RunError, Summary};
pub use changes::Period;
pub use collection::{
    AccessFacts, AccountFacts, ApplicationFacts, Assignee, Beside, Collection, GroupFacts, Joined,
    Listing, Members, Missing, UserFacts,
};
pub use config::AuditConfig;
pub use facts::{is_listed, lists_all};
pub use format::FormatError;
pub use header::header;
pub use holdings::Holdings;
pub use meter::Progress;
pub use plan::{KnownCounts, Lookup, Plan, PlanPart, PlanScope, PlanTarget};
pub use question::{AccessScope, InstanceToRead, Peers, ReportRequest, Scope, TargetScope};
pub use readings::Reuse;
pub use report::{Rows, Tally};
pub use run::{collect, run};
pub use schedule::Schedule;
pub use seen::{Seen, among as seen_among};
pub use store_facts::StoreFacts;
