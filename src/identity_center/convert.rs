//! From the SDK's types to Usher's. What must be there and is not is an error, never a default;
//! what AWS may leave out stays visibly unknown.

use aws_sdk_identitystore::types as identity_store;
use aws_sdk_ssoadmin::types as sso_admin;
use aws_smithy_types::DateTime;
use jiff::Timestamp;

use super::{ListedInstance, PageToken};
use crate::domain::{
    AccountId, Application, ApplicationArn, ApplicationStatus, ExternalId, Group, GroupId,
    IdentityStoreId, Instance, InstanceArn, InstanceKind, Membership, PermissionSetArn,
    PrincipalId, PrincipalKind, PrincipalRef, PrincipalStatus, User,
};

/// What an answer lacks, or has in a shape that it cannot have.
pub(super) type Missing = &'static str;

/// The next page's token. Missing, null and empty all mean the last page (aws-api.md §1).
pub(super) fn page_token(token: Option<&str>) -> Option<PageToken> {
    token
        .filter(|token| !token.is_empty())
        .map(|token| PageToken(token.to_owned()))
}

/// An instance; none for one that AWS is still making and that has no identity store yet.
pub(super) fn instance(
    row: &sso_admin::InstanceMetadata,
    region: &str,
) -> Result<Option<ListedInstance>, Missing> {
    let status = row.status().map_or("", sso_admin::InstanceStatus::as_str);
    let is_active = status == "ACTIVE";
    let identity_store_id = row.identity_store_id().unwrap_or_default();
    if identity_store_id.is_empty() && !is_active {
        return Ok(None);
    }
    let arn = row.instance_arn().unwrap_or_default();
    Ok(Some(ListedInstance {
        instance: Instance {
            arn: InstanceArn::parse(arn).map_err(|_| "InstanceArn")?,
            alias: None,
            identity_store_id: IdentityStoreId::parse(identity_store_id)
                .map_err(|_| "IdentityStoreId")?,
            owner_account_id: account(row.owner_account_id())?,
            name: text(row.name()),
            region: region.to_owned(),
            kind: InstanceKind::Unknown,
            management_account_id: None,
            called_from: None,
        },
        is_active,
        state: status.to_owned(),
    }))
}

/// The members of an application, which the SDK has in two types.
pub(super) struct ApplicationMembers<'a> {
    pub(super) arn: Option<&'a str>,
    pub(super) name: Option<&'a str>,
    pub(super) status: Option<&'a sso_admin::ApplicationStatus>,
    pub(super) account: Option<&'a str>,
    pub(super) provider: Option<&'a str>,
    pub(super) description: Option<&'a str>,
}

pub(super) fn application(row: &ApplicationMembers<'_>) -> Result<Application, Missing> {
    Ok(Application {
        arn: ApplicationArn::parse(row.arn.unwrap_or_default()).map_err(|_| "ApplicationArn")?,
        name: text(row.name),
        status: match row.status.map(sso_admin::ApplicationStatus::as_str) {
            Some("ENABLED") => ApplicationStatus::Enabled,
            Some("DISABLED") => ApplicationStatus::Disabled,
            _ => ApplicationStatus::Unknown,
        },
        account_id: account(row.account)?,
        provider_arn: text(row.provider),
        description: text(row.description),
    })
}

pub(super) fn principal(kind: Option<&str>, id: Option<&str>) -> Result<PrincipalRef, Missing> {
    Ok(PrincipalRef {
        kind: kind
            .and_then(PrincipalKind::from_aws)
            .ok_or("PrincipalType")?,
        id: PrincipalId::parse(id.unwrap_or_default()).map_err(|_| "PrincipalId")?,
    })
}

/// The members of a user, which the SDK has in two types.
pub(super) struct UserMembers<'a> {
    pub(super) id: &'a str,
    pub(super) user_name: Option<&'a str>,
    pub(super) display_name: Option<&'a str>,
    pub(super) emails: &'a [identity_store::Email],
    pub(super) status: Option<&'a identity_store::UserStatus>,
    pub(super) external_ids: &'a [identity_store::ExternalId],
}

pub(super) fn user(row: &UserMembers<'_>) -> Result<User, Missing> {
    let primary = row.emails.iter().find(|email| email.primary());
    Ok(User {
        id: principal_id(row.id, "UserId")?,
        user_name: text(row.user_name),
        display_name: text(row.display_name),
        email: text(
            primary
                .or_else(|| row.emails.first())
                .and_then(identity_store::Email::value),
        ),
        status: match row.status.map(identity_store::UserStatus::as_str) {
            Some("ENABLED") => PrincipalStatus::Enabled,
            Some("DISABLED") => PrincipalStatus::Disabled,
            _ => PrincipalStatus::Unknown,
        },
        external_ids: (row.external_ids.iter())
            .map(|external| ExternalId {
                issuer: external.issuer().to_owned(),
                id: external.id().to_owned(),
            })
            .collect(),
    })
}

