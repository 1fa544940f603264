//! Texts and the provider catalogue of made worlds. Only tables.

use super::world::ApplicationProvider;

/// Texts that break naive quoting, spreadsheets, terminals and sorting.
pub(super) const AWKWARD_TEXTS: &[&str] = &[
    "O'Brien, \"Bobby\"",
    "=cmd|'/c calc'!A1",
    "+1",
    "@x",
    "-2+3",
    "line one\nline two",
    "\ttab first",
    "Ольга Кузнецова",
    "山田太郎",
    "عمر خيام",
    "🦀 crab",
    "Jose\u{301} Ñandú",
    "<script>alert(1)</script>",
    "'; DROP TABLE users; --",
    "semi;colon",
    "carriage\rreturn",
    "ideographic\u{3000}space",
    "100% $1 {0} %s",
];

/// The same without blanks, as user names must be.
pub(super) const AWKWARD_USER_NAMES: &[&str] = &[
    "=1+1",
    "@x",
    "+7",
    "o'brien",
    "\"quoted\"",
    "comma,name",
    "ольга",
    "太郎",
    "عمر",
    "🦀",
    "back\\slash",
];

/// Id, name and protocol of application providers.
pub(super) const PROVIDERS: &[(&str, &str, &str)] = &[
    ("Redshift", "Amazon Redshift", "OAUTH"),
    ("QuickSight", "Amazon QuickSight", "OAUTH"),
    ("custom", "Custom application", "OAUTH"),
    ("custom-saml", "Custom SAML 2.0 application", "SAML"),
];

/// The catalogue that every made world has.
pub(super) fn providers() -> Vec<ApplicationProvider> {
    PROVIDERS
        .iter()
        .map(|(id, name, protocol)| ApplicationProvider {
            application_provider_arn: provider_arn(id),
            display_name: (*name).to_owned(),
            federation_protocol: (*protocol).to_owned(),
        })
        .collect()
}

/// ARN of an entry of the catalogue.
pub(super) fn provider_arn(id: &str) -> String {
    format!("arn:aws:sso::aws:applicationProvider/{id}")
}
