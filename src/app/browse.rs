//! What there is to give, and to whom: instances, applications, principals.

use std::time::Duration;

use jiff::Timestamp;

use super::facts_page::{Listed, Listing};
use super::page_token::PageRequest;
use super::{App, AppError, CallContext};
use crate::directory::PrincipalQuery;
use crate::domain::facts::FactKind;
use crate::domain::{
    Application, ApplicationArn, ErrorKind, Instance, Principal, PrincipalKind, PrincipalStatus,
};
use crate::identity_center::{Call, Page, PageToken};

/// AWS pages that one call reads at most while they are empty (aws-api.md §3: a page may be empty
/// although there is a next one). Beyond that the caller gets an empty page and a token.
const EMPTY_PAGES_MAX: usize = 5;

/// What to list of an instance or an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Browse {
    /// Instance ARN or alias; empty for the only one.
    pub instance: String,
    /// Only what is called exactly this; empty for everything.
    pub name: String,
    /// How old the facts may be; none for those of the last collection, and, where there is none or a name is
    /// asked for, for what directories take.
    pub max_age: Option<Duration>,
    /// Which page.
    pub page: PageRequest,
}

/// Which principals to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPrincipals {
    /// Instance ARN or alias; empty for the only one.
    pub instance: String,
    /// Users or groups; not needed with `principal`.
    pub kind: Option<PrincipalKind>,
    /// Only the one that this means.
    pub principal: Option<PrincipalQuery>,
    /// How old the facts may be; as for `Browse`.
    pub max_age: Option<Duration>,
    /// Which page.
    pub page: PageRequest,
}

/// A place in a list of AWS. Its tokens count only with the page size that they were made with, so
/// that a caller who wants smaller pages on the way gets a page of AWS in pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    aws_size: usize,
    /// None on the first page.
    aws_token: Option<PageToken>,
    /// Rows of the page that were answered already.
    answered: usize,
}

impl Place {
    fn first(size: usize) -> Self {
        Self {
            aws_size: size,
            aws_token: None,
            answered: 0,
        }
    }

    fn write(&self) -> String {
        let token = self.aws_token.as_ref().map_or("", |token| &token.0);
        format!("{}:{}:{token}", self.aws_size, self.answered)
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        Some(Self {
            aws_size: parts.next()?.parse().ok()?,
            answered: parts.next()?.parse().ok()?,
            aws_token: Some(parts.next()?)
                .filter(|token| !token.is_empty())
                .map(|token| PageToken(token.to_owned())),
        })
    }

    /// At most `size` rows of the page from this place on, and the place after them.
    fn cut<T>(&self, page: Page<T>, size: usize) -> (Vec<T>, Option<Self>) {
        let rows_there = page.items.len();
        let rows: Vec<T> = page
            .items
            .into_iter()
            .skip(self.answered)
            .take(size)
            .collect();
        let answered = self.answered + rows.len();
        let next = if answered < rows_there && !rows.is_empty() {
            Some(Self {
                answered,
                ..self.clone()
            })
        } else {
            page.next.map(|token| Self {
                aws_size: self.aws_size,
                aws_token: Some(token),
                answered: 0,
            })
        };
        (rows, next)
    }
}

impl Browse {
    pub(super) fn listing<'a>(
        &'a self,
        context: &'a CallContext,
        instance: &'a Instance,
        place: Option<&'a str>,
    ) -> Listing<'a> {
        Listing {
            context,
            instance,
            page: &self.page,
            place,
            max_age: self.max_age,
        }
    }
}

impl App {
    /// One page of applications sorted by ARN.
    ///
    /// # Errors
    /// `PageTokenInvalid`, AWS errors.
    pub async fn list_applications(
        &self,
        context: &CallContext,
        request: &Browse,
    ) -> Result<Listed<Application>, AppError> {
        let instance = &*self.instance(&request.instance)?;
        self.check_directory_of(context, &request.instance, instance)
            .await?;
        let (name, page) = (&request.name, &request.page);
        let place = self.page_tokens.open(context, page)?;
        if name.is_empty() {
            let listing = request.listing(context, instance, place.as_deref());
            let kept = self.page_of_facts(&listing, FactKind::Application, |fact| {
                Ok(Some(fact.application()?.0))
            });
            if let Some(kept) = kept.await? {
                return Ok(kept);
            }
        }
        let after = place
            .map(|place| ApplicationArn::parse(&place))
            .transpose()
            .map_err(|_| AppError::PageTokenInvalid)?;
        let listed = self
            .parts
            .directory
            .applications(
                instance,
                self.or_default(request.max_age),
                self.call(context),
            )
            .await?;
        let mut fitting = listed
            .value
            .iter()
            .filter(|application| name.is_empty() || application.name == *name)
            .filter(|application| after.as_ref().is_none_or(|after| &application.arn > after));
        let rows: Vec<Application> = fitting.by_ref().take(page.size).cloned().collect();
        let next_page_token = match (rows.last(), fitting.next()) {
            (Some(last), Some(_)) => self.page_tokens.seal(context, page, last.arn.as_str())?,
            _ => String::new(),
        };
        Ok(Listed {
            rows,
            next_page_token,
            as_of: listed.observed_at,
        })
    }

