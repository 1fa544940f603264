//! What kept a user out of a target at a past time, whatever ways there were, and the open door. What could not be
//! read then is neither denied nor affirmed from what was known before.

use super::obstacles::{obstacle, of_user};
use super::past::Past;
use super::{ExplainedPath, Findings, ObstacleKind};
use crate::app::view::{NamedPrincipal, NamedTarget};
use crate::app::{App, AppError};
use crate::audit::is_listed;
use crate::domain::facts::{FactKey, FactKind, Gap};
use crate::domain::{
    AccountStatus, Application, ApplicationStatus, AssignmentRequired, PrincipalStatus, Target,
};

impl App {
    /// What kept the user out then whatever ways there were, and the open door; answers the user and the
    /// target as they were.
    pub(super) async fn add_statuses_then(
        &self,
        past: &Past<'_>,
        findings: &mut Findings,
    ) -> Result<(NamedPrincipal, NamedTarget), AppError> {
        let user = self.known_then(past, FactKey::user(&past.user.id)).await?;
        let status = user
            .as_ref()
            .map_or(PrincipalStatus::Unknown, |it| it.status);
        add_user(past, status, findings);
        let named_user = NamedPrincipal {
            reference: past.user.clone(),
            name: user.map(|it| it.name).unwrap_or_default(),
            status,
        };
        let mut target = NamedTarget {
            target: past.target.clone(),
            name: String::new(),
            account_name: String::new(),
        };
        match &past.target {
            Target::Application(arn) => {
                let key = FactKey::application(arn.as_str());
                let fact = self.fact_then(past, key).await?;
                if let Some(Ok(found)) = fact.map(|fact| fact.application()) {
                    target.name = add_application(found, past, status, findings);
                }
            }
            Target::AccountAccess(access) => {
                let key = FactKey::permission_set(access.permission_set.as_str());
                let set = self.known_then(past, key).await?;
                target.name = set.map(|it| it.name).unwrap_or_default();
                let key = FactKey::account(access.account.as_str());
                let is_missed = past.missed.cover(&key);
                let fact = self.fact_then(past, key).await?;
                if let Some(Ok((account, _))) = fact.map(|fact| fact.account()) {
                    if is_missed {
                        let sentence = "the state of the account: it could not be read then";
                        findings.miss_state(sentence.to_owned());
                    } else if account.status == AccountStatus::Inactive {
                        let sentence = "the account was suspended or closed";
                        let kind = ObstacleKind::AccountInactive;
                        findings.obstacles.push(obstacle(kind, sentence));
                    }
                    target.account_name = account.name;
                }
            }
        }
        Ok((named_user, target))
    }
}

/// What the user's state was.
fn add_user(past: &Past<'_>, status: PrincipalStatus, findings: &mut Findings) {
    let key = FactKey::user(&past.user.id);
    // Users that nothing names are looked at only where all are listed.
    let is_looked_at = findings.has_way() || is_listed(&past.then.record, FactKind::User);
    let is_missed = past.missed.cover(&key) || (!is_looked_at && past.gaps.cover(&key));
    match status {
        _ if is_missed => {
            findings.miss_state("the state of the user: it could not be read then".to_owned())
        }
        status => findings.obstacles.extend(of_user(
            status,
            "the user was disabled; nobody could sign in as it",
            "the identity store did not have the user any more",
        )),
    }
}

/// Whether the application was open or switched off; answers its name.
fn add_application(
    (application, required): (Application, AssignmentRequired),
    past: &Past<'_>,
    status: PrincipalStatus,
    findings: &mut Findings,
) -> String {
    let all = Gap::all(FactKind::Application);
    let is_missed = past
        .missed
        .cover(&FactKey::application(application.arn.as_str()));
    if past.then.record.gaps().any(|gap| *gap == all) {
        let sentence = "whether the application was switched on: it could not be read then";
        findings.miss_state(sentence.to_owned());
    } else if application.status == ApplicationStatus::Disabled {
        let sentence = "the application was switched off";
        let kind = ObstacleKind::ApplicationDisabled;
        findings.obstacles.push(obstacle(kind, sentence));
    }
    match required {
        _ if is_missed => {
            let sentence =
                "whether the application was open to everybody: it could not be read then";
            findings.unread.push(sentence.to_owned());
        }
        AssignmentRequired::Yes => {}
        AssignmentRequired::No if status == PrincipalStatus::Unknown => {
            let sentence =
                "whether the user was there: the application was open to everybody who was";
            findings.unread.push(sentence.to_owned());
        }
        AssignmentRequired::No => findings.paths.push(ExplainedPath::open_application()),
        AssignmentRequired::Unknown => {
            let sentence = "whether the application was open to everybody";
            findings.unread.push(sentence.to_owned());
        }
    }
    application.name
}