pub(super) fn group(
    id: &str,
    display_name: Option<&str>,
    description: Option<&str>,
) -> Result<Group, Missing> {
    Ok(Group {
        id: principal_id(id, "GroupId")?,
        display_name: text(display_name),
        description: text(description),
    })
}

/// A membership. The group is the one asked for when AWS leaves it out.
pub(super) fn membership(
    row: &identity_store::GroupMembership,
    asked_group: Option<&GroupId>,
) -> Result<Membership, Missing> {
    let group_id = match (row.group_id(), asked_group) {
        (Some(id), _) => principal_id(id, "GroupId")?,
        (None, Some(asked)) => asked.clone(),
        (None, None) => return Err("GroupId"),
    };
    let member = row
        .member_id()
        .and_then(|member| member.as_user_id().ok())
        .ok_or("MemberId")?;
    Ok(Membership {
        group_id,
        user_id: principal_id(member, "MemberId.UserId")?,
        created_at: row.created_at().and_then(timestamp),
        created_by: text(row.created_by()),
    })
}

pub(super) fn principal_id(id: &str, member: Missing) -> Result<PrincipalId, Missing> {
    PrincipalId::parse(id).map_err(|_| member)
}

/// An account id that must be there.
pub(super) fn account_id(id: Option<&str>, member: Missing) -> Result<AccountId, Missing> {
    AccountId::parse(id.unwrap_or_default()).map_err(|_| member)
}

/// The ARN of a permission set of this instance.
pub(super) fn permission_set_arn(
    arn: Option<&str>,
    instance: &InstanceArn,
) -> Result<PermissionSetArn, Missing> {
    PermissionSetArn::parse(arn.unwrap_or_default())
        .ok()
        .filter(|arn| arn.instance_arn() == *instance)
        .ok_or("PermissionSetArn")
}

/// An account id that AWS may leave out, but not get wrong.
fn account(id: Option<&str>) -> Result<Option<AccountId>, Missing> {
    id.filter(|id| !id.is_empty())
        .map(|id| AccountId::parse(id).map_err(|_| "an account id"))
        .transpose()
}

fn timestamp(time: &DateTime) -> Option<Timestamp> {
    let nanoseconds = i32::try_from(time.subsec_nanos()).ok()?;
    Timestamp::new(time.secs(), nanoseconds).ok()
}

fn text(value: Option<&str>) -> String {
    value.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "04261254-0000-4a5a-9d53-3f2a5f0c1a11";

    #[test]
    fn an_empty_token_is_the_last_page() {
        assert_eq!(page_token(None), None);
        assert_eq!(page_token(Some("")), None);
        assert_eq!(page_token(Some("x")), Some(PageToken("x".to_owned())));
    }

    #[test]
    fn unknown_words_stay_unknown_and_missing_ids_are_errors() {
        let status = identity_store::UserStatus::from("ASLEEP");
        let mut members = UserMembers {
            id: ID,
            user_name: None,
            display_name: None,
            emails: &[],
            status: Some(&status),
            external_ids: &[],
        };
        let read = user(&members).unwrap();
        assert_eq!(read.status, PrincipalStatus::Unknown);
        assert_eq!(read.user_name, "");
        members.id = "";
        assert_eq!(user(&members), Err("UserId"));
        assert_eq!(principal(Some("ROBOT"), Some(ID)), Err("PrincipalType"));
    }

    #[test]
    fn the_primary_email_is_the_email() {
        let email = |value: &str, primary| {
            identity_store::Email::builder()
                .value(value)
                .primary(primary)
                .build()
        };
        let emails = [
            email("second@example.com", false),
            email("first@example.com", true),
        ];
        let members = UserMembers {
            id: ID,
            user_name: Some("x"),
            display_name: None,
            emails: &emails,
            status: None,
            external_ids: &[],
        };
        assert_eq!(user(&members).unwrap().email, "first@example.com");
    }

    #[test]
    fn what_other_systems_call_a_user_is_kept() {
        let builder = identity_store::ExternalId::builder();
        let external = builder.issuer("https://idp.example.com").id("00u1").build();
        let external = [external.unwrap()];
        let members = UserMembers {
            id: ID,
            user_name: None,
            display_name: None,
            emails: &[],
            status: None,
            external_ids: &external,
        };
        let kept = ExternalId {
            issuer: "https://idp.example.com".to_owned(),
            id: "00u1".to_owned(),
        };
        assert_eq!(user(&members).unwrap().external_ids, [kept]);
    }

    #[test]
    fn an_instance_in_the_making_has_no_store_and_is_left_out() {
        let making = sso_admin::InstanceMetadata::builder()
            .instance_arn("arn:aws:sso:::instance/ssoins-1234567890abcdef")
            .status(sso_admin::InstanceStatus::CreateInProgress)
            .build();
        assert_eq!(instance(&making, "eu-west-1"), Ok(None));
        let broken = sso_admin::InstanceMetadata::builder()
            .status(sso_admin::InstanceStatus::Active)
            .build();
        assert_eq!(instance(&broken, "eu-west-1"), Err("InstanceArn"));
    }
}
