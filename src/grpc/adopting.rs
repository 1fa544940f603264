//! Adoptions as the command line sends them: checked by the server's own rules before anything is
//! sent, then sent in calls of bounded size. It decides nothing, and repeats nothing by itself.

use jiff::SignedDuration;

use super::client::{ClientError, ServerConnection, refused};
use super::convert;
use super::pb;
use crate::app::AppError;

/// Wishes of one call. The server takes five times as many; a row takes a few AWS operations, and
/// a call with its deadline should come through also where AWS has little left for Usher.
pub const WISHES_PER_CALL_MAX: usize = 20;
/// The largest answer that is taken, in bytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One assignment to take over, in the words of its columns. Of user and group one is empty, and so
/// is either the application or the account with the permission set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AdoptionWish {
    /// The user who has it.
    pub user: String,
    /// The group that has it.
    pub group: String,
    /// The application.
    pub application: String,
    /// The account.
    pub account: String,
    /// What may be done in the account.
    pub permission_set: String,
    /// Who answers for it; empty for nobody.
    pub owner: String,
    /// How long from now; none means no end.
    pub duration: Option<SignedDuration>,
    /// Why it stands.
    pub justification: String,
    /// The ticket.
    pub ticket: String,
}

/// What is wrong with a wish, by the column in which it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldProblem {
    /// The column.
    pub column: String,
    /// What is wrong and what helps, to be read after the column's name.
    pub problem: String,
}

/// What became of a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdoptionAnswer {
    /// ADOPTED, WAITS, OVER, REFUSED, WOULD_BE_ADOPTED or WOULD_WAIT.
    pub outcome: &'static str,
    /// The grant; empty without one.
    pub grant_id: String,
    /// Why it is so; empty where there is nothing to say.
    pub reason: String,
}

impl AdoptionWish {
    /// Everything that the server would find wrong with it before it looks at anything.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldProblem> {
        let alone = pb::AdoptAssignmentsRequest {
            adoptions: vec![self.message()],
            ..pb::AdoptAssignmentsRequest::default()
        };
        let violations = match convert::adopt(alone) {
            Err(AppError::FieldsInvalid(violations)) => violations,
            Ok(_) | Err(_) => Vec::new(),
        };
        let problem = |violation: crate::app::Violation| FieldProblem {
            // `adoptions[0].target.account_access.account`: the columns are the last words.
            column: (violation.field.rsplit('.').next()).map_or_else(String::new, str::to_owned),
            problem: violation.problem,
        };
        violations.into_iter().map(problem).collect()
    }

    fn message(&self) -> pb::Adoption {
        let principal = if self.group.is_empty() {
            pb::principal::Principal::User(self.user.clone())
        } else {
            pb::principal::Principal::Group(self.group.clone())
        };
        let target = if self.account.is_empty() && self.permission_set.is_empty() {
            pb::target::Target::Application(self.application.clone())
        } else {
            pb::target::Target::AccountAccess(pb::AccountAccess {
                account: self.account.clone(),
                permission_set: self.permission_set.clone(),
            })
        };
        pb::Adoption {
            principal: Some(pb::Principal {
                principal: Some(principal),
            }),
            target: Some(pb::Target {
                target: Some(target),
            }),
            owner: self.owner.clone(),
            duration: self.duration.map(|duration| prost_types::Duration {
                seconds: duration.as_secs(),
                nanos: duration.subsec_nanos(),
            }),
            justification: self.justification.clone(),
            ticket: self.ticket.clone(),
        }
    }
}

