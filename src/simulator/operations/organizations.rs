//! organizations: the accounts and who administers Identity Center among them (aws-api.md §3e).
//! Errors have this service's own shapes (§1).

use serde_json::{Map, Value, json};

use super::super::failure::Failure;
use super::super::input::Input;
use super::super::patterns;
use super::super::world_organization::{Account, Organization};
use super::{Context, put};

/// Rows on a page: the model's limit, and what comes without MaxResults.
const ROWS_AT_MOST: i64 = 20;
/// The only service principal that a world knows administrators of.
const SERVICE_PRINCIPAL: &str = "sso.amazonaws.com";

/// The organization that the caller's account is in.
fn organization<'a>(context: &'a Context<'_>) -> Result<&'a Organization, Failure> {
    let account = &context.identity.caller.account_id;
    let found = context.store.organization.as_ref();
    found
        .filter(|_| context.store.accounts.contains_key(account))
        .ok_or_else(|| {
            Failure::new(
                "AWSOrganizationsNotInUseException",
                "Your account is not a member of an organization.",
            )
        })
}

/// The organization, for the management account and its delegated administrators.
fn administered<'a>(context: &'a Context<'_>) -> Result<&'a Organization, Failure> {
    let organization = organization(context)?;
    let caller = &context.identity.caller;
    if caller.account_id == organization.management_account_id || context.store.administers(caller)
    {
        return Ok(organization);
    }
    Err(Failure::new(
        "AccessDeniedException",
        "You don't have permissions to access this resource.",
    ))
}

/// This service's form of a refused input.
fn invalid(failure: Failure) -> Failure {
    if failure.code != "ValidationException" {
        return failure;
    }
    let text = &failure.message;
    let reasons = [
        ("length less", "MAX_LENGTH_EXCEEDED"),
        ("length greater", "MIN_LENGTH_EXCEEDED"),
        ("value less", "MAX_VALUE_EXCEEDED"),
        ("value greater", "MIN_VALUE_EXCEEDED"),
        ("NextToken", "INVALID_NEXT_TOKEN"),
    ];
    let reason = reasons.iter().find(|(words, _)| text.contains(words));
    let reason = reason.map_or("INVALID_PATTERN", |(_, reason)| *reason);
    Failure::new("InvalidInputException", failure.message).with("Reason", reason)
}

fn read_paging(input: &mut Input<'_>) -> Option<usize> {
    input.text("NextToken", &patterns::ORGANIZATIONS_TOKEN);
    input
        .integer("MaxResults", 1, ROWS_AT_MOST)
        .and_then(|number| usize::try_from(number).ok())
}

fn account_arn(organization: &Organization, account_id: &str) -> String {
    let (management, id) = (&organization.management_account_id, &organization.id);
    format!("arn:aws:organizations::{management}:account/{id}/{account_id}")
}

/// What ListAccounts and ListDelegatedAdministrators tell of an account.
fn account_members(
    context: &Context<'_>,
    organization: &Organization,
    row: &Account,
) -> Map<String, Value> {
    let own = row.account_id == organization.management_account_id;
    let mut reply = Map::new();
    put(&mut reply, "Id", Some(row.account_id.as_str()));
    put(
        &mut reply,
        "Arn",
        Some(account_arn(organization, &row.account_id)),
    );
    put(&mut reply, "Email", Some(row.email.as_str()));
    put(&mut reply, "Name", Some(row.name.as_str()));
    let retired = context.switches.account_status_retired;
    let status = (!retired).then(|| row.status.as_retired_status());
    put(&mut reply, "Status", status);
    put(&mut reply, "State", Some(json!(row.status)));
    let joined = if own { "INVITED" } else { "CREATED" };
    put(&mut reply, "JoinedMethod", Some(joined));
    put(&mut reply, "JoinedTimestamp", row.joined_at_seconds);
    reply
}

pub(super) fn list_accounts(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let max_results = read_paging(input);
    input.finish().map_err(invalid)?;
    let organization = administered(context)?;
    let page = page_of(context, input, max_results)?;
    let after = page.after();
    let rows = (context.store.accounts.values())
        .filter(|row| after.is_none_or(|after| row.account_id.as_str() > after))
        .map(|row| {
            let members = account_members(context, organization, row);
            (row.account_id.clone(), Value::Object(members))
        });
    let page = page.cut(context.settings, rows);
    Ok(context.list_reply(input, "Accounts", page))
}

fn page_of(
    context: &Context<'_>,
    input: &Input<'_>,
    max_results: Option<usize>,
) -> Result<super::PageRequest, Failure> {
    let most = usize::try_from(ROWS_AT_MOST).unwrap_or(usize::MAX);
    context.page(input, max_results, most).map_err(invalid)
}

pub(super) fn describe_organization(
    context: &mut Context<'_>,
    _input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let row = organization(context)?;
    let (id, management) = (&row.id, &row.management_account_id);
    let mut reply = Map::new();
    put(&mut reply, "Id", Some(id.as_str()));
    let arn = format!("arn:aws:organizations::{management}:organization/{id}");
    put(&mut reply, "Arn", Some(arn));
    put(&mut reply, "FeatureSet", Some(json!(row.feature_set)));
    put(&mut reply, "MasterAccountId", Some(management.as_str()));
    put(
        &mut reply,
        "MasterAccountArn",
        Some(account_arn(row, management)),
    );
    let account = context.store.accounts.get(management);
    let email = account.map(|account| account.email.as_str());
    put(&mut reply, "MasterAccountEmail", email);
    reply.insert("AvailablePolicyTypes".to_owned(), json!([]));
    Ok(json!({"Organization": reply}))
}

pub(super) fn list_delegated_administrators(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let service = input.text("ServicePrincipal", &patterns::SERVICE_PRINCIPAL);
    let max_results = read_paging(input);
    input.finish().map_err(invalid)?;
    let organization = administered(context)?;
    let page = page_of(context, input, max_results)?;
    let asked = service.is_none_or(|service| service == SERVICE_PRINCIPAL);
    let after = page.after();
    let rows = (context.store.accounts.values())
        .filter(|row| {
            asked
                && organization
                    .delegated_administrators
                    .contains(&row.account_id)
        })
        .filter(|row| after.is_none_or(|after| row.account_id.as_str() > after))
        .map(|row| {
            let mut members = account_members(context, organization, row);
            put(&mut members, "DelegationEnabledDate", row.joined_at_seconds);
            (row.account_id.clone(), Value::Object(members))
        });
    let page = page.cut(context.settings, rows);
    Ok(context.list_reply(input, "DelegatedAdministrators", page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_input_has_the_reason_that_the_model_names() {
        let reason = |text: &str| {
            let failure = invalid(Failure::validation(text));
            assert_eq!(failure.code, "InvalidInputException");
            failure.members["Reason"].clone()
        };
        let most = "Member must have value less than or equal to 20";
        assert_eq!(reason(most), "MAX_VALUE_EXCEEDED");
        let least = "Member must have value greater than or equal to 1";
        assert_eq!(reason(least), "MIN_VALUE_EXCEEDED");
        assert_eq!(reason("The NextToken is not valid."), "INVALID_NEXT_TOKEN");
        assert_eq!(reason("Member must satisfy"), "INVALID_PATTERN");
        let other = invalid(Failure::serialization("not a number"));
        assert_eq!(other.code, "SerializationException");
    }
}
