//! The operations of sso-admin: instances, applications and their assignments.

use aws_sdk_ssoadmin::types::PrincipalType;

use super::call::{Caller, Reply, is_json_object};
use super::convert::{self, ApplicationMembers};
use super::{Call, ListedInstance, Page, PageToken, Sent, collect_pages};
use crate::domain::{
    Application, ApplicationArn, AssignmentRequired, DirectAssignment, ErrorKind, Failure,
    InstanceArn, Operation, PrincipalKind, PrincipalRef, Target,
};

/// The page size that is always sent: AWS states no default (aws-api.md §3).
pub(super) const PAGE_SIZE: i32 = 100;

/// sso-admin through the guard.
pub(super) struct SsoAdmin<'a> {
    pub(super) caller: &'a Caller,
    pub(super) client: &'a aws_sdk_ssoadmin::Client,
    pub(super) region: &'a str,
}

impl SsoAdmin<'_> {
    pub(super) async fn instances(&self, call: Call) -> Result<Vec<ListedInstance>, Failure> {
        let operation = Operation::ListInstances;
        collect_pages(operation, |token| async move {
            let reply = self
                .caller
                .read(operation, call, || {
                    let request = self.client.list_instances().max_results(PAGE_SIZE);
                    request.set_next_token(text_of(token.as_ref())).send()
                })
                .await?;
            check_body(&reply)?;
            let mut items = Vec::new();
            for row in reply.output.instances() {
                let read = convert::instance(row, self.region);
                match read.map_err(|missing| reply.unusable(missing))? {
                    Some(instance) => items.push(instance),
                    None => tracing::debug!("left out an instance that AWS is still making"),
                }
            }
            let next = convert::page_token(reply.output.next_token());
            Ok(Page { items, next })
        })
        .await
    }

    pub(super) async fn applications(
        &self,
        instance: &InstanceArn,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<Application>, Failure> {
        let reply = self
            .caller
            .read(Operation::ListApplications, call, || {
                self.client
                    .list_applications()
                    .instance_arn(instance.as_str())
                    .max_results(PAGE_SIZE)
                    .set_next_token(text_of(page))
                    .send()
            })
            .await?;
        check_body(&reply)?;
        let rows = reply.output.applications().iter().map(|row| {
            convert::application(&ApplicationMembers {
                arn: row.application_arn(),
                name: row.name(),
                status: row.status(),
                account: row.application_account(),
                provider: row.application_provider_arn(),
                description: row.description(),
            })
        });
        let next = convert::page_token(reply.output.next_token());
        page_of(&reply, rows, next)
    }

    pub(super) async fn application(
        &self,
        arn: &ApplicationArn,
        call: Call,
    ) -> Result<Application, Failure> {
        let reply = self
            .caller
            .read(Operation::DescribeApplication, call, || {
                let request = self.client.describe_application();
                request.application_arn(arn.as_str()).send()
            })
            .await?;
        let row = &reply.output;
        convert::application(&ApplicationMembers {
            arn: row.application_arn(),
            name: row.name(),
            status: row.status(),
            account: row.application_account(),
            provider: row.application_provider_arn(),
            description: row.description(),
        })
        .map_err(|missing| reply.unusable(missing))
    }

    pub(super) async fn assignment_required(
        &self,
        arn: &ApplicationArn,
        call: Call,
    ) -> Result<AssignmentRequired, Failure> {
        let reply = self
            .caller
            .read(
                Operation::GetApplicationAssignmentConfiguration,
                call,
                || {
                    let request = self.client.get_application_assignment_configuration();
                    request.application_arn(arn.as_str()).send()
                },
            )
            .await;
        match reply {
            Ok(reply) => Ok(required_in(
                &reply.body(),
                reply.output.assignment_required(),
            )),
            Err(rejected) if rejected.says_input_is_impossible() => Ok(AssignmentRequired::Unknown),
            Err(rejected) => Err(rejected.into()),
        }
    }

    pub(super) async fn assignments(
        &self,
        arn: &ApplicationArn,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<DirectAssignment>, Failure> {
        let reply = self
            .caller
            .read(Operation::ListApplicationAssignments, call, || {
                self.client
                    .list_application_assignments()
                    .application_arn(arn.as_str())
                    .max_results(PAGE_SIZE)
                    .set_next_token(text_of(page))
                    .send()
            })
            .await?;
        check_body(&reply)?;
        let rows = reply.output.application_assignments().iter().map(|row| {
            if row.application_arn() != arn.as_str() {
                return Err("ApplicationArn");
            }
            Ok(DirectAssignment {
                target: Target::Application(arn.clone()),
                principal: convert::principal(
                    Some(row.principal_type().as_str()),
                    Some(row.principal_id()),
                )?,
            })
        });
        let next = convert::page_token(reply.output.next_token());
        page_of(&reply, rows, next)
    }

    pub(super) async fn assignments_for_principal(
        &self,
        instance: &InstanceArn,
        principal: &PrincipalRef,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<DirectAssignment>, Failure> {
        let reply = self
            .caller
            .read(
                Operation::ListApplicationAssignmentsForPrincipal,
                call,
                || {
                    self.client
                        .list_application_assignments_for_principal()
                        .instance_arn(instance.as_str())
                        .principal_id(principal.id.as_str())
                        .principal_type(principal_type(principal.kind))
                        .max_results(PAGE_SIZE)
                        .set_next_token(text_of(page))
                        .send()
                },
            )
            .await?;
        check_body(&reply)?;
        let rows = reply.output.application_assignments().iter().map(|row| {
            let arn = row.application_arn().unwrap_or_default();
            Ok(DirectAssignment {
                target: Target::Application(
                    ApplicationArn::parse(arn).map_err(|_| "ApplicationArn")?,
                ),
                principal: convert::principal(
                    row.principal_type().map(PrincipalType::as_str),
                    row.principal_id(),
                )?,
            })
        });
        let next = convert::page_token(reply.output.next_token());
        page_of(&reply, rows, next)
    }

    pub(super) async fn is_present(
        &self,
        application: &ApplicationArn,
        principal: &PrincipalRef,
        call: Call,
    ) -> Result<bool, Failure> {
        let reply = self
            .caller
            .read(Operation::DescribeApplicationAssignment, call, || {
                self.client
                    .describe_application_assignment()
                    .application_arn(application.as_str())
                    .principal_id(principal.id.as_str())
                    .principal_type(principal_type(principal.kind))
                    .send()
            })
            .await;
        match reply {
            // An answer that does not name the assignment does not say that it is there.
            Ok(reply) => match (reply.output.application_arn(), reply.output.principal_id()) {
                (Some(arn), Some(_)) if arn == application.as_str() => Ok(true),
                (Some(_), Some(_)) | (None, _) => Err(reply.unusable("ApplicationArn")),
                (Some(_), None) => Err(reply.unusable("PrincipalId")),
            },
            Err(rejected) if rejected.says_it_is_not_there() => Ok(false),
            Err(rejected) => Err(rejected.into()),
        }
    }

    pub(super) async fn create(
        &self,
        application: &ApplicationArn,
        principal: &PrincipalRef,
        call: Call,
    ) -> Result<Sent, Failure> {
        let request = self
            .client
            .create_application_assignment()
            .application_arn(application.as_str())
            .principal_id(principal.id.as_str())
            .principal_type(principal_type(principal.kind));
        let operation = Operation::CreateApplicationAssignment;
        self.caller.write(operation, call, request.send()).await?;
        Ok(Sent::Done)
    }

    pub(super) async fn delete(
        &self,
        application: &ApplicationArn,
        principal: &PrincipalRef,
        call: Call,
    ) -> Result<Sent, Failure> {
        let request = self
            .client
            .delete_application_assignment()
            .application_arn(application.as_str())
            .principal_id(principal.id.as_str())
            .principal_type(principal_type(principal.kind));
        let operation = Operation::DeleteApplicationAssignment;
        match self.caller.write(operation, call, request.send()).await {
            Ok(_) => Ok(Sent::Done),
            Err(rejected) if rejected.failure.kind == ErrorKind::NotFound => Ok(Sent::Done),
            Err(rejected) => Err(rejected.into()),
        }
    }
}

/// The token as the SDK takes it.
pub(super) fn text_of(page: Option<&PageToken>) -> Option<String> {
    page.map(|token| token.0.clone())
}

/// An empty list may be left out of an answer, an answer may not: nothing at all, or something that
/// is no JSON object, must not be read as an empty last page.
pub(super) fn check_body<T>(reply: &Reply<T>) -> Result<(), Failure> {
    if is_json_object(&reply.body()) {
        Ok(())
    } else {
        Err(reply.unusable("a JSON body"))
    }
}

/// A page of rows that are all usable.
pub(super) fn page_of<T, R>(
    reply: &Reply<T>,
    rows: impl Iterator<Item = Result<R, convert::Missing>>,
    next: Option<PageToken>,
) -> Result<Page<R>, Failure> {
    Ok(Page {
        items: rows
            .collect::<Result<_, _>>()
            .map_err(|missing| reply.unusable(missing))?,
        next,
    })
}

pub(super) fn principal_type(kind: PrincipalKind) -> PrincipalType {
    match kind {
        PrincipalKind::User => PrincipalType::User,
        PrincipalKind::Group => PrincipalType::Group,
    }
}

/// The SDK reads a missing `AssignmentRequired` as `false`, which would report the application as
/// open to everybody (aws-api.md §1): the raw answer decides whether it said anything.
fn required_in(body: &[u8], as_read: bool) -> AssignmentRequired {
    let said = serde_json::from_slice::<serde_json::Value>(body)
        .ok()
        .and_then(|answer| answer.get("AssignmentRequired")?.as_bool());
    match said {
        Some(said) if said == as_read => {
            if said {
                AssignmentRequired::Yes
            } else {
                AssignmentRequired::No
            }
        }
        _ => AssignmentRequired::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_assignment_required_is_not_a_no() {
        let read = |body: &str, as_read| required_in(body.as_bytes(), as_read);
        assert_eq!(
            read(r#"{"AssignmentRequired":true}"#, true),
            AssignmentRequired::Yes
        );
        assert_eq!(
            read(r#"{"AssignmentRequired":false}"#, false),
            AssignmentRequired::No
        );
        for silent in ["", "{}", r#"{"AssignmentRequired":null}"#, "[]", "no"] {
            assert_eq!(read(silent, false), AssignmentRequired::Unknown, "{silent}");
        }
    }
}
