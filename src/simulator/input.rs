//! Reads the members of a call's input as the service models describe them and collects everything
//! that is wrong, as AWS's front end does before an operation begins. A member of the wrong JSON
//! type is a SerializationException, a bad value a ValidationException naming the member.
//! Unknown members are ignored, as awsJson1.1 asks.

use serde_json::{Map, Value};

use super::failure::Failure;
use super::patterns::Shape;

/// How much of an offending value a message repeats.
const VALUE_SHOWN_CHARACTERS: usize = 200;

/// The input of one call, or one structure inside it.
pub(super) struct Input<'a> {
    members: &'a Map<String, Value>,
    /// `filter.` inside `Filter`.
    prefix: String,
    violations: Vec<String>,
    serialization: Option<String>,
}

impl<'a> Input<'a> {
    pub(super) fn new(members: &'a Map<String, Value>) -> Input<'a> {
        Input {
            members,
            prefix: String::new(),
            violations: Vec::new(),
            serialization: None,
        }
    }

    /// The input as it came.
    pub(super) fn members(&self) -> &'a Map<String, Value> {
        self.members
    }

    /// Whether everything read so far was lawful. To be asked before anything is looked up.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        if let Some(message) = self.serialization.take() {
            return Err(Failure::serialization(message));
        }
        let count = self.violations.len();
        if count == 0 {
            return Ok(());
        }
        let noun = if count == 1 { "error" } else { "errors" };
        let text = std::mem::take(&mut self.violations).join("; ");
        Err(Failure::validation(format!(
            "{count} validation {noun} detected: {text}"
        )))
    }

    /// A string that must be there. Empty after a violation, which `finish` reports.
    pub(super) fn required_text(&mut self, member: &str, shape: &Shape) -> String {
        if self.present(member).is_none() {
            self.missing(member);
            return String::new();
        }
        self.text(member, shape).unwrap_or_default()
    }

    /// A string that may be absent; JSON null is absent.
    pub(super) fn text(&mut self, member: &str, shape: &Shape) -> Option<String> {
        let Some(text) = self.present(member)?.as_str() else {
            self.wrong_type(member, "a string");
            return None;
        };
        if let Some(constraint) = shape.violation(text) {
            let shown: String = text.chars().take(VALUE_SHOWN_CHARACTERS).collect();
            self.violated(&format!("Value '{shown}' at"), member, &constraint);
            return None;
        }
        Some(text.to_owned())
    }

    /// An integer within bounds.
    pub(super) fn integer(&mut self, member: &str, least: i64, most: i64) -> Option<i64> {
        let Some(value) = self.present(member)?.as_i64() else {
            self.wrong_type(member, "an integer");
            return None;
        };
        if value < least {
            let constraint = format!("Member must have value greater than or equal to {least}");
            self.violated(&format!("Value '{value}' at"), member, &constraint);
        }
        if value > most {
            let constraint = format!("Member must have value less than or equal to {most}");
            self.violated(&format!("Value '{value}' at"), member, &constraint);
        }
        Some(value)
    }

    /// A boolean.
    pub(super) fn flag(&mut self, member: &str) -> Option<bool> {
        let value = self.present(member)?.as_bool();
        if value.is_none() {
            self.wrong_type(member, "a boolean");
        }
        value
    }

    /// A boolean that must be there.
    pub(super) fn required_flag(&mut self, member: &str) -> bool {
        if self.present(member).is_none() {
            self.missing(member);
        }
        self.flag(member).unwrap_or_default()
    }

    /// A structure: `read` reads its members.
    pub(super) fn structure<T>(
        &mut self,
        member: &str,
        read: impl FnOnce(&mut Input<'a>) -> T,
    ) -> Option<T> {
        let Some(members) = self.present(member)?.as_object() else {
            self.wrong_type(member, "a structure");
            return None;
        };
        let prefix = format!("{}.", self.path(member));
        Some(self.inner(members, prefix, read))
    }

    /// A list of structures of the given length.
    pub(super) fn structures<T>(
        &mut self,
        member: &str,
        least: usize,
        most: usize,
        mut read: impl FnMut(&mut Input<'a>) -> T,
    ) -> Vec<T> {
        let mut rows = Vec::new();
        for (at, value) in self.list(member, least, most).iter().enumerate() {
            let path = format!("{}.{}.member", self.path(member), at + 1);
            match value.as_object() {
                Some(members) => rows.push(self.inner(members, format!("{path}."), &mut read)),
                None => self.wrong_type_at(&path, "a structure"),
            }
        }
        rows
    }

    /// A list of strings of the given length.
    pub(super) fn texts(
        &mut self,
        member: &str,
        least: usize,
        most: usize,
        shape: &Shape,
    ) -> Vec<String> {
        let mut rows = Vec::new();
        for (at, value) in self.list(member, least, most).iter().enumerate() {
            let Some(text) = value.as_str() else {
                let path = format!("{}.{}.member", self.path(member), at + 1);
                self.wrong_type_at(&path, "a string");
                continue;
            };
            if let Some(constraint) = shape.violation(text) {
                let shown: String = text.chars().take(VALUE_SHOWN_CHARACTERS).collect();
                self.violated(&format!("Value '[{shown}]' at"), member, &constraint);
            }
            rows.push(text.to_owned());
        }
        rows
    }

    /// Reports that a member is needed and absent.
    pub(super) fn missing(&mut self, member: &str) {
        self.violated("Value null at", member, "Member must not be null");
    }

    /// Whether the member is there and not null.
    pub(super) fn has(&self, member: &str) -> bool {
        self.present(member).is_some()
    }

    fn list(&mut self, member: &str, least: usize, most: usize) -> &'a [Value] {
        let Some(value) = self.present(member) else {
            return &[];
        };
        let Some(rows) = value.as_array() else {
            self.wrong_type(member, "a list");
            return &[];
        };
        if rows.len() < least || rows.len() > most {
            let constraint =
                format!("Member must have length between {least} and {most}, inclusive");
            self.violated("Value at", member, &constraint);
            return &[];
        }
        rows
    }

    fn inner<T>(
        &mut self,
        members: &'a Map<String, Value>,
        prefix: String,
        read: impl FnOnce(&mut Input<'a>) -> T,
    ) -> T {
        let mut inner = Input {
            members,
            prefix,
            violations: Vec::new(),
            serialization: None,
        };
        let result = read(&mut inner);
        self.violations.append(&mut inner.violations);
        self.serialization = self.serialization.take().or(inner.serialization);
        result
    }

    fn present(&self, member: &str) -> Option<&'a Value> {
        self.members.get(member).filter(|value| !value.is_null())
    }

    /// AWS writes members in lower camel case in these messages.
    fn path(&self, member: &str) -> String {
        let mut letters = member.chars();
        let first = letters.next().map(|letter| letter.to_ascii_lowercase());
        format!(
            "{}{}{}",
            self.prefix,
            first.map(String::from).unwrap_or_default(),
            letters.as_str()
        )
    }

    fn violated(&mut self, what: &str, member: &str, constraint: &str) {
        let path = self.path(member);
        self.violations.push(format!(
            "{what} '{path}' failed to satisfy constraint: {constraint}"
        ));
    }

    fn wrong_type(&mut self, member: &str, wanted: &str) {
        let path = self.path(member);
        self.wrong_type_at(&path, wanted);
    }

    fn wrong_type_at(&mut self, path: &str, wanted: &str) {
        let message = format!("The member '{path}' must be {wanted}");
        self.serialization.get_or_insert(message);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::patterns;
    use super::*;

    fn failure_of(body: Value, read: impl FnOnce(&mut Input<'_>)) -> Option<Failure> {
        let mut input = Input::new(body.as_object().expect("an object"));
        read(&mut input);
        input.finish().err()
    }

    #[test]
    fn all_violations_are_told_at_once_and_by_name() {
        let failure = failure_of(json!({"InstanceArn": "x", "MaxResults": 101}), |input| {
            input.required_text("InstanceArn", &patterns::INSTANCE_ARN);
            input.required_text("PrincipalId", &patterns::PRINCIPAL_ID);
            input.integer("MaxResults", 1, 100);
        })
        .expect("three violations");
        assert_eq!(failure.code, "ValidationException");
        assert!(
            failure
                .message
                .starts_with("3 validation errors detected: ")
        );
        for member in ["'instanceArn'", "'principalId'", "'maxResults'"] {
            assert!(
                failure.message.contains(member),
                "{member}: {}",
                failure.message
            );
        }
    }

    #[test]
    fn a_wrong_type_is_a_serialization_error_even_inside() {
        let failure = failure_of(json!({"Filter": {"ApplicationArn": 7}}), |input| {
            input.structure("Filter", |filter| {
                filter.text("ApplicationArn", &patterns::APPLICATION_ARN)
            });
        })
        .expect("a failure");
        assert_eq!(failure.code, "SerializationException");
        assert!(failure.message.contains("filter.applicationArn"));
    }

    #[test]
    fn null_and_unknown_members_are_absent() {
        let failure = failure_of(json!({"Filter": null, "Surprise": 1}), |input| {
            assert!(!input.has("Filter"));
            input.integer("MaxResults", 1, 100);
        });
        assert_eq!(failure, None);
    }
}
