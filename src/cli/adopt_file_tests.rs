//! Files of adoptions with everything that people and spreadsheets do to them.

use jiff::SignedDuration;

use super::*;
use crate::domain::report::COLUMNS;

const HEADER: &str =
    "user,group,application,account,permission_set,owner,duration,justification,ticket\n";

fn read(rows: &str) -> Result<Sheet, Problems> {
    read_sheet(format!("{HEADER}{rows}").as_bytes())
}

#[track_caller]
fn told(bytes: &[u8]) -> String {
    read_sheet(bytes).expect_err("a refusal").text()
}

#[test]
fn rows_are_read_in_any_order_of_columns_and_by_their_lines() {
    let text = "\u{FEFF}duration,justification,user,application\r\n\r\n30d,\"a \"\"b\"\",\r\nc\",anna.berg,Wiki\r\n,,,\r\n,why,bilal.khan,Wiki\r\n";
    let sheet = read_sheet(text.as_bytes()).unwrap();
    assert_eq!(sheet.instance, None);
    let [first, second] = &sheet.rows[..] else {
        panic!("{sheet:?}");
    };
    assert_eq!((first.line, second.line), (3, 6));
    assert_eq!(first.wish.justification, "a \"b\",\r\nc");
    let month = SignedDuration::from_hours(30 * 24);
    assert_eq!(first.wish.duration, Some(month));
    assert_eq!(
        (second.wish.duration, second.wish.user.as_str()),
        (None, "bilal.khan")
    );
}

#[test]
fn every_fault_is_told_at_once_by_line_and_column() {
    let rows = "\
anna.berg,leads,Wiki,,,,8h,why,\n\
,,Wiki,,,,8h,why,\n\
anna.berg,,,,,,8h,why,\n\
anna.berg,,Wiki,production,,,8h,why,\n\
anna.berg,,,production,,,8h,why,\n\
anna.berg,,,,ReadOnly,,8h,why,\n\
anna.berg,,Wiki,,,,8 hours,why,\n\
anna.berg,,Wiki,,,,0s,why,\n\
anna.berg,,arn:aws:s3:::bucket,,,,,why,\n\
anna.berg,,Wiki\n\
anna.berg,,Wiki,,,,,why,\n\
anna.berg,,Wiki,,,,8h,again,\n";
    let told = read(rows).expect_err("a refusal").text();
    let lines: Vec<&str> = told.lines().map(str::trim).collect();
    let wanted = [
        "line 2, column group: user is filled in too",
        "line 3, column user: it is empty, and group is too",
        "line 4, column application: it is empty, and account is too",
        "line 5, column application: account or permission_set is filled in too",
        "line 6, column permission_set: it is empty, and account is not",
        "line 7, column account: it is empty, and permission_set is not",
        "line 8, column duration: `8 hours` is not a whole number",
        "line 9, column duration: must be longer than zero",
        "line 10, column application:",
        "line 11: it has 3 cells, the header has 9",
        "line 12: the same assignment as on line 9",
        "line 13: the same assignment as on line 9",
    ];
    assert_eq!(lines.len(), wanted.len(), "{told}");
    for (line, wanted) in lines.iter().zip(wanted) {
        assert!(line.starts_with(wanted), "{line} is not {wanted}");
    }
}

#[test]
fn what_is_no_file_of_adoptions_says_what_to_do() {
    for (bytes, wanted) in [
        (
            &b""[..],
            "the file is empty; its first line names the columns",
        ),
        (b"\n\r\n", "the file is empty"),
        (b"\xEF\xBB\xBF", "the file is empty"),
        (b"\xFF\xFEu\0", "save it as CSV in UTF-8"),
        (HEADER.as_bytes(), "no row below the header"),
        (
            b"user;application;duration;justification\n",
            "line 1: the columns are separated by ';'",
        ),
        (
            b"\n\nwho,application,duration,justification\n",
            "line 3: column 1: `who` is not known",
        ),
        (
            b"user,application,duration,justification\nanna,W\xFCki,,why\n",
            "line 2, column application: is not UTF-8",
        ),
        (
            b"user,application,duration,justification\nanna,Wiki,,\"why\nb,c,d,e\n",
            "line 2, column 4: the quote before the cell is never closed",
        ),
    ] {
        let told = told(bytes);
        assert!(told.contains(wanted), "{bytes:?}: {told}");
    }
}

