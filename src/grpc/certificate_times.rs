//! When certificates count, read from their DER. The library that makes connections knows it too and
//! tells nobody. Nothing is verified here, and what is not understood has no time.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// ASN.1 tags (X.690) as certificates use them (RFC 5280 §4.1).
const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// The first and the last instant at which a certificate counts.
pub(super) fn times(certificate: &[u8]) -> Option<(Timestamp, Timestamp)> {
    let (whole, _) = part(certificate, SEQUENCE)?;
    let (mut left, _) = part(whole, SEQUENCE)?;
    // A first version's certificate does not tell its version.
    if let Some((_, after)) = part(left, VERSION) {
        left = after;
    }
    // Serial number, algorithm, issuer.
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        left = part(left, tag)?.1;
    }
    let (validity, _) = part(left, SEQUENCE)?;
    let (from, left) = time(validity)?;
    let (until, _) = time(left)?;
    Some((from, until))
}

/// The content of the part of this tag that `bytes` begins with, and what follows it.
fn part(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, first], rest) = bytes.split_first_chunk::<2>()?;
    if found != tag {
        return None;
    }
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        // More than four bytes of length is more than there is.
        let count = usize::from(first & 0x7f);
        let (digits, rest) = rest.split_at_checked(count)?;
        let is_known = (1..=4).contains(&count);
        let add = |length: usize, digit: &u8| length << 8 | usize::from(*digit);
        (is_known.then(|| digits.iter().fold(0, add))?, rest)
    };
    rest.split_at_checked(length)
}

/// A time: `YYMMDDHHMMSSZ` until 2049, `YYYYMMDDHHMMSSZ` from then on.
fn time(bytes: &[u8]) -> Option<(Timestamp, &[u8])> {
    if let Some((text, left)) = part(bytes, UTC_TIME) {
        let year: u8 = std::str::from_utf8(text.get(..2)?).ok()?.parse().ok()?;
        let century = if year < 50 { "20" } else { "19" };
        let text = format!("{century}{}", std::str::from_utf8(text).ok()?);
        return Some((instant(&text)?, left));
    }
    let (text, left) = part(bytes, GENERALIZED_TIME)?;
    Some((instant(std::str::from_utf8(text).ok()?)?, left))
}

fn instant(text: &str) -> Option<Timestamp> {
    let digits = text.strip_suffix('Z')?;
    if digits.len() != 14 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = |from: usize, to: usize| digits.get(from..to)?.parse::<i8>().ok();
    let civil = DateTime::new(
        digits.get(..4)?.parse().ok()?,
        number(4, 6)?,
        number(6, 8)?,
        number(8, 10)?,
        number(10, 12)?,
        number(12, 14)?,
        0,
    );
    let zoned = civil.ok()?.to_zoned(TimeZone::UTC).ok()?;
    Some(zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginning of a certificate with these times.
    fn certificate(version: &[u8], from: (u8, &str), until: (u8, &str)) -> Vec<u8> {
        let wrap = |tag: u8, content: &[u8]| {
            let length = u8::try_from(content.len()).unwrap();
            [&[tag, 0x81, length], content].concat()
        };
        let short = |tag: u8, text: &str| {
            [&[tag, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
        };
        let validity = [short(from.0, from.1), short(until.0, until.1)].concat();
        let body = [
            version,
            &[INTEGER, 1, 5],
            &[SEQUENCE, 0],
            &[SEQUENCE, 0],
            &wrap(SEQUENCE, &validity),
        ];
        wrap(SEQUENCE, &wrap(SEQUENCE, &body.concat()))
    }

    #[test]
    fn both_forms_of_time_are_read_of_both_versions() {
        let version = [VERSION, 3, INTEGER, 1, 2];
        let from = (UTC_TIME, "491231235959Z");
        let until = (GENERALIZED_TIME, "20991231000000Z");
        for version in [&version[..], &[]] {
            let (first, last) = times(&certificate(version, from, until)).unwrap();
            assert_eq!(first.to_string(), "2049-12-31T23:59:59Z");
            assert_eq!(last.to_string(), "2099-12-31T00:00:00Z");
        }
        let old = certificate(&[], (UTC_TIME, "500101000000Z"), until);
        let (first, _) = times(&old).unwrap();
        assert_eq!(first.to_string(), "1950-01-01T00:00:00Z");
    }

    #[test]
    fn what_is_no_certificate_has_no_time_and_does_no_harm() {
        let from = (UTC_TIME, "260101000000Z");
        let good = certificate(&[], from, (UTC_TIME, "270101000000Z"));
        for length in 0..good.len() {
            assert_eq!(times(&good[..length]), None, "{length}");
        }
        for until in ["271301000000Z", "270101000000", "2701010000+0Z", "Z", ""] {
            assert_eq!(times(&certificate(&[], from, (UTC_TIME, until))), None);
        }
        assert_eq!(times(&[SEQUENCE, 0xff, 0xff, 0xff]), None);
        assert_eq!(times(&[SEQUENCE, 0x80, 0x00]), None);
    }
}