    /// One page of users or groups, or the one principal that a query means.
    ///
    /// # Errors
    /// `FieldsInvalid` without kind and principal, `PageTokenInvalid`, lookups, AWS errors.
    pub async fn list_principals(
        &self,
        context: &CallContext,
        request: &ListPrincipals,
    ) -> Result<Listed<Principal>, AppError> {
        let instance = &*self.instance(&request.instance)?;
        self.check_directory_of(context, &request.instance, instance)
            .await?;
        let call = self.call(context);
        let place = self.page_tokens.open(context, &request.page)?;
        let directory = &self.parts.directory;
        if let Some(query) = &request.principal {
            let found = directory
                .find_principal(instance, query, self.or_default(request.max_age), call)
                .await?;
            return Ok(Listed {
                rows: vec![found.value],
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
        let kept = self
            .kept_principals(context, request, instance, kind, place.as_deref())
            .await?;
        if let Some(kept) = kept {
            return Ok(kept);
        }
        let mut place = match place {
            Some(place) => Place::read(&place).ok_or(AppError::PageTokenInvalid)?,
            None => Place::first(request.page.size),
        };
        let mut pages = 0;
        loop {
            let (page, as_of) = self.principals_page(instance, kind, &place, call).await?;
            pages += 1;
            let (rows, next) = place.cut(page, request.page.size);
            if let Some(next) = &next
                && rows.is_empty()
                && pages < EMPTY_PAGES_MAX
            {
                place = next.clone();
                continue;
            }
            let next_page_token = match &next {
                Some(next) => self
                    .page_tokens
                    .seal(context, &request.page, &next.write())?,
                None => String::new(),
            };
            return Ok(Listed {
                rows,
                next_page_token,
                as_of,
            });
        }
    }

    /// The page of what the last collection found, if that answers.
    async fn kept_principals(
        &self,
        context: &CallContext,
        request: &ListPrincipals,
        instance: &Instance,
        kind: PrincipalKind,
        place: Option<&str>,
    ) -> Result<Option<Listed<Principal>>, AppError> {
        let listing = &Listing {
            context,
            instance,
            page: &request.page,
            place,
            max_age: request.max_age,
        };
        match kind {
            PrincipalKind::User => {
                self.page_of_facts(listing, FactKind::User, |fact| {
                    let (user, exists) = fact.user()?;
                    Ok(exists.then_some(Principal::User(user)))
                })
                .await
            }
            PrincipalKind::Group => {
                self.page_of_facts(listing, FactKind::Group, |fact| {
                    let (group, status) = fact.group()?;
                    let exists = status != PrincipalStatus::Deleted;
                    Ok(exists.then_some(Principal::Group(group)))
                })
                .await
            }
        }
    }

    /// How old a directory's facts may be.
    pub(super) fn or_default(&self, max_age: Option<Duration>) -> Duration {
        max_age.unwrap_or_else(|| self.default_max_age())
    }

    /// The page of AWS that a place is in.
    async fn principals_page(
        &self,
        instance: &Instance,
        kind: PrincipalKind,
        place: &Place,
        call: Call,
    ) -> Result<(Page<Principal>, Timestamp), AppError> {
        let directory = &self.parts.directory;
        let (token, size) = (place.aws_token.as_ref(), place.aws_size);
        let read = match kind {
            PrincipalKind::User => {
                let page = directory.users_page(instance, token, size, call).await;
                page.map(|page| (page.value.map(Principal::User), page.observed_at))
            }
            PrincipalKind::Group => {
                let page = directory.groups_page(instance, token, size, call).await;
                page.map(|page| (page.value.map(Principal::Group), page.observed_at))
            }
        };
        read.map_err(|failure| match failure.kind {
            // AWS does not say how long its tokens live; ours are as old as they.
            ErrorKind::Validation if token.is_some() => AppError::PageTokenInvalid,
            _ => failure.into(),
        })
    }
}
