//! What a fact is about, read back: its key and its value together.

use super::{
    AccountValue, ApplicationValue, Fact, GroupValue, PermissionSetValue, UserValue, from_text,
};
use crate::domain::{
    Account, AccountId, Application, ApplicationArn, AssignmentRequired, Group, InvalidValue,
    PermissionSet, PermissionSetArn, PrincipalId, PrincipalStatus, User,
};

/// Each reads a fact of its kind.
///
/// # Errors
/// The key or the value is none that this version can read.
impl Fact {
    /// The user, and whether AWS confirmed that it exists.
    pub(crate) fn user(&self) -> Result<(User, bool), InvalidValue> {
        from_text::<UserValue>(&self.value)?.into_user(PrincipalId::parse(&self.key.key)?)
    }

    /// The group and its status.
    pub(crate) fn group(&self) -> Result<(Group, PrincipalStatus), InvalidValue> {
        from_text::<GroupValue>(&self.value)?.into_group(PrincipalId::parse(&self.key.key)?)
    }

    /// The application, and whether only assigned principals may enter it.
    pub(crate) fn application(&self) -> Result<(Application, AssignmentRequired), InvalidValue> {
        let value: ApplicationValue = from_text(&self.value)?;
        value.into_application(ApplicationArn::parse(&self.key.key)?)
    }

    /// The permission set.
    pub(crate) fn permission_set(&self) -> Result<PermissionSet, InvalidValue> {
        let value: PermissionSetValue = from_text(&self.value)?;
        Ok(value.into_permission_set(PermissionSetArn::parse(&self.key.key)?))
    }

    /// The account, and whether the organization lists it; none when nobody could tell.
    pub(crate) fn account(&self) -> Result<(Account, Option<bool>), InvalidValue> {
        let value: AccountValue = from_text(&self.value)?;
        let listed = value.listed;
        let account = value.into_account(AccountId::parse(&self.key.key)?)?;
        Ok((account, listed))
    }
}