#[test]
fn too_many_rows_and_too_many_faults_are_bounded() {
    let row = |number: usize| format!("user-{number},,Wiki,,,,8h,why,\n");
    let most: String = (0..ROWS_MAX).map(row).collect();
    assert_eq!(read(&most).unwrap().rows.len(), ROWS_MAX);
    let more = format!("{most}{}", row(ROWS_MAX));
    let told = read(&more).expect_err("a refusal").text();
    assert!(
        told.starts_with("line 5002: the file has more than 5000 rows"),
        "{told}"
    );
    let wrong = ",,,,,,,,x\n".repeat(100);
    let told = read(&wrong).expect_err("a refusal").text();
    assert!(told.ends_with("and 150 more"), "{told}");
    assert_eq!(told.lines().count(), PROBLEMS_TOLD_MAX + 1);
}

/// A row of a report with these cells, and a duration.
fn report(rows: &[&[(&str, &str)]]) -> String {
    let mut text = format!("{},duration\r\n", COLUMNS.join(","));
    for cells in rows {
        let cell = |column: &&str| {
            let found = cells.iter().find(|(name, _)| name == column);
            found.map_or("", |(_, cell)| *cell)
        };
        let written: Vec<&str> = COLUMNS.iter().map(cell).collect();
        text.push_str(&format!("{},30d\r\n", written.join(",")));
    }
    text
}

#[test]
fn a_report_of_assignments_with_a_duration_is_a_file_of_adoptions() {
    const ARN: &str = "arn:aws:sso:::instance/ssoins-1234567890abcdef";
    const WIKI: &str =
        "arn:aws:sso::123456789012:application/ssoins-1234567890abcdef/apl-1234567890abcdef";
    let of_group = [
        ("instance_arn", ARN),
        ("application_arn", WIKI),
        ("application_name", "Wiki"),
        ("path", "GROUP"),
        ("group_id", "92671a2b-1111-2222-3333-444455556666"),
        ("group_name", "'=leads"),
        ("justification", "'=why"),
    ];
    let sheet = read_sheet(report(&[&of_group]).as_bytes()).unwrap();
    assert_eq!(sheet.instance.as_deref(), Some(ARN));
    let wish = &sheet.rows[0].wish;
    assert_eq!(
        (
            wish.group.as_str(),
            wish.application.as_str(),
            wish.justification.as_str()
        ),
        ("92671a2b-1111-2222-3333-444455556666", WIKI, "=why")
    );

    let mut of_member = of_group.to_vec();
    of_member.push(("user_id", "92671a2b-1111-2222-3333-444455557777"));
    let told = told(report(&[&of_member]).as_bytes());
    assert!(told.contains("usher audit --view assignments"), "{told}");
    let open = [
        ("instance_arn", ARN),
        ("application_arn", WIKI),
        ("path", "OPEN_APPLICATION"),
    ];
    let told = read_sheet(report(&[&open]).as_bytes())
        .expect_err("a refusal")
        .text();
    assert!(told.contains("column path: everybody may enter"), "{told}");
    let mut elsewhere = of_group;
    elsewhere[0].1 = "arn:aws:sso:::instance/ssoins-fedcba0987654321";
    elsewhere[4].1 = "92671a2b-1111-2222-3333-444455558888";
    let told = read_sheet(report(&[&of_group, &elsewhere]).as_bytes())
        .expect_err("a refusal")
        .text();
    assert!(
        told.starts_with("line 3, column instance_arn: the rows before"),
        "{told}"
    );
}
