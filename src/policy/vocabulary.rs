//! The shipped schema, and its words as Cedar wants them: made once.

use std::sync::LazyLock;

use cedar_policy::{EntityId, EntityTypeName, EntityUid, Schema};

use super::question::Action;

/// The schema that every policy is checked against, with comments for who writes policies.
pub const SCHEMA_TEXT: &str = include_str!("usher.cedarschema");

/// A type of entities; the schema explains each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    User,
    Service,
    Unmatched,
    Group,
    Instance,
    Application,
    Account,
    PermissionSet,
    AccountAccess,
    Grant,
    Assignment,
}

struct Words {
    schema: Schema,
    types: [EntityTypeName; 11],
    actions: [EntityUid; Action::ALL.len()],
}

static WORDS: LazyLock<Words> = LazyLock::new(|| {
    #[expect(
        clippy::expect_used,
        reason = "the schema and these names are constants, which every test of policies reads"
    )]
    let name = |text: &str| -> EntityTypeName { text.parse().expect("a constant name") };
    let kinds = [
        "User",
        "Service",
        "Unmatched",
        "Group",
        "Instance",
        "Application",
        "Account",
        "PermissionSet",
        "AccountAccess",
        "Grant",
        "Assignment",
    ];
    let action = name("Usher::Action");
    #[expect(clippy::expect_used, reason = "a constant, see above")]
    let (schema, _) = Schema::from_cedarschema_str(SCHEMA_TEXT).expect("the shipped schema");
    Words {
        schema,
        types: kinds.map(|kind| name(&format!("Usher::{kind}"))),
        actions: Action::ALL
            .map(|it| EntityUid::from_type_name_and_id(action.clone(), EntityId::new(it.as_str()))),
    }
});

/// The schema.
pub(super) fn schema() -> &'static Schema {
    &WORDS.schema
}

/// An entity of a type.
pub(super) fn entity(kind: Kind, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(WORDS.types[kind as usize].clone(), EntityId::new(id))
}

/// An action.
pub(super) fn action(action: Action) -> &'static EntityUid {
    &WORDS.actions[place(action)]
}

/// Where an action stands in `Action::ALL`.
pub(super) fn place(action: Action) -> usize {
    Action::ALL
        .iter()
        .position(|it| *it == action)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_and_type_is_in_the_schema() {
        let known: Vec<&EntityUid> = schema().actions().collect();
        assert_eq!(known.len(), Action::ALL.len());
        for it in Action::ALL {
            assert!(known.contains(&action(it)), "{it:?}");
        }
        let types = schema().entity_types().count();
        assert_eq!(types, WORDS.types.len());
        assert!(
            schema()
                .entity_types()
                .all(|name| WORDS.types.contains(name))
        );
    }
}
