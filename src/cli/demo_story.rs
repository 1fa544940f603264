//! The story of the demonstration. Each step prints the grpcurl line that a person could type,
//! makes that very call, and prints what came back; where the answer is not what the story
//! promises, it stops with an error.

use std::path::Path;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;
use tokio::time::Instant;

use super::demo_log::verify_and_change;
use super::serve::print_line;
use super::service::RunningService;
use crate::clock::Clock;
use crate::grpc::call::{Answer, CallError, Caller, Refusal};

/// How long the story waits for a state, in real time.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// Lines of a report that are shown.
const REPORT_LINES_MAX: usize = 12;

/// The engineer of the story, by user name.
pub(super) const ENGINEER: &str = "bilal.khan";
/// Two analysts, by user name.
pub(super) const REVIEWERS: [&str; 2] = ["dmitri.orlov", "emi.sato"];

/// The tokens of those who call in the story.
pub(super) struct Tokens {
    /// May do everything.
    pub(super) teller: String,
    /// Of `ENGINEER`, who may what the policies give to engineers.
    pub(super) engineer: String,
    /// Of `REVIEWERS`, who are asked to agree.
    pub(super) reviewers: [String; 2],
}

/// Tells the whole story.
pub(super) async fn tell(
    service: &RunningService,
    clock: &Clock,
    tokens: &Tokens,
    data: &Path,
) -> Result<(), String> {
    let [first, second] = &tokens.reviewers;
    let teller = Teller {
        caller: connect(service, &tokens.teller).await?,
        engineer: connect(service, &tokens.engineer).await?,
        reviewers: [
            connect(service, first).await?,
            connect(service, second).await?,
        ],
        service,
        clock,
    };
    print_line(
        "Usher stands in front of AWS IAM Identity Center: who may have what, until when, and why.",
    );
    print_line(
        "AWS is simulated here, on loopback. Every call below is a real gRPC call; type it yourself if you like.",
    );
    teller.look_around().await?;
    let of_application = teller.give().await?;
    let of_account = teller.give_account().await?;
    teller.show().await?;
    teller.let_time_pass(&[of_application, of_account]).await?;
    teller.take_back().await?;
    teller.refuse().await?;
    teller.slip().await?;
    let agreed = teller.agree().await?;
    verify_and_change(data, &agreed).await?;
    print_line("");
    print_line(
        "That is Usher: decided by policy and by people, recorded before it happened, undone on time, proved afterwards, and every row with its reason.",
    );
    Ok(())
}

async fn connect(service: &RunningService, token: &str) -> Result<Caller, String> {
    Caller::connect(format!("http://{}", service.address), token.to_owned())
        .await
        .map_err(|error| error.to_string())
}

/// Who makes a call.
#[derive(Clone, Copy)]
pub(super) enum Who {
    Teller,
    Engineer,
    FirstReviewer,
    SecondReviewer,
}

/// Tells the story, by real calls.
pub(super) struct Teller<'a> {
    caller: Caller,
    engineer: Caller,
    reviewers: [Caller; 2],
    pub(super) service: &'a RunningService,
    pub(super) clock: &'a Clock,
}

