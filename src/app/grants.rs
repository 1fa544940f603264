//! One grant, and lists of grants.

use super::page_token::PageRequest;
use super::view::GrantView;
use super::{App, AppError, CallContext};
use crate::directory::{PrincipalQuery, TargetQuery};
use crate::domain::{GrantId, GrantState};
use crate::store::GrantFilter;

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
    /// Which page.
    pub page: PageRequest,
}

/// One page of grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantPage {
    /// The grants, newest first.
    pub grants: Vec<GrantView>,
    /// The next page's token; empty on the last page.
    pub next_page_token: String,
}

impl App {
    /// One grant with its timeline.
    ///
    /// # Errors
    /// `GrantNotFound`, `StoreUnavailable`.
    pub async fn get_grant(&self, id: &GrantId) -> Result<GrantView, AppError> {
        let grant = self.parts.store.grant(id).await?;
        let grant = grant.ok_or_else(|| AppError::GrantNotFound { id: id.to_string() })?;
        self.grant_view(grant).await
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
        let place = self.page_tokens.open(&context.caller, &request.page)?;
        let after = place
            .map(|place| GrantId::parse(&place))
            .transpose()
            .map_err(|_| AppError::PageTokenInvalid)?;
        let filter = self.grant_filter(context, request).await?;
        let mut grants = self
            .parts
            .store
            .grants(&filter, after.as_ref(), request.page.size + 1)
            .await?;
        let has_more = grants.len() > request.page.size;
        grants.truncate(request.page.size);
        let next_page_token = match grants.last() {
            Some(last) if has_more => {
                self.page_tokens
                    .seal(&context.caller, &request.page, last.id.as_str())?
            }
            _ => String::new(),
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

    async fn grant_filter(
        &self,
        context: &CallContext,
        request: &ListGrants,
    ) -> Result<GrantFilter, AppError> {
        let target = request.target.as_ref();
        let instance = &*self.instance_for(&request.instance, target)?;
        let principal = match &request.principal {
            Some(query) => Some(self.principal_for_ending(instance, query, context).await?),
            None => None,
        };
        let target = match target {
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
        })
    }
}
