//! What people see of a wish while it waits: what was said so far, and who can agree, by name.

use std::time::Duration;

use super::approvers::{Candidates, Interested, user_id};
use super::reviewer::is_asked;
use super::wish::Wish;
use crate::app::asker::{Asker, Purpose};
use crate::app::subject::Reading;
use crate::app::{App, AppError, CallContext};
use crate::domain::approval::helps;
use crate::domain::{
    Approver, Grant, Instance, Path, PrincipalKind, PrincipalRef, PrincipalStatus, Review, User,
};
use crate::policy::Action;

/// How old names may be that only tell people whom to ask.
const NAME_AGE: Duration = Duration::from_secs(900);

/// Somebody who can agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhoMayAgree {
    /// The user.
    pub principal: PrincipalRef,
    /// The user name.
    pub name: String,
    /// In whose name, as policies write it: `group:secops`.
    pub stands_for: Vec<String>,
}

/// What is shown of the wishes on a grant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WishView {
    /// What reviewers said, oldest first, with names that are known.
    pub reviews: Vec<(Review, String)>,
    /// Who can still agree; not all of very many, and none where it was not looked for.
    pub who_may_agree: Vec<WhoMayAgree>,
    /// What keeps it shut beside agreements that are missing, where something does.
    pub shut: Option<&'static str>,
}

impl App {
    /// Those who can agree, by name: no more than an answer lists, since a name that is not known yet
    /// costs one operation. Who is disabled cannot.
    pub(super) async fn who_may_agree(
        &self,
        instance: &Instance,
        found: &Candidates,
        interested: &Interested,
        reading: Reading,
    ) -> Result<Vec<WhoMayAgree>, AppError> {
        let mut named = Vec::new();
        let listed = self.parts.approvals.listed_approvers_max;
        let Reading { call, .. } = reading;
        for approver in found.approvers.iter().take(listed) {
            let Some(id) = user_id(&approver.reviewer) else {
                continue;
            };
            let directory = &self.parts.directory;
            let user = directory.user(instance, &id, NAME_AGE, call).await?;
            let can = |user: &User| {
                user.status != PrincipalStatus::Disabled
                    && !interested.has(&approver.reviewer, &self.keys_of(user))
            };
            let Some(user) = user.filter(can) else {
                continue;
            };
            let stands_for = approver.stands_for.iter().map(ToString::to_string);
            named.push(WhoMayAgree {
                principal: PrincipalRef {
                    kind: PrincipalKind::User,
                    id,
                },
                name: user.user_name,
                stands_for: stands_for.collect(),
            });
        }
        Ok(named)
    }

    /// The wish on a grant as its answer shows it. That AWS does not answer who can agree costs no
    /// answer: the list is then empty.
    pub(in crate::app) async fn wish_view(
        &self,
        grant: &Grant,
        reading: Option<Reading>,
    ) -> WishView {
        let reviews = self.reviews_of(grant).await.unwrap_or_default();
        let mut view = WishView::default();
        for review in &reviews {
            let name = match user_id(&review.reviewer) {
                Some(id) => {
                    let kind = PrincipalKind::User;
                    self.known_name(&PrincipalRef { kind, id }).await
                }
                None => String::new(),
            };
            view.reviews.push((review.clone(), name));
        }
        let instance = self.parts.instances.get(&grant.instance_arn);
        let wish = Wish::of(grant).filter(|_| grant.open_wish().is_some());
        if let (Some(instance), Some(wish), Some(reading)) = (instance, wish, reading) {
            let policy = self.parts.policy.current();
            let found = async {
                let paths = self.paths_asked(&policy, &instance, &wish, reading);
                let paths = paths.await?;
                let interested = self.interested_in(&instance, &wish, reading).await?;
                let found = self
                    .candidates(&instance, &paths, &interested, reading)
                    .await?;
                let who = self
                    .who_may_agree(&instance, &found, &interested, reading)
                    .await?;
                let of = (&*reviews, &interested);
                let opening = self.opening(&policy, &instance, &wish, of, reading).await?;
                Ok::<_, AppError>((who, opening.shut_beside_price()))
            };
            match found.await {
                Ok((who, shut)) => {
                    view.shut = shut;
                    let has_spoken = |who: &WhoMayAgree| {
                        view.reviews.iter().any(|(review, _)| {
                            // Who was only vouched for may still speak itself.
                            wish.is_of(review)
                                && review.vouched_by.is_none()
                                && user_id(&review.reviewer).as_ref() == Some(&who.principal.id)
                        })
                    };
                    view.who_may_agree = who.into_iter().filter(|it| !has_spoken(it)).collect();
                }
                Err(error) => tracing::info!(error = %error, "who can agree is not known now"),
            }
        }
        view
    }

