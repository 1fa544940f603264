//! The values of facts: compact JSON objects. A member that is empty or unknown is left out, so that
//! equal facts have equal texts.
//!
//! | kind | members |
//! |---|---|
//! | user | `exists`, `status`, `user_name`, `display_name`, `email`, `external_ids` (pairs of issuer and id) |
//! | group | `status`, `display_name`, `description` |
//! | membership | `since`, `by` |
//! | application | `status`, `required`, `name`, `account`, `provider`, `description` |
//! | permission set | `name`, `description`, `session` |
//! | account | `listed`, `status`, `name`, `email` |
//! | account access, assignment | none |
//! | finding | `since`, `detail` (in `found`) |
//!
//! Statuses are the words of reports; an unknown one is left out.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::domain::{
    Account, AccountId, AccountStatus, Application, ApplicationArn, ApplicationStatus,
    AssignmentRequired, ExternalId, Group, GroupId, InvalidValue, PermissionSet, PermissionSetArn,
    PrincipalStatus, User, UserId,
};

/// What is known of a user.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct UserValue {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) exists: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) status: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) user_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) display_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) email: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) external_ids: Vec<(String, String)>,
}

/// What is known of a group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupValue {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) status: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) display_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) description: String,
}

/// Since when a user is in a group and who put it there, where AWS tells.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MembershipValue {
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// By whom, as AWS writes it; empty when it does not tell.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub by: String,
}

/// What is known of an application.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ApplicationValue {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) status: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) required: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) account: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) provider: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) description: String,
}

/// What is known of a permission set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PermissionSetValue {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) description: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) session: String,
}

/// What is known of an account.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountValue {
    /// Whether the organization lists it; none when nobody could tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listed: Option<bool>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) status: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) email: String,
}

/// The word of a status; empty for the unknown one.
fn word_of<T: PartialEq>(value: T, unknown: T, as_str: fn(T) -> &'static str) -> String {
    if value == unknown {
        String::new()
    } else {
        as_str(value).to_owned()
    }
}

/// Reads what `word_of` wrote.
fn of_word<T: Copy>(
    word: &str,
    unknown: T,
    known: &[T],
    as_str: fn(T) -> &'static str,
) -> Result<T, InvalidValue> {
    if word.is_empty() {
        return Ok(unknown);
    }
    let found = known.iter().find(|value| as_str(**value) == word);
    found
        .copied()
        .ok_or_else(|| InvalidValue(format!("`{word}` is not a status")))
}

fn principal_status(word: &str) -> Result<PrincipalStatus, InvalidValue> {
    use PrincipalStatus::{Deleted, Disabled, Enabled, Unknown};
    of_word(
        word,
        Unknown,
        &[Enabled, Disabled, Deleted],
        PrincipalStatus::as_str,
    )
}

/// Writes a value down.
///
/// # Errors
/// Never for the values of this module: they have nothing that JSON cannot hold.
pub(crate) fn to_text<T: Serialize>(value: &T) -> Result<String, InvalidValue> {
    serde_json::to_string(value).map_err(|problem| InvalidValue(problem.to_string()))
}

/// Reads a value.
///
/// # Errors
/// It is not JSON of this shape.
pub(crate) fn from_text<T: DeserializeOwned>(text: &str) -> Result<T, InvalidValue> {
    serde_json::from_str(text).map_err(|problem| InvalidValue(problem.to_string()))
}

impl UserValue {
    /// What is known of a user, and whether AWS confirmed that it exists.
    #[must_use]
    pub fn of(user: &User, exists: bool) -> Self {
        let ids = user.external_ids.iter();
        Self {
            exists,
            status: word_of(
                user.status,
                PrincipalStatus::Unknown,
                PrincipalStatus::as_str,
            ),
            user_name: user.user_name.clone(),
            display_name: user.display_name.clone(),
            email: user.email.clone(),
            external_ids: ids.map(|it| (it.issuer.clone(), it.id.clone())).collect(),
        }
    }

