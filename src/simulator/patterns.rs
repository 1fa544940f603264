//! The shapes that AWS asks of input: patterns, lengths and enumerations of the service models
//! (aws-api.md §2, word for word). Checks text only; knows nothing of the world.

use std::sync::LazyLock;

use regex_lite::Regex;

/// What a string member must look like.
pub(super) struct Shape {
    minimum_length: usize,
    maximum_length: usize,
    form: Form,
}

enum Form {
    Any,
    Pattern(&'static LazyLock<Regex>),
    OneOf(&'static [&'static str]),
    /// `[\p{L}\p{M}\p{S}\p{N}\p{P}]+`, the characters given beside them allowed too.
    Visible {
        also: &'static [char],
    },
}

/// What the text classes of names allow beside visible characters.
const BLANKS_IN_TEXT: &[char] = &['\t', '\n', '\r', ' ', '\u{a0}', '\u{3000}'];

impl Shape {
    const fn new(minimum_length: usize, maximum_length: usize, form: Form) -> Shape {
        Shape {
            minimum_length,
            maximum_length,
            form,
        }
    }

    /// The constraint that `value` breaks, in AWS's words; `None` when it breaks none. Lengths
    /// count characters, as the models do.
    pub(super) fn violation(&self, value: &str) -> Option<String> {
        let length = value.chars().count();
        if length < self.minimum_length {
            let least = self.minimum_length;
            return Some(format!(
                "Member must have length greater than or equal to {least}"
            ));
        }
        if length > self.maximum_length {
            let most = self.maximum_length;
            return Some(format!(
                "Member must have length less than or equal to {most}"
            ));
        }
        match &self.form {
            Form::Any => None,
            Form::Pattern(pattern) => (!pattern.is_match(value)).then(|| pattern_broken(pattern)),
            Form::OneOf(values) => (!values.contains(&value)).then(|| {
                format!(
                    "Member must satisfy enum value set: [{}]",
                    values.join(", ")
                )
            }),
            Form::Visible { also } => {
                let fits = value
                    .chars()
                    .all(|each| is_visible(each) || also.contains(&each));
                let blanks = if also.is_empty() {
                    ""
                } else {
                    "\\t\\n\\r \\u00a0\\u3000"
                };
                (!fits || value.is_empty()).then(|| {
                    format!(
                        "Member must satisfy regular expression pattern: \
                         [\\p{{L}}\\p{{M}}\\p{{S}}\\p{{N}}\\p{{P}}{blanks}]+"
                    )
                })
            }
        }
    }
}

fn pattern_broken(pattern: &Regex) -> String {
    let text = pattern.as_str();
    let inner = text
        .strip_prefix("^(?:")
        .and_then(|rest| rest.strip_suffix(")$"));
    format!(
        "Member must satisfy regular expression pattern: {}",
        inner.unwrap_or(text)
    )
}

/// Whether a character is a letter, mark, symbol, number or punctuation: that is, neither control
/// (Cc), format (Cf), private (Co) nor separator (Z). Unassigned code points count as visible,
/// except noncharacters: which are assigned depends on the Unicode version of the judge.
fn is_visible(character: char) -> bool {
    let format_or_private = matches!(character,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
        | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}'
        | '\u{e0020}'..='\u{e007f}' | '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}'
        | '\u{fffe}'..='\u{ffff}' | '\u{f0000}'..='\u{10ffff}');
    !(format_or_private || character.is_control() || character.is_whitespace())
}

#[expect(
    clippy::expect_used,
    reason = "constants of this file, each compiled by a test below"
)]
fn compile(pattern: &str) -> Regex {
    Regex::new(&format!("^(?:{pattern})$")).expect("a pattern of this file compiles")
}

