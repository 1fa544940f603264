//! A look at the keys of every issuer, for who wants to know before callers do. Nothing is kept.

use futures_util::future::join_all;

use super::config::{AuthenticationConfig, IssuerConfig};
use super::fetch::KeySource;
use super::key_set::KeySet;

/// What an issuer's key set holds now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysFound {
    /// Keys that tokens may be signed with.
    pub usable: usize,
    /// Why each of the others is not used.
    pub left_out: Vec<&'static str>,
}

/// Reads the keys of every issuer: its configured name, and what was found or why nothing was.
pub async fn check_keys(config: &AuthenticationConfig) -> Vec<(&str, Result<KeysFound, String>)> {
    let looks = config.issuers.iter();
    let looks =
        looks.map(|issuer| async move { (issuer.name.as_str(), look(issuer, config).await) });
    join_all(looks).await
}

async fn look(issuer: &IssuerConfig, config: &AuthenticationConfig) -> Result<KeysFound, String> {
    let bytes = KeySource::new(issuer, config)?.fetch().await?;
    let set = KeySet::parse(&bytes, config.keys_max)?;
    Ok(KeysFound {
        usable: set.keys.len(),
        left_out: set.left_out,
    })
}
