//! What a report says first: what it will ask of AWS, of each instance and of the organization once, and how long
//! that takes. Reads nothing.

use std::time::Duration;

use super::answer::Header;
use super::config::AuditConfig;
use super::plan::{Plan, PlanPart};
use super::question::ReportRequest;
use crate::domain::Operation;
use crate::domain::report::View;
use crate::identity_center::{Class, IdentityCenter};

/// What is asked of the organization once, and of each instance.
pub(super) struct Plans {
    pub(super) organization: PlanPart,
    pub(super) instances: Vec<PlanPart>,
}

impl Plans {
    pub(super) fn of(request: &ReportRequest) -> Self {
        let is_compared = request.compared.is_some();
        // Nobody is in several stores where one is asked.
        if is_compared || request.view == View::DuplicateUsers && request.instances.len() < 2 {
            return Self {
                organization: PlanPart::default(),
                instances: vec![PlanPart::default(); request.instances.len()],
            };
        }
        let questions = request.questions();
        let scoped: Vec<_> = questions.map(|it| (it.for_plan(), it)).collect();
        // What is kept has the names of its accounts.
        let read = scoped.iter().filter(|(_, it)| it.kept.is_none());
        let pairs = read.map(|(scope, question)| (scope, question.known));
        let organization = PlanPart::of_organization(request.view, pairs);
        let giving = request.first_giving_access();
        let mut questions = scoped.iter().map(|(_, question)| question);
        let giving = questions.find(|question| Some(&question.instance.arn) == giving);
        Self {
            organization: organization
                .sparing(giving.map_or_else(Vec::new, |it| it.spared(of_organization))),
            instances: (scoped.iter())
                .map(|(scope, question)| match question.kept {
                    Some(_) => PlanPart::default(),
                    None => PlanPart::of_instance(request.view, scope, question.known)
                        .sparing(question.spared(|it| !of_organization(it))),
                })
                .collect(),
        }
    }

    pub(super) fn header(
        &self,
        request: &ReportRequest,
        port: &dyn IdentityCenter,
        config: &AuditConfig,
    ) -> Header {
        let instances = request.instances.iter().map(|read| &read.instance.arn);
        let estimates = (instances.clone().zip(&self.instances))
            .map(|(arn, part)| port.estimate(arn, &part.asked(), Class::Audit));
        let organization = (instances.clone().take(1))
            .map(|arn| port.estimate(arn, &self.organization.asked(), Class::Audit));
        let estimated = last_end(estimates, config.instances_at_once());
        Header {
            view: request.view,
            format: request.format,
            instance_arns: instances.clone().cloned().collect(),
            columns: request.columns(),
            estimated_duration: organization.fold(estimated, Duration::max),
            plan: Plan::joined(
                request.view,
                std::iter::once(&self.organization).chain(&self.instances),
            ),
        }
    }
}

/// Whether it is asked of the organization, once for all instances.
fn of_organization(operation: Operation) -> bool {
    operation == Operation::ListAccounts
}

/// The plan of a report, and the time it takes within the budgets as they are now.
#[must_use]
pub fn header(request: &ReportRequest, port: &dyn IdentityCenter, config: &AuditConfig) -> Header {
    Plans::of(request).header(request, port, config)
}

/// When the last of the readings ends: so many go on at once, and one gives its place to the next
/// only when it is written, after all before it.
fn last_end(durations: impl Iterator<Item = Duration>, at_once: usize) -> Duration {
    let mut written: Vec<Duration> = Vec::new();
    for (place, duration) in durations.enumerate() {
        let freed = place
            .checked_sub(at_once)
            .and_then(|place| written.get(place));
        let read = freed.copied().unwrap_or_default().saturating_add(duration);
        written.push(written.last().map_or(read, |before| read.max(*before)));
    }
    written.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_end_counts_those_that_wait_for_a_place() {
        let end = |seconds: &[u64], at_once| {
            let durations = seconds.iter().map(|seconds| Duration::from_secs(*seconds));
            last_end(durations, at_once).as_secs()
        };
        assert_eq!(end(&[], 4), 0);
        assert_eq!(end(&[3, 9, 2], 4), 9);
        assert_eq!(end(&[5, 5, 5], 1), 15);
        // The second is read after one second, and its rows wait for those of the first.
        assert_eq!(end(&[10, 1, 1, 4], 2), 14);
    }
}
