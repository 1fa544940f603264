//! Free text from callers, bounded and harmless: names, reasons, tickets, request ids.
//!
//! Text is kept as given. Refused are only lengths, control characters, and the invisible
//! characters that make one name look like another (Unicode bidirectional controls).

use std::fmt;
use std::sync::Arc;

use super::ids::InvalidValue;

/// The longest justification or reason, in characters: room for a paragraph, not for a document.
pub const JUSTIFICATION_CHARACTERS_MAX: usize = 2000;
/// The longest ticket, in characters.
pub const TICKET_CHARACTERS_MAX: usize = 256;
/// The longest request id, in characters: a UUID is 36.
pub const REQUEST_ID_CHARACTERS_MAX: usize = 128;
/// The longest caller name, in characters.
pub const CALLER_NAME_CHARACTERS_MAX: usize = 256;
/// The longest name of a principal, an application, an account or a permission set that a caller may ask for, in characters
/// (a group's display name has at most 1024, aws-api.md §2).
pub const NAME_CHARACTERS_MAX: usize = 1024;
/// The longest alias of an instance, in characters.
pub const INSTANCE_NAME_CHARACTERS_MAX: usize = 64;

macro_rules! text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text as given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

text!(
    /// Why somebody wants access or wants it ended. May be empty; line breaks and tabs are kept.
    Justification
);
text!(
    /// A ticket number or link. May be empty.
    Ticket
);
text!(
    /// What makes a call safe to repeat.
    RequestId
);
text!(
    /// An authenticated caller or subject.
    CallerName
);

impl Justification {
    /// Parses at most `JUSTIFICATION_CHARACTERS_MAX` characters.
    pub fn parse(value: &str) -> Result<Self, InvalidValue> {
        check_length(value, JUSTIFICATION_CHARACTERS_MAX)?;
        check_characters(value, |letter| matches!(letter, '\n' | '\r' | '\t'))?;
        Ok(Self(value.into()))
    }
}

impl Ticket {
    /// Parses at most `TICKET_CHARACTERS_MAX` characters on one line.
    pub fn parse(value: &str) -> Result<Self, InvalidValue> {
        check_length(value, TICKET_CHARACTERS_MAX)?;
        check_characters(value, |_| false)?;
        Ok(Self(value.into()))
    }
}

impl RequestId {
    /// Parses 1 to `REQUEST_ID_CHARACTERS_MAX` characters; blanks alone are refused.
    pub fn parse(value: &str) -> Result<Self, InvalidValue> {
        check_length(value, REQUEST_ID_CHARACTERS_MAX)?;
        check_characters(value, |_| false)?;
        check_not_blank(value)?;
        Ok(Self(value.into()))
    }
}

impl CallerName {
    /// Parses 1 to `CALLER_NAME_CHARACTERS_MAX` characters; blanks alone are refused.
    pub fn parse(value: &str) -> Result<Self, InvalidValue> {
        check_length(value, CALLER_NAME_CHARACTERS_MAX)?;
        check_characters(value, |_| false)?;
        check_not_blank(value)?;
        Ok(Self(value.into()))
    }
}

/// Checks a name that is to be looked up in AWS. Control characters that group names may hold
/// (tab, line breaks) pass; AWS's own pattern for group names allows them (aws-api.md §2).
pub fn check_lookup_name(value: &str) -> Result<(), InvalidValue> {
    check_length(value, NAME_CHARACTERS_MAX)?;
    check_characters(value, |letter| matches!(letter, '\n' | '\r' | '\t'))?;
    check_not_blank(value)
}

/// Checks the name of a user that is to be looked up in AWS: as `check_lookup_name`, on one line.
pub fn check_user_name(value: &str) -> Result<(), InvalidValue> {
    check_length(value, NAME_CHARACTERS_MAX)?;
    check_characters(value, |_| false)?;
    check_not_blank(value)
}

/// Checks the name of an account or a permission set that is to be looked up in AWS: as
/// `check_lookup_name`, on one line.
pub fn check_target_name(value: &str) -> Result<(), InvalidValue> {
    check_user_name(value)
}

