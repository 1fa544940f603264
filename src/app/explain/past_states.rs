//! What kept a user out of a target at a past time, whatever ways there were, and the open door. What could not be
//! read then is neither denied nor affirmed from what was known before.

use super::obstacles::obstacle;
use super::past::Past;
use super::{ExplainedPath, Findings, ObstacleKind};
use crate::app::view::{NamedPrincipal, NamedTarget};
use crate::app::{App, AppError};
use crate::audit::is_listed;
use crate::domain::facts::{
    AccountValue, ApplicationValue, Extent, FactKey, FactKind, Gap, Gaps, from_text,
};
use crate::domain::{
    AccountStatus, ApplicationStatus, AssignmentRequired, PrincipalStatus, Target,
};
use crate::store::FinishedCollection;

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
                let found = self.parts.store.facts_of(past.then.id, &[key]).await?;
                let value = found.first().map(|kept| from_text(&kept.fact.value));
                if let Some(Ok(value)) = value {
                    target.name = add_application(value, past, status, findings);
                }
            }
            Target::AccountAccess(access) => {
                let key = FactKey::permission_set(access.permission_set.as_str());
                let set = self.known_then(past, key).await?;
                target.name = set.map(|it| it.name).unwrap_or_default();
                let key = FactKey::account(access.account.as_str());
                let found = self.parts.store.facts_of(past.then.id, &[key]).await?;
                let value = found
                    .first()
                    .map(|kept| from_text::<AccountValue>(&kept.fact.value));
                if let Some(Ok(value)) = value
                    && let Ok(account) = value.into_account(access.account.clone())
                {
                    if past
                        .missed
                        .cover(&FactKey::account(access.account.as_str()))
                    {
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
        PrincipalStatus::Disabled => findings.obstacles.push(obstacle(
            ObstacleKind::UserDisabled,
            "the user was disabled; nobody could sign in as it",
        )),
        PrincipalStatus::Deleted => findings.obstacles.push(obstacle(
            ObstacleKind::UserDeleted,
            "the identity store did not have the user any more",
        )),
        PrincipalStatus::Enabled | PrincipalStatus::Unknown => {}
    }
}

/// Whether the application was open or switched off; answers its name.
fn add_application(
    value: ApplicationValue,
    past: &Past<'_>,
    status: PrincipalStatus,
    findings: &mut Findings,
) -> String {
    let Target::Application(arn) = &past.target else {
        return String::new();
    };
    let Ok((application, required)) = value.into_application(arn.clone()) else {
        return String::new();
    };
    let all = Gap::all(FactKind::Application);
    let is_missed = past.missed.cover(&FactKey::application(arn.as_str()));
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

/// What a collection did not see, but for the members of groups that it does not name.
pub(super) fn gaps_of(then: &FinishedCollection) -> Gaps {
    let gaps = then.record.gaps();
    Gaps::new(gaps.filter(|gap| gap.of != Extent::GroupsNotNamed), [])
}

/// What could not be read for a collection; what nobody asked for because of that is not among it.
pub(super) fn missed_in(then: &FinishedCollection) -> Gaps {
    let missing = then.record.missing.iter();
    let gaps = missing.flat_map(|miss| &miss.gaps);
    Gaps::new(gaps.filter(|gap| gap.of != Extent::GroupsNotNamed), [])
}
