//! One grant, and lists of grants.

use std::sync::Arc;

use super::asker::{Asker, FRESH, Purpose};
use super::page_token::PageRequest;
use super::permission::{LOOKED_AT_MAX, LOOKED_AT_ONCE};
use super::subject::Reading;
use super::view::GrantView;
use super::{App, AppError, CallContext};
use crate::directory::{PrincipalQuery, TargetQuery};
use crate::domain::{Grant, GrantId, GrantState, Instance};
use crate::policy::Action;
use crate::store::{GrantFilter, OfSubject};

/// What grants have to do with the subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantListScope {
    /// All that may be seen.
    All,
    /// Those that the subject asked for or has.
    Mine,
    /// Those that wait for somebody to agree, and the subject can.
    CanApprove,
    /// Those of which the subject has said something.
    Reviewed,
}

/// Which grants to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListGrants {
    /// Instance ARN or alias; empty for the only one.
    pub instance: String,
    /// For this principal.
    pub principal: Option<PrincipalQuery>,
    /// On this target.
    pub target: Option<TargetQuery>,
    /// In one of these states; empty means all.
    pub states: Vec<GrantState>,
    /// With this ticket.
    pub ticket: Option<String>,
    /// Asked for by this caller.
    pub requested_by: Option<String>,
    /// What they have to do with the subject.
    pub scope: GrantListScope,
    /// Only break-glass that nobody has looked at yet.
    pub unreviewed_break_glass: bool,
    /// Which page.
    pub page: PageRequest,
}

/// One page of grants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GrantPage {
    /// The grants, newest first.
    pub grants: Vec<GrantView>,
    /// The next page's token; empty on the last page.
    pub next_page_token: String,
}

/// Who looks at a list, and for what.
#[derive(Clone, Copy)]
struct Looking<'a> {
    asker: &'a Asker,
    instance: &'a Instance,
    scope: GrantListScope,
    reading: Reading,
}

impl App {
    /// One grant with its timeline.
    ///
    /// # Errors
    /// `GrantNotFound`, also where it may not be seen; `StoreUnavailable`.
    pub async fn get_grant(
        &self,
        context: &CallContext,
        id: &GrantId,
    ) -> Result<Arc<GrantView>, AppError> {
        match self.shown_again(context, id) {
            Some(view) => Ok(view),
            // Boxed: a large future that is mostly not needed is not to be moved about.
            None => Box::pin(self.look_at_grant(context, id)).await,
        }
    }

    async fn look_at_grant(
        &self,
        context: &CallContext,
        id: &GrantId,
    ) -> Result<Arc<GrantView>, AppError> {
        let not_there = || AppError::GrantNotFound { id: id.to_string() };
        let kept = self.kept_view(id).await?.ok_or_else(not_there)?;
        let view = &kept.view;
        let grant = &view.grant;
        let served = self.parts.instances.get(&grant.instance_arn);
        let asker = self.asker(context, served.as_deref(), Purpose::Read);
        let asker = asker.await.map_err(|error| error.hides(not_there))?;
        let reading = self.reading_for(context);
        // Who is asked to agree sees what it is about.
        let is_seen = match &served {
            Some(served) => {
                self.may_review_or_see(&asker, served, grant, reading)
                    .await?
            }
            None => false,
        };
        if !is_seen {
            let resource = self.grant_resource(&asker, grant).await;
            if !self.may_see_alone(&asker, Action::ReadGrants, &resource) {
                return Err(not_there());
            }
        }
        // Who can still agree is asked anew each time.
        if view.grant.open_wish().is_some() {
            let mut view = view.as_ref().clone();
            view.wish = self.wish_view(&view.grant, Some(reading)).await;
            return Ok(Arc::new(view));
        }
        self.note_shown(context, &asker, &kept);
        Ok(kept.view)
    }

