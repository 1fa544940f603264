//! The rows of reports: what every view's rows have in common, and the row of ACCESS and
//! ASSIGNMENTS. The list below is the only list of its columns: the CSV header, the keys of JSON
//! Lines and the tests take their names from it.

use super::{ChangeRow, DuplicateUserRow, FindingRow, InstanceRow};

/// A row of some view: cells of text under names.
pub trait ReportRow: Sized + Send + 'static {
    /// The names of its columns, in their order.
    const COLUMNS: &'static [&'static str];

    /// The cells in the order of `COLUMNS`.
    fn cells(&self) -> Vec<&str>;

    /// Rows of this view as they travel.
    fn batch(rows: Vec<Self>) -> Batch;
}

/// Rows of one view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Batch {
    /// Of ACCESS or ASSIGNMENTS.
    Assigned(Vec<Row>),
    /// Of INSTANCES.
    Instances(Vec<InstanceRow>),
    /// Of DUPLICATE_USERS.
    DuplicateUsers(Vec<DuplicateUserRow>),
    /// Of FINDINGS.
    Findings(Vec<FindingRow>),
    /// Of CHANGES, and of comparisons.
    Changes(Vec<ChangeRow>),
}

/// Makes a row's type, its columns and its cells from one list.
macro_rules! columns {
    ($(#[$row_doc:meta])* $row:ident[$count:expr], $batch:ident; $($(#[$doc:meta])* $name:ident,)+) => {
        $(#[$row_doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct $row {
            $($(#[$doc])* pub $name: String,)+
        }

        impl $row {
            /// The names of the columns, in their order.
            pub const NAMES: [&str; $count] = [$(stringify!($name)),+];

            /// Makes a row of its cells in the order of `NAMES`.
            #[must_use]
            pub fn from_cells(cells: [String; $count]) -> Self {
                let [$($name),+] = cells;
                Self { $($name),+ }
            }
        }

        impl $crate::domain::report::ReportRow for $row {
            const COLUMNS: &'static [&'static str] = &Self::NAMES;

            fn cells(&self) -> Vec<&str> {
                vec![$(self.$name.as_str()),+]
            }

            fn batch(rows: Vec<Self>) -> $crate::domain::report::Batch {
                $crate::domain::report::Batch::$batch(rows)
            }
        }
    };
}

pub(super) use columns;

/// How many columns a row of ACCESS and ASSIGNMENTS has.
pub const COLUMN_COUNT: usize = 30;

/// Their names, in their order.
pub const COLUMNS: [&str; COLUMN_COUNT] = Row::NAMES;

columns! {
    /// One row of ACCESS or ASSIGNMENTS; every cell is text, empty where it does not apply.
    Row[COLUMN_COUNT], Assigned;
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
        let row = Row::from_cells(COLUMNS.map(str::to_owned));
        assert_eq!(row.cells(), COLUMNS);
        assert_eq!(row.ticket, "ticket");
    }
}
