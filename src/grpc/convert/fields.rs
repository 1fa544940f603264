//! Parsing of fields: every violation is kept, so that a caller hears of all at once.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use prost::Message;

use crate::app::{AppError, PageRequest, Violation};
use crate::directory::PrincipalQuery;
use crate::domain::text::{check_instance_name, check_lookup_name, check_user_name};
use crate::domain::{InstanceArn, InvalidValue};
use crate::grpc::pb;

/// The longest duration of a grant. Who wants longer wants no end, and should say so.
const GRANT_SECONDS_MAX: i64 = 36_525 * 86_400;
/// The oldest facts that a caller may accept: a day.
const MAX_AGE_SECONDS_MAX: i64 = 86_400;
/// Elements of one list that are blamed at most, so that the answer stays small enough to arrive.
const ELEMENTS_BLAMED_MAX: usize = 10;
/// Parts of an ARN, between colons.
const ARN_PARTS: usize = 6;
/// Characters of its first part, `arn`, with one that cannot be seen.
const ARN_PREFIX_CHARACTERS_MAX: usize = 4;
/// Rows a page where the request does not say.
const PAGE_SIZE_DEFAULT: usize = 100;

/// The violations found so far.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) violations: Vec<Violation>,
}

impl Fields {
    /// Notes a violation.
    pub(super) fn refuse(&mut self, field: &str, problem: impl Into<String>) {
        self.violations.push(Violation {
            field: field.to_owned(),
            problem: problem.into(),
        });
    }

    /// The values of a list of enum values, each once; the first wrong ones are noted by place.
    pub(super) fn choices<T: PartialEq>(
        &mut self,
        field: &str,
        values: &[i32],
        problem: &str,
        parse: impl Fn(i32) -> Option<T>,
    ) -> Vec<T> {
        let (mut chosen, mut wrong) = (Vec::new(), 0);
        for (place, value) in values.iter().enumerate() {
            match parse(*value) {
                Some(value) if chosen.contains(&value) => {}
                Some(value) => chosen.push(value),
                None if wrong == ELEMENTS_BLAMED_MAX => break,
                None => {
                    self.refuse(&format!("{field}[{place}]"), problem);
                    wrong += 1;
                }
            }
        }
        chosen
    }

    /// The instance: empty, an ARN, or what an alias may be.
    pub(super) fn instance(&mut self, text: &str) {
        if looks_like_arn(text) {
            self.take("instance", InstanceArn::parse(text));
        } else if !text.is_empty() {
            self.take("instance", check_instance_name(text));
        }
    }

    /// Takes a parsed value, or notes why there is none.
    pub(super) fn take<T>(&mut self, field: &str, parsed: Result<T, InvalidValue>) -> Option<T> {
        parsed.map_err(|error| self.refuse(field, error.0)).ok()
    }

    /// The value that parsing built, if nothing was refused.
    ///
    /// # Errors
    /// `FieldsInvalid` with every violation.
    pub(super) fn finish<T>(self, value: Option<T>) -> Result<T, AppError> {
        match value {
            Some(value) if self.violations.is_empty() => Ok(value),
            _ => Err(AppError::FieldsInvalid(self.violations)),
        }
    }

    /// An optional principal.
    pub(super) fn optional_principal(
        &mut self,
        field: &str,
        principal: Option<pb::Principal>,
    ) -> Option<PrincipalQuery> {
        principal.and_then(|principal| self.principal(field, Some(principal)))
    }

    /// A required principal.
    pub(super) fn principal(
        &mut self,
        field: &str,
        principal: Option<pb::Principal>,
    ) -> Option<PrincipalQuery> {
        use pb::principal::Principal;
        let (name, query) = match principal.and_then(|principal| principal.principal) {
            Some(Principal::User(user)) => ("user", PrincipalQuery::User(user)),
            Some(Principal::Group(group)) => ("group", PrincipalQuery::Group(group)),
            None => {
                self.refuse(field, "is required: set `user` or `group`");
                return None;
            }
        };
        let checked = match &query {
            PrincipalQuery::User(text) => check_user_name(text),
            PrincipalQuery::Group(text) => check_lookup_name(text),
        };
        self.take(&format!("{field}.{name}"), checked)
            .map(|()| query)
    }

    /// A required user.
    pub(super) fn user(&mut self, field: &str, text: String) -> Option<PrincipalQuery> {
        self.take(field, check_user_name(&text))
            .map(|()| PrincipalQuery::User(text))
    }

    /// The name that a list is narrowed to; empty for all.
    pub(super) fn name_filter(&mut self, name: &str, check: fn(&str) -> Result<(), InvalidValue>) {
        if !name.is_empty() {
            self.take("name", check(name));
        }
    }

    /// How long a grant lasts; none means no end.
    pub(super) fn grant_duration(
        &mut self,
        field: &str,
        duration: Option<prost_types::Duration>,
    ) -> Option<SignedDuration> {
        let duration = self.duration(field, duration?)?;
        // The store keeps microseconds: what is shorter would be nothing.
        if duration.as_micros() <= 0 {
            self.refuse(
                field,
                "must be longer than zero; leave it out for access without an end",
            );
            return None;
        }
        if duration.as_secs() > GRANT_SECONDS_MAX {
            self.refuse(
                field,
                "is longer than 100 years; leave it out for access without an end",
            );
            return None;
        }
        Some(duration)
    }

