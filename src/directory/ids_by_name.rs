//! From names to the ids of users and groups, one operation each. Never answers with a record.

use std::sync::Arc;
use std::time::Duration;

use super::facts::Facts;
use super::{Directory, READ_NOW};
use crate::domain::{ExternalId, Failure, IdentityStoreId, Instance, Operation, PrincipalId};
use crate::identity_center::{Call, Dated};

/// A name on its way to an id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct NameKey {
    store_id: IdentityStoreId,
    attribute: Attribute,
    name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Attribute {
    UserName,
    Email,
    /// What the named system calls the user.
    ExternalId(String),
    GroupName,
}

impl Directory {
    /// The id that has this name now; equal questions in flight are one operation.
    pub(super) async fn id_by(
        &self,
        instance: &Instance,
        attribute: Attribute,
        name: &str,
        call: Call,
    ) -> Result<Option<PrincipalId>, Failure> {
        let facts = &self.inner.lookups;
        let id = self.id_in(facts, instance, attribute, name, READ_NOW, call);
        Ok(id.await?.value)
    }

    /// The id that has this name, from these facts or from AWS.
    pub(super) async fn id_in(
        &self,
        facts: &Facts<NameKey, Option<PrincipalId>>,
        instance: &Instance,
        attribute: Attribute,
        name: &str,
        max_age: Duration,
        call: Call,
    ) -> Result<Dated<Option<PrincipalId>>, Failure> {
        let operation = match attribute {
            Attribute::GroupName => Operation::GetGroupId,
            Attribute::UserName | Attribute::Email | Attribute::ExternalId(_) => {
                Operation::GetUserId
            }
        };
        let key = NameKey {
            store_id: instance.identity_store_id.clone(),
            attribute: attribute.clone(),
            name: name.to_owned(),
        };
        let read = || {
            let inner = Arc::clone(&self.inner);
            let (instance, name) = (instance.clone(), name.to_owned());
            let attribute = attribute.clone();
            async move {
                let port = &inner.port;
                match attribute {
                    Attribute::UserName => port.user_id_by_name(&instance, &name, call).await,
                    Attribute::Email => port.user_id_by_email(&instance, &name, call).await,
                    Attribute::ExternalId(issuer) => {
                        let external_id = ExternalId { issuer, id: name };
                        let id = port.user_id_by_external_id(&instance, &external_id, call);
                        id.await
                    }
                    Attribute::GroupName => port.group_id_by_name(&instance, &name, call).await,
                }
            }
        };
        facts.get(&key, max_age, call, operation, read).await
    }
}
