//! What the scope of a policy asks of the principal or of the resource, told the same way for both.

use std::collections::HashSet;

use cedar_policy::{
    EntityTypeName, EntityUid, Policy, PrincipalConstraint as Principal,
    ResourceConstraint as Resource,
};

/// What a scope asks of an entity.
pub(super) enum Scope {
    Anything,
    Is(EntityTypeName),
    Eq(EntityUid),
    In(EntityUid),
    IsIn(EntityTypeName, EntityUid),
}

impl Scope {
    /// What a policy asks of the principal.
    pub(super) fn of_principal(policy: &Policy) -> Self {
        match policy.principal_constraint() {
            Principal::Any => Self::Anything,
            Principal::Is(kind) => Self::Is(kind),
            Principal::Eq(id) => Self::Eq(id),
            Principal::In(id) => Self::In(id),
            Principal::IsIn(kind, id) => Self::IsIn(kind, id),
        }
    }

    /// What a policy asks of the resource.
    pub(super) fn of_resource(policy: &Policy) -> Self {
        match policy.resource_constraint() {
            Resource::Any => Self::Anything,
            Resource::Is(kind) => Self::Is(kind),
            Resource::Eq(id) => Self::Eq(id),
            Resource::In(id) => Self::In(id),
            Resource::IsIn(kind, id) => Self::IsIn(kind, id),
        }
    }

    /// Whether it fits an entity, which is in itself too.
    pub(super) fn fits(&self, entity: &EntityUid, is_in: &HashSet<EntityUid>) -> bool {
        match self {
            Self::Anything => true,
            Self::Is(kind) => entity.type_name() == kind,
            Self::Eq(id) => entity == id,
            Self::In(id) => is_in.contains(id),
            Self::IsIn(kind, id) => entity.type_name() == kind && is_in.contains(id),
        }
    }

    /// As policies write it.
    pub(super) fn told(&self, variable: &str) -> String {
        match self {
            Self::Anything => variable.to_owned(),
            Self::Is(kind) => format!("{variable} is {kind}"),
            Self::Eq(id) => format!("{variable} == {id}"),
            Self::In(id) => format!("{variable} in {id}"),
            Self::IsIn(kind, id) => format!("{variable} is {kind} in {id}"),
        }
    }
}
