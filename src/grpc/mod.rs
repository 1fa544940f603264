//! The wire: services of a few lines each, and everything between a connection and a use case.
//!
//! ```text
//!   connection -> gate (call id, deadline, identity, limits) -> service -> convert -> app
//!   app error  -> status table -> gate (dresses what tonic answers by itself) -> caller
//! ```
//! Nothing here decides who may have what, and no cause of an error is formatted into an answer.

mod access;
mod adopting;
mod answer;
mod approval_statuses;
mod asking;
mod budget;
pub mod call;
mod call_metrics;
mod callers;
mod certificate_times;
mod client;
mod connections;
mod convert;
mod deadline;
mod denials;
mod directory;
mod draining;
mod events;
mod gate;
mod grants;
mod health;
mod inbound;
mod limits;
mod methods;
mod observed;
mod operations;
pub mod pb;
mod preconditions;
mod reasons;
mod reporting;
mod server;
mod status;
mod tls;
mod watches;
mod written_grants;

pub use adopting::{AdoptionAnswer, AdoptionWish, FieldProblem, WISHES_PER_CALL_MAX};
pub use asking::seconds;
pub use certificate_times::CertificateTimes;
pub use client::{ClientError, ServerAccess, ServerConnection};
pub use inbound::{CallerLimits, RatesConfig, RefusedInbound, RefusedInboundCount, SlotsConfig};
pub use limits::LimitsConfig;
pub use reasons::{TABLE, TableRow};
pub use reporting::{ReportQuestion, ReportStream};
pub use server::{ServeError, Server};
pub use tls::{ClientCertificates, Tls, TlsConfig, TlsError};