    /// An instant; none where there is none.
    pub(super) fn instant(
        &mut self,
        field: &str,
        at: Option<prost_types::Timestamp>,
    ) -> Option<Timestamp> {
        let at = at?;
        // google.protobuf.Timestamp holds the years 1 to 9999; jiff ends a day before its own last one.
        let in_range = (-62_135_596_800..=253_402_207_200).contains(&at.seconds)
            && (0..=999_999_999).contains(&at.nanos);
        let instant = Timestamp::new(at.seconds, at.nanos);
        match instant {
            Ok(instant) if in_range => Some(instant),
            _ => {
                let problem = "is not a valid time, such as \"2027-01-31T09:00:00Z\"";
                self.refuse(field, problem);
                None
            }
        }
    }

    /// How old facts may be; none for the default.
    pub(super) fn max_age(
        &mut self,
        field: &str,
        duration: Option<prost_types::Duration>,
    ) -> Option<Duration> {
        let duration = self.duration(field, duration?)?;
        if duration.is_negative() || duration.as_secs() > MAX_AGE_SECONDS_MAX {
            self.refuse(field, "must be 0 to 86400 seconds");
            return None;
        }
        Duration::try_from(duration).ok()
    }

    fn duration(&mut self, field: &str, duration: prost_types::Duration) -> Option<SignedDuration> {
        // The bounds of google.protobuf.Duration: 10,000 years, nanos below a second and of one sign.
        let in_range = (-315_576_000_000..=315_576_000_000).contains(&duration.seconds)
            && (-999_999_999..=999_999_999).contains(&duration.nanos)
            && (duration.seconds == 0
                || duration.nanos == 0
                || (duration.seconds < 0) == (duration.nanos < 0));
        if !in_range {
            self.refuse(field, "is not a valid duration, such as \"3600s\"");
            return None;
        }
        Some(SignedDuration::new(duration.seconds, duration.nanos))
    }

    /// A page: the size clamped to `size_max`, the token with what it is bound to.
    pub(super) fn page<M: Message>(
        &mut self,
        method: &str,
        filters: &M,
        size: i32,
        token: &str,
        size_max: usize,
    ) -> PageRequest {
        if size < 0 {
            self.refuse("page_size", "must not be negative");
        }
        let size = match usize::try_from(size) {
            Ok(0) | Err(_) => PAGE_SIZE_DEFAULT.min(size_max),
            Ok(size) => size.min(size_max),
        };
        PageRequest {
            list: hash_of(method, filters),
            size,
            token: token.to_owned(),
        }
    }
}

/// A text that means an ARN, in whatever case it starts; also with a look-alike or an invisible
/// letter at its start, which would otherwise make it a name that nothing has.
pub(super) fn looks_like_arn(text: &str) -> bool {
    let text = text.trim_start();
    let has_its_parts = text.split(':').count() >= ARN_PARTS
        && text
            .split(':')
            .next()
            .is_some_and(|first| first.chars().nth(ARN_PREFIX_CHARACTERS_MAX).is_none());
    crate::domain::ids::is_arn(text) || has_its_parts
}

/// A hash, in hex, of a method and a message. prost encodes fields in the order of their numbers,
/// so that equal messages have equal hashes.
pub(super) fn hash_of<M: Message>(method: &str, message: &M) -> String {
    let mut bytes = method.as_bytes().to_vec();
    bytes.push(0);
    bytes.extend(message.encode_to_vec());
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn duration(seconds: i64, nanos: i32) -> prost_types::Duration {
        prost_types::Duration { seconds, nanos }
    }

    #[test]
    fn durations_that_are_not_above_zero_or_not_valid_are_refused() {
        for wrong in [
            duration(0, 0),
            duration(-1, 0),
            duration(1, -1),
            duration(0, 1_000_000_000),
            duration(i64::MAX, 0),
            duration(GRANT_SECONDS_MAX + 1, 0),
        ] {
            let mut fields = Fields::default();
            assert_eq!(fields.grant_duration("duration", Some(wrong)), None);
            assert_eq!(fields.violations.len(), 1, "{wrong:?}");
        }
        let mut fields = Fields::default();
        assert_eq!(
            fields.grant_duration("duration", Some(duration(1, 5))),
            Some(SignedDuration::new(1, 5))
        );
    }

    #[test]
    fn page_sizes_are_clamped_and_never_negative() {
        let mut fields = Fields::default();
        let message = pb::ListGrantsRequest::default();
        assert_eq!(fields.page("m", &message, 0, "", 1000).size, 100);
        assert_eq!(fields.page("m", &message, i32::MAX, "", 1000).size, 1000);
        assert!(fields.violations.is_empty());
        fields.page("m", &message, -1, "", 1000);
        assert_eq!(fields.violations.len(), 1);
    }
}
