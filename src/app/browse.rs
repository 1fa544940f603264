//! What there is to give, and to whom: instances, applications, principals.

use jiff::Timestamp;

use super::page_token::PageRequest;
use super::{App, AppError, CallContext};
use crate::directory::PrincipalQuery;
use crate::domain::{Application, ApplicationArn, Instance, Principal, PrincipalKind};
use crate::identity_center::{Call, Dated, Page, PageToken};

/// AWS pages that one call reads at most while they are empty (aws-api.md §3: a page may be empty
/// although there is a next one). Beyond that the caller gets an empty page and a token.
const EMPTY_PAGES_MAX: usize = 5;

/// Which principals to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPrincipals {
    /// Instance ARN or alias; empty for the only one.
    pub instance: String,
    /// Users or groups; not needed with `principal`.
    pub kind: Option<PrincipalKind>,
    /// Only the one that this means.
    pub principal: Option<PrincipalQuery>,
    /// Which page.
    pub page: PageRequest,
}

/// One page of principals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPrincipals {
    /// The principals, in AWS's order.
    pub principals: Vec<Principal>,
    /// The next page's token; empty on the last page.
    pub next_page_token: String,
    /// When they were read.
    pub as_of: Timestamp,
}

impl App {
    /// One page of applications sorted by ARN, with the next page's token and the age of the facts.
    ///
    /// # Errors
    /// `PageTokenInvalid`, AWS errors.
    pub async fn list_applications(
        &self,
        context: &CallContext,
        instance: &str,
        name: &str,
        page: &PageRequest,
    ) -> Result<(Vec<Application>, String, Timestamp), AppError> {
        let instance = self.instance(instance)?;
        let place = self.page_tokens.open(&context.caller, page)?;
        let after = place
            .map(|place| ApplicationArn::parse(&place))
            .transpose()
            .map_err(|_| AppError::PageTokenInvalid)?;
        let listed = self
            .parts
            .directory
            .applications(instance, self.default_max_age(), self.call(context))
            .await?;
        let mut fitting = listed
            .value
            .iter()
            .filter(|application| name.is_empty() || application.name == name)
            .filter(|application| after.as_ref().is_none_or(|after| &application.arn > after));
        let rows: Vec<Application> = fitting.by_ref().take(page.size).cloned().collect();
        let next_page_token = match (rows.last(), fitting.next()) {
            (Some(last), Some(_)) => {
                self.page_tokens
                    .seal(&context.caller, page, last.arn.as_str())?
            }
            _ => String::new(),
        };
        Ok((rows, next_page_token, listed.observed_at))
    }

    /// One page of users or groups, or the one principal that a query means.
    ///
    /// # Errors
    /// `FieldsInvalid` without kind and principal, `PageTokenInvalid`, lookups, AWS errors.
    pub async fn list_principals(
        &self,
        context: &CallContext,
        request: &ListPrincipals,
    ) -> Result<ListedPrincipals, AppError> {
        let instance = self.instance(&request.instance)?;
        let call = self.call(context);
        let place = self.page_tokens.open(&context.caller, &request.page)?;
        let directory = &self.parts.directory;
        if let Some(query) = &request.principal {
            let found = directory
                .find_principal(instance, query, self.default_max_age(), call)
                .await?;
            return Ok(ListedPrincipals {
                principals: vec![found.value],
                next_page_token: String::new(),
                as_of: found.observed_at,
            });
        }
        let Some(kind) = request.kind else {
            return Err(AppError::field(
                "type",
                "is required: PRINCIPAL_TYPE_USER or PRINCIPAL_TYPE_GROUP (or set `principal`)",
            ));
        };
        let mut token = place.map(PageToken);
        let mut pages = 0;
        loop {
            let page = self
                .principals_page(instance, kind, token.as_ref(), request.page.size, call)
                .await?;
            let (principals, next) = (page.value.items, page.value.next);
            pages += 1;
            if principals.is_empty() && next.is_some() && pages < EMPTY_PAGES_MAX {
                token = next;
                continue;
            }
            let next_page_token = match &next {
                Some(next) => self
                    .page_tokens
                    .seal(&context.caller, &request.page, &next.0)?,
                None => String::new(),
            };
            return Ok(ListedPrincipals {
                principals,
                next_page_token,
                as_of: page.observed_at,
            });
        }
    }

    /// One page of one kind, as AWS gives it.
    async fn principals_page(
        &self,
        instance: &Instance,
        kind: PrincipalKind,
        token: Option<&PageToken>,
        size: usize,
        call: Call,
    ) -> Result<Dated<Page<Principal>>, AppError> {
        let directory = &self.parts.directory;
        Ok(match kind {
            PrincipalKind::User => {
                let page = directory.users_page(instance, token, size, call).await?;
                principals_of(page, Principal::User)
            }
            PrincipalKind::Group => {
                let page = directory.groups_page(instance, token, size, call).await?;
                principals_of(page, Principal::Group)
            }
        })
    }
}

fn principals_of<T>(page: Dated<Page<T>>, make: impl Fn(T) -> Principal) -> Dated<Page<Principal>> {
    Dated {
        value: Page {
            items: page.value.items.into_iter().map(make).collect(),
            next: page.value.next,
        },
        observed_at: page.observed_at,
    }
}
