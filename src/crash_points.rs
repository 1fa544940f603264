//! Named places at which a test can have the process kill itself: before and after every commit
//! of the store, and before and after every write to AWS.
//!
//! Nobody is asked and nothing is tidied up there: what is left is what kill -9 leaves. A process
//! that was not told to crash pays one relaxed load a point. Nothing here may change what the
//! places do otherwise, and nothing but `usher serve --dev` may arm one.

use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::domain::Operation;

/// A commit of the store: one for each method of `Store`, `LogStore`, `BrakeStore`, `FactStore` and `ReadingStore` that writes, with the method's name, and
/// those of opening it. The writer takes no call without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "but for the first four the variants are methods of `Store`"
)]
pub enum StoreCommit {
    /// Opening: a new database gets its name.
    FinishDatabase,
    /// Opening: one migration.
    Migrate,
    /// Opening: the leases of the dead holder go.
    ClearLeases,
    /// `usher copy`: all of a store.
    Copy,
    RecordGrant,
    DecideGrant,
    RememberRemoval,
    RevokeGrant,
    RemoveAssignment,
    ClaimDue,
    RenewClaim,
    CommitStep,
    CommitAndRelease,
    MakeDue,
    Secret,
    RememberNames,
    ForgetRequests,
    RecordPolicyLoad,
    RecordPolicyRefusal,
    RecordServiceEvents,
    LeaseLog,
    ChainEvents,
    KeepLogHead,
    ForgetLog,
    EraseNames,
    CommitIntent,
    Freeze,
    Unfreeze,
    MarkRestored,
    RetryNow,
    EndForBeneficiary,
    HoldMassChange,
    ConfirmMassChange,
    CloseMassChange,
    BeginCollection,
    TakeFacts,
    FinishCollection,
    UndoCollection,
    ForgetFacts,
    BeginReadings,
    KeepReadings,
    FinishReadings,
    ForgetReadings,
}

impl StoreCommit {
    /// Every commit, those of opening first.
    pub const ALL: [Self; 43] = [
        Self::FinishDatabase,
        Self::Migrate,
        Self::ClearLeases,
        Self::Copy,
        Self::RecordGrant,
        Self::DecideGrant,
        Self::RememberRemoval,
        Self::RevokeGrant,
        Self::RemoveAssignment,
        Self::ClaimDue,
        Self::RenewClaim,
        Self::CommitStep,
        Self::CommitAndRelease,
        Self::MakeDue,
        Self::Secret,
        Self::RememberNames,
        Self::ForgetRequests,
        Self::RecordPolicyLoad,
        Self::RecordPolicyRefusal,
        Self::RecordServiceEvents,
        Self::LeaseLog,
        Self::ChainEvents,
        Self::KeepLogHead,
        Self::ForgetLog,
        Self::EraseNames,
        Self::CommitIntent,
        Self::Freeze,
        Self::Unfreeze,
        Self::MarkRestored,
        Self::RetryNow,
        Self::EndForBeneficiary,
        Self::HoldMassChange,
        Self::ConfirmMassChange,
        Self::CloseMassChange,
        Self::BeginCollection,
        Self::TakeFacts,
        Self::FinishCollection,
        Self::UndoCollection,
        Self::ForgetFacts,
        Self::BeginReadings,
        Self::KeepReadings,
        Self::FinishReadings,
        Self::ForgetReadings,
    ];

    /// Whether a reader may see what it commits. Nobody sees a collection of facts before it is finished:
    /// its batches come by the hundred and leave what was read before as it is. Readings are of the audit alone.
    #[must_use]
    pub fn is_seen(self) -> bool {
        !matches!(
            self,
            Self::BeginCollection
                | Self::TakeFacts
                | Self::UndoCollection
                | Self::BeginReadings
                | Self::KeepReadings
                | Self::FinishReadings
                | Self::ForgetReadings
        )
    }

    /// The name of the method that commits.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FinishDatabase => "finish_database",
            Self::Migrate => "migrate",
            Self::ClearLeases => "clear_leases",
            Self::Copy => "copy",
            Self::RecordGrant => "record_grant",
            Self::DecideGrant => "decide_grant",
            Self::RememberRemoval => "remember_removal",
            Self::RevokeGrant => "revoke_grant",
            Self::RemoveAssignment => "remove_assignment",
            Self::ClaimDue => "claim_due",
            Self::RenewClaim => "renew_claim",
            Self::CommitStep => "commit_step",
            Self::CommitAndRelease => "commit_and_release",
            Self::MakeDue => "make_due",
            Self::Secret => "secret",
            Self::RememberNames => "remember_names",
            Self::ForgetRequests => "forget_requests",
            Self::RecordPolicyLoad => "record_policy_load",
            Self::RecordPolicyRefusal => "record_policy_refusal",
            Self::RecordServiceEvents => "record_service_events",
            Self::LeaseLog => "lease_log",
            Self::ChainEvents => "chain_events",
            Self::KeepLogHead => "keep_log_head",
            Self::ForgetLog => "forget_log",
            Self::EraseNames => "erase_names",
            Self::CommitIntent => "commit_intent",
            Self::Freeze => "freeze",
            Self::Unfreeze => "unfreeze",
            Self::MarkRestored => "mark_restored",
            Self::RetryNow => "retry_now",
            Self::EndForBeneficiary => "end_for_beneficiary",
            Self::HoldMassChange => "hold_mass_change",
            Self::ConfirmMassChange => "confirm_mass_change",
            Self::CloseMassChange => "close_mass_change",
            Self::BeginCollection => "begin_collection",
            Self::TakeFacts => "take_facts",
            Self::FinishCollection => "finish_collection",
            Self::UndoCollection => "undo_collection",
            Self::ForgetFacts => "forget_facts",
            Self::BeginReadings => "begin_readings",
            Self::KeepReadings => "keep_readings",
            Self::FinishReadings => "finish_readings",
            Self::ForgetReadings => "forget_readings",
        }
    }
}

