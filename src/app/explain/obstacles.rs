//! What keeps a user from a target.

use super::{About, Findings, GRANTS_SHOWN_MAX, Obstacle, ObstacleKind, unread};
use crate::app::view::status_of;
use crate::app::{App, AppError, GrantView};
use crate::directory::{AccountQuery, ApplicationQuery, LookupError};
use crate::domain::{AccountStatus, ApplicationStatus, Grant, PrincipalStatus, Target};
use crate::store::GrantFilter;

impl App {
    /// What keeps a user out whatever ways there are.
    pub(super) async fn add_statuses(&self, about: About<'_>, findings: &mut Findings) {
        let status = status_of(about.user.record.value.as_ref());
        findings.obstacles.extend(of_user(
            status,
            "the user is disabled; nobody can sign in as it until it is enabled where it is kept",
            "the identity store does not have the user any more",
        ));
        let directory = &self.parts.directory;
        let (max_age, call) = (about.max_age, about.call);
        // Both were read a moment ago to find the target.
        let (is_off, kind, sentence) = match about.target {
            Target::Application(arn) => {
                let query = ApplicationQuery::Arn(arn.clone());
                let found = directory.find_application(about.instance, &query, max_age, call);
                let is_off = (found.await).map(|it| it.value.status == ApplicationStatus::Disabled);
                let sentence =
                    "the application is switched off; who administers it can switch it on";
                (is_off, ObstacleKind::ApplicationDisabled, sentence)
            }
            Target::AccountAccess(access) => {
                let query = AccountQuery::Id(access.account.clone());
                let found = directory.find_account(Some(about.instance), &query, max_age, call);
                let is_off = (found.await).map(|it| it.value.status == AccountStatus::Inactive);
                let sentence = "the account is suspended or closed";
                (is_off, ObstacleKind::AccountInactive, sentence)
            }
        };
        match is_off {
            Ok(true) => findings.obstacles.push(obstacle(kind, sentence)),
            Ok(false) => {}
            Err(LookupError::Aws(failure)) => {
                let what = "whether the target is in use";
                findings.miss_state(unread(what, &failure));
            }
            // An account that left the organization keeps its assignments, and an application may go meanwhile.
            Err(_) => {
                let sentence = "whether the target is in use: AWS does not list it any more";
                findings.miss_state(sentence.to_owned());
            }
        }
    }

    /// The user's own grants that are not in force: those that wait, or else the last one that is over.
    pub(super) async fn add_grants(
        &self,
        about: About<'_>,
        open: Vec<Grant>,
        findings: &mut Findings,
    ) -> Result<(), AppError> {
        let user = &about.user.reference;
        let waiting = open.into_iter().filter(|grant| grant.principal == *user);
        let mut grants: Vec<Grant> = waiting.take(GRANTS_SHOWN_MAX).collect();
        if grants.is_empty() {
            let filter = GrantFilter {
                instance: Some(about.instance.arn.clone()),
                principal: Some(user.clone()),
                target: Some(about.target.clone()),
                ..GrantFilter::default()
            };
            grants = self.parts.store.grants(&filter, None, 1).await?;
        }
        for grant in grants {
            let Some(view) = self.grant_if_seen(about.asker, &grant).await? else {
                continue;
            };
            findings.obstacles.push(about_grant(view));
        }
        Ok(())
    }
}

pub(super) fn obstacle(kind: ObstacleKind, sentence: &str) -> Obstacle {
    Obstacle {
        kind,
        description: sentence.to_owned(),
        grant: None,
    }
}

/// What keeps out a user of this status, in one of these sentences.
pub(super) fn of_user(status: PrincipalStatus, disabled: &str, deleted: &str) -> Option<Obstacle> {
    match status {
        PrincipalStatus::Disabled => Some(obstacle(ObstacleKind::UserDisabled, disabled)),
        PrincipalStatus::Deleted => Some(obstacle(ObstacleKind::UserDeleted, deleted)),
        PrincipalStatus::Enabled | PrincipalStatus::Unknown => None,
    }
}

pub(super) fn not_assigned() -> Obstacle {
    obstacle(
        ObstacleKind::NotAssigned,
        "neither the user nor a group of the user is assigned, and not everybody may enter; Assign with `validate_only` tells what it takes",
    )
}

fn about_grant(view: Box<GrantView>) -> Obstacle {
    let (id, state) = (view.grant.id.to_string(), view.grant.state);
    let (kind, description) = if state.is_over() {
        let word = state.as_str();
        (ObstacleKind::GrantOver, format!("{id} is over: {word}"))
    } else {
        let waits_for = view
            .waiting
            .as_ref()
            .map(|waiting| waiting.description.as_str());
        let waits_for = waits_for
            .unwrap_or("its assignment is not there any more, which Usher has not acted on");
        (
            ObstacleKind::GrantWaits,
            format!("{id} is not in force: {waits_for}"),
        )
    };
    Obstacle {
        kind,
        description,
        grant: Some(view),
    }
}
