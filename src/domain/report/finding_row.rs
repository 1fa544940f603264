//! The row of the view FINDINGS. The list below is the only list of its columns.

use super::row::columns;

columns! {
    /// Something that somebody should look at; every cell is text, empty where it does not apply.
    FindingRow[19], Findings;
    /// HIGH, MEDIUM or LOW.
    severity,
    /// The finding's word.
    finding,
    /// When it was found first, and has been there since; RFC 3339 UTC. Empty where nothing is kept.
    since,
    /// The instance.
    instance_arn,
    /// Its identity store.
    identity_store_id,
    /// The account that owns the instance.
    owner_account_id,
    /// APPLICATION or ACCOUNT.
    target_kind,
    /// The application.
    application_arn,
    /// The application's name; not unique.
    application_name,
    /// The account, for account access.
    account_id,
    /// The account's name.
    account_name,
    /// The permission set, for account access.
    permission_set_arn,
    /// The permission set's name.
    permission_set_name,
    /// USER or GROUP.
    principal_type,
    /// The user or group.
    principal_id,
    /// Its name.
    principal_name,
    /// The grant.
    grant_id,
    /// How much of it, in words.
    detail,
    /// What it means, and what to do.
    what_to_do,
}
