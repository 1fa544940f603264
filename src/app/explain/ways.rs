//! The ways by which a user has a target, and the grants behind them.

use std::collections::BTreeMap;

use super::{About, ExplainedPath, Findings, GRANTS_SHOWN_MAX, PathKind, unread};
use crate::app::asker::Asker;
use crate::app::assignment_facts::Wanted;
use crate::app::assignment_rows::RowNames;
use crate::app::list_assignments::{AssignmentRow, ListAssignments};
use crate::app::reasons::Reasons;
use crate::app::{App, AppError, CallContext, GrantView};
use crate::audit::StoreFacts;
use crate::domain::{AssignmentRequired, Grant, GrantId, Target};
use crate::policy::Action;
use crate::store::GrantScope;

impl App {
    /// The ways by assignments, with the grants behind them; and all open grants on the target.
    pub(super) async fn assigned_ways(
        &self,
        context: &CallContext,
        list: &ListAssignments,
        about: About<'_>,
    ) -> Result<(Findings, Vec<Grant>), AppError> {
        let About {
            instance, target, ..
        } = about;
        let scope = GrantScope::Target(target.clone());
        let before = self.reasons_facts(instance, &scope).await?;
        let wanted = Wanted {
            principal: Some(&about.user.reference),
            target: Some(target),
            kind: None,
            with_groups: true,
        };
        let facts = self.assignment_facts(instance, &wanted, about.max_age, about.call);
        let facts = facts.await?;
        let after = self.reasons_facts(instance, &scope).await?;
        let store = StoreFacts::joined(before, after).looked_at(facts.observed_at);
        let grants = store.grants.clone();
        let seen = self.first_seen(instance, &wanted, &facts.value).await?;
        let reasons = Reasons::new(store, seen);
        let mut names = RowNames {
            asker: about.asker,
            instance,
            asked: Some(about.user),
            max_age: about.max_age,
            as_of: facts.observed_at.min(about.user.record.observed_at),
        };
        let (rows, _) = self
            .rows_after(context, list, &mut names, &reasons, &facts.value, None)
            .await?;
        let hidden_paths = facts.value.len() - rows.len();
        let as_of = names.as_of;
        let mut findings = Findings {
            paths: self.paths_of(about, rows, &grants).await?,
            obstacles: Vec::new(),
            unread: Vec::new(),
            is_state_unread: false,
            hidden_paths,
            unread_paths: 0,
            as_of,
        };
        if hidden_paths > 0 {
            let sentence = "ways through groups that you may not see are not shown";
            findings.unread.push(sentence.to_owned());
        }
        Ok((findings, grants))
    }

    async fn paths_of(
        &self,
        about: About<'_>,
        rows: Vec<AssignmentRow>,
        grants: &[Grant],
    ) -> Result<Vec<ExplainedPath>, AppError> {
        let by_id: BTreeMap<&GrantId, &Grant> = grants.iter().map(|it| (&it.id, it)).collect();
        let mut paths = Vec::with_capacity(rows.len());
        let mut shown = 0;
        for row in rows {
            let mut views = Vec::new();
            for grant in row.grant_ids.iter().filter_map(|id| by_id.get(id)) {
                if shown == GRANTS_SHOWN_MAX {
                    break;
                }
                if let Some(view) = self.grant_if_seen(about.asker, grant).await? {
                    views.push(*view);
                    shown += 1;
                }
            }
            let kind = match row.via_group {
                None => PathKind::Direct,
                Some(group) => {
                    let (group, call) = (&group.reference, about.call);
                    let named = self.group_with_name(about.instance, group, call);
                    PathKind::Group(named.await)
                }
            };
            paths.push(ExplainedPath {
                kind,
                provenance: Some(row.provenance),
                external_owner: row.external_owner,
                grants: views,
                grant_ids: row.grant_ids,
            });
        }
        paths.sort_by_key(|path| path.kind != PathKind::Direct);
        Ok(paths)
    }

    pub(super) async fn grant_if_seen(
        &self,
        asker: &Asker,
        grant: &Grant,
    ) -> Result<Option<Box<GrantView>>, AppError> {
        let resource = self.grant_resource(asker, grant).await;
        if !self.may_see(asker, Action::ReadGrants, &resource) {
            return Ok(None);
        }
        let view = self.grant_view_without_timeline(grant.clone()).await?;
        Ok(Some(Box::new(view)))
    }

    /// Whether everybody may enter.
    pub(super) async fn add_openness(&self, about: About<'_>, findings: &mut Findings) {
        let Target::Application(arn) = about.target else {
            return;
        };
        let directory = &self.parts.directory;
        let required = directory.assignment_required(arn, about.max_age, about.call);
        let what = "whether the application is open to everybody";
        match required.await {
            Ok(required) => {
                findings.as_of = findings.as_of.min(required.observed_at);
                match required.value {
                    AssignmentRequired::Yes => {}
                    AssignmentRequired::No => {
                        findings.paths.push(ExplainedPath::open_application())
                    }
                    AssignmentRequired::Unknown => {
                        findings.unread.push(format!("{what}: AWS does not say"));
                    }
                }
            }
            Err(failure) => findings.unread.push(unread(what, &failure)),
        }
    }
}
