//! What is written is read back as the same rows, however odd the cells.

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use proptest::prelude::*;

use super::super::Scope;
use super::super::fixtures::request;
use super::super::html::Records;
use super::*;
use crate::domain::report::{COLUMN_COUNT, COLUMNS, Row, View, unguarded};

fn encode(format: Format, rows: &[Row]) -> (Vec<Piece<Row>>, String) {
    let mut encoder = Encoder::new(format, &about()).unwrap();
    let mut pieces: Vec<Piece<Row>> = (rows.iter())
        .filter_map(|row| encoder.push(row.clone()).unwrap())
        .collect();
    let mut ending = encoder.finish(&Summary::default()).unwrap();
    pieces.extend(ending.by_ref());
    (pieces, ending.sha256())
}

fn about() -> About {
    let request = request(View::Access, Scope::default());
    About::of(&request, Timestamp::UNIX_EPOCH, Records::Kept)
}

fn joined(pieces: &[Piece<Row>]) -> String {
    let texts = pieces.iter().map(|piece| match piece {
        Piece::Text(text) => text.as_str(),
        Piece::Rows(_) => panic!("rows in a text"),
    });
    texts.collect()
}

#[test]
fn a_batch_of_long_rows_is_cut_by_bytes() {
    let rows: Vec<Row> = (0..50).map(|_| row(&"x".repeat(100_000))).collect();
    let (pieces, _) = encode(Format::Rows, &rows);
    let lengths: Vec<usize> = (pieces.iter())
        .map(|piece| match piece {
            Piece::Rows(rows) => rows.len(),
            Piece::Text(_) => panic!("text"),
        })
        .collect();
    assert_eq!(lengths.iter().sum::<usize>(), 50);
    assert!(lengths.iter().all(|length| *length <= 3), "{lengths:?}");
}

fn hex(text: &str) -> String {
    let hash = digest(&SHA256, text.as_bytes());
    hash.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn row(name: &str) -> Row {
    Row {
        application_name: name.to_owned(),
        ..Row::default()
    }
}

fn csv_rows(text: &str) -> Vec<Row> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(
        reader.headers().unwrap().iter().collect::<Vec<_>>(),
        COLUMNS
    );
    let rows = reader.records().map(|record| {
        let cells: Vec<String> = (record.unwrap().iter())
            .map(|cell| unguarded(cell).into_owned())
            .collect();
        Row::from_cells(cells.try_into().unwrap())
    });
    rows.collect()
}

fn json_rows(text: &str) -> Vec<Row> {
    let rows = text.lines().map(|line| {
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(line).unwrap();
        assert_eq!(object.len(), COLUMN_COUNT);
        Row::from_cells(COLUMNS.map(|column| object[column].as_str().unwrap().to_owned()))
    });
    rows.collect()
}

#[test]
fn an_empty_report_is_its_header_or_nothing() {
    let (pieces, hash) = encode(Format::Csv, &[]);
    let text = joined(&pieces);
    assert_eq!(text, format!("{}\r\n", COLUMNS.join(",")));
    assert_eq!(hash, hex(&text));
    for format in [Format::JsonLines, Format::Rows] {
        assert_eq!(encode(format, &[]), (vec![], hex("")));
    }
}

#[test]
fn csv_quotes_and_guards_as_agreed() {
    let (pieces, _) = encode(
        Format::Csv,
        &[
            row("a \"b\", c"),
            row("two\nlines"),
            row("=cmd|'/c calc'!A1"),
        ],
    );
    let text = joined(&pieces);
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert_eq!(
        lines[1],
        format!(",,,,,\"a \"\"b\"\", c\"{}", ",".repeat(24))
    );
    assert_eq!(lines[2], format!(",,,,,\"two\nlines\"{}", ",".repeat(24)));
    assert_eq!(
        lines[3],
        format!(",,,,,'=cmd|'/c calc'!A1{}", ",".repeat(24))
    );
    assert_eq!(lines[4..], [""]);
}

