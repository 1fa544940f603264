//! The operations of organizations: which accounts there are, and who manages them.

use aws_sdk_organizations::types::{Account as AccountRow, AccountState};

use super::call::Caller;
use super::convert::{self, Missing};
use super::sso_admin::{check_body, page_of, text_of};
use super::{Call, Page, PageToken};
use crate::domain::{Account, AccountStatus, Failure, Operation, Organization};

/// The largest page of organizations (aws-api.md §2).
const PAGE_SIZE: i32 = 20;

/// organizations through the guard.
pub(super) struct Organizations<'a> {
    pub(super) caller: &'a Caller,
    pub(super) client: &'a aws_sdk_organizations::Client,
}

impl Organizations<'_> {
    pub(super) async fn accounts(
        &self,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<Account>, Failure> {
        let reply = self
            .caller
            .read(Operation::ListAccounts, call, || {
                let request = self.client.list_accounts().max_results(PAGE_SIZE);
                request.set_next_token(text_of(page)).send()
            })
            .await?;
        check_body(&reply)?;
        let rows = reply.output.accounts().iter().map(account);
        let next = convert::page_token(reply.output.next_token());
        page_of(&reply, rows, next)
    }

    pub(super) async fn organization(&self, call: Call) -> Result<Option<Organization>, Failure> {
        let reply = self
            .caller
            .read(Operation::DescribeOrganization, call, || {
                self.client.describe_organization().send()
            })
            .await;
        let reply = match reply {
            Ok(reply) => reply,
            // AWSOrganizationsNotInUseException: there is none to describe.
            Err(rejected) if rejected.says_it_is_not_there() => return Ok(None),
            Err(rejected) => return Err(rejected.into()),
        };
        let row = reply.output.organization();
        let row = row.ok_or_else(|| reply.unusable("Organization"))?;
        let id = row.id().filter(|id| !id.is_empty());
        Ok(Some(Organization {
            id: id.ok_or_else(|| reply.unusable("Id"))?.to_owned(),
            management_account_id: convert::account_id(row.master_account_id(), "MasterAccountId")
                .map_err(|missing| reply.unusable(missing))?,
        }))
    }
}

fn account(row: &AccountRow) -> Result<Account, Missing> {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    Ok(Account {
        id: convert::account_id(row.id(), "Id")?,
        name: text(row.name()),
        email: text(row.email()),
        status: status(row),
    })
}

/// `State` replaces `Status` and counts where both are there; the words are the same (aws-api.md
/// §3e).
fn status(row: &AccountRow) -> AccountStatus {
    let old = row.status().map(|status| status.as_str());
    match row.state().map(AccountState::as_str).or(old) {
        Some("ACTIVE") => AccountStatus::Active,
        Some("SUSPENDED" | "PENDING_CLOSURE" | "PENDING_ACTIVATION" | "CLOSED") => {
            AccountStatus::Inactive
        }
        _ => AccountStatus::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_organizations::types::AccountStatus as OldStatus;

    use super::*;

    #[test]
    fn the_new_state_counts_before_the_old_status_and_silence_is_unknown() {
        let row = |state: Option<&str>, old: Option<&str>| {
            let row = AccountRow::builder()
                .set_state(state.map(AccountState::from))
                .set_status(old.map(OldStatus::from));
            status(&row.build())
        };
        assert_eq!(row(None, None), AccountStatus::Unknown);
        assert_eq!(row(None, Some("ACTIVE")), AccountStatus::Active);
        assert_eq!(row(None, Some("SUSPENDED")), AccountStatus::Inactive);
        assert_eq!(row(Some("CLOSED"), Some("ACTIVE")), AccountStatus::Inactive);
        assert_eq!(row(Some("ASLEEP"), Some("ACTIVE")), AccountStatus::Unknown);
    }

    #[test]
    fn an_account_without_an_id_is_none() {
        let nameless = AccountRow::builder().name("x").build();
        assert_eq!(account(&nameless), Err("Id"));
    }
}
