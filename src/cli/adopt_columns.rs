//! The columns of a file of adoptions: by their own names, or by those of Usher's report of
//! assignments. It says which cell is what, and reads no row.

use crate::domain::report::COLUMNS as REPORT_COLUMNS;

/// What a cell says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    User,
    Group,
    Application,
    Account,
    PermissionSet,
    Owner,
    Duration,
    Justification,
    Ticket,
    /// In a report: whose the target is.
    Instance,
    /// In a report: how people come in.
    Path,
    /// In a report: what an adoption does not need.
    Ignored,
}

/// Each column with its own name and that of a report, where the two differ.
const NAMES: [(Column, &str, &str); 9] = [
    (Column::User, "user", "user_id"),
    (Column::Group, "group", "group_id"),
    (Column::Application, "application", "application_arn"),
    (Column::Account, "account", "account_id"),
    (
        Column::PermissionSet,
        "permission_set",
        "permission_set_arn",
    ),
    (Column::Owner, "owner", ""),
    (Column::Duration, "duration", ""),
    (Column::Justification, "justification", ""),
    (Column::Ticket, "ticket", ""),
];

impl Column {
    /// Its name in messages.
    pub(super) fn name(self) -> &'static str {
        let named = NAMES.iter().find(|(column, ..)| *column == self);
        match (named, self) {
            (Some((_, name, _)), _) => name,
            (None, Self::Instance) => "instance_arn",
            (None, _) => "path",
        }
    }
}

/// What the columns of a file are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// What each column says, in their order.
    pub(super) columns: Vec<Column>,
    /// The file is a report, to which columns were added.
    pub(super) is_report: bool,
}

impl Header {
    /// Reads the names; a sentence for each that is wrong.
    pub(super) fn read(names: &[String]) -> Result<Self, Vec<String>> {
        let names: Vec<String> = (names.iter())
            .map(|name| name.trim().to_ascii_lowercase())
            .collect();
        if let Some(problem) = separator_problem(&names) {
            return Err(vec![problem]);
        }
        let is_report = (REPORT_COLUMNS.iter()).all(|column| names.iter().any(|it| it == column));
        let (mut columns, mut problems) = (Vec::new(), Vec::new());
        for (place, name) in names.iter().enumerate() {
            match column_of(name, is_report) {
                Ok(column) if column != Column::Ignored && columns.contains(&column) => problems
                    .push(format!(
                        "column {} (`{name}`): {} is there twice; keep one of them",
                        place + 1,
                        column.name()
                    )),
                Ok(column) => columns.push(column),
                Err(problem) => problems.push(format!("column {}: {problem}", place + 1)),
            }
        }
        let has = |column| columns.contains(&column);
        for (is_there, wanted) in [
            (
                has(Column::User) || has(Column::Group),
                "`user` or `group`, or both: who has the access",
            ),
            (
                has(Column::Application) || has(Column::Account),
                "`application`, or `account` with `permission_set`, or all: what it is of",
            ),
            (
                has(Column::Account) == has(Column::PermissionSet),
                "`account` or `permission_set`: they go together",
            ),
            (
                has(Column::Duration),
                "`duration`: how long from now, such as 30d or 8h; an empty cell means no end",
            ),
            (has(Column::Justification), "`justification`: why it stands"),
        ] {
            if !is_there {
                problems.push(format!("the column {wanted} is missing; add it"));
            }
        }
        if problems.is_empty() {
            Ok(Self { columns, is_report })
        } else {
            Err(problems)
        }
    }
}

fn column_of(name: &str, is_report: bool) -> Result<Column, String> {
    let own = NAMES
        .iter()
        .find(|(_, own, of_report)| name == *own || !of_report.is_empty() && name == *of_report);
    match (own, name) {
        (Some((column, ..)), _) => Ok(*column),
        (None, "instance_arn") if is_report => Ok(Column::Instance),
        (None, "path") if is_report => Ok(Column::Path),
        (None, name) if is_report && REPORT_COLUMNS.contains(&name) => Ok(Column::Ignored),
        (None, "") => Err("it has no name; give it one, or take the column out".to_owned()),
        (None, name) if REPORT_COLUMNS.contains(&name) => Err(format!(
            "`{name}` is of a report, of which other columns are missing; keep all of them, or take this one out too"
        )),
        (None, name) => {
            let known: Vec<&str> = NAMES.iter().map(|(_, own, _)| *own).collect();
            Err(format!(
                "`{name}` is not known; there are {}",
                known.join(", ")
            ))
        }
    }
}

/// A header that another letter separates would be one long name.
fn separator_problem(names: &[String]) -> Option<String> {
    let [only] = names else {
        return None;
    };
    let separator = only
        .chars()
        .find(|letter| matches!(letter, ';' | '\t' | '|'))?;
    Some(format!(
        "the columns are separated by {separator:?}; save the file as CSV with commas"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Header, Vec<String>> {
        let names: Vec<String> = text.split(',').map(str::to_owned).collect();
        Header::read(&names)
    }

    #[test]
    fn columns_come_in_any_order_by_either_name() {
        let header = read(" Ticket,duration,USER,application_arn,justification").unwrap();
        assert_eq!(
            header.columns,
            [
                Column::Ticket,
                Column::Duration,
                Column::User,
                Column::Application,
                Column::Justification
            ]
        );
        assert!(!header.is_report);
    }

    #[test]
    fn a_report_with_added_columns_is_one() {
        let text = format!("{},duration,owner", REPORT_COLUMNS.join(","));
        let header = read(&text).unwrap();
        assert!(header.is_report);
        assert_eq!(header.columns.len(), 32);
        let bare = read(&REPORT_COLUMNS.join(",")).unwrap_err();
        assert_eq!(bare.len(), 1);
        assert!(bare[0].contains("`duration`"), "{bare:?}");
    }

    #[test]
    fn wrong_headers_say_what_to_do() {
        for (header, wanted) in [
            ("user;application;duration", "with commas"),
            (
                "usr,application,duration,justification",
                "`usr` is not known; there are user,",
            ),
            (
                "user,user_id,application,duration,justification",
                "user is there twice",
            ),
            ("user,application,justification", "`duration`: how long"),
            ("user,application,duration", "`justification`: why"),
            ("application,duration,justification", "`user` or `group`"),
            ("user,duration,justification", "`application`, or `account`"),
            ("user,account,duration,justification", "they go together"),
            (
                "user,application,duration,justification,",
                "column 5: it has no name",
            ),
            (
                "user,application,duration,justification,provenance",
                "is of a report",
            ),
        ] {
            let problems = read(header).unwrap_err();
            let is_told = problems.iter().any(|it| it.contains(wanted));
            assert!(is_told, "{header}: {problems:?}");
        }
    }
}