#[test]
fn json_lines_keep_the_text_and_all_keys() {
    let (pieces, hash) = encode(Format::JsonLines, &[row("=1\n\"名\"")]);
    let text = joined(&pieces);
    assert!(text.starts_with("{\"instance_arn\":\"\",\"identity_store_id\":\"\","));
    assert!(text.contains("\"application_name\":\"=1\\n\\\"名\\\"\""));
    assert!(text.ends_with("\"findings\":\"\"}\n"));
    assert_eq!(hash, hex(&text));
}

#[test]
fn pieces_are_bounded_and_join_to_one_text() {
    let rows: Vec<Row> = (0..1_000).map(|n| row(&format!("{n:0200}"))).collect();
    for format in [Format::Csv, Format::JsonLines] {
        let (pieces, hash) = encode(format, &rows);
        assert!(pieces.len() > 5, "{format:?} {}", pieces.len());
        for piece in &pieces {
            let Piece::Text(text) = piece else {
                panic!("rows in a text")
            };
            assert!(text.len() < PIECE_BYTES + 4_096);
            assert!(text.ends_with('\n'));
        }
        let text = joined(&pieces);
        assert_eq!(hash, hex(&text));
        let read = match format {
            Format::Csv => csv_rows(&text),
            _ => json_rows(&text),
        };
        assert_eq!(read, rows);
    }
}

#[test]
fn batches_are_bounded_and_hashed_as_json_lines() {
    let rows: Vec<Row> = (0..450).map(|n| row(&n.to_string())).collect();
    let (pieces, hash) = encode(Format::Rows, &rows);
    let lengths: Vec<usize> = (pieces.iter())
        .map(|piece| match piece {
            Piece::Rows(rows) => rows.len(),
            Piece::Text(_) => panic!("text among rows"),
        })
        .collect();
    assert_eq!(lengths, [200, 200, 50]);
    let (text, text_hash) = encode(Format::JsonLines, &rows);
    assert_eq!(hash, text_hash);
    assert_eq!(json_rows(&joined(&text)), rows);
}

fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[=+@'\"\t\r\n,; ＝a日-]{0,8}",
        "\\PC{0,12}",
        any::<String>(),
    ]
}

fn any_row() -> impl Strategy<Value = Row> {
    proptest::collection::vec(cell(), COLUMN_COUNT)
        .prop_map(|cells| Row::from_cells(cells.try_into().unwrap()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn rows_come_back_from_both_texts(rows in proptest::collection::vec(any_row(), 0..8)) {
        prop_assert_eq!(csv_rows(&joined(&encode(Format::Csv, &rows).0)), rows.clone());
        prop_assert_eq!(json_rows(&joined(&encode(Format::JsonLines, &rows).0)), rows);
    }
}

#[test]
fn a_page_of_a_million_rows_comes_in_pieces_and_keeps_few_of_them() {
    let mut encoder = Encoder::new(Format::Html, &about()).unwrap();
    for number in 0..1_000_000_u32 {
        let (target, user) = (number / 5_000, number % 5_000);
        let row = Row {
            application_arn: format!("arn:aws:sso::123456789012:application/a/apl-{target:016}"),
            application_name: format!("application {target}"),
            user_id: format!("{user:032}"),
            user_name: format!("user {user}"),
            path: "DIRECT".to_owned(),
            provenance: "UNRECORDED".to_owned(),
            ..Row::default()
        };
        assert!(encoder.push(row).unwrap().is_none());
    }
    let Form::Html(page) = &encoder.form else {
        panic!("not a page")
    };
    assert!(page.detail_bytes() < 6_000_000, "{}", page.detail_bytes());
    let mut ending = encoder.finish(&Summary::default()).unwrap();
    let mut text = String::new();
    for piece in ending.by_ref() {
        let Piece::Text(piece) = piece else {
            panic!("rows in a page")
        };
        assert!(piece.len() <= PIECE_BYTES);
        text.push_str(&piece);
    }
    assert_eq!(ending.sha256(), hex(&text));
    assert!(text.contains("The first 50,000 of 1,000,000 rows are listed."));
    assert_eq!(text.matches("<td>Direct").count(), 50_000);
    assert!(text.ends_with("</html>\n"));
}
