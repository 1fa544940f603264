//! AuditReport: names are found first, so that a wrong one is refused before anything streams;
//! then `audit` collects and writes, as fast as the caller takes the parts.

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{App, AppError, CallContext};
use crate::audit::{ApplicationScope, Part, ReportRequest, Scope};
use crate::directory::{PrincipalQuery, TargetQuery};
use crate::domain::report::{Format, View};

/// Parts that may wait for a slow caller. A part of text has about 32 KiB.
const PARTS_WAITING_MAX: usize = 4;

/// What a caller asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditReport {
    /// Instance ARN or alias; empty for the only one.
    pub instance: String,
    /// The question.
    pub view: View,
    /// The form.
    pub format: Format,
    /// Only rows of this principal.
    pub principal: Option<PrincipalQuery>,
    /// Only rows of this target.
    pub target: Option<TargetQuery>,
    /// Plan only.
    pub validate_only: bool,
}

impl App {
    /// Starts a report. Its parts come through the channel: a header first, a summary last; a
    /// channel that closes without a summary was cut.
    ///
    /// # Errors
    /// Lookups of the principal or the target.
    ///
    /// # Cancellation
    /// Dropping the receiver stops the collection, and so does the deadline of the call.
    pub async fn audit_report(
        &self,
        context: &CallContext,
        request: &AuditReport,
    ) -> Result<mpsc::Receiver<Part>, AppError> {
        let instance = self.instance_for(&request.instance, request.target.as_ref())?;
        let instance = instance.as_ref().clone();
        let principal = match &request.principal {
            Some(query) => {
                let (max_age, call) = (self.default_max_age(), self.call(context));
                let asked = self.principal_for_reading(&instance, query, max_age, call);
                Some(asked.await?.reference)
            }
            None => None,
        };
        let application = match &request.target {
            Some(TargetQuery::AccountAccess { .. }) => {
                return Err(AppError::field(
                    "target.account_access",
                    "is not what this version reports on alone; leave `target` out",
                ));
            }
            Some(TargetQuery::Application(query)) => {
                let found = self.parts.directory.find_application(
                    &instance,
                    query,
                    self.default_max_age(),
                    self.call(context),
                );
                let found = found.await?;
                Some(ApplicationScope::Known(Box::new(found)))
            }
            None => None,
        };
        let report = ReportRequest {
            known: self.known_counts(&instance.arn),
            instance,
            view: request.view,
            format: request.format,
            scope: Scope {
                principal,
                application,
            },
            validate_only: request.validate_only,
        };
        let (sender, receiver) = mpsc::channel(PARTS_WAITING_MAX);
        tokio::spawn(self.clone().run_report(report, sender, context.deadline));
        Ok(receiver)
    }

    /// Collects and writes until the deadline, also where nobody reads any more: a caller that
    /// holds the stream open without reading must not hold a collection in memory.
    async fn run_report(
        self,
        report: ReportRequest,
        sender: mpsc::Sender<Part>,
        deadline: Instant,
    ) {
        let parts = &self.parts;
        let run = crate::audit::run(
            &report,
            parts.port.as_ref(),
            Some(parts.store.as_ref()),
            &parts.clock,
            &parts.audit,
            sender,
        );
        match tokio::time::timeout_at(deadline, run).await {
            Ok(Ok(counts)) if report.scope.is_whole() && !report.validate_only => {
                self.remember_counts(&report.instance.arn, counts);
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::info!(error = %error, "a report ended without its summary"),
            Err(_) => tracing::info!("a report was cut at its deadline"),
        }
    }
}
