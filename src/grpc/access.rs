//! AccessService: a few lines a method.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use tokio::sync::mpsc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Request, Response, Status};

use super::answer::{answer, take_apart};
use super::gate::{too_many_calls, too_many_reports};
use super::limits::{LimitsConfig, OpenCall, OpenCalls};
use super::status::status_of;
use super::{convert, pb};
use crate::app::{App, AppError};
use crate::audit::Part;
use crate::domain::CallerName;

type BoxStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The service over the use cases.
pub(super) struct AccessService {
    app: App,
    reports: OpenReports,
}

impl AccessService {
    pub(super) fn new(app: App, reports: OpenReports) -> Self {
        Self { app, reports }
    }
}

/// Counts reports: of each caller, and of all together.
pub(super) struct OpenReports {
    by_caller: OpenCalls,
    all: Arc<Semaphore>,
}

impl OpenReports {
    pub(super) fn new(limits: &LimitsConfig) -> Self {
        Self {
            by_caller: OpenCalls::new(limits.reports_per_caller_max),
            all: Arc::new(Semaphore::new(limits.reports_max)),
        }
    }

    fn try_open(
        &self,
        caller: &CallerName,
        call_id: &str,
    ) -> Result<(OpenCall, OwnedSemaphorePermit), Status> {
        let own = (self.by_caller.try_open(caller)).ok_or_else(|| too_many_calls(call_id))?;
        let place = self.all.clone().try_acquire_owned();
        Ok((own, place.map_err(|_| too_many_reports(call_id))?))
    }
}

/// Keeps a report's places taken until its stream is dropped, at the latest until its deadline:
/// the collection has ended by then, also where the caller stopped reading and holds the stream.
fn hold_until(deadline: Instant, places: impl Send + 'static) -> DropGuard {
    let dropped = CancellationToken::new();
    let guard = dropped.clone().drop_guard();
    tokio::spawn(async move {
        let _ = tokio::time::timeout_at(deadline, dropped.cancelled()).await;
        drop(places);
    });
    guard
}

#[tonic::async_trait]
impl pb::access_service_server::AccessService for AccessService {
    async fn list_assignments(
        &self,
        request: Request<pb::ListAssignmentsRequest>,
    ) -> Result<Response<pb::ListAssignmentsResponse>, Status> {
        answer(request, |context, message| async move {
            let page = self
                .app
                .list_assignments(&context, &convert::list_assignments(message)?)
                .await?;
            Ok(convert::list_assignments_response(page))
        })
        .await
    }

    async fn assign(
        &self,
        request: Request<pb::AssignRequest>,
    ) -> Result<Response<pb::AssignResponse>, Status> {
        answer(request, |context, message| async move {
            let outcome = self
                .app
                .assign(&context, &convert::assign(message)?)
                .await?;
            Ok(convert::assign_response(outcome))
        })
        .await
    }

    async fn revoke(
        &self,
        request: Request<pb::RevokeRequest>,
    ) -> Result<Response<pb::RevokeResponse>, Status> {
        answer(request, |context, message| async move {
            let outcome = self
                .app
                .revoke(&context, &convert::revoke(message)?)
                .await?;
            Ok(convert::revoke_response(outcome))
        })
        .await
    }

    type AuditReportStream = BoxStream<pb::AuditReportResponse>;

    async fn audit_report(
        &self,
        request: Request<pb::AuditReportRequest>,
    ) -> Result<Response<Self::AuditReportStream>, Status> {
        let (context, call_id, message) = take_apart(request)?;
        let counted = context.counted_as();
        let places = self.reports.try_open(&counted, &call_id)?;
        let report = convert::audit_report(message).map_err(|error| status_of(&error, &call_id))?;
        let parts = self
            .app
            .audit_report(&context, &report)
            .await
            .map_err(|error| status_of(&error, &call_id))?;
        Ok(Response::new(report_stream(
            parts,
            hold_until(context.deadline, places),
            context.deadline,
            call_id,
        )))
    }
}

/// The parts of a report as a stream that says so when it was cut: by the deadline, or by a fault.
/// The report counts as open while `open_report` lives.
fn report_stream(
    parts: mpsc::Receiver<Part>,
    open_report: DropGuard,
    deadline: Instant,
    call_id: String,
) -> BoxStream<pb::AuditReportResponse> {
    let state = Some((parts, open_report, call_id, false));
    Box::pin(futures_util::stream::unfold(
        state,
        move |state| async move {
            let (mut parts, open_report, call_id, has_summary) = state?;
            match tokio::time::timeout_at(deadline, parts.recv()).await {
                Ok(Some(part)) => {
                    let has_summary = has_summary || matches!(part, Part::Summary(_));
                    Some((
                        Ok(convert::audit_response(part)),
                        Some((parts, open_report, call_id, has_summary)),
                    ))
                }
                Ok(None) if has_summary => None,
                Ok(None) => {
                    let cut = AppError::Internal("a report ended without its summary".to_owned());
                    Some((Err(status_of(&cut, &call_id)), None))
                }
                Err(_) => Some((Err(status_of(&AppError::DeadlineExceeded, &call_id)), None)),
            }
        },
    ))
}
