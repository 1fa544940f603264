//! The row of a report. The list below is the only list of columns: the CSV header, the keys of
//! JSON Lines and the tests take their names from it.

macro_rules! columns {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// One row of a report; every cell is text, empty where it does not apply.
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct Row {
            $($(#[$doc])* pub $name: String,)+
        }

        /// The names of the columns, in their order.
        pub const COLUMNS: [&str; COLUMN_COUNT] = [$(stringify!($name)),+];

        impl Row {
            /// The cells in the order of `COLUMNS`.
            #[must_use]
            pub fn cells(&self) -> [&str; COLUMN_COUNT] {
                [$(self.$name.as_str()),+]
            }

            /// Makes a row of its cells in the order of `COLUMNS`.
            #[must_use]
            pub fn from_cells(cells: [String; COLUMN_COUNT]) -> Self {
                let [$($name),+] = cells;
                Self { $($name),+ }
            }
        }
    };
}

/// How many columns a row has.
pub const COLUMN_COUNT: usize = 30;

columns! {
    /// The instance.
    instance_arn,
    /// Its identity store.
    identity_store_id,
    /// The account that owns the instance.
    owner_account_id,
    /// APPLICATION.
    target_kind,
    /// The application.
    application_arn,
    /// The application's name; not unique.
    application_name,
    /// ENABLED, DISABLED or unknown.
    application_status,
    /// Whether only assigned principals may enter: yes, no or unknown.
    assignment_required,
    /// The account, for account access.
    account_id,
    /// The account's name.
    account_name,
    /// The permission set, for account access.
    permission_set_arn,
    /// The permission set's name.
    permission_set_name,
    /// The user.
    user_id,
    /// The user name.
    user_name,
    /// The user's display name.
    display_name,
    /// The user's email address.
    email,
    /// ENABLED, DISABLED, DELETED or unknown.
    user_status,
    /// A `ReportPath`.
    path,
    /// The assigned group.
    group_id,
    /// The group's display name.
    group_name,
    /// A `Provenance`; empty on the path OPEN_APPLICATION, which no assignment explains.
    provenance,
    /// The live grants on the assignment, joined by `;`.
    grant_id,
    /// Who asked for the grant that ends last.
    requested_by,
    /// Who approved it.
    approved_by,
    /// When it was approved.
    approved_at,
    /// Why it was asked for.
    justification,
    /// Its ticket.
    ticket,
    /// When it became active, RFC 3339 UTC.
    granted_at,
    /// When it ends, RFC 3339 UTC; empty without an end.
    expires_at,
    /// `Finding`s, joined by `;`.
    findings,
}

impl Row {
    /// What rows are sorted by, ascending by bytes. No two rows of one report are equal in it.
    /// It holds ids only: renaming something does not move its rows.
    #[must_use]
    pub fn sort_key(&self) -> [&str; 8] {
        [
            &self.instance_arn,
            &self.target_kind,
            &self.application_arn,
            &self.account_id,
            &self.permission_set_arn,
            &self.user_id,
            &self.path,
            &self.group_id,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sentence of DESIGN.md §6, word for word: what clients rely on.
    const CONTRACT: &str = "instance_arn, identity_store_id, owner_account_id, target_kind, \
        application_arn, application_name, application_status, assignment_required, account_id, \
        account_name, permission_set_arn, permission_set_name, user_id, user_name, display_name, \
        email, user_status, path, group_id, group_name, provenance, grant_id, requested_by, \
        approved_by, approved_at, justification, ticket, granted_at, expires_at, findings";

    #[test]
    fn the_columns_are_the_contract() {
        assert_eq!(COLUMNS.join(", "), CONTRACT);
    }

    #[test]
    fn cells_come_back_as_the_same_row() {
        let cells = COLUMNS.map(str::to_owned);
        let row = Row::from_cells(cells);
        assert_eq!(row.cells(), COLUMNS);
        assert_eq!(row.ticket, "ticket");
    }
}
