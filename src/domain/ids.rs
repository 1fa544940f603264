//! Identifiers of AWS and of Usher, parsed by AWS's own patterns (aws-api.md §2).
//!
//! A value of one of these types has the right shape; whether the thing exists is another question.
//! Comparison is exact: ARNs are case sensitive, and a look-alike letter is another letter.

/// Why a text is not the identifier it should be: a sentence for the caller, remedy included.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidValue(pub String);

/// The longest ARN that sso-admin accepts, in characters (aws-api.md §2).
pub const ARN_CHARACTERS_MAX: usize = 1224;

/// Whether a text is meant as an ARN: it starts with `arn:` in any case (DESIGN.md §2).
#[must_use]
pub fn is_arn(text: &str) -> bool {
    text.get(..4)
        .is_some_and(|it| it.eq_ignore_ascii_case("arn:"))
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(pub(super) String);

        impl $name {
            /// The identifier as AWS and the store write it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

pub(super) use text_id;

text_id!(
    /// An instance: `arn:aws:sso:::instance/ssoins-` and 16 characters.
    InstanceArn
);
text_id!(
    /// An application: `arn:aws:sso::<account>:application/ssoins-…/apl-…`.
    ApplicationArn
);
text_id!(
    /// An identity store: `d-` and ten hex digits, or a lower-case UUID.
    IdentityStoreId
);
text_id!(
    /// An AWS account: twelve digits.
    AccountId
);
text_id!(
    /// The id of a user or a group in an identity store, a UUID that older stores prefix.
    PrincipalId
);
text_id!(
    /// A grant: `grant_` and a UUID of version 7, so that ids sort by creation.
    GrantId
);

/// The id of a user. The same shape as a group's; which of the two it is only AWS knows.
pub type UserId = PrincipalId;
/// The id of a group. The same shape as a user's; which of the two it is only AWS knows.
pub type GroupId = PrincipalId;

impl InstanceArn {
    /// Parses an instance ARN by AWS's pattern.
    pub fn parse(value: &str) -> Result<Self, InvalidValue> {
        let fits = arn_rest(value, "sso:::instance/").is_some_and(is_instance_id);
        if fits {
            Ok(Self(value.to_owned()))
        } else {
            Err(arn_problem(
                value,
                "an instance ARN",
                "arn:aws:sso:::instance/ssoins-1234567890abcdef",
            ))
        }
    }

    /// The instance id, for example `ssoins-1234567890abcdef`.
    #[must_use]
    pub fn instance_id(&self) -> &str {
        self.0.split('/').nth(1).unwrap_or_default()
    }
}

impl ApplicationArn {
    /// Parses an application ARN by AWS's pattern.
    pub fn parse(value: &str) -> Result<Self, InvalidValue> {
        let fits = arn_rest(value, "sso::").is_some_and(|rest| {
            let Some((account, path)) = rest.split_once(":application/") else {
                return false;
            };
            let Some((instance, application)) = path.split_once('/') else {
                return false;
            };
            is_account_id(account)
                && is_instance_id(instance)
                && application.strip_prefix("apl-").is_some_and(|id| {
                    id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
                })
        });
        if fits {
            Ok(Self(value.to_owned()))
        } else {
            Err(arn_problem(
                value,
                "an application ARN",
                "arn:aws:sso::123456789012:application/ssoins-1234567890abcdef/apl-1234567890abcdef",
            ))
        }
    }

    /// The instance id inside the ARN, for example `ssoins-1234567890abcdef`.
    #[must_use]
    pub fn instance_id(&self) -> &str {
        self.0.split('/').nth(1).unwrap_or_default()
    }
}

impl IdentityStoreId {
    /// Parses an identity store id (without the ARN form, which answers never carry).
    pub fn parse(value: &str) -> Result<Self, InvalidValue> {
        let short = value
            .strip_prefix("d-")
            .is_some_and(|id| id.len() == 10 && id.bytes().all(is_lower_hex));
        if short || (is_uuid(value) && value.bytes().all(|byte| !byte.is_ascii_uppercase())) {
            Ok(Self(value.to_owned()))
        } else {
            Err(InvalidValue(
                "is not an identity store id such as d-1234567890".to_owned(),
            ))
        }
    }
}

impl AccountId {
    /// Parses twelve digits.
    pub fn parse(value: &str) -> Result<Self, InvalidValue> {
        if is_account_id(value) {
            Ok(Self(value.to_owned()))
        } else {
            Err(InvalidValue(
                "is not an AWS account id of twelve digits".to_owned(),
            ))
        }
    }
}

impl PrincipalId {
    /// Parses a principal id by AWS's pattern.
    pub fn parse(value: &str) -> Result<Self, InvalidValue> {
        if Self::has_shape(value) {
            Ok(Self(value.to_owned()))
        } else {
            Err(InvalidValue("is not the id of a user or a group such as 9067642ac7-7d8c1b6e-7f53-4a5a-9d53-3f2a5f0c1a11".to_owned()))
        }
    }

    /// Whether the text has the shape of an id; a name of that shape is read as an id.
    #[must_use]
    pub fn has_shape(value: &str) -> bool {
        let uuid = match value.split_at_checked(11) {
            Some((prefix, rest))
                if value.len() == 47
                    && prefix.ends_with('-')
                    && prefix[..10].bytes().all(is_lower_hex) =>
            {
                rest
            }
            _ => value,
        };
        is_uuid(uuid)
    }

    /// An id that AWS gives to nobody: the UUID of zeros.
    #[must_use]
    pub fn of_nobody() -> Self {
        Self("00000000-0000-0000-0000-000000000000".to_owned())
    }
}

impl GrantId {
    /// Makes the id of a new grant from a UUID of version 7.
    #[must_use]
    pub fn from_uuid(id: uuid::Uuid) -> Self {
        Self(format!("grant_{}", id.simple()))
    }

    /// Parses `grant_` and 32 lower-case hex digits.
    pub fn parse(value: &str) -> Result<Self, InvalidValue> {
        let fits = value
            .strip_prefix("grant_")
            .is_some_and(|id| id.len() == 32 && id.bytes().all(is_lower_hex));
        if fits {
            Ok(Self(value.to_owned()))
        } else {
            Err(InvalidValue(
                "is not a grant id: `grant_` and 32 hex digits, as Assign answers it".to_owned(),
            ))
        }
    }
}

/// Whether a principal is a user or a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PrincipalKind {
    /// A user.
    User,
    /// A group.
    Group,
}

impl PrincipalKind {
    /// The word AWS uses: `USER` or `GROUP`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "USER",
            Self::Group => "GROUP",
        }
    }

    /// Reads AWS's word.
    #[must_use]
    pub fn from_aws(word: &str) -> Option<Self> {
        match word {
            "USER" => Some(Self::User),
            "GROUP" => Some(Self::Group),
            _ => None,
        }
    }
}