    /// One page of grants, newest first.
    ///
    /// # Errors
    /// `PageTokenInvalid`, lookup errors for names, `StoreUnavailable`.
    pub async fn list_grants(
        &self,
        context: &CallContext,
        request: &ListGrants,
    ) -> Result<GrantPage, AppError> {
        let place = self.page_tokens.open(context, &request.page)?;
        let after = place
            .map(|place| GrantId::parse(&place))
            .transpose()
            .map_err(|_| AppError::PageTokenInvalid)?;
        let instance = &*self.instance_for(&request.instance, request.target.as_ref())?;
        let asker = self.asker(context, Some(instance), Purpose::Read).await?;
        let filter = match self.grant_filter(context, request, instance, &asker).await {
            Ok(filter) => filter,
            // As of what is there and has no grants that the subject may see.
            Err(refusal) if self.is_veiled(&asker, instance, &refusal) => {
                return Ok(GrantPage::default());
            }
            Err(refusal) => return Err(refusal),
        };
        let looking = Looking {
            asker: &asker,
            instance,
            scope: request.scope,
            reading: self.reading_for(context),
        };
        let (grants, more_after) = self
            .seen_grants(&looking, &filter, after, &request.page)
            .await?;
        let next_page_token = match more_after {
            Some(last) => self
                .page_tokens
                .seal(context, &request.page, last.as_str())?,
            None => String::new(),
        };
        let mut views = Vec::with_capacity(grants.len());
        for grant in grants {
            views.push(self.grant_view_without_timeline(grant).await?);
        }
        Ok(GrantPage {
            grants: views,
            next_page_token,
        })
    }

    /// At most a page of those grants that may be seen, and, where there may be more, the last one
    /// that was looked at. Of many that may not be seen a call looks at some: its page may then be
    /// short, or empty, and has a token all the same.
    async fn seen_grants(
        &self,
        looking: &Looking<'_>,
        filter: &GrantFilter,
        mut after: Option<GrantId>,
        page: &PageRequest,
    ) -> Result<(Vec<Grant>, Option<GrantId>), AppError> {
        let mut seen = Vec::new();
        for _ in 0..LOOKED_AT_MAX / LOOKED_AT_ONCE {
            let (store, batch) = (&self.parts.store, LOOKED_AT_ONCE + 1);
            let mut grants = store.grants(filter, after.as_ref(), batch).await?;
            let is_last = grants.len() < batch;
            grants.truncate(LOOKED_AT_ONCE);
            let mut grants = grants.into_iter().peekable();
            while let Some(grant) = grants.next() {
                let id = grant.id.clone();
                if self.is_listed(looking, &grant).await? {
                    seen.push(grant);
                }
                let is_more = !is_last || grants.peek().is_some();
                if seen.len() == page.size && is_more {
                    return Ok((seen, Some(id)));
                }
                after = Some(id);
            }
            if is_last {
                return Ok((seen, None));
            }
            tokio::task::yield_now().await;
        }
        Ok((seen, after))
    }

    /// Whether a grant that fits the filter is for the subject to see, and of its scope.
    async fn is_listed(&self, looking: &Looking<'_>, grant: &Grant) -> Result<bool, AppError> {
        let Looking {
            asker,
            instance,
            scope,
            reading,
        } = *looking;
        match scope {
            GrantListScope::All | GrantListScope::Mine => {
                let resource = self.grant_resource(asker, grant).await;
                Ok(self.may_see(asker, Action::ReadGrants, &resource))
            }
            // Who is asked, or has spoken, sees what it is about.
            GrantListScope::CanApprove => self.can_agree_now(asker, instance, grant, reading).await,
            GrantListScope::Reviewed => Ok(!asker.is_disabled()),
        }
    }

    fn reading_for(&self, context: &CallContext) -> Reading {
        Reading {
            max_age: FRESH,
            call: self.call(context),
        }
    }

    async fn grant_filter(
        &self,
        context: &CallContext,
        request: &ListGrants,
        instance: &Instance,
        asker: &Asker,
    ) -> Result<GrantFilter, AppError> {
        let principal = match &request.principal {
            Some(query) => Some(self.principal_for_ending(instance, query, context).await?),
            None => None,
        };
        let target = match &request.target {
            Some(query) => Some(self.target_for_ending(instance, query, context).await?),
            None => None,
        };
        Ok(GrantFilter {
            instance: Some(instance.arn.clone()),
            principal,
            target,
            states: request.states.clone(),
            ticket: request.ticket.clone(),
            requested_by: request.requested_by.clone(),
            of_subject: (request.scope == GrantListScope::Mine).then(|| OfSubject {
                subject: asker.subject.to_string(),
                user: asker.user().map(|user| user.id.clone()),
            }),
            open_wish: request.scope == GrantListScope::CanApprove,
            reviewed_by: (request.scope == GrantListScope::Reviewed)
                .then(|| asker.subject.to_string()),
            review_due: request.unreviewed_break_glass,
        })
    }
}
