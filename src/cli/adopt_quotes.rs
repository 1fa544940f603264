//! Quotes in a file of adoptions, by RFC 4180 to the letter. A quote that is left open would make all
//! rows up to the next one a text of the first: what a lenient reader takes is refused here. It reads
//! no cell.

/// Where the reading is.
#[derive(Clone, Copy)]
enum Place {
    CellStart,
    Bare,
    Quoted,
    /// Behind a quote in a quoted cell: its end, or the first of two.
    BehindQuote,
}

/// The first quote that does not stand as it must: a sentence with its line and column.
pub(super) fn quote_problem(bytes: &[u8]) -> Option<String> {
    let (mut line, mut column) = (1, 1);
    let (mut opened, mut place) = ((1, 1), Place::CellStart);
    for byte in bytes {
        place = match (place, byte) {
            (Place::CellStart, b'"') => {
                opened = (line, column);
                Place::Quoted
            }
            (Place::Quoted, b'"') => Place::BehindQuote,
            (Place::Quoted, _) | (Place::BehindQuote, b'"') => Place::Quoted,
            (_, b',' | b'\r' | b'\n') => Place::CellStart,
            (Place::Bare, b'"') => {
                return Some(format!(
                    "line {line}, column {column}: a quote stands in a cell without quotes; put the whole cell into quotes, and double each quote inside"
                ));
            }
            (Place::BehindQuote, _) => {
                let (line, column) = opened;
                return Some(format!(
                    "line {line}, column {column}: the quotes of the cell end before the cell does; double each quote inside"
                ));
            }
            (Place::CellStart | Place::Bare, _) => Place::Bare,
        };
        line += usize::from(*byte == b'\n');
        column = match (place, byte) {
            (Place::CellStart, b',') => column + 1,
            (Place::CellStart, _) => 1,
            _ => column,
        };
    }
    matches!(place, Place::Quoted).then(|| {
        let (line, column) = opened;
        format!("line {line}, column {column}: the quote before the cell is never closed; add one behind it")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_as_they_must_be_pass() {
        for text in [
            "",
            "a,b\r\nc,d",
            "\"a\",\"b,\"\"c\"\"\"\r\n\"\",\"x\ny\"",
            "\"\"\"\"",
        ] {
            assert_eq!(quote_problem(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_quote_out_of_place_is_found_where_it_stands() {
        for (text, wanted) in [
            (
                "a,b\nc,\"d\ne,f\n",
                "line 2, column 2: the quote before the cell is never closed",
            ),
            (
                "a,b\nc,\"d\ne,f\ng,\"h\n",
                "line 2, column 2: the quotes of the cell end before",
            ),
            (
                "a\r\n\"b\nc\",d\r\ne,f,5\" disk\n",
                "line 4, column 3: a quote stands",
            ),
            ("\"a\"b\n", "line 1, column 1: the quotes of the cell end"),
        ] {
            let told = quote_problem(text.as_bytes()).unwrap();
            assert!(told.starts_with(wanted), "{text:?}: {told}");
        }
    }
}