impl Teller<'_> {
    async fn look_around(&self) -> Result<(), String> {
        heading("1. What is there? Instances, applications, groups, accounts, permission sets.");
        let instances = self.call("DirectoryService/ListInstances", "{}").await?;
        expect(&instances, "/instances/0/instanceArn")?;
        let applications = self
            .call(
                "DirectoryService/ListApplications",
                r#"{"name":"Amazon Redshift"}"#,
            )
            .await?;
        expect(&applications, "/applications/0/applicationArn")?;
        let group = self
            .call(
                "DirectoryService/ListPrincipals",
                r#"{"principal":{"group":"engineering"}}"#,
            )
            .await?;
        expect(&group, "/principals/0/principal/id")?;
        let accounts = self
            .call("DirectoryService/ListAccounts", r#"{"name":"production"}"#)
            .await?;
        expect(&accounts, "/accounts/0/accountId")?;
        let sets = self
            .call(
                "DirectoryService/ListPermissionSets",
                r#"{"name":"DeveloperAccess"}"#,
            )
            .await?;
        expect(&sets, "/permissionSets/0/permissionSetArn").map(|_| ())
    }

    async fn give(&self) -> Result<String, String> {
        heading(
            "2. What would happen if the group got the application for an hour? Nothing is changed yet.",
        );
        let preview = self
            .call(
                "AccessService/Assign",
                r#"{"principal":{"group":"engineering"},"target":{"application":"Amazon Redshift"},"duration":"3600s","validate_only":true}"#,
            )
            .await?;
        expect(&preview, "/preview/peopleCount")?;
        heading(
            "3. Give it, for an hour and with a reason. The answer comes when the access stands in AWS.",
        );
        let assigned = self
            .call(
                "AccessService/Assign",
                r#"{"principal":{"group":"engineering"},"target":{"application":"Amazon Redshift"},"duration":"3600s","justification":"quarterly figures","ticket":"INC-42"}"#,
            )
            .await?;
        expect_equal(&assigned, "/grant/state", "GRANT_STATE_ACTIVE")?;
        expect(&assigned, "/grant/id")
    }

    async fn give_account(&self) -> Result<String, String> {
        heading(
            "4. An account is given in the same way. AWS takes such a change and makes it later; Usher follows it, and its timeline tells how it went.",
        );
        let assigned = self
            .call(
                "AccessService/Assign",
                r#"{"principal":{"group":"engineering"},"target":{"account_access":{"account":"production","permission_set":"DeveloperAccess"}},"duration":"1800s","justification":"deploy the fix","ticket":"INC-43"}"#,
            )
            .await?;
        expect_equal(&assigned, "/grant/state", "GRANT_STATE_ACTIVE")?;
        expect_equal(&assigned, "/grant/target/accountName", "production")?;
        expect(&assigned, "/grant/id")
    }

    async fn show(&self) -> Result<(), String> {
        heading("5. Who has it now, and why does it stand?");
        let listed = self
            .call(
                "AccessService/ListAssignments",
                r#"{"target":{"application":"Amazon Redshift"},"provenance":["PROVENANCE_GRANT"]}"#,
            )
            .await?;
        expect_equal(&listed, "/assignments/0/provenance", "PROVENANCE_GRANT")?;
        heading(
            "6. The audit: which people have what through the group, in applications and accounts, with the reason beside every row?",
        );
        let line = r#"{"view":"REPORT_VIEW_ACCESS","format":"REPORT_FORMAT_CSV","principal":{"group":"engineering"}}"#;
        self.print_call(Who::Teller, "AccessService/AuditReport", line);
        let parts = self
            .caller
            .call("AccessService/AuditReport", line)
            .await
            .map_err(|error| error.to_string())?;
        let text: String = parts
            .iter()
            .filter_map(|part| part.value.get("text").and_then(Value::as_str))
            .collect();
        for kind in [",APPLICATION,", ",ACCOUNT,"] {
            if !text.contains(kind) {
                return Err(format!("the report has no row of kind {kind}"));
            }
        }
        for row in text.lines().take(REPORT_LINES_MAX) {
            print_line(&format!("  {row}"));
        }
        let summary = parts
            .iter()
            .find(|part| part.value.get("summary").is_some())
            .ok_or("the report has no summary")?;
        print_answer(summary);
        expect_equal(
            &summary.value,
            "/summary/completeness",
            "COMPLETENESS_COMPLETE",
        )
    }

    async fn let_time_pass(&self, grant_ids: &[String]) -> Result<(), String> {
        heading(
            "7. An hour passes (the clock of this demonstration is set ahead). Usher takes both back by itself.",
        );
        self.clock.advance(SignedDuration::from_secs(3600));
        self.service.wake();
        for grant_id in grant_ids {
            self.until(grant_id, "GRANT_STATE_EXPIRED").await?;
            let line = format!(r#"{{"grant_id":"{grant_id}"}}"#);
            self.call("GrantService/GetGrant", &line).await?;
        }
        Ok(())
    }

    /// Waits until a grant is in a state.
    pub(super) async fn until(&self, grant_id: &str, state: &str) -> Result<(), String> {
        let line = format!(r#"{{"grant_id":"{grant_id}"}}"#);
        let until = Instant::now() + PATIENCE;
        loop {
            let answers = self
                .caller
                .call("GrantService/GetGrant", &line)
                .await
                .map_err(|error| error.to_string())?;
            let is_so = answers
                .first()
                .is_some_and(|answer| text_at(&answer.value, "/grant/state") == Some(state));
            if is_so {
                return Ok(());
            }
            if Instant::now() >= until {
                return Err(format!("the grant did not become {state}"));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn take_back(&self) -> Result<(), String> {
        heading(
            "8. Again, without an end this time; the request_id makes the call safe to repeat.",
        );
        let assigned = self
            .call(
                "AccessService/Assign",
                r#"{"principal":{"group":"engineering"},"target":{"application":"Amazon Redshift"},"justification":"standing duty","request_id":"demo-1"}"#,
            )
            .await?;
        expect_equal(&assigned, "/grant/state", "GRANT_STATE_ACTIVE")?;
        heading(
            "9. Take it back by hand. The answer says what is left, and what remains to be done inside the application.",
        );
        let revoked = self
            .call(
                "AccessService/Revoke",
                r#"{"assignment":{"principal":{"group":"engineering"},"target":{"application":"Amazon Redshift"}},"reason":"duty is over"}"#,
            )
            .await?;
        expect_equal(&revoked, "/assignmentState", "ASSIGNMENT_STATE_ABSENT")?;
        expect_equal(&revoked, "/grants/0/state", "GRANT_STATE_REVOKED").map(|_| ())
    }

    /// A call that must be refused: prints and answers the lines of its error, and its reason.
    pub(super) async fn refused(
        &self,
        who: Who,
        method: &str,
        json: &str,
    ) -> Result<(Vec<String>, String), String> {
        self.print_call(who, method, json);
        match self.caller_of(who).call(method, json).await {
            Err(CallError::Refused(status)) => {
                let refusal = Refusal::of(&status);
                for line in &refusal.lines {
                    print_line(&format!("  {line}"));
                }
                Ok((refusal.lines, refusal.reason))
            }
            _ => Err(format!("{json} was not refused")),
        }
    }

    async fn call(&self, method: &str, json: &str) -> Result<Value, String> {
        self.call_as(Who::Teller, method, json).await
    }

    fn caller_of(&self, who: Who) -> &Caller {
        match who {
            Who::Teller => &self.caller,
            Who::Engineer => &self.engineer,
            Who::FirstReviewer => &self.reviewers[0],
            Who::SecondReviewer => &self.reviewers[1],
        }
    }

    /// Prints a call, makes it, prints the answer.
    pub(super) async fn call_as(
        &self,
        who: Who,
        method: &str,
        json: &str,
    ) -> Result<Value, String> {
        self.print_call(who, method, json);
        let answers = self
            .caller_of(who)
            .call(method, json)
            .await
            .map_err(|error| error.to_string())?;
        let answer = answers
            .into_iter()
            .next()
            .ok_or_else(|| format!("{method} answered nothing"))?;
        print_answer(&answer);
        Ok(answer.value)
    }

    fn print_call(&self, who: Who, method: &str, json: &str) {
        let token = match who {
            Who::Teller => "TOKEN",
            Who::Engineer => "ENGINEER_TOKEN",
            Who::FirstReviewer => "FIRST_REVIEWER_TOKEN",
            Who::SecondReviewer => "SECOND_REVIEWER_TOKEN",
        };
        print_line(&format!(
            "$ grpcurl -plaintext -H \"authorization: Bearer ${token}\" -d '{json}' {} usher.v1.{method}",
            self.service.address
        ));
    }
}

pub(super) fn heading(text: &str) {
    print_line("");
    print_line(text);
}

fn print_answer(answer: &Answer) {
    for line in answer.text.lines() {
        print_line(&format!("  {line}"));
    }
}

fn text_at<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

/// The text at a place of an answer, which must be there.
pub(super) fn expect(value: &Value, pointer: &str) -> Result<String, String> {
    text_at(value, pointer)
        .map(str::to_owned)
        .ok_or_else(|| format!("the answer has nothing at {pointer}"))
}

pub(super) fn expect_equal(value: &Value, pointer: &str, wanted: &str) -> Result<(), String> {
    let found = expect(value, pointer)?;
    if found == wanted {
        Ok(())
    } else {
        Err(format!("{pointer} is {found}, not {wanted}"))
    }
}
