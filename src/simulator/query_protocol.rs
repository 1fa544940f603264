//! sts's own way of speaking (aws-api.md §1): forms in, XML out. Knows neither operations nor rules;
//! it turns forms into members and replies into elements.

use serde_json::{Map, Value};

use super::failure::escape_xml;

/// What a form is announced as.
pub(super) const FORM_CONTENT_TYPE: &str = "application/x-www-form-urlencoded";

/// The fields of a form. A field that is not decodable is kept as it came: it fits no pattern.
pub(super) fn read_form(body: &[u8]) -> Map<String, Value> {
    let text = String::from_utf8_lossy(body);
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (decoded(name), Value::from(decoded(value))))
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let pair = digit().zip(digit());
                match pair.and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
                    Some(byte) => bytes.push(byte),
                    None => return text.to_owned(),
                }
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// The reply of an operation as the service writes it.
pub(super) fn reply_body(operation: &str, reply: &Value, request_id: &str) -> String {
    let members = elements(reply);
    format!(
        "<{operation}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <{operation}Result>{members}</{operation}Result><ResponseMetadata>\
         <RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
    )
}

fn elements(value: &Value) -> String {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| format!("<{name}>{}</{name}>", elements(value)))
            .collect(),
        Value::String(text) => escape_xml(text),
        Value::Null => String::new(),
        other => escape_xml(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn forms_are_decoded_and_nonsense_is_kept() {
        let form =
            read_form(b"Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fa&Name=a+b%2B");
        assert_eq!(form["RoleArn"], "arn:aws:iam::1:role/a");
        assert_eq!(form["Name"], "a b+");
        let form = read_form(b"One=%4&Two=%zz&Three=%ff&Four=%+1&Five");
        assert_eq!(form["One"], "%4");
        assert_eq!(form["Two"], "%zz");
        assert_eq!(form["Three"], "%ff");
        assert_eq!(form["Four"], "%+1");
        assert!(!form.contains_key("Five"));
    }

    #[test]
    fn replies_become_nested_and_escaped_elements() {
        let body = reply_body("Ask", &json!({"Outer": {"Inner": "a<b", "Count": 2}}), "id");
        assert!(body.starts_with("<AskResponse xmlns="), "{body}");
        assert!(
            body.contains(
                "<AskResult><Outer><Inner>a&lt;b</Inner><Count>2</Count></Outer></AskResult>"
            ),
            "{body}"
        );
    }
}
