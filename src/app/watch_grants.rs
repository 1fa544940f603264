//! WatchGrants: grants as something happens to them. The events say that something happened; what is
//! told is the grant as it is when it is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::asker::{Asker, Purpose};
use super::events::read;
use super::view::GrantView;
use super::watch::{Watch, Watcher};
use super::{App, AppError, CallContext};
use crate::domain::log::LogRecord;
use crate::domain::{GrantId, Instance, InstanceArn};
use crate::policy::Action;

/// What to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchGrants {
    /// Instance ARN or alias; empty for the only one.
    pub instance: String,
    /// This one alone.
    pub grant_id: Option<GrantId>,
    /// Behind which place; none for from now on.
    pub after: Option<u64>,
}

struct GrantWatcher {
    /// The instance as it is served; none where a grant's is not.
    served: Option<Arc<Instance>>,
    instance_arn: InstanceArn,
    grant_id: Option<GrantId>,
    asker: Asker,
}

#[async_trait]
impl Watcher for GrantWatcher {
    type Item = GrantView;

    async fn renew(&mut self, app: &App, context: &CallContext) -> Result<(), AppError> {
        let served = self.served.as_deref();
        self.asker = app.asker(context, served, Purpose::Read).await?;
        Ok(())
    }

    async fn items(
        &mut self,
        app: &App,
        records: Vec<LogRecord>,
    ) -> Result<Vec<(u64, GrantView)>, AppError> {
        // Each grant once, at the last of its events here.
        let mut places: BTreeMap<GrantId, u64> = BTreeMap::new();
        for record in &records {
            let event = read(record);
            let Some(id) = event.as_ref().and_then(|event| event.changed_grant()) else {
                continue;
            };
            if self.grant_id.as_ref().is_none_or(|wanted| wanted == id) {
                places.insert(id.clone(), record.position);
            }
        }
        let mut places: Vec<(u64, GrantId)> =
            places.into_iter().map(|(id, place)| (place, id)).collect();
        places.sort();
        let mut items = Vec::new();
        for (place, id) in places {
            let Some(grant) = app.parts.store.grant(&id).await? else {
                continue;
            };
            if grant.instance_arn != self.instance_arn {
                continue;
            }
            let resource = app.grant_resource(&self.asker, &grant).await;
            if app.may_see(&self.asker, Action::ReadGrants, &resource) {
                items.push((place, app.grant_view_without_timeline(grant).await?));
            }
        }
        Ok(items)
    }
}

impl App {
    /// Starts a stream of grants.
    ///
    /// # Errors
    /// `GrantNotFound` for one that is not there or may not be seen; `InstanceNotFound`,
    /// `LogPositionRemoved`, `FieldsInvalid`, what AWS fails with, `StoreUnavailable`. Later, as the last
    /// message, the same, `WatcherTooSlow` and `DeadlineExceeded`.
    ///
    /// # Cancellation
    /// Dropping the receiver ends it.
    pub async fn watch_grants(
        &self,
        context: &CallContext,
        request: WatchGrants,
    ) -> Result<Watch<GrantView>, AppError> {
        let asking = self.asking_again(context);
        let watcher = match &request.grant_id {
            Some(id) => {
                self.watcher_of_grant(&asking, &request.instance, id)
                    .await?
            }
            None => {
                let instance = self.instance(&request.instance)?;
                let asker = self.asker(&asking, Some(&instance), Purpose::Read).await?;
                GrantWatcher {
                    instance_arn: instance.arn.clone(),
                    served: Some(instance),
                    grant_id: None,
                    asker,
                }
            }
        };
        let after = self.begin_watching(request.after).await?;
        Ok(self.watch(context, watcher, after))
    }

    async fn watcher_of_grant(
        &self,
        context: &CallContext,
        asked: &str,
        id: &GrantId,
    ) -> Result<GrantWatcher, AppError> {
        let not_there = || AppError::GrantNotFound { id: id.to_string() };
        let grant = self.parts.store.grant(id).await?.ok_or_else(not_there)?;
        if !asked.is_empty() && self.instance(asked)?.arn != grant.instance_arn {
            return Err(not_there());
        }
        let served = self.parts.instances.get(&grant.instance_arn);
        let asker = self.asker(context, served.as_deref(), Purpose::Read);
        let asker = asker.await.map_err(|error| error.hides(not_there))?;
        let resource = self.grant_resource(&asker, &grant).await;
        if !self.may_see_alone(&asker, Action::ReadGrants, &resource) {
            return Err(not_there());
        }
        Ok(GrantWatcher {
            served,
            instance_arn: grant.instance_arn,
            grant_id: Some(id.clone()),
            asker,
        })
    }
}