/// Checks what may be an instance's alias.
pub fn check_instance_name(value: &str) -> Result<(), InvalidValue> {
    check_length(value, INSTANCE_NAME_CHARACTERS_MAX)?;
    check_characters(value, |_| false)?;
    check_not_blank(value)
}

/// The longest text of AWS's that is shown, in characters: a sentence or two.
const FOREIGN_REASON_CHARACTERS_MAX: usize = 256;

/// Text that AWS wrote, made harmless for people and logs: controls become single spaces, what
/// changes the direction of text goes, and it is cut.
#[must_use]
pub fn foreign_reason(text: &str) -> String {
    let harmless = text
        .chars()
        .filter(|letter| !is_bidirectional_control(*letter))
        .map(|letter| if letter.is_control() { ' ' } else { letter });
    let mut cleaned = String::new();
    for letter in harmless {
        let is_needless = letter == ' ' && (cleaned.is_empty() || cleaned.ends_with(' '));
        if !is_needless {
            cleaned.push(letter);
        }
    }
    let cut: String = cleaned
        .chars()
        .take(FOREIGN_REASON_CHARACTERS_MAX)
        .collect();
    cut.trim_end().to_owned()
}

fn check_length(value: &str, characters_max: usize) -> Result<(), InvalidValue> {
    // The byte length bounds the count from above, so that a megabyte is not walked for nothing.
    if value.len() > characters_max
        && value.chars().take(characters_max + 1).count() > characters_max
    {
        return Err(InvalidValue(format!(
            "is longer than {characters_max} characters"
        )));
    }
    Ok(())
}

fn check_not_blank(value: &str) -> Result<(), InvalidValue> {
    if value.trim().is_empty() {
        return Err(InvalidValue("is empty or blank".to_owned()));
    }
    Ok(())
}

fn check_characters(value: &str, allowed: fn(char) -> bool) -> Result<(), InvalidValue> {
    for letter in value.chars() {
        if letter.is_control() && !allowed(letter) {
            return Err(InvalidValue("has control characters".to_owned()));
        }
        if is_bidirectional_control(letter) {
            return Err(InvalidValue(
                "has invisible characters that change the direction of text".to_owned(),
            ));
        }
    }
    Ok(())
}

/// Unicode's Bidi_Control characters: they can make one text look like another.
fn is_bidirectional_control(letter: char) -> bool {
    matches!(letter, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_count_characters_not_bytes() {
        assert!(Ticket::parse(&"ж".repeat(256)).is_ok());
        assert!(Ticket::parse(&"ж".repeat(257)).is_err());
    }

    #[test]
    fn control_and_bidirectional_characters_are_refused() {
        for wrong in ["a\0b", "a\u{202E}b", "a\u{7f}"] {
            assert!(Justification::parse(wrong).is_err(), "{wrong:?}");
            assert!(check_lookup_name(wrong).is_err(), "{wrong:?}");
            assert!(check_user_name(wrong).is_err(), "{wrong:?}");
            assert!(check_instance_name(wrong).is_err(), "{wrong:?}");
        }
        assert!(Justification::parse("two\nlines").is_ok());
        assert!(Ticket::parse("two\nlines").is_err());
        assert!(check_lookup_name("two\nlines").is_ok());
        assert!(check_user_name("two\nlines").is_err());
    }

    #[test]
    fn foreign_text_is_cleaned_and_cut() {
        assert_eq!(
            foreign_reason("\r\n Role \u{202E}gone\0\n\n(x)\u{7f}"),
            "Role gone (x)"
        );
        assert_eq!(foreign_reason("\u{200F}\n"), "");
        assert_eq!(foreign_reason(&"ж".repeat(300)), "ж".repeat(256));
        assert_eq!(foreign_reason("Konto «süd» ist zu"), "Konto «süd» ist zu");
    }

    #[test]
    fn what_must_be_there_may_not_be_blank() {
        assert!(RequestId::parse(" ").is_err());
        assert!(CallerName::parse("").is_err());
        assert!(check_lookup_name("\t\n").is_err());
    }
}
