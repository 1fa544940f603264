//! How what AWS answers is written down in a reading: ids and the values of facts, as small as they can be, so that a
//! reading makes the facts that AWS's own answer makes.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::facts::{
    AccountValue, ApplicationValue, GroupValue, MembershipValue, PermissionSetValue, UserValue,
    principal_of_second, second_of_principal, target_of_key,
};
use crate::domain::{
    Account, AccountId, Application, ApplicationArn, AssignmentRequired, DirectAssignment, Group,
    InvalidValue, Membership, PermissionSet, PermissionSetArn, PrincipalId, PrincipalStatus, User,
};

/// Something that a reading can hold.
pub(in crate::audit) trait Kept: Sized + Send + Sync {
    /// As it is written.
    type Row: Serialize + DeserializeOwned + Send;

    /// Writes it.
    fn row(&self) -> Self::Row;

    /// Reads what was written, of a reading about this.
    fn of(row: Self::Row, about: &str) -> Result<Self, InvalidValue>;
}

impl Kept for Application {
    type Row = (String, ApplicationValue);

    fn row(&self) -> Self::Row {
        let value = ApplicationValue::of(self, AssignmentRequired::Unknown);
        (self.arn.to_string(), value)
    }

    fn of((arn, value): Self::Row, _: &str) -> Result<Self, InvalidValue> {
        let (application, _) = value.into_application(ApplicationArn::parse(&arn)?)?;
        Ok(application)
    }
}

impl Kept for AssignmentRequired {
    type Row = String;

    fn row(&self) -> String {
        self.as_str().to_owned()
    }

    fn of(word: String, _: &str) -> Result<Self, InvalidValue> {
        let known = [Self::Yes, Self::No, Self::Unknown];
        let found = known.into_iter().find(|value| value.as_str() == word);
        found.ok_or_else(|| InvalidValue(format!("`{word}` says nothing")))
    }
}

impl Kept for DirectAssignment {
    type Row = String;

    fn row(&self) -> String {
        second_of_principal(&self.principal)
    }

    fn of(principal: String, target: &str) -> Result<Self, InvalidValue> {
        Ok(Self {
            target: target_of_key(target)?,
            principal: principal_of_second(&principal)?,
        })
    }
}

impl Kept for PermissionSetArn {
    type Row = String;

    fn row(&self) -> String {
        self.to_string()
    }

    fn of(arn: String, _: &str) -> Result<Self, InvalidValue> {
        Self::parse(&arn)
    }
}

impl Kept for AccountId {
    type Row = String;

    fn row(&self) -> String {
        self.to_string()
    }

    fn of(id: String, _: &str) -> Result<Self, InvalidValue> {
        Self::parse(&id)
    }
}

impl Kept for PermissionSet {
    type Row = (String, PermissionSetValue);

    fn row(&self) -> Self::Row {
        (self.arn.to_string(), PermissionSetValue::of(self))
    }

    fn of((arn, value): Self::Row, _: &str) -> Result<Self, InvalidValue> {
        Ok(value.into_permission_set(PermissionSetArn::parse(&arn)?))
    }
}

impl Kept for Group {
    type Row = (String, GroupValue);

    fn row(&self) -> Self::Row {
        let value = GroupValue::of(self, PrincipalStatus::Enabled);
        (self.id.to_string(), value)
    }

    fn of((id, value): Self::Row, _: &str) -> Result<Self, InvalidValue> {
        let (group, _) = value.into_group(PrincipalId::parse(&id)?)?;
        Ok(group)
    }
}

impl Kept for Membership {
    type Row = (String, MembershipValue);

    fn row(&self) -> Self::Row {
        let value = MembershipValue {
            since: self.created_at,
            by: self.created_by.clone(),
        };
        (self.user_id.to_string(), value)
    }

    fn of((user, value): Self::Row, group: &str) -> Result<Self, InvalidValue> {
        Ok(Self {
            group_id: PrincipalId::parse(group)?,
            user_id: PrincipalId::parse(&user)?,
            created_at: value.since,
            created_by: value.by,
        })
    }
}

impl Kept for User {
    type Row = (String, UserValue);

    fn row(&self) -> Self::Row {
        (self.id.to_string(), UserValue::of(self, true))
    }

    fn of((id, value): Self::Row, _: &str) -> Result<Self, InvalidValue> {
        let (user, _) = value.into_user(PrincipalId::parse(&id)?)?;
        Ok(user)
    }
}

impl Kept for Account {
    type Row = (String, AccountValue);

    fn row(&self) -> Self::Row {
        (self.id.to_string(), AccountValue::of(self, None))
    }

    fn of((id, value): Self::Row, _: &str) -> Result<Self, InvalidValue> {
        value.into_account(AccountId::parse(&id)?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::fixtures::{application, group, permission_set, user};
    use super::*;

    #[test]
    fn what_aws_answered_comes_back_whole() {
        let mut named = group(1);
        named.description = "Who may look.".to_owned();
        assert_eq!(Group::of(named.row(), ""), Ok(named));
        let mut set = permission_set(1);
        set.description = "May look.".to_owned();
        set.session_duration = "PT8H".to_owned();
        assert_eq!(PermissionSet::of(set.row(), ""), Ok(set));
        assert_eq!(User::of(user(1).row(), ""), Ok(user(1)));
        assert_eq!(
            Application::of(application(1).row(), ""),
            Ok(application(1))
        );
    }
}
