//! Applications: which there are, whether they are open, and who is assigned to them.

use std::sync::{Mutex, PoisonError};

use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;

use super::super::TargetScope;
use super::{Collector, Wanted, lock};
use crate::domain::facts::{Extent, FactKind, Gap};
use crate::domain::{
    ApplicationArn, AssignmentRequired, DirectAssignment, GroupId, Operation, Target,
};

impl Collector<'_> {
    /// Reads applications, and for each its configuration and assignments. Tells of each assigned
    /// group as it is found.
    pub(super) async fn read_applications(
        &self,
        wanted: &Wanted,
        found: mpsc::UnboundedSender<GroupId>,
    ) {
        if !self.question.covers_applications() {
            return;
        }
        self.meter.step("applications and their assignments");
        let applications = self.read_application_list().await;
        let count = applications.len() as u64;
        (self.meter).expect(Operation::GetApplicationAssignmentConfiguration, count);
        (self.meter).expect(Operation::ListApplicationAssignments, count);
        let found = &found;
        stream::iter(applications)
            .for_each_concurrent(self.config.concurrency(), |arn| async move {
                tokio::join!(
                    self.read_configuration(&arn),
                    self.read_assignments(&arn, wanted, found)
                );
            })
            .await;
    }

    async fn read_application_list(&self) -> Vec<ApplicationArn> {
        match &self.question.scope.target {
            Some(TargetScope::KnownApplication(application)) => {
                let mut gathered = self.gathered();
                gathered.observe(application.observed_at);
                gathered.application(application.value.clone());
                vec![application.value.arn.clone()]
            }
            Some(TargetScope::Application(arn)) => {
                let read = self.port.application(arn, self.call()).await;
                match self.one(Operation::DescribeApplication, read) {
                    Ok(application) => {
                        self.gathered().application(application);
                        vec![arn.clone()]
                    }
                    Err(failure) => {
                        let gaps = vec![application(arn), assignments(arn)];
                        self.miss(format!("application {arn}"), &failure, gaps);
                        Vec::new()
                    }
                }
            }
            Some(TargetScope::AccountAccess(_)) => Vec::new(),
            None => self.list_applications().await,
        }
    }

    /// The applications of the instance, those before a failure at least.
    pub(super) async fn list_applications(&self) -> Vec<ApplicationArn> {
        let instance = self.question.instance;
        let arns = Mutex::new(Vec::new());
        let read = self.every_page(
            Operation::ListApplications,
            "",
            |token| async move {
                let call = self.call();
                self.port.applications(instance, token.as_ref(), call).await
            },
            |page| {
                let mut gathered = self.gathered();
                for application in page {
                    lock(&arns).push(application.arn.clone());
                    gathered.application(application);
                }
            },
        );
        let result = read.await;
        let mut arns = arns.into_inner().unwrap_or_else(PoisonError::into_inner);
        arns.sort_unstable();
        arns.dedup();
        match result {
            Ok(()) => self.gathered().listed.applications = Some(arns.len() as u64),
            Err(failure) => {
                let scope = format!("applications of instance {}", instance.arn);
                let assigned = Gap::assignments(Extent::Applications);
                let gaps = vec![Gap::all(FactKind::Application), assigned];
                self.miss(scope, &failure, gaps);
            }
        }
        arns
    }

    async fn read_configuration(&self, arn: &ApplicationArn) {
        let operation = Operation::GetApplicationAssignmentConfiguration;
        let ask = || self.port.assignment_required(arn, self.call());
        let scope = || format!("application {arn}: whether it is open to everybody");
        match self.answer(operation, arn.as_str(), ask).await {
            // An application without assignments has no row to carry this as a finding. It is no gap:
            // what AWS said before says nothing about now.
            Ok(AssignmentRequired::Unknown) => {
                let reason = "AWS does not say it for this application";
                self.gathered().miss(scope(), reason, Vec::new());
            }
            Ok(required) => self.gathered().required(arn, required),
            Err(failure) => self.miss(scope(), &failure, vec![application(arn)]),
        }
    }

    async fn read_assignments(
        &self,
        arn: &ApplicationArn,
        wanted: &Wanted,
        found: &mpsc::UnboundedSender<GroupId>,
    ) {
        let target = &Target::Application(arn.clone());
        let read = self.every_page(
            Operation::ListApplicationAssignments,
            arn.as_str(),
            |token| async move {
                let call = self.call();
                self.port
                    .application_assignments(arn, token.as_ref(), call)
                    .await
            },
            |page| self.take_assignments(target, page, wanted, found),
        );
        if let Err(failure) = read.await {
            let scope = format!("application {arn}: assignments");
            self.miss(scope, &failure, vec![assignments(arn)]);
        }
    }

    /// Keeps the assignments that are wanted and tells of groups that nobody had named before.
    pub(super) fn take_assignments(
        &self,
        target: &Target,
        assignments: Vec<DirectAssignment>,
        wanted: &Wanted,
        found: &mpsc::UnboundedSender<GroupId>,
    ) {
        let mut gathered = self.gathered();
        for assignment in assignments {
            let principal = assignment.principal;
            let id = principal.id.clone();
            if wanted.holds(&principal) && gathered.assigned(target, principal) {
                // The receiver outlives this: `read_assigned` waits for both.
                let _ = found.send(id);
            }
        }
    }
}

fn application(arn: &ApplicationArn) -> Gap {
    Gap::key(FactKind::Application, arn.as_str())
}

fn assignments(arn: &ApplicationArn) -> Gap {
    Gap::key(FactKind::Assignment, arn.as_str())
}
