//! The people and services of the table: the only place that says who is who.

use serde_json::{Value, json};

use crate::signer::Key;

/// A user of the identity store.
pub(crate) struct PersonOfTheTable {
    pub(crate) user: &'static str,
    pub(crate) groups: &'static [&'static str],
    pub(crate) is_disabled: bool,
}

const fn person(user: &'static str, groups: &'static [&'static str]) -> PersonOfTheTable {
    PersonOfTheTable {
        user,
        groups,
        is_disabled: false,
    }
}

/// Everybody who has a user.
pub(crate) const PEOPLE: [PersonOfTheTable; 6] = [
    person("anna.berg", &["engineering", "on-call"]),
    person("bilal.khan", &["engineering"]),
    person("carla.mendes", &["engineering-leads"]),
    person("dmitri.orlov", &["operations", "aws-administrators"]),
    person("emi.sato", &["auditors"]),
    PersonOfTheTable {
        user: "felix.left",
        groups: &["auditors"],
        is_disabled: true,
    },
];

/// How somebody calls.
pub(crate) enum Who {
    /// With the own token.
    Person(&'static str),
    /// With a good token, and no user is the one.
    Stranger,
    /// With the service's own token.
    Service(&'static str),
    /// A service for a person, with the person's token or on its word.
    For {
        service: &'static str,
        user: &'static str,
        is_proven: bool,
    },
    /// A person who claims to act for another.
    Claims {
        user: &'static str,
        other: &'static str,
    },
    /// Without any credential.
    Nobody,
}

/// A row of the table.
pub(crate) struct Caller {
    pub(crate) name: &'static str,
    pub(crate) who: Who,
}

const fn by(name: &'static str, who: Who) -> Caller {
    Caller { name, who }
}

const fn acting(service: &'static str, user: &'static str, is_proven: bool) -> Who {
    Who::For {
        service,
        user,
        is_proven,
    }
}

/// Whom no user is called.
pub(crate) const GHOST: &str = "casper.ghost";

/// Every row, in order.
pub(crate) const CALLERS: [Caller; 19] = [
    by("Anna", Who::Person("anna.berg")),
    by("Bilal, her colleague", Who::Person("bilal.khan")),
    by("Carla, who leads both", Who::Person("carla.mendes")),
    by("Dmitri of operations", Who::Person("dmitri.orlov")),
    by("Emi, the auditor", Who::Person("emi.sato")),
    by("Felix, disabled", Who::Person("felix.left")),
    by("a stranger", Who::Stranger),
    by("the portal", Who::Service("portal")),
    by(
        "the portal with Anna's token",
        acting("portal", "anna.berg", true),
    ),
    by(
        "the portal naming Anna",
        acting("portal", "anna.berg", false),
    ),
    by(
        "the portal with an administrator's token",
        acting("portal", "dmitri.orlov", true),
    ),
    by("the ticket system", Who::Service("tickets")),
    by(
        "the ticket system naming Dmitri",
        acting("tickets", "dmitri.orlov", false),
    ),
    by(
        "the ticket system naming Emi",
        acting("tickets", "emi.sato", false),
    ),
    by(
        "the ticket system naming nobody's name",
        acting("tickets", GHOST, false),
    ),
    by("the reporter", Who::Service("reporter")),
    by(
        "the reporter naming Anna",
        acting("reporter", "anna.berg", false),
    ),
    by(
        "Anna naming Bilal",
        Who::Claims {
            user: "anna.berg",
            other: "bilal.khan",
        },
    ),
    by("nobody", Who::Nobody),
];

impl Caller {
    /// The user for whom this is.
    pub(crate) fn user(&self) -> Option<&'static str> {
        match self.who {
            Who::Person(user) | Who::For { user, .. } => Some(user),
            Who::Stranger | Who::Service(_) | Who::Claims { .. } | Who::Nobody => None,
        }
    }

    /// What this caller sends to be known.
    pub(crate) fn headers(&self, key: &Key) -> Vec<(&'static str, String)> {
        let bearer = |token: String| ("authorization", format!("Bearer {token}"));
        match &self.who {
            Who::Person(user) => vec![bearer(key.token(person_claims(user, None)))],
            Who::Stranger => vec![bearer(key.token(person_claims("someone.else", None)))],
            Who::Service(service) => vec![bearer(key.token(service_claims(service)))],
            Who::For {
                service,
                user,
                is_proven,
            } => {
                let itself = bearer(key.token(service_claims(service)));
                let client = format!("{service}-web");
                let for_whom = if *is_proven {
                    let token = key.token(person_claims(user, Some(&client)));
                    ("usher-subject-token", token)
                } else {
                    ("usher-on-behalf-of", (*user).to_owned())
                };
                vec![itself, for_whom]
            }
            Who::Claims { user, other } => vec![
                bearer(key.token(person_claims(user, None))),
                ("usher-on-behalf-of", (*other).to_owned()),
            ],
            Who::Nobody => Vec::new(),
        }
    }
}

fn person_claims(user: &str, client: Option<&str>) -> Value {
    json!({"sub": format!("subject-of-{user}"), "preferred_username": user, "azp": client})
}

fn service_claims(service: &str) -> Value {
    json!({
        "iss": "https://kubernetes.default.svc", "aud": ["usher"], "azp": null,
        "preferred_username": null, "sub": format!("system:serviceaccount:web:{service}"),
    })
}
