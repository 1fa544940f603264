//! `usher token`: a development token, signed with the key in the data directory.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use super::CommandError;
use crate::authentication::DevelopmentTokens;
use crate::domain::CallerName;
use crate::telemetry::{self, LogFormat};

/// Arguments of `usher token`.
#[derive(Debug, clap::Args)]
pub(super) struct TokenArgs {
    /// The data directory of the server
    #[arg(long, env = "USHER_DATA_DIR", default_value = "usher-data")]
    data_dir: PathBuf,
    /// Who the token stands for
    #[arg(long)]
    subject: String,
    /// How long it is valid, for example 30m or 8h
    #[arg(long, default_value = "8h", value_parser = parse_life)]
    ttl: Duration,
}

/// Prints a token, alone on a line.
pub(super) fn run(args: &TokenArgs) -> Result<(), CommandError> {
    telemetry::start(LogFormat::Text, "warn").map_err(CommandError)?;
    let subject = CallerName::parse(&args.subject)
        .map_err(|error| CommandError(format!("--subject {error}")))?;
    if !args.data_dir.is_dir() {
        return Err(CommandError(format!(
            "there is no data directory {}; start `usher serve --dev` first, or name its --data-dir",
            args.data_dir.display()
        )));
    }
    if !DevelopmentTokens::has_key(&args.data_dir) {
        return Err(CommandError(format!(
            "{} holds no token key, so that no server has used it; start `usher serve --dev` first, or name its --data-dir",
            args.data_dir.display()
        )));
    }
    let tokens = DevelopmentTokens::open(&args.data_dir)
        .map_err(|error| CommandError::from_error(&error))?;
    let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default();
    let token = tokens
        .sign(&subject, now, args.ttl.as_secs())
        .map_err(CommandError)?;
    writeln!(std::io::stdout(), "{token}")
        .map_err(|error| CommandError(format!("the token cannot be printed: {error}")))
}

/// A whole number and a unit: s, m, h or d.
fn parse_life(text: &str) -> Result<Duration, String> {
    let wrong = || "is not a whole number with s, m, h or d, such as 8h".to_owned();
    let (number, unit) = text
        .split_at_checked(text.len().saturating_sub(1))
        .ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    number
        .checked_mul(seconds)
        .map(Duration::from_secs)
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_a_number_and_a_unit() {
        assert_eq!(parse_life("8h"), Ok(Duration::from_secs(28_800)));
        for wrong in ["", "h", "8", "8w", "-1h", "1.5h", "99999999999999999999d"] {
            assert!(parse_life(wrong).is_err(), "{wrong:?}");
        }
    }
}