    /// Whether the subject is asked to agree to what is open on this grant, or, where nothing is, to
    /// the grant as it was: who comes too late hears that, and not that nothing is there.
    pub(in crate::app) async fn is_asked_to_agree(
        &self,
        asker: &Asker,
        instance: &Instance,
        grant: &Grant,
        reading: Reading,
    ) -> Result<bool, AppError> {
        let wish = Wish::of(grant).filter(|_| grant.open_wish().is_some());
        let wish = wish.unwrap_or_else(|| Wish::first_of(grant));
        let (.., approver) = self.as_asked(asker, instance, &wish, reading).await?;
        Ok(approver.is_some())
    }

    /// The ways to pay for a wish as people are asked for them now, who is out, and the subject where it
    /// is one of whom they ask.
    async fn as_asked(
        &self,
        asker: &Asker,
        instance: &Instance,
        wish: &Wish<'_>,
        reading: Reading,
    ) -> Result<(Vec<Path>, Interested, Option<Approver>), AppError> {
        let paths = self.paths_asked(&asker.policy, instance, wish, reading);
        let paths = paths.await?;
        let wish = wish.with_paths(&paths);
        let interested = self.interested_in(instance, &wish, reading).await?;
        let approver = self.approver(asker, instance, &wish, &interested, reading);
        let approver = approver.await?.filter(|it| is_asked(it, &wish));
        Ok((paths, interested, approver))
    }

    /// Whether an agreement of the subject would help this grant now: it is asked, has not spoken with as much proof, and it
    /// is its turn.
    pub(in crate::app) async fn can_agree_now(
        &self,
        asker: &Asker,
        instance: &Instance,
        grant: &Grant,
        reading: Reading,
    ) -> Result<bool, AppError> {
        let Some(wish) = Wish::of(grant).filter(|_| grant.open_wish().is_some()) else {
            return Ok(false);
        };
        let (paths, interested, approver) = self.as_asked(asker, instance, &wish, reading).await?;
        let Some(approver) = approver else {
            return Ok(false);
        };
        let wish = wish.with_paths(&paths);
        let reviews = self.reviews_of(grant).await?;
        let proven = asker.scene.subject_proven;
        let is_own =
            |it: &Review| wish.is_of(it) && it.reviewer == asker.subject && it.vouched_by.is_none();
        let adds_no_proof = |it: &Review| !it.is_approval() || it.subject_proven || !proven;
        if reviews.iter().any(|it| is_own(it) && adds_no_proof(it)) {
            return Ok(false);
        }
        let mut reviews = reviews;
        reviews.retain(|it| !is_own(it));
        let of = (reviews.as_slice(), &interested);
        let agreed = self
            .agreed(&asker.policy, instance, &wish, of, reading)
            .await?;
        let mut paths = wish.paths.iter();
        Ok(paths.any(|path| helps(&path.steps, &agreed, &approver)))
    }

    /// Refuses the answer of a repeat to who has nothing to do with the grant any more. What is
    /// remembered wants no AWS.
    pub(super) async fn check_repeated_word(
        &self,
        context: &CallContext,
        grant: &Grant,
    ) -> Result<(), AppError> {
        let not_there = || AppError::GrantNotFound {
            id: grant.id.to_string(),
        };
        let served = self.parts.instances.get(&grant.instance_arn);
        let asker = self.asker(context, served.as_deref(), Purpose::Read);
        let asker = asker.await.map_err(|error| error.hides(not_there))?;
        let resource = self.grant_resource(&asker, grant).await;
        if grant.requester.subject == asker.subject && !asker.is_disabled()
            || self.may_see(&asker, Action::ReadGrants, &resource)
            || self.may_see(&asker, Action::Revoke, &resource)
            || self.has_spoken(&asker, grant).await?
        {
            return Ok(());
        }
        Err(not_there())
    }

    /// Whether the subject has said something of a grant, or vouched for somebody who has.
    async fn has_spoken(&self, asker: &Asker, grant: &Grant) -> Result<bool, AppError> {
        if asker.is_disabled() {
            return Ok(false);
        }
        let reviews = self.reviews_of(grant).await?;
        let service = asker.subject.as_str().strip_prefix("service:");
        let is_by = |it: &Review| {
            it.reviewer == asker.subject || service.is_some() && it.vouched_by.as_deref() == service
        };
        Ok(reviews.iter().any(is_by))
    }

    /// Whether the subject may see a grant: policy lets it, or it is, or was, asked to agree.
    pub(in crate::app) async fn may_review_or_see(
        &self,
        asker: &Asker,
        instance: &Instance,
        grant: &Grant,
        reading: Reading,
    ) -> Result<bool, AppError> {
        let resource = self.grant_resource(asker, grant).await;
        if self.may_see(asker, Action::ReadGrants, &resource)
            || self
                .is_asked_to_agree(asker, instance, grant, reading)
                .await?
        {
            return Ok(true);
        }
        self.has_spoken(asker, grant).await
    }
}
