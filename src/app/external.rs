//! Who keeps an assignment outside of Usher, by the configured rules and by the names that are known.
//! It asks AWS nothing.

use super::App;
use crate::domain::external::NamedAssignment;
use crate::domain::{Instance, PrincipalRef, Target};

impl App {
    /// The owner that a rule names; none where no rule fits.
    pub(super) async fn external_owner(
        &self,
        instance: &Instance,
        principal: &PrincipalRef,
        target: &Target,
    ) -> Option<String> {
        let rules = &self.parts.external;
        if rules.is_empty() {
            return None;
        }
        let named = self.named_target(target).await;
        let principal_name = self.known_name(principal).await;
        let owner = rules.owner(&NamedAssignment {
            instance,
            principal,
            principal_name: &principal_name,
            target,
            target_name: &named.name,
            account_name: &named.account_name,
        });
        owner.map(str::to_owned)
    }
}
