//! sts: who the caller is, which needs no permission, and who it may become (aws-api.md §3e). The
//! replies become XML on the wire.

use serde_json::{Map, Value, json};

use super::super::credentials::id_letters;
use super::super::failure::{Failure, Service};
use super::super::input::Input;
use super::super::patterns;
use super::super::world::Caller;
use super::super::world_organization::{AccountStatus, Role};
use super::Context;

/// A session's length when none is asked for.
const SESSION_SECONDS: u64 = 3_600;
const SESSION_SECONDS_AT_LEAST: i64 = 900;
const SESSION_SECONDS_AT_MOST: i64 = 43_200;
/// A session that assumes a role gets no longer one, whatever the role gives.
const CHAINED_SESSION_SECONDS_AT_MOST: u64 = 3_600;

pub(super) fn get_caller_identity(
    context: &mut Context<'_>,
    _input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let caller = &context.identity.caller;
    Ok(json!({"Arn": caller.arn, "UserId": caller.user_id, "Account": caller.account_id}))
}

/// Session policies and tags are taken and mean nothing: the simulator has no IAM policies.
pub(super) fn assume_role(
    context: &mut Context<'_>,
    input: &mut Input<'_>,
) -> Result<Value, Failure> {
    let members = with_numbers(input.members());
    let mut input = Input::new(&members);
    let role_arn = input.required_text("RoleArn", &patterns::ROLE_ARN);
    let session_name = input.required_text("RoleSessionName", &patterns::SESSION_NAME);
    let external_id = input.text("ExternalId", &patterns::ROLE_EXTERNAL_ID);
    input.text("SourceIdentity", &patterns::SESSION_NAME);
    let (least, most) = (SESSION_SECONDS_AT_LEAST, SESSION_SECONDS_AT_MOST);
    let asked = input.integer("DurationSeconds", least, most);
    input.finish()?;
    let role = admitted(context, &role_arn, external_id.as_deref())?;
    let asked = asked.and_then(|seconds| u64::try_from(seconds).ok());
    let seconds = session_length(&context.identity.caller, role, asked)?;
    let seconds = context
        .settings
        .session_seconds
        .map_or(seconds, |most| seconds.min(most));
    let caller = session_of(role, &session_name);
    let assumed = json!({"Arn": caller.arn, "AssumedRoleId": caller.user_id});
    // A length of twelve hours at most is exact as a float.
    let ends_at_seconds =
        context.now_seconds + std::time::Duration::from_secs(seconds).as_secs_f64();
    let expiration = expiration_text(ends_at_seconds)?;
    let given = context.sessions.begin(caller, ends_at_seconds);
    Ok(json!({
        "Credentials": {
            "AccessKeyId": given.access_key_id,
            "SecretAccessKey": given.secret_access_key,
            "SessionToken": given.session_token,
            "Expiration": expiration,
        },
        "AssumedRoleUser": assumed,
    }))
}

/// Forms hold text only: the one number becomes one, if it is one.
fn with_numbers(members: &Map<String, Value>) -> Map<String, Value> {
    let mut members = members.clone();
    if let Some(duration) = members.get_mut("DurationSeconds")
        && let Some(number) = duration.as_str().and_then(|text| text.parse::<i64>().ok())
    {
        *duration = json!(number);
    }
    members
}

/// The role, if it exists, trusts the caller, was told its external id, and its account works. A
/// caller cannot tell which of these failed.
fn admitted<'a>(
    context: &'a Context<'_>,
    role_arn: &str,
    external_id: Option<&str>,
) -> Result<&'a Role, Failure> {
    let refused = || context.not_authorized(role_arn).of(Service::Sts);
    let role = context.store.roles.get(role_arn).ok_or_else(refused)?;
    let account = context.store.accounts.get(role.account_id());
    let works = account.is_none_or(|account| {
        !matches!(
            account.status,
            AccountStatus::Suspended | AccountStatus::Closed
        )
    });
    let told = role
        .external_id
        .as_deref()
        .is_none_or(|wanted| external_id == Some(wanted));
    let trusted = role
        .trusted
        .iter()
        .any(|each| trusts(each, &context.identity.caller));
    if works && told && trusted {
        Ok(role)
    } else {
        Err(refused())
    }
}

