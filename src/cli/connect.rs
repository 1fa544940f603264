//! Finding AWS and the instance to serve, for every command that needs them.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::budget::Budget;
use crate::config::{Config, InstanceConfig};
use crate::domain::{ErrorKind, Failure, Instance};
use crate::identity_center::{
    Call, IdentityCenter, ListedInstance, SdkIdentityCenter, StaticCredentials, WriteMode,
};

/// How long finding the instance may take at a start.
const START_TIME_MAX: Duration = Duration::from_secs(30);

/// A call at the start of a command.
pub(super) fn start_call() -> Call {
    Call {
        deadline: Instant::now() + START_TIME_MAX,
    }
}

/// Prepares AWS by the configuration, with the ambient credentials or with given ones.
pub(super) async fn connect(
    config: &Config,
    credentials: Option<&StaticCredentials>,
    write_mode: WriteMode,
) -> Result<Arc<SdkIdentityCenter>, String> {
    check_endpoint_variables()?;
    let budget = Budget::new(config.budget).map_err(|error| error.to_string())?;
    let connected = match credentials {
        Some(credentials) => SdkIdentityCenter::connect_with_credentials(
            &config.aws,
            credentials,
            budget,
            write_mode,
        ),
        None => SdkIdentityCenter::connect(&config.aws, budget, write_mode).await,
    };
    connected.map(Arc::new).map_err(|error| error.to_string())
}

/// The SDK takes an endpoint that it cannot read for a failure of the credentials.
fn check_endpoint_variables() -> Result<(), String> {
    for name in [
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_SSO_ADMIN",
        "AWS_ENDPOINT_URL_IDENTITYSTORE",
        "AWS_ENDPOINT_URL_ORGANIZATIONS",
        "AWS_ENDPOINT_URL_STS",
    ] {
        let Ok(text) = std::env::var(name) else {
            continue;
        };
        let is_url = text.parse::<http::Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()
        });
        if !text.is_empty() && !is_url {
            return Err(format!(
                "{name} is `{text}`, which is not a URL such as http://127.0.0.1:4566"
            ));
        }
    }
    Ok(())
}

/// Finds the instance to serve: the configured one, or the only one there is.
pub(super) async fn find_instance(
    port: &dyn IdentityCenter,
    wanted: Option<&InstanceConfig>,
) -> Result<Instance, String> {
    let listed = port
        .instances(start_call())
        .await
        .map_err(|failure| explain(&failure))?;
    choose_instance(listed, wanted)
}

/// Chooses among listed instances.
pub(super) fn choose_instance(
    listed: Vec<ListedInstance>,
    wanted: Option<&InstanceConfig>,
) -> Result<Instance, String> {
    let arns: Vec<String> = listed
        .iter()
        .map(|listed| listed.instance.arn.to_string())
        .collect();
    let found = match wanted {
        Some(wanted) => listed
            .into_iter()
            .find(|listed| listed.instance.arn.as_str() == wanted.arn)
            .ok_or_else(|| format!("the configured instance {} is not among those that AWS lists here: {}", wanted.arn, list(&arns)))?,
        None if listed.len() > 1 => {
            return Err(format!("AWS lists several instances; name one in the configuration as [instance] arn: {}", list(&arns)));
        }
        None => listed.into_iter().next().ok_or_else(|| {
            "AWS lists no IAM Identity Center instance for these credentials in this region; use the region where it is enabled (AWS_REGION)".to_owned()
        })?,
    };
    if !found.is_active {
        return Err(format!(
            "the instance {} is not ACTIVE in AWS",
            found.instance.arn
        ));
    }
    let alias = wanted.and_then(|wanted| wanted.alias.clone());
    Ok(Instance {
        alias,
        ..found.instance
    })
}

/// A failure as a sentence for the operator, with what helps.
pub(super) fn explain(failure: &Failure) -> String {
    let help = match failure.kind {
        ErrorKind::AccessDenied => {
            format!("; allow {} (see deploy/iam)", failure.missing_iam_action)
        }
        ErrorKind::CredentialsInvalid => {
            "; sign in (for example `aws sso login`), or set AWS_PROFILE".to_owned()
        }
        ErrorKind::NotReached | ErrorKind::Timeout => {
            "; check network, AWS_REGION and AWS_ENDPOINT_URL".to_owned()
        }
        _ => String::new(),
    };
    format!(
        "{} failed: {}{help}",
        failure.operation,
        failure.kind.explanation()
    )
}

fn list(arns: &[String]) -> String {
    if arns.is_empty() {
        "none".to_owned()
    } else {
        arns.join(", ")
    }
}
