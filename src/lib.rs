//! Usher: access management in front of AWS IAM Identity Center.
//!
//! AWS is the truth about assignments; Usher's store is the truth about grants. A call is parsed
//! once (`grpc`), its caller proved (`authentication`), decided and recorded (`app`, `policy`, `store`), and made true by the one part
//! that changes AWS (`reconciler`, through `identity_center`, paced by `budget`). Reports are
//! collected by `audit`; committed events are chained by `decision_log`; names come from `directory`; `domain` holds the words and the rules, pure.
//! `metrics` counts and tells it. `simulator` is a double of AWS that shares no code with the rest. `cli` puts it together.
//!
//! Reading order: `domain` (begin with its page), `domain::plan`, `store`, `identity_center`,
//! `reconciler`, `app`, `grpc`, `cli::service`.
//!
//! What holds for ever, each with its tests in docs/promises.md:
//! 1. No assignment is created without an earlier durable grant of the same principal and target.
//! 2. An ended grant's assignment goes, unless another live grant holds it or it is standing.
//! 3. Nothing that Usher did not create is removed, except by an explicit Revoke of it.
//! 4. A grant gets one ending.
//! 5. The same request id and content is the same grant, across restarts.
//! 6. An OK survives kill -9, and no unknown outcome is forgotten.
//! 7. Every state change has its event, in the same transaction, and events make one chain that shows
//!    what was done to it.
//! 8. Operations sent stay within the budget.
//! 9. A report says truly whether it is complete.

pub mod app;
pub mod audit;
pub mod authentication;
pub mod budget;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crash_points;
pub mod decision_log;
pub mod directory;
pub mod domain;
pub mod grpc;
pub mod identity_center;
pub mod metrics;
pub mod policy;
pub mod reconciler;
pub mod simulator;
pub mod store;
pub mod telemetry;