fn trusts(trusted: &str, caller: &Caller) -> bool {
    trusted == caller.account_id
        || (!trusted.is_empty() && trusted.starts_with("arn:") && caller.arn.starts_with(trusted))
        || role_of_session(caller).is_some_and(|role| role == trusted)
}

/// The ARN of the role whose session the caller is. A role's path is not told by its sessions.
fn role_of_session(caller: &Caller) -> Option<String> {
    let (_, rest) = caller.arn.split_once(":assumed-role/")?;
    let (name, _) = rest.split_once('/')?;
    let partition = caller.arn.split(':').nth(1)?;
    let account = &caller.account_id;
    Some(format!("arn:{partition}:iam::{account}:role/{name}"))
}

fn session_length(caller: &Caller, role: &Role, asked: Option<u64>) -> Result<u64, Failure> {
    let Some(asked) = asked else {
        return Ok(SESSION_SECONDS.min(role.longest_session_seconds));
    };
    if asked > role.longest_session_seconds {
        return Err(Failure::validation(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    if caller.arn.contains(":assumed-role/") && asked > CHAINED_SESSION_SECONDS_AT_MOST {
        return Err(Failure::validation(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by \
             role chaining.",
        ));
    }
    Ok(asked)
}

fn session_of(role: &Role, session_name: &str) -> Caller {
    let (account, name) = (role.account_id(), role.name());
    let partition = role.role_arn.split(':').nth(1).unwrap_or("aws");
    // The same role has the same id, here as at AWS.
    let number = uuid_of(&role.role_arn);
    Caller {
        account_id: account.to_owned(),
        arn: format!("arn:{partition}:sts::{account}:assumed-role/{name}/{session_name}"),
        user_id: format!("AROA{}:{session_name}", id_letters(number)),
        delegated_administrator: false,
    }
}

fn uuid_of(text: &str) -> u128 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let low = hasher.finish();
    low.hash(&mut hasher);
    (u128::from(hasher.finish()) << 64) | u128::from(low)
}

/// Whole seconds, as sts writes them, and never later than the true end.
fn expiration_text(ends_at_seconds: f64) -> Result<String, Failure> {
    let end = std::time::Duration::from_secs_f64(ends_at_seconds).as_secs();
    let end = i64::try_from(end).ok();
    let end = end.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    end.map(|end| end.to_string())
        .ok_or_else(|| Failure::internal(Service::Sts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_is_an_account_a_beginning_of_an_arn_or_a_role() {
        let caller = Caller::default();
        for trusted in [
            "111122223333",
            "arn:aws:sts::111122223333:assumed-role/usher/simulated",
            "arn:aws:sts::111122223333:assumed-role/",
            "arn:aws:iam::111122223333:role/usher",
        ] {
            assert!(trusts(trusted, &caller), "{trusted}");
        }
        for stranger in [
            "",
            "1111",
            "111122223334",
            "a",
            "arn:aws:iam::111122223333:role/ush",
        ] {
            assert!(!trusts(stranger, &caller), "{stranger}");
        }
    }

    #[test]
    fn sessions_are_as_long_as_role_and_chain_let_them() {
        let chained = Caller::default();
        let user = Caller {
            arn: "arn:aws:iam::111122223333:user/anna".to_owned(),
            ..Caller::default()
        };
        let mut role = Role::new("222233334444", "usher-audit", None, &[]);
        assert_eq!(session_length(&user, &role, None), Ok(3_600));
        assert!(session_length(&user, &role, Some(3_601)).is_err());
        role.longest_session_seconds = 43_200;
        assert_eq!(session_length(&user, &role, Some(43_200)), Ok(43_200));
        assert!(session_length(&chained, &role, Some(3_601)).is_err());
        assert_eq!(session_length(&chained, &role, Some(900)), Ok(900));
        role.longest_session_seconds = 1_800;
        assert_eq!(session_length(&user, &role, None), Ok(1_800));
    }
}
