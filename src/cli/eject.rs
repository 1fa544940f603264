//! `usher eject`: every end that is left, as lines for the AWS CLI, so that who switches Usher off
//! makes no timed access permanent. It reads the data directory alone, asks AWS nothing, and changes
//! nothing anywhere.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::CommandError;
use super::serve::print_line;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::eject::{Fate, PendingEnd, pending_ends};
use crate::domain::{InstanceArn, Target};
use crate::store::SqliteStore;
use crate::telemetry::{self, LogFormat};

/// Arguments of `usher eject`.
#[derive(Debug, clap::Args)]
pub(super) struct EjectArgs {
    /// The data directory; best of a service that is stopped
    #[arg(long, env = "USHER_DATA_DIR", default_value = "usher-data")]
    data_dir: PathBuf,
    /// The configuration file, for the regions of the instances
    #[arg(long, env = "USHER_CONFIG")]
    config: Option<PathBuf>,
    /// The region of instances for which the configuration names none
    #[arg(long, env = "AWS_REGION")]
    region: Option<String>,
}

/// Where instances are.
struct Regions {
    named: BTreeMap<String, String>,
    other: Option<String>,
}

impl Regions {
    fn of(config: &Config, region: Option<String>) -> Self {
        let named = config.instances.iter().filter_map(|instance| {
            let arn = instance.arn.as_ref()?;
            Some((arn.to_string(), instance.region.clone()?))
        });
        Self {
            named: named.collect(),
            other: config.aws.region.clone().or(region),
        }
    }

    fn of_instance(&self, instance: &InstanceArn) -> Option<&str> {
        let named = self.named.get(instance.as_str());
        named.or(self.other.as_ref()).map(String::as_str)
    }
}

/// Prints the lines.
pub(super) async fn run(args: EjectArgs) -> Result<(), CommandError> {
    telemetry::start(LogFormat::Text, "warn").map_err(CommandError)?;
    let config = match &args.config {
        Some(path) => Config::read(path).map_err(|error| CommandError::from_error(&error))?,
        None => Config::default(),
    };
    let regions = Regions::of(&config, args.region);
    let is_in_use = SqliteStore::is_in_use(&args.data_dir);
    let read = SqliteStore::read_open(&args.data_dir).await;
    let (grants, records) = read.map_err(|error| CommandError::from_error(&error))?;
    let ends = pending_ends(&grants, &records);
    let lost = ends.iter().find(|end| {
        matches!(end.fate, Fate::Remove(_)) && regions.of_instance(&end.key.instance_arn).is_none()
    });
    if let Some(end) = lost {
        return Err(CommandError(format!(
            "the region of {} is not known: name it with --region, or in the configuration \
             (--config)",
            end.key.instance_arn
        )));
    }
    print_line(heading(is_in_use, &ends).trim_end());
    for end in &ends {
        print_line(&lines(end, &regions));
    }
    Ok(())
}

fn heading(is_in_use: bool, ends: &[PendingEnd]) -> String {
    let removals = ends.iter().filter(|it| matches!(it.fate, Fate::Remove(_)));
    let mut text = format!(
        "# {} assignments that Usher would remove, as of {}, each with the time at which it is due.\n\
         # Run each line then, with credentials of the account that owns the instance.\n",
        removals.count(),
        Clock::system().now()
    );
    if is_in_use {
        text.push_str(
            "# A service still has this data directory: these ends are its own to make.\n",
        );
    }
    text
}

/// One assignment: what ends on it in comments, then the line that removes it.
fn lines(end: &PendingEnd, regions: &Regions) -> String {
    let mut told = vec![String::new()];
    told.extend(end.grants.iter().map(|(id, at)| match at {
        Some(at) => format!("# {id} ends {at}"),
        None => format!("# {id} has no end"),
    }));
    let region = regions.of_instance(&end.key.instance_arn);
    let command = command(end, region.unwrap_or_default());
    match &end.fate {
        Fate::Remove(at) => told.extend([format!("# due {at}"), command]),
        Fate::HeldWithoutEnd(id) => told.extend([
            format!("# stays, because {id} holds it without end"),
            format!("# {command}"),
        ]),
        Fate::Standing => told.extend([
            "# stays, because Usher did not make it".to_owned(),
            format!("# {command}"),
        ]),
    }
    told.join("\n")
}

/// The command that removes an assignment, for a shell.
fn command(end: &PendingEnd, region: &str) -> String {
    let principal = &end.key.principal;
    let mut words = vec!["aws", "sso-admin"];
    match &end.key.target {
        Target::Application(arn) => words.extend([
            "delete-application-assignment",
            "--application-arn",
            arn.as_str(),
        ]),
        Target::AccountAccess(access) => words.extend([
            "delete-account-assignment",
            "--instance-arn",
            end.key.instance_arn.as_str(),
            "--target-type",
            "AWS_ACCOUNT",
            "--target-id",
            access.account.as_str(),
            "--permission-set-arn",
            access.permission_set.as_str(),
        ]),
    }
    words.extend([
        "--principal-type",
        principal.kind.as_str(),
        "--principal-id",
        principal.id.as_str(),
    ]);
    if !region.is_empty() {
        words.extend(["--region", region]);
    }
    let words: Vec<String> = words.into_iter().map(quoted).collect();
    words.join(" ")
}

/// A word as every POSIX shell reads it back.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_from_a_shell_as_they_were() {
        let nasty = [
            "plain-1",
            "a b",
            "it's",
            "$(rm -rf /)",
            "a;b",
            "",
            "\"q\"",
            "new\nline",
        ];
        let line: Vec<String> = nasty.iter().map(|word| quoted(word)).collect();
        let script = format!("printf '%s\\0' {}", line.join(" "));
        let done = std::process::Command::new("sh")
            .args(["-c", &script])
            .output()
            .unwrap();
        let told = String::from_utf8(done.stdout).unwrap();
        let words: Vec<&str> = told.split_terminator('\0').collect();
        assert_eq!(words, nasty);
    }
}