macro_rules! shapes {
    ($($(#[$note:meta])* $name:ident = $minimum:literal ..= $maximum:literal, $pattern:expr;)*) => {
        $($(#[$note])* pub(super) static $name: Shape = Shape::new($minimum, $maximum, {
            static PATTERN: LazyLock<Regex> = LazyLock::new(|| compile($pattern));
            Form::Pattern(&PATTERN)
        });)*
        #[cfg(test)]
        static ALL: &[&Shape] = &[$(&$name),*];
    };
}

shapes! {
    INSTANCE_ARN = 10..=1224,
        r"arn:aws(-[a-z]{1,5}){0,3}:sso:::instance/(sso)?ins-[a-zA-Z0-9\-.]{16}";
    APPLICATION_ARN = 10..=1224, concat!(r"arn:aws(-[a-z]{1,5}){0,3}:sso::[0-9]{12}:application/",
        r"(sso)?ins-[a-zA-Z0-9\-.]{16}/apl-[a-zA-Z0-9]{16}");
    APPLICATION_PROVIDER_ARN = 10..=1224,
        r"arn:aws(-[a-z]{1,5}){0,3}:sso::aws:applicationProvider/[a-zA-Z0-9\-/]+";
    PERMISSION_SET_ARN = 10..=1224, concat!(r"arn:aws(-[a-z]{1,5}){0,3}:sso:::permissionSet/",
        r"(sso)?ins-[a-zA-Z0-9\-.]{16}/ps-[a-zA-Z0-9\-./]{16}");
    PERMISSION_SET_NAME = 1..=32, r"[a-zA-Z0-9_+=,.@\-]+";
    PERMISSION_SET_DESCRIPTION = 1..=700,
        "[\\u{9}\\u{A}\\u{D}\\u{20}-\\u{7E}\\u{A1}-\\u{FF}]*";
    /// ISO 8601; the model asks by a look ahead that something follows the P.
    SESSION_DURATION = 1..=100, concat!(r"-?P(([0-9]+Y([0-9]+M)?([0-9]+[DW])?|[0-9]+M([0-9]+[DW])?|",
        r"[0-9]+[DW])(T([0-9]+H)?([0-9]+M)?([0-9]+(\.[0-9]+)?S)?)?|",
        r"T([0-9]+H([0-9]+M)?([0-9]+(\.[0-9]+)?S)?|[0-9]+M([0-9]+(\.[0-9]+)?S)?|",
        r"[0-9]+(\.[0-9]+)?S))");
    RELAY_STATE = 1..=240, r#"[a-zA-Z0-9&$@#\\/%?=~\-_'"|!:,.;*+\[\] (){}]+"#;
    /// Of an account assignment operation: lower case only.
    REQUEST_ID = 36..=36, r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
    ACCOUNT_ID = 12..=12, r"[0-9]{12}";
    /// Of sso-admin: no ARN.
    PRINCIPAL_ID = 1..=47, concat!(r"([0-9a-f]{10}-|)[A-Fa-f0-9]{8}-[A-Fa-f0-9]{4}-",
        r"[A-Fa-f0-9]{4}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{12}");
    IDENTITY_STORE_ID = 1..=93, concat!(r"(arn:aws[a-z\-]*:identitystore::[0-9]{12}:identitystore/)?",
        r"(d-[0-9a-f]{10}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})");
    /// As a world file must give it.
    BARE_IDENTITY_STORE_ID = 1..=36,
        r"d-[0-9a-f]{10}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
    /// UserId, GroupId and MembershipId of identitystore: an ARN is taken too.
    RESOURCE_ID = 1..=100, concat!(r"(arn:aws[a-z\-]*:identitystore:::(user|group|membership)/)?",
        r"([0-9a-f]{10}-|)[A-Fa-f0-9]{8}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{4}-",
        r"[A-Fa-f0-9]{12}");
    ORGANIZATION_ID = 3..=34, r"o-[a-z0-9]{10,32}";
    /// ServicePrincipal of organizations.
    SERVICE_PRINCIPAL = 1..=128, r"[\w+=,.@\-]*";
    /// RoleArn of sts, as a world and AssumeRole must give it.
    ROLE_ARN = 20..=2048, r"arn:aws(-[a-z]{1,5}){0,3}:iam::[0-9]{12}:role/[!-~]+";
    /// RoleSessionName and SourceIdentity of sts.
    SESSION_NAME = 2..=64, r"[\w+=,.@\-]*";
    /// ExternalId of sts, which is no identity store's.
    ROLE_EXTERNAL_ID = 2..=1224, r"[\w+=,.@:/\-]*";
    ACCESS_KEY_ID = 1..=128, r"[\w\-]+";
    REVISION = 1..=64, r"[0-9]+";
    SSO_ADMIN_TOKEN = 0..=2048, r"[a-zA-Z0-9+=/_\-]*";
    IDENTITY_STORE_TOKEN = 1..=65535, r"[a-zA-Z0-9+=/:_\-]*";
    EXTENSION_NAME = 1..=50, r"aws:identitystore:[a-z]{1,20}";
    /// The model says `\p{L}`; every path that any operation knows is of these letters.
    ATTRIBUTE_PATH = 1..=255, concat!(r"([a-zA-Z]+:[a-zA-Z]+:[a-zA-Z]+(\.[a-zA-Z]+){0,3}|",
        r"[a-zA-Z]+(\.[a-zA-Z]+){0,2})");
}

/// UserName: no blanks.
pub(super) static USER_NAME: Shape = Shape::new(1, 128, Form::Visible { also: &[] });
/// Issuer and Id of an ExternalId.
pub(super) static EXTERNAL_ID: Shape = Shape::new(1, 256, Form::Visible { also: &[] });
/// A group's DisplayName and every other string of a user.
pub(super) static TEXT: Shape = Shape::new(
    1,
    1024,
    Form::Visible {
        also: BLANKS_IN_TEXT,
    },
);
pub(super) static PRINCIPAL_TYPE: Shape =
    Shape::new(0, usize::MAX, Form::OneOf(&["USER", "GROUP"]));
pub(super) static REGION_SCOPE: Shape = Shape::new(
    0,
    usize::MAX,
    Form::OneOf(&["CURRENT_REGION", "ALL_REGIONS"]),
);
pub(super) static TARGET_TYPE: Shape = Shape::new(0, usize::MAX, Form::OneOf(&["AWS_ACCOUNT"]));
pub(super) static OPERATION_STATUS: Shape = Shape::new(
    0,
    usize::MAX,
    Form::OneOf(&["IN_PROGRESS", "FAILED", "SUCCEEDED"]),
);
pub(super) static PROVISIONING_STATUS: Shape = Shape::new(
    0,
    usize::MAX,
    Form::OneOf(&[
        "LATEST_PERMISSION_SET_PROVISIONED",
        "LATEST_PERMISSION_SET_NOT_PROVISIONED",
    ]),
);
/// NextToken of organizations: any text.
pub(super) static ORGANIZATIONS_TOKEN: Shape = Shape::new(0, 100_000, Form::Any);
/// A string without constraint.
pub(super) static ANY: Shape = Shape::new(0, usize::MAX, Form::Any);

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "0a1b2c3d-0000-4000-8000-0123456789ab";

    fn fits(shape: &Shape, value: &str) -> bool {
        shape.violation(value).is_none()
    }

    #[test]
    fn every_pattern_compiles() {
        for shape in ALL {
            assert!(!fits(shape, "\u{0}"));
        }
    }

    #[test]
    fn arns_fit_only_whole_and_in_their_case() {
        let instance = "arn:aws:sso:::instance/ssoins-0123456789abcdef";
        assert!(fits(&INSTANCE_ARN, instance));
        assert!(fits(
            &INSTANCE_ARN,
            &instance.replace("arn:aws", "arn:aws-us-gov")
        ));
        for bad in [
            format!("{instance}\n"),
            format!(" {instance}"),
            instance.to_uppercase(),
            format!("{instance}0"),
            instance.replace('a', "\u{430}"),
            String::new(),
        ] {
            assert!(!fits(&INSTANCE_ARN, &bad), "{bad:?}");
        }
        let application =
            "arn:aws:sso::123456789012:application/ssoins-0123456789abcdef/apl-0123456789abcdef";
        assert!(fits(&APPLICATION_ARN, application));
        assert!(!fits(
            &APPLICATION_ARN,
            &application.replace("::123456789012", ":::")
        ));
        assert!(!fits(
            &APPLICATION_ARN,
            &format!("{application}{}", "0".repeat(1224))
        ));
    }

    #[test]
    fn session_durations_are_iso_8601() {
        for good in [
            "PT1H",
            "PT12H",
            "P1D",
            "P1DT",
            "P1Y2M3WT4H5M6.5S",
            "-PT90M",
            "PT0.5S",
        ] {
            assert!(fits(&SESSION_DURATION, good), "{good:?}");
        }
        for bad in ["", "P", "PT", "1H", "PT1", "P1H", "PT1H1H", "pt1h"] {
            assert!(!fits(&SESSION_DURATION, bad), "{bad:?}");
        }
        assert!(fits(&PERMISSION_SET_DESCRIPTION, "tab\tand é"));
        assert!(!fits(&PERMISSION_SET_DESCRIPTION, "日本"));
    }

    #[test]
    fn principal_ids_may_carry_the_store_and_no_arn() {
        assert!(fits(&PRINCIPAL_ID, UUID));
        assert!(fits(&PRINCIPAL_ID, &UUID.to_uppercase()));
        assert!(fits(&PRINCIPAL_ID, &format!("9367087262-{UUID}")));
        let arn = format!("arn:aws:identitystore:::user/{UUID}");
        assert!(!fits(&PRINCIPAL_ID, &arn));
        assert!(fits(&RESOURCE_ID, &arn));
        assert!(fits(&IDENTITY_STORE_ID, "d-9367087262"));
        assert!(!fits(&IDENTITY_STORE_ID, "d-936708726z"));
    }

    #[test]
    fn names_take_every_script_and_no_blanks() {
        for good in [
            "alice",
            "Ольга",
            "山田太郎",
            "عمر",
            "a\u{301}",
            "🦀",
            "=1+1",
            "o'neil",
        ] {
            assert!(fits(&USER_NAME, good), "{good:?}");
        }
        for bad in [
            "",
            "two words",
            "tab\there",
            "nul\u{0}",
            "rtl\u{202e}",
            "zero\u{200b}",
            "\u{e000}",
        ] {
            assert!(!fits(&USER_NAME, bad), "{bad:?}");
        }
        assert!(fits(&TEXT, "two\n words,\t\"quoted\""));
        assert!(!fits(&TEXT, "line\u{2028}separator"));
        assert!(fits(&USER_NAME, &"é".repeat(128)));
        assert!(!fits(&USER_NAME, &"é".repeat(129)));
    }
}
