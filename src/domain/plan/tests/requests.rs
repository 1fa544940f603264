//! The asynchronous side of the model of AWS: changes that are under way, fail, and are forgotten.

use jiff::{SignedDuration, Timestamp};

use super::auditor::Verdict;
use super::aws::{Aws, READ_FAILURES};
use super::world::World;
use crate::domain::plan::{Answer, Bounds, RequestEnd, Run, Write};
use crate::domain::{
    AccountAccess, AccountId, AssignmentRecord, AssignmentRequestId, ErrorKind, Failure,
    PermissionSetArn, Target,
};

/// An asynchronous target.
pub(super) fn account_access() -> Target {
    let set = "arn:aws:sso:::permissionSet/ssoins-1234567890abcdef/ps-1234567890abcdef";
    Target::AccountAccess(AccountAccess {
        account: AccountId::parse("123456789012").unwrap(),
        permission_set: PermissionSetArn::parse(set).unwrap(),
    })
}

/// An asynchronous change.
#[derive(Debug)]
pub(super) struct Request {
    id: AssignmentRequestId,
    write: Write,
    /// From when on the lists show it; none when they never do.
    listed_from: Option<Timestamp>,
    ended_at: Timestamp,
    fails: bool,
    forgotten_at: Option<Timestamp>,
}

impl Aws {
    /// Takes an asynchronous change in.
    pub(super) fn accept(
        &mut self,
        write: Write,
        rng: &mut fastrand::Rng,
        at: Timestamp,
        faulty: bool,
        bounds: &Bounds,
    ) -> Result<Answer, Failure> {
        let after = |seconds: i64| at + SignedDuration::from_secs(seconds);
        let longest = bounds.asynchronous_max.as_secs();
        let seconds = match rng.u8(..8) {
            0 => 0,
            1..=4 => rng.i64(0..10),
            5 | 6 => rng.i64(0..longest),
            // Nobody loses sight of it in calm weather: then it may take any time.
            _ if faulty => longest,
            _ => rng.i64(longest..5 * longest),
        };
        let fails = faulty && rng.u8(..5) == 0;
        let failure = || Failure::new(ErrorKind::OperationFailed, write.operation(&self.target));
        if seconds == 0 && rng.bool() {
            if fails {
                return Err(failure());
            }
            self.late.push((at, write));
            return Ok(Answer::Done);
        }
        let id = format!("00000000-0000-4000-8000-{:012}", self.requests.len());
        let id = AssignmentRequestId::parse(&id).unwrap();
        let lag = rng.i64(0..bounds.request_unseen.as_secs());
        let forgotten_after = seconds + rng.i64(0..600);
        self.requests.push(Request {
            id: id.clone(),
            write,
            listed_from: match rng.u8(..8) {
                0 => None,
                1 | 2 => Some(after(lag)),
                _ => Some(at),
            },
            ended_at: after(seconds),
            fails,
            forgotten_at: (faulty && rng.u8(..4) == 0).then(|| after(forgotten_after)),
        });
        if !fails {
            self.late.push((after(seconds), write));
        }
        Ok(Answer::Accepted(id))
    }

    /// Where a change is.
    pub(super) fn describe(&self, id: &AssignmentRequestId, now: Timestamp) -> RequestEnd {
        match self.requests.iter().find(|request| request.id == *id) {
            None => RequestEnd::Unknown,
            Some(request) if request.forgotten_at.is_some_and(|at| at <= now) => {
                RequestEnd::Unknown
            }
            Some(request) if now < request.ended_at => RequestEnd::InProgress,
            Some(request) if request.fails => RequestEnd::Failed(String::new()),
            Some(_) => RequestEnd::Succeeded,
        }
    }

    /// A change of this kind that AWS lists as under way.
    pub(super) fn find(&self, write: Write, now: Timestamp) -> Option<AssignmentRequestId> {
        let is_shown = |request: &&Request| {
            request.write == write
                && request.listed_from.is_some_and(|from| from <= now)
                && now < request.ended_at
        };
        let found = self.requests.iter().find(is_shown);
        found.map(|request| request.id.clone())
    }
}

impl World {
    /// Nobody asks for a change whose id is not on record: after a crash nobody would know it.
    pub(super) fn audit_request(&self, id: &AssignmentRequestId) -> Verdict {
        let pending = self.record.pending.as_ref();
        if pending.and_then(|pending| pending.request_id.as_ref()) == Some(id) {
            Ok(())
        } else {
            Err("a change is asked for before its id is on record".to_owned())
        }
    }

    pub(super) fn read_request(
        &mut self,
        write: Write,
        id: &AssignmentRequestId,
        run: &mut Run,
        record: &mut AssignmentRecord,
    ) {
        let read = match self.refusal(write.request_operation()) {
            Some(failure) => Err(failure),
            None => Ok(self.aws.describe(id, self.now)),
        };
        self.note(|_| format!("request {read:?}"));
        run.observe_request(record, write, read, self.now, &self.bounds);
    }

    pub(super) fn find_request(
        &mut self,
        write: Write,
        run: &mut Run,
        record: &mut AssignmentRecord,
    ) {
        let found = match self.refusal(write.list_operation()) {
            Some(failure) => Err(failure),
            None => Ok(self.aws.find(write, self.now)),
        };
        self.note(|_| format!("search {found:?}"));
        run.observe_search(record, found);
    }

    fn refusal(&mut self, operation: crate::domain::Operation) -> Option<Failure> {
        if !self.weather.faulty || self.rng.u8(..6) != 0 {
            return None;
        }
        let kind = *self.rng.choice(READ_FAILURES.iter()).unwrap();
        Some(Failure::new(kind, operation))
    }
}