    /// The user, and whether AWS confirmed that it exists.
    ///
    /// # Errors
    /// The status is no word of this version.
    pub fn into_user(self, id: UserId) -> Result<(User, bool), InvalidValue> {
        let ids = self.external_ids.into_iter();
        let user = User {
            id,
            user_name: self.user_name,
            display_name: self.display_name,
            email: self.email,
            status: principal_status(&self.status)?,
            external_ids: ids.map(|(issuer, id)| ExternalId { issuer, id }).collect(),
        };
        Ok((user, self.exists))
    }

    pub(super) fn is_known(&self) -> bool {
        self.exists || self.status == PrincipalStatus::Deleted.as_str()
    }
}

impl GroupValue {
    /// What is known of a group.
    #[must_use]
    pub fn of(group: &Group, status: PrincipalStatus) -> Self {
        Self {
            status: word_of(status, PrincipalStatus::Unknown, PrincipalStatus::as_str),
            display_name: group.display_name.clone(),
            description: group.description.clone(),
        }
    }

    /// The group and its status.
    ///
    /// # Errors
    /// The status is no word of this version.
    pub fn into_group(self, id: GroupId) -> Result<(Group, PrincipalStatus), InvalidValue> {
        let status = principal_status(&self.status)?;
        let group = Group {
            id,
            display_name: self.display_name,
            description: self.description,
        };
        Ok((group, status))
    }
}

impl PermissionSetValue {
    /// What is known of a permission set; its name is empty where it could not be read.
    #[must_use]
    pub fn of(set: &PermissionSet) -> Self {
        Self {
            name: set.name.clone(),
            description: set.description.clone(),
            session: set.session_duration.clone(),
        }
    }

    /// The permission set.
    #[must_use]
    pub fn into_permission_set(self, arn: PermissionSetArn) -> PermissionSet {
        PermissionSet {
            arn,
            name: self.name,
            description: self.description,
            session_duration: self.session,
        }
    }
}

impl ApplicationValue {
    /// What is known of an application.
    #[must_use]
    pub fn of(application: &Application, required: AssignmentRequired) -> Self {
        let account = application.account_id.as_ref();
        Self {
            status: word_of(
                application.status,
                ApplicationStatus::Unknown,
                ApplicationStatus::as_str,
            ),
            required: word_of(
                required,
                AssignmentRequired::Unknown,
                AssignmentRequired::as_str,
            ),
            name: application.name.clone(),
            account: account.map(ToString::to_string).unwrap_or_default(),
            provider: application.provider_arn.clone(),
            description: application.description.clone(),
        }
    }

    /// The application, and whether only assigned principals may enter it.
    ///
    /// # Errors
    /// A word or the account is none that this version knows.
    pub fn into_application(
        self,
        arn: ApplicationArn,
    ) -> Result<(Application, AssignmentRequired), InvalidValue> {
        use ApplicationStatus::{Disabled, Enabled, Unknown};
        use AssignmentRequired::{No, Yes};
        let known = [Enabled, Disabled];
        let status = of_word(&self.status, Unknown, &known, ApplicationStatus::as_str)?;
        let required = of_word(
            &self.required,
            AssignmentRequired::Unknown,
            &[Yes, No],
            AssignmentRequired::as_str,
        )?;
        let account = Some(self.account).filter(|account| !account.is_empty());
        let application = Application {
            arn,
            name: self.name,
            status,
            account_id: account.map(|id| AccountId::parse(&id)).transpose()?,
            provider_arn: self.provider,
            description: self.description,
        };
        Ok((application, required))
    }
}

impl AccountValue {
    /// What is known of an account, and whether the organization lists it.
    #[must_use]
    pub fn of(account: &Account, listed: Option<bool>) -> Self {
        Self {
            listed,
            status: word_of(
                account.status,
                AccountStatus::Unknown,
                AccountStatus::as_str,
            ),
            name: account.name.clone(),
            email: account.email.clone(),
        }
    }

    /// The account.
    ///
    /// # Errors
    /// The status is no word of this version.
    pub fn into_account(self, id: AccountId) -> Result<Account, InvalidValue> {
        use AccountStatus::{Active, Inactive, Unknown};
        let known = [Active, Inactive];
        Ok(Account {
            id,
            name: self.name,
            email: self.email,
            status: of_word(&self.status, Unknown, &known, AccountStatus::as_str)?,
        })
    }
}

#[cfg(test)]
#[path = "value_tests.rs"]
mod tests;