/// A place at which the process can be told to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashPoint {
    /// Nothing of the commit is on the disk for sure.
    BeforeCommit(StoreCommit),
    /// The commit is durable and nobody has been told.
    AfterCommit(StoreCommit),
    /// A write to AWS is about to leave.
    BeforeSend(Operation),
    /// Its answer has arrived and nobody has seen it.
    AfterAnswer(Operation),
}

impl CrashPoint {
    /// Every place there is.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let commits = StoreCommit::ALL
            .into_iter()
            .flat_map(|commit| [Self::BeforeCommit(commit), Self::AfterCommit(commit)]);
        let effects = Operation::ALL
            .iter()
            .copied()
            .filter(|operation| operation.is_write())
            .flat_map(|operation| [Self::BeforeSend(operation), Self::AfterAnswer(operation)]);
        commits.chain(effects).collect()
    }

    /// As `--crash-at` names it.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::BeforeCommit(commit) => format!("store.{}.before_commit", commit.name()),
            Self::AfterCommit(commit) => format!("store.{}.after_commit", commit.name()),
            Self::BeforeSend(operation) => format!("aws.{}.before_send", operation.name()),
            Self::AfterAnswer(operation) => format!("aws.{}.after_answer", operation.name()),
        }
    }
}

/// Which place, and at the how many-th time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    point: CrashPoint,
    count: u64,
}

/// Why `NAME:COUNT` is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnknownCrash(String);

impl FromStr for Crash {
    type Err = UnknownCrash;

    /// Reads `NAME:COUNT`.
    fn from_str(text: &str) -> Result<Self, UnknownCrash> {
        let (name, count) = text.rsplit_once(':').unwrap_or((text, "1"));
        let count = count
            .parse()
            .ok()
            .filter(|count| *count > 0)
            .ok_or_else(|| {
                UnknownCrash("after the colon stands a whole number above 0".to_owned())
            })?;
        let point = CrashPoint::all()
            .into_iter()
            .find(|point| point.name() == name);
        let point = point.ok_or_else(|| {
            let names: Vec<String> = CrashPoint::all()
                .into_iter()
                .map(CrashPoint::name)
                .collect();
            UnknownCrash(format!("the crash points are {}", names.join(", ")))
        })?;
        Ok(Self { point, count })
    }
}

static IS_ARMED: AtomicBool = AtomicBool::new(false);
static ARMED: OnceLock<(CrashPoint, AtomicU64)> = OnceLock::new();

/// From now on the process dies at this place. Only the first call counts.
pub fn arm(crash: Crash) {
    if ARMED
        .set((crash.point, AtomicU64::new(crash.count)))
        .is_ok()
    {
        IS_ARMED.store(true, Ordering::Relaxed);
    }
}

/// Says that a place has been reached. Does not return where the process is to die.
pub fn reach(point: CrashPoint) {
    if IS_ARMED.load(Ordering::Relaxed) {
        reach_armed(point);
    }
}

#[cold]
fn reach_armed(point: CrashPoint) {
    let Some((armed, left)) = ARMED.get() else {
        return;
    };
    if *armed == point && left.fetch_sub(1, Ordering::SeqCst) == 1 {
        // SIGKILL and not an exit: no destructor, no flush, no word to anybody.
        let own = rustix::process::getpid();
        if rustix::process::kill_process(own, rustix::process::Signal::KILL).is_ok() {
            // The signal is on its way; nothing happens here until it arrives.
            loop {
                std::thread::park();
            }
        }
        // Only where the system refused that.
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_point_has_a_name_of_its_own_that_leads_back_to_it() {
        let points = CrashPoint::all();
        let names: BTreeSet<String> = points.iter().map(|point| point.name()).collect();
        assert_eq!(names.len(), points.len());
        for point in points {
            let crash: Crash = format!("{}:3", point.name()).parse().unwrap();
            assert_eq!(crash, Crash { point, count: 3 });
        }
    }

    #[test]
    fn an_unknown_point_is_refused_with_the_names() {
        for text in [
            "store.claim_due",
            "nothing:1",
            "aws.ListUsers.before_send:1",
        ] {
            let refused = text.parse::<Crash>().unwrap_err().to_string();
            assert!(
                refused.contains("store.claim_due.before_commit"),
                "{refused}"
            );
        }
        for text in [
            "store.claim_due.after_commit:0",
            "store.claim_due.after_commit:x",
        ] {
            let refused = text.parse::<Crash>().unwrap_err().to_string();
            assert!(refused.contains("whole number"), "{refused}");
        }
    }
}
