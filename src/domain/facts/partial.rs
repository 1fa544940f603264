//! Values of which a part is not known, or is to be forgotten.

use super::{
    AccountValue, ApplicationValue, FactKind, GroupValue, PermissionSetValue, UserValue, from_text,
    to_text,
};
use crate::domain::{InvalidValue, PrincipalStatus};

/// A value within a gap: what it does not know is as it was last known.
///
/// # Errors
/// One of the texts is no value of this kind.
pub fn fill_unknown(kind: FactKind, seen: &str, before: &str) -> Result<String, InvalidValue> {
    let filled = match kind {
        FactKind::User => {
            let seen: UserValue = from_text(seen)?;
            to_text(&if seen.is_known() {
                seen
            } else {
                from_text(before)?
            })?
        }
        FactKind::Group => {
            let (mut seen, before): (GroupValue, GroupValue) =
                (from_text(seen)?, from_text(before)?);
            if seen.status.is_empty() {
                seen.status = before.status;
            }
            if seen.display_name.is_empty() && seen.status != PrincipalStatus::Deleted.as_str() {
                seen.display_name = before.display_name;
                seen.description = before.description;
            }
            to_text(&seen)?
        }
        FactKind::Application => {
            let mut seen: ApplicationValue = from_text(seen)?;
            if seen.required.is_empty() {
                seen.required = from_text::<ApplicationValue>(before)?.required;
            }
            to_text(&seen)?
        }
        FactKind::PermissionSet => {
            let seen: PermissionSetValue = from_text(seen)?;
            let is_known = !seen.name.is_empty();
            to_text(&if is_known { seen } else { from_text(before)? })?
        }
        FactKind::Account => {
            let seen: AccountValue = from_text(seen)?;
            let is_known = seen.listed.is_some();
            to_text(&if is_known { seen } else { from_text(before)? })?
        }
        _ => seen.to_owned(),
    };
    Ok(filled)
}

/// A value without the names in it, for what is to be forgotten. None where its kind has no names.
///
/// # Errors
/// The text is no value of this kind.
pub fn without_names(kind: FactKind, value: &str) -> Result<Option<String>, InvalidValue> {
    let erased = match kind {
        FactKind::User => {
            let value: UserValue = from_text(value)?;
            to_text(&UserValue {
                exists: value.exists,
                status: value.status,
                ..UserValue::default()
            })?
        }
        FactKind::Group => {
            let value: GroupValue = from_text(value)?;
            to_text(&GroupValue {
                status: value.status,
                ..GroupValue::default()
            })?
        }
        FactKind::Application => {
            let value: ApplicationValue = from_text(value)?;
            to_text(&ApplicationValue {
                name: String::new(),
                description: String::new(),
                ..value
            })?
        }
        FactKind::PermissionSet => to_text(&PermissionSetValue::default())?,
        FactKind::Account => {
            let value: AccountValue = from_text(value)?;
            to_text(&AccountValue {
                listed: value.listed,
                status: value.status,
                ..AccountValue::default()
            })?
        }
        _ => return Ok(None),
    };
    Ok(Some(erased))
}