impl ServerConnection {
    /// Sends wishes in one call, and answers what became of each. Without a request id nothing is
    /// recorded: the server only tells what would happen.
    ///
    /// # Errors
    /// Why the whole call was refused, or got no answer.
    pub async fn adopt(
        &self,
        instance: &str,
        wishes: &[&AdoptionWish],
        request_id: Option<String>,
    ) -> Result<Vec<AdoptionAnswer>, ClientError> {
        let message = pb::AdoptAssignmentsRequest {
            instance: instance.to_owned(),
            adoptions: wishes.iter().map(|wish| wish.message()).collect(),
            validate_only: request_id.is_none(),
            request_id: request_id.unwrap_or_default(),
        };
        let client = pb::grant_service_client::GrantServiceClient::new(self.channel());
        let mut client = client.max_decoding_message_size(ANSWER_BYTES_MAX);
        let answered = client.adopt_assignments(self.request(message)).await;
        let results = answered.map_err(|status| refused(&status))?;
        let results = results.into_inner().results;
        if results.len() != wishes.len() {
            return Err(ClientError(format!(
                "the server answered {} rows of {}",
                results.len(),
                wishes.len()
            )));
        }
        results.into_iter().map(answer).collect()
    }
}

fn answer(result: pb::AdoptionResult) -> Result<AdoptionAnswer, ClientError> {
    use pb::AdoptionOutcome as Outcome;
    let grant = result.grant.clone().unwrap_or_default();
    let (outcome, reason) = match result.outcome() {
        Outcome::Adopted => ("ADOPTED", String::new()),
        Outcome::Waits => {
            let waiting = grant.waiting_for.clone().unwrap_or_default();
            ("WAITS", waiting.description)
        }
        Outcome::Over => {
            let state = grant.state().as_str_name();
            let state = state.strip_prefix("GRANT_STATE_").unwrap_or(state);
            ("OVER", format!("its grant is {state}"))
        }
        Outcome::Refused => {
            let text = format!("{}: {}", result.error_reason, result.error_message);
            ("REFUSED", text)
        }
        Outcome::WouldBeAdopted => ("WOULD_BE_ADOPTED", String::new()),
        Outcome::WouldWait => ("WOULD_WAIT", price(&result.paths)),
        Outcome::Unspecified => {
            return Err(ClientError(
                "the server's answer has a word that this version does not know".to_owned(),
            ));
        }
    };
    Ok(AdoptionAnswer {
        outcome,
        grant_id: grant.id,
        reason,
    })
}

/// Who would have to agree, by each path.
fn price(paths: &[pb::PolicyPath]) -> String {
    let step = |step: &pb::ApprovalStep| match step.approvers.as_slice() {
        [] => format!("{} of all who may approve", step.approval_count),
        approvers => format!("{} of {}", step.approval_count, approvers.join(", ")),
    };
    let path = |path: &pb::PolicyPath| {
        let steps: Vec<String> = path.steps.iter().map(step).collect();
        format!("{} wants {}", path.policy, steps.join("; then "))
    };
    let priced = paths.iter().filter(|path| !path.steps.is_empty());
    priced.map(path).collect::<Vec<_>>().join("; or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_would_refuse_is_found_before_by_its_column() {
        let wish = AdoptionWish {
            group: "a\0b".to_owned(),
            account: "production".to_owned(),
            duration: Some(SignedDuration::ZERO),
            ticket: "two\nlines".to_owned(),
            owner: " ".to_owned(),
            ..AdoptionWish::default()
        };
        let problems = wish.problems();
        let columns: Vec<&str> = problems.iter().map(|it| it.column.as_str()).collect();
        assert_eq!(
            columns,
            ["group", "permission_set", "duration", "ticket", "owner"]
        );
        let fit = AdoptionWish {
            user: "anna.berg".to_owned(),
            application: "Wiki".to_owned(),
            ..AdoptionWish::default()
        };
        assert_eq!(fit.problems(), []);
    }

    #[test]
    fn a_price_names_who_must_agree() {
        let step = |approval_count, approvers: &[&str]| pb::ApprovalStep {
            approval_count,
            approvers: approvers.iter().map(|it| (*it).to_owned()).collect(),
        };
        let path = |policy: &str, steps| pb::PolicyPath {
            policy: policy.to_owned(),
            steps,
            duration_max: None,
        };
        let paths = [
            path("free", vec![]),
            path("a", vec![step(2, &["group:leads"])]),
            path("b", vec![step(1, &[]), step(1, &["service:tickets"])]),
        ];
        assert_eq!(
            price(&paths),
            "a wants 2 of group:leads; or b wants 1 of all who may approve; then 1 of service:tickets"
        );
    }
}
