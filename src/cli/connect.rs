//! Reaching AWS as the configuration and the environment say, for every command that needs it, and
//! telling in sentences why it could not be reached. Nothing here decides what is served.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::budget::{Budget, SharedBudget};
use crate::config::Config;
use crate::domain::{ErrorKind, Failure};
use crate::identity_center::{
    Call, Class, Demand, SdkIdentityCenter, StaticCredentials, WriteMode,
};

/// How long one question at a start may take, and a look for instances without discovery.
pub(super) const START_TIME_MAX: Duration = Duration::from_secs(30);

/// A call at the start of a command.
pub(super) fn start_call() -> Call {
    look_call(START_TIME_MAX)
}

/// A call that may take so long from now.
pub(super) fn look_call(time: Duration) -> Call {
    Call {
        deadline: Instant::now() + time,
        demand: Demand::usher(Class::Read),
    }
}

/// Prepares AWS by the configuration, with the ambient credentials or with given ones, and with the budget that
/// replicas share, if they share one.
pub(super) async fn connect(
    config: &Config,
    credentials: Option<&StaticCredentials>,
    write_mode: WriteMode,
    shared: Option<Arc<dyn SharedBudget>>,
) -> Result<Arc<SdkIdentityCenter>, String> {
    check_endpoint_variables()?;
    let budget = match shared {
        Some(shared) => Budget::shared(config.budget, shared),
        None => Budget::new(config.budget),
    };
    let budget = budget.map_err(|error| error.to_string())?;
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
