//! The operations of identitystore: users, groups and memberships of one identity store.

use aws_sdk_identitystore::types::{AlternateIdentifier, MemberId, UniqueAttribute};
use aws_smithy_types::Document;

use super::call::Caller;
use super::convert::{self, UserMembers};
use super::sso_admin::{check_body, page_of, text_of};
use super::{Call, Page, PageToken};
use crate::domain::{
    ErrorKind, ExternalId, Failure, Group, GroupId, IdentityStoreId, Membership, Operation, User,
    UserId,
};

/// The largest page AWS gives (aws-api.md §2), and the page size that is sent where the caller
/// names none.
const PAGE_SIZE: i32 = 100;
/// The longest user name AWS holds, in characters (aws-api.md §2).
const USER_NAME_CHARACTERS_MAX: usize = 128;
/// The longest group name, email address or other text AWS holds (aws-api.md §2).
const TEXT_CHARACTERS_MAX: usize = 1024;

/// One identity store through the guard.
pub(super) struct IdentityStore<'a> {
    pub(super) caller: &'a Caller,
    pub(super) client: &'a aws_sdk_identitystore::Client,
    pub(super) store_id: IdentityStoreId,
}

impl IdentityStore<'_> {
    pub(super) async fn users(
        &self,
        page: Option<&PageToken>,
        page_size: usize,
        call: Call,
    ) -> Result<Page<User>, Failure> {
        let reply = self
            .caller
            .read(Operation::ListUsers, call, || {
                self.client
                    .list_users()
                    .identity_store_id(self.store_id.as_str())
                    .max_results(clamped(page_size))
                    .set_next_token(text_of(page))
                    .send()
            })
            .await?;
        check_body(&reply)?;
        let rows = reply.output.users().iter().map(|row| {
            convert::user(&UserMembers {
                id: row.user_id(),
                user_name: row.user_name(),
                display_name: row.display_name(),
                emails: row.emails(),
                status: row.user_status(),
                external_ids: row.external_ids(),
            })
        });
        let next = convert::page_token(reply.output.next_token());
        page_of(&reply, rows, next)
    }

    pub(super) async fn groups(
        &self,
        page: Option<&PageToken>,
        page_size: usize,
        call: Call,
    ) -> Result<Page<Group>, Failure> {
        let reply = self
            .caller
            .read(Operation::ListGroups, call, || {
                self.client
                    .list_groups()
                    .identity_store_id(self.store_id.as_str())
                    .max_results(clamped(page_size))
                    .set_next_token(text_of(page))
                    .send()
            })
            .await?;
        check_body(&reply)?;
        let rows = reply
            .output
            .groups()
            .iter()
            .map(|row| convert::group(row.group_id(), row.display_name(), row.description()));
        let next = convert::page_token(reply.output.next_token());
        page_of(&reply, rows, next)
    }

    pub(super) async fn user(&self, id: &UserId, call: Call) -> Result<Option<User>, Failure> {
        let reply = self
            .caller
            .read(Operation::DescribeUser, call, || {
                self.client
                    .describe_user()
                    .identity_store_id(self.store_id.as_str())
                    .user_id(id.as_str())
                    .send()
            })
            .await;
        match reply {
            Ok(reply) => {
                let row = &reply.output;
                let members = UserMembers {
                    id: row.user_id(),
                    user_name: row.user_name(),
                    display_name: row.display_name(),
                    emails: row.emails(),
                    status: row.user_status(),
                    external_ids: row.external_ids(),
                };
                let user = convert::user(&members);
                user.map(Some).map_err(|missing| reply.unusable(missing))
            }
            Err(rejected) if rejected.says_it_is_not_there() => Ok(None),
            Err(rejected) => Err(rejected.into()),
        }
    }

    pub(super) async fn group(&self, id: &GroupId, call: Call) -> Result<Option<Group>, Failure> {
        let reply = self
            .caller
            .read(Operation::DescribeGroup, call, || {
                self.client
                    .describe_group()
                    .identity_store_id(self.store_id.as_str())
                    .group_id(id.as_str())
                    .send()
            })
            .await;
        match reply {
            Ok(reply) => {
                let row = &reply.output;
                let group = convert::group(row.group_id(), row.display_name(), row.description());
                group.map(Some).map_err(|missing| reply.unusable(missing))
            }
            Err(rejected) if rejected.says_it_is_not_there() => Ok(None),
            Err(rejected) => Err(rejected.into()),
        }
    }

    pub(super) async fn user_id_by_name(
        &self,
        user_name: &str,
        call: Call,
    ) -> Result<Option<UserId>, Failure> {
        if !could_be_user_name(user_name) {
            return Ok(None);
        }
        let identifier = unique_attribute("userName", user_name, Operation::GetUserId)?;
        self.user_id(identifier, call).await
    }

    pub(super) async fn user_id_by_email(
        &self,
        email: &str,
        call: Call,
    ) -> Result<Option<UserId>, Failure> {
        if !could_be_text(email) {
            return Ok(None);
        }
        let identifier = unique_attribute("emails.value", email, Operation::GetUserId)?;
        self.user_id(identifier, call).await
    }

    pub(super) async fn user_id_by_external_id(
        &self,
        external_id: &ExternalId,
        call: Call,
    ) -> Result<Option<UserId>, Failure> {
        if !could_be_text(&external_id.issuer) || !could_be_text(&external_id.id) {
            return Ok(None);
        }
        let identifier = aws_sdk_identitystore::types::ExternalId::builder()
            .issuer(&external_id.issuer)
            .id(&external_id.id)
            .build()
            .map(AlternateIdentifier::ExternalId)
            .map_err(|_| Failure::new(ErrorKind::Unexpected, Operation::GetUserId))?;
        self.user_id(identifier, call).await
    }

    async fn user_id(
        &self,
        identifier: AlternateIdentifier,
        call: Call,
    ) -> Result<Option<UserId>, Failure> {
        let operation = Operation::GetUserId;
        let reply = self
            .caller
            .read(operation, call, || {
                self.client
                    .get_user_id()
                    .identity_store_id(self.store_id.as_str())
                    .alternate_identifier(identifier.clone())
                    .send()
            })
            .await;
        match reply {
            Ok(reply) => convert::principal_id(reply.output.user_id(), "UserId")
                .map(Some)
                .map_err(|missing| reply.unusable(missing)),
            Err(rejected)
                if rejected.says_it_is_not_there() || rejected.says_input_is_impossible() =>
            {
                Ok(None)
            }
            Err(rejected) => Err(rejected.into()),
        }
    }

    pub(super) async fn group_id_by_name(
        &self,
        display_name: &str,
        call: Call,
    ) -> Result<Option<GroupId>, Failure> {
        if !could_be_text(display_name) {
            return Ok(None);
        }
        let operation = Operation::GetGroupId;
        let identifier = unique_attribute("displayName", display_name, operation)?;
        let reply = self
            .caller
            .read(operation, call, || {
                self.client
                    .get_group_id()
                    .identity_store_id(self.store_id.as_str())
                    .alternate_identifier(identifier.clone())
                    .send()
            })
            .await;
        match reply {
            Ok(reply) => convert::principal_id(reply.output.group_id(), "GroupId")
                .map(Some)
                .map_err(|missing| reply.unusable(missing)),
            Err(rejected)
                if rejected.says_it_is_not_there() || rejected.says_input_is_impossible() =>
            {
                Ok(None)
            }
            Err(rejected) => Err(rejected.into()),
        }
    }

    pub(super) async fn members(
        &self,
        group: &GroupId,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<Membership>, Failure> {
        let reply = self
            .caller
            .read(Operation::ListGroupMemberships, call, || {
                self.client
                    .list_group_memberships()
                    .identity_store_id(self.store_id.as_str())
                    .group_id(group.as_str())
                    .max_results(PAGE_SIZE)
                    .set_next_token(text_of(page))
                    .send()
            })
            .await?;
        check_body(&reply)?;
        let rows = reply.output.group_memberships().iter();
        let rows = rows.map(|row| convert::membership(row, Some(group)));
        let next = convert::page_token(reply.output.next_token());
        page_of(&reply, rows, next)
    }

    pub(super) async fn groups_of_user(
        &self,
        user: &UserId,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<Membership>, Failure> {
        let reply = self
            .caller
            .read(Operation::ListGroupMembershipsForMember, call, || {
                self.client
                    .list_group_memberships_for_member()
                    .identity_store_id(self.store_id.as_str())
                    .member_id(MemberId::UserId(user.as_str().to_owned()))
                    .max_results(PAGE_SIZE)
                    .set_next_token(text_of(page))
                    .send()
            })
            .await?;
        check_body(&reply)?;
        let rows = reply.output.group_memberships().iter();
        let rows = rows.map(|row| convert::membership(row, None));
        let next = convert::page_token(reply.output.next_token());
        page_of(&reply, rows, next)
    }
}

fn clamped(page_size: usize) -> i32 {
    i32::try_from(page_size).map_or(PAGE_SIZE, |size| size.clamp(1, PAGE_SIZE))
}

fn unique_attribute(
    path: &str,
    value: &str,
    operation: Operation,
) -> Result<AlternateIdentifier, Failure> {
    UniqueAttribute::builder()
        .attribute_path(path)
        .attribute_value(Document::String(value.to_owned()))
        .build()
        .map(AlternateIdentifier::UniqueAttribute)
        .map_err(|_| Failure::new(ErrorKind::Unexpected, operation))
}

/// Whether AWS could hold this as a user name: letters, marks, symbols, numbers and punctuation
/// (aws-api.md §2), so nothing blank and nothing invisible that controls. What passes here and is
/// none all the same, AWS says.
fn could_be_user_name(value: &str) -> bool {
    fits(value, USER_NAME_CHARACTERS_MAX)
        && !value
            .chars()
            .any(|letter| letter.is_control() || letter.is_whitespace())
}

/// Whether AWS could hold this as a group name or an email address: as above, with the blanks that
/// its pattern names.
fn could_be_text(value: &str) -> bool {
    fits(value, TEXT_CHARACTERS_MAX)
        && !value.chars().any(|letter| match letter {
            '\t' | '\n' | '\r' | ' ' | '\u{A0}' | '\u{3000}' => false,
            other => other.is_control() || other.is_whitespace(),
        })
}

fn fits(value: &str, characters_max: usize) -> bool {
    !value.is_empty() && value.chars().take(characters_max + 1).count() <= characters_max
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_aws_can_never_hold_are_told_without_asking() {
        assert!(could_be_user_name("jane@example.com"));
        assert!(could_be_user_name(&"ж".repeat(128)));
        for never in ["", "two words", "a\nb", "a\0b", &"ж".repeat(129)] {
            assert!(!could_be_user_name(never), "{never:?}");
        }
        assert!(could_be_text("Data engineers,\n\"EU\"\u{3000}"));
        for never in ["", "a\u{b}b", "a\u{2003}b", &"x".repeat(1025)] {
            assert!(!could_be_text(never), "{never:?}");
        }
    }

    #[test]
    fn page_sizes_are_what_aws_takes() {
        assert_eq!(
            [0, 1, 50, 100, 101, usize::MAX].map(clamped),
            [1, 1, 50, 100, 100, 100]
        );
    }
}