/// A principal by its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct PrincipalRef {
    /// User or group.
    pub kind: PrincipalKind,
    /// The id in the identity store.
    pub id: PrincipalId,
}

/// Cuts `arn:aws<partition>:` and what follows it; none when the text does not start so.
pub(super) fn arn_rest<'a>(value: &'a str, after_partition: &str) -> Option<&'a str> {
    if value.len() > ARN_CHARACTERS_MAX {
        return None;
    }
    let rest = value.strip_prefix("arn:aws")?;
    let (partition, rest) = rest.split_once(':')?;
    let parts_fit = partition.is_empty()
        || partition.strip_prefix('-').is_some_and(|tail| {
            let parts: Vec<&str> = tail.split('-').collect();
            parts.len() <= 3
                && parts.iter().all(|part| {
                    (1..=5).contains(&part.len())
                        && part.bytes().all(|byte| byte.is_ascii_lowercase())
                })
        });
    if parts_fit {
        rest.strip_prefix(after_partition)
    } else {
        None
    }
}

pub(super) fn is_instance_id(value: &str) -> bool {
    let rest = value.strip_prefix("sso").unwrap_or(value);
    rest.strip_prefix("ins-").is_some_and(|id| {
        id.len() == 16
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
    })
}

pub(super) fn is_account_id(value: &str) -> bool {
    value.len() == 12 && value.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_lower_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

pub(super) fn is_uuid(value: &str) -> bool {
    value.len() == 36
        && value.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Says what is wrong with an ARN as precisely as can be told.
pub(super) fn arn_problem(value: &str, wanted: &str, example: &str) -> InvalidValue {
    let problem = if value.chars().count() > ARN_CHARACTERS_MAX {
        format!("is longer than the {ARN_CHARACTERS_MAX} characters of an ARN")
    } else if value.trim() != value || value.chars().any(char::is_control) {
        "has blanks or control characters around or in it; an ARN has none".to_owned()
    } else if !value.is_ascii() {
        "has letters outside ASCII; an ARN has none, look for look-alike letters".to_owned()
    } else if value.starts_with("ARN:")
        || value.chars().any(|letter| letter.is_ascii_uppercase())
            && value.to_ascii_lowercase().starts_with("arn:")
            && !value.starts_with("arn:")
    {
        "is not in the case AWS writes it; ARNs are case sensitive".to_owned()
    } else {
        format!("is not {wanted}; one looks like {example}")
    };
    InvalidValue(problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    const APPLICATION: &str =
        "arn:aws:sso::123456789012:application/ssoins-1234567890abcdef/apl-1234567890abcdef";

    #[test]
    fn identifiers_of_aws_parse_and_neighbours_do_not() {
        assert!(ApplicationArn::parse(APPLICATION).is_ok());
        assert!(ApplicationArn::parse(&APPLICATION.replace("aws:sso", "aws-us-gov:sso")).is_ok());
        for wrong in [
            "",
            "arn:aws:s3:::bucket",
            &format!("{APPLICATION}\n"),
            &format!("{APPLICATION}\0"),
            &format!(" {APPLICATION}"),
            &APPLICATION.to_uppercase(),
            &APPLICATION.replace("apl-1", "apl-\u{0430}"),
            &APPLICATION.replace("apl-", "apl_"),
            &APPLICATION.replace("123456789012", "12345678901"),
            &format!("{APPLICATION}{}", "0".repeat(1225)),
        ] {
            assert!(ApplicationArn::parse(wrong).is_err(), "{wrong:?}");
        }
        assert!(InstanceArn::parse("arn:aws:sso:::instance/ssoins-1234567890abcdef").is_ok());
        assert!(InstanceArn::parse("arn:aws:sso:::instance/ins-1234567890abc-.f").is_ok());
        assert!(InstanceArn::parse(APPLICATION).is_err());
    }

    #[test]
    fn principal_ids_have_both_shapes() {
        assert!(PrincipalId::has_shape(
            "04261254-0000-4a5a-9d53-3f2a5f0c1a11"
        ));
        assert!(PrincipalId::has_shape(
            "9367087262-04261254-0000-4a5a-9d53-3f2a5f0c1a11"
        ));
        for wrong in [
            "",
            "engineering",
            "936708726-04261254-0000-4a5a-9d53-3f2a5f0c1a11",
            "\u{0430}4261254-0000-4a5a-9d53-3f2a5f0c1a1",
        ] {
            assert!(!PrincipalId::has_shape(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn a_grant_id_reads_what_it_wrote() {
        let id = GrantId::from_uuid(uuid::Uuid::from_u128(7));
        assert_eq!(GrantId::parse(id.as_str()), Ok(id));
        assert!(GrantId::parse("grant_1").is_err());
    }
}
