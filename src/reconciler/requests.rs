//! Asking AWS what became of one asynchronous change, under the claim on its assignment.

use std::collections::BTreeSet;

use super::Reconciler;
use super::worker::{Progress, assignment_of, log_failure};
use crate::domain::plan::{RequestEnd, Run, Write};
use crate::domain::{AssignmentKey, AssignmentRequestId, Failure};
use crate::identity_center::{AssignmentRequest, Call, IdentityCenter, RequestState};
use crate::store::{Claim, StoreError};

impl Reconciler {
    pub(super) async fn read_request(
        &self,
        claim: Claim,
        run: &mut Run,
        write: Write,
        id: &AssignmentRequestId,
    ) -> Result<Progress, StoreError> {
        let mut claim = self.with_lease(claim, run).await?;
        let instance = claim.record.key.instance_arn.clone();
        let call = self.call_within(&claim);
        let read = self
            .port
            .assignment_request(&instance, write, id, call)
            .await
            .map(end_of);
        log_failure(&claim, read.as_ref().err());
        let now = self.clock.now();
        if let Ok(RequestEnd::InProgress) = &read
            && let Some(pending) = &claim.record.pending
            && now.duration_since(pending.since) >= self.bounds.asynchronous_max
        {
            tracing::warn!(
                operation = write.operation(&claim.record.key.target).name(),
                request.id = %id,
                request.since = %pending.since,
                target.key = %claim.record.key.target.key(),
                "AWS takes longer over a change than it should; nothing else is done on it meanwhile"
            );
        }
        run.observe_request(&mut claim.record, write, read, now, &self.bounds);
        Ok(Progress::Again(Box::new(claim)))
    }

    /// Looks for a change whose id got lost: among those under way that no record knows, the one of
    /// this very assignment.
    pub(super) async fn find_request(
        &self,
        claim: Claim,
        run: &mut Run,
        write: Write,
    ) -> Result<Progress, StoreError> {
        let mut claim = self.with_lease(claim, run).await?;
        let call = self.call_within(&claim);
        let pending = self
            .store
            .pending_requests(&claim.record.key.instance_arn)
            .await?;
        let known = pending
            .into_iter()
            .filter_map(|(_, pending)| pending.request_id)
            .collect();
        let found = search(&*self.port, &claim.record.key, write, &known, call).await;
        log_failure(&claim, found.as_ref().err());
        run.observe_search(&mut claim.record, found);
        Ok(Progress::Again(Box::new(claim)))
    }
}

/// The one of the changes under way that is of this assignment and that no record knows.
pub(super) async fn search(
    port: &dyn IdentityCenter,
    key: &AssignmentKey,
    write: Write,
    known: &BTreeSet<AssignmentRequestId>,
    call: Call,
) -> Result<Option<AssignmentRequestId>, Failure> {
    let wanted = assignment_of(key);
    let under_way = port
        .requests_in_progress(&key.instance_arn, write, call)
        .await?;
    for id in under_way.into_iter().filter(|id| !known.contains(id)) {
        let request = port
            .assignment_request(&key.instance_arn, write, &id, call)
            .await?;
        // One that others asked for at the same time is the same change: its end is as good.
        if request.and_then(|request| request.assignment).as_ref() == Some(&wanted) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// AWS's word about a change in the words of the plan.
pub(super) fn end_of(request: Option<AssignmentRequest>) -> RequestEnd {
    match request {
        None => RequestEnd::Unknown,
        Some(request) => match request.state {
            RequestState::InProgress => RequestEnd::InProgress,
            RequestState::Succeeded => RequestEnd::Succeeded,
            RequestState::Failed => RequestEnd::Failed(request.failure_reason),
        },
    }
}
