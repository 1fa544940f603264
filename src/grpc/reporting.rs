//! Reports as the command line asks a running server for them. It decides nothing, keeps no part of a
//! report, and never takes a stream that was cut for a whole one.

use jiff::{SignedDuration, Timestamp};
use tonic::Streaming;

use super::client::{ClientError, ServerConnection, refused};
use super::convert;
use super::pb;
use crate::domain::report::{Format, View};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportQuestion {
    /// The instance, by ARN or alias; empty for every instance.
    pub instance: String,
    /// The question.
    pub view: View,
    /// The form.
    pub format: Format,
    /// How old the server's facts may be; none reads AWS for the report.
    pub max_age: Option<SignedDuration>,
    /// The past time whose state is told; none for the present.
    pub as_of: Option<Timestamp>,
    /// The time since which changes are told in the place of a state.
    pub compare_to: Option<Timestamp>,
}

/// A report on its way.
pub struct ReportStream {
    parts: Streaming<pb::AuditReportResponse>,
    has_begun: bool,
}

impl ServerConnection {
    /// Asks for a report. How long it may take is the server's to say (`report_seconds_max`).
    ///
    /// # Errors
    /// What the server refuses, as sentences. A refusal may also come with the first part.
    ///
    /// # Cancellation
    /// Who drops the stream ends the collection too.
    pub async fn audit_report(
        &self,
        question: &ReportQuestion,
    ) -> Result<ReportStream, ClientError> {
        let request = self.request_of_any_length(message(question));
        let mut client = pb::access_service_client::AccessServiceClient::new(self.channel());
        let answered = client.audit_report(request).await;
        let answered = answered.map_err(|status| refused(&status))?;
        Ok(ReportStream {
            parts: answered.into_inner(),
            has_begun: false,
        })
    }
}

impl ReportStream {
    /// The next part; none at the end. Only an answer whose last part is its summary is whole.
    ///
    /// # Errors
    /// A refusal, or that the report was cut, as sentences.
    pub async fn next(&mut self) -> Result<Option<pb::audit_report_response::Part>, ClientError> {
        loop {
            let message = self.parts.message().await.map_err(|status| {
                let told = refused(&status);
                if self.has_begun {
                    return ClientError(format!("the report was cut: {told}"));
                }
                told
            })?;
            self.has_begun = true;
            match message {
                None => return Ok(None),
                Some(message) => {
                    // What a newer server sends beside the parts that this version knows.
                    if let Some(part) = message.part {
                        return Ok(Some(part));
                    }
                }
            }
        }
    }
}

fn message(question: &ReportQuestion) -> pb::AuditReportRequest {
    pb::AuditReportRequest {
        instance: question.instance.clone(),
        view: convert::report_view(question.view).into(),
        format: convert::report_format(question.format).into(),
        max_age: question.max_age.map(convert::duration),
        as_of: question.as_of.map(convert::timestamp),
        compare_to: question.compare_to.map(convert::timestamp),
        ..pb::AuditReportRequest::default()
    }
}
