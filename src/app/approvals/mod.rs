//! Who must agree: wishes, what people say to them, and when they are carried out.
//!
//! ```text
//!   wish (a grant, or more time) -> interested (who is out) -> approvers (who counts now)
//!     -> opening (is a path paid, does a floor shut it) -> one decision in the store, by its version
//! ```
//! The same look is made at every agreement and when a start has come, always by facts of now. Of
//! decisions made at the same time the store takes one; the others look again.
//! Reading order: `path`, `ask`, `wish`, `approvers`, `opening`, `reviewer`, `record`, `decide`, `close`, `extend`, `look`.

mod adopt;
mod approvers;
mod ask;
mod close;
mod config;
mod decide;
mod extend;
mod look;
mod opening;
mod path;
mod record;
mod reviewer;
mod shown;
mod wish;

pub use adopt::{Adopt, AdoptRow, AdoptedRow};
pub use close::Cancel;
pub use config::{ApprovalsConfig, SamePersonBy};
pub use decide::{Decide, DecideKind};
pub use extend::{Extend, ExtendOutcome};
pub use shown::{WhoMayAgree, WishView};

pub use path::Refusal;

pub(super) use path::{ChosenPath, denied_without_a_word, forbids};
