//! `usher adopt`: takes over the assignments that a CSV file names, through a running server. It
//! decides nothing itself, sends nothing of a file that has a fault, and may be run again: the same
//! file takes nothing over twice.

use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::CommandError;
use super::adopt_file::{FILE_BYTES_MAX, Sheet, SheetRow, read_sheet};
use super::server_args::ServerArgs;
use crate::domain::report::guarded;
use crate::grpc::{AdoptionAnswer, ServerConnection, WISHES_PER_CALL_MAX};
use crate::telemetry::{self, LogFormat};

/// The exit code when rows were not taken over.
const SOME_REFUSED: u8 = 4;
/// What to say when the rest of a file has no answer.
const GO_ON: &str = "run the same command again to go on: what is taken over already is answered, and not taken over twice";

/// Arguments of `usher adopt`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct AdoptArgs {
    /// The CSV file, at most 5000 rows and 16 MiB; - for standard input
    file: PathBuf,
    #[command(flatten)]
    server: ServerArgs,
    /// The instance, by ARN or alias, where the server has several; a report names it itself
    #[arg(long)]
    instance: Option<String>,
    /// Only tell what would happen; nothing is recorded
    #[arg(long)]
    validate_only: bool,
}

const AFTER_HELP: &str = "\
The first line names the columns, in any order:
  user or group         who has the access: a user's id, user name or email address; a group's id or name
  application           its ARN or name; or
  account, permission_set   by id, ARN or name
  owner                 optional: the user who answers for it from now on
  duration              how long from now, such as 30d or 8h; empty for no end
  justification         why it stands
  ticket                optional
A report (`usher audit --view assignments`) will do when a column `duration` is added to it.

Standard output: line,outcome,grant_id,reason as CSV, a row for each row. Outcomes: ADOPTED, WAITS
(somebody must agree), REFUSED, OVER (a repeat, whose grant is over by now), WOULD_BE_ADOPTED, WOULD_WAIT.
Exit code 0: every row is taken over or waits; 4: some are not; 1: the file has a fault, so that
nothing was sent, or the server did not answer; 2: wrong arguments.
The same file again takes nothing over twice: each call's request id is made from the file's bytes.";

/// Sends the file.
pub(super) async fn run(args: AdoptArgs) -> Result<ExitCode, CommandError> {
    telemetry::start(LogFormat::Text, "warn").map_err(CommandError)?;
    let bytes = read_file(&args.file)?;
    let sheet = read_sheet(&bytes).map_err(|problems| {
        CommandError(format!(
            "{}: nothing was sent, since the file has faults:\n  {}",
            args.file.display(),
            problems.text()
        ))
    })?;
    let instance = instance_of(&args, &sheet)?;
    let connection = args.server.connect().await?;
    let ids = (!args.validate_only).then(|| request_ids(&instance, &bytes));
    send(&connection, &instance, &sheet, ids.as_deref()).await
}

/// The instance that the arguments or a report name; empty for the server's only one.
fn instance_of(args: &AdoptArgs, sheet: &Sheet) -> Result<String, CommandError> {
    match (&args.instance, &sheet.instance) {
        (Some(asked), Some(told)) if asked != told => Err(CommandError(format!(
            "{} is a report of {told}; leave --instance out",
            args.file.display()
        ))),
        (asked, told) => Ok(told
            .as_ref()
            .or(asked.as_ref())
            .cloned()
            .unwrap_or_default()),
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, CommandError> {
    let cannot = |error: std::io::Error| CommandError(format!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    let limit = FILE_BYTES_MAX as u64 + 1;
    if path == Path::new("-") {
        let read = std::io::stdin().lock().take(limit).read_to_end(&mut bytes);
        read.map_err(cannot)?;
    } else {
        let file = std::fs::File::open(path).map_err(cannot)?;
        file.take(limit).read_to_end(&mut bytes).map_err(cannot)?;
    }
    if bytes.len() > FILE_BYTES_MAX {
        return Err(CommandError(format!(
            "{}: it is larger than 16 MiB; split it, each part with the header",
            path.display()
        )));
    }
    Ok(bytes)
}

/// What the request ids of this file begin with. The instance is in it, so that the same names may be
/// taken over in two of them.
fn request_ids(instance: &str, bytes: &[u8]) -> String {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    context.update(instance.as_bytes());
    context.update(&[0]);
    context.update(bytes);
    let mut id = "adopt-".to_owned();
    for byte in context.finish().as_ref() {
        // Writing to a string cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}

/// Sends the rows call by call, and writes what became of them as it is known.
async fn send(
    connection: &ServerConnection,
    instance: &str,
    sheet: &Sheet,
    ids: Option<&str>,
) -> Result<ExitCode, CommandError> {
    write_out(&["line", "outcome", "grant_id", "reason"].map(str::to_owned))?;
    let mut tally = Tally::default();
    for (number, rows) in sheet.rows.chunks(WISHES_PER_CALL_MAX).enumerate() {
        let wishes: Vec<_> = rows.iter().map(|row| &row.wish).collect();
        let id = ids.map(|id| format!("{id}-{number}"));
        let answered = connection.adopt(instance, &wishes, id).await;
        let answers = answered.map_err(|error| {
            let (first, last) = (&rows[0], &rows[rows.len() - 1]);
            CommandError(format!(
                "{error}\nthe rows on the lines {} to {} have no answer, and those below were not sent ({tally}); when that is mended, {GO_ON}",
                first.line, last.line
            ))
        })?;
        for (row, answer) in rows.iter().zip(&answers) {
            write_row(row, answer)?;
            tally.count(answer);
        }
    }
    eprintln!("{} rows: {tally}", sheet.rows.len());
    if tally.refused + tally.over == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    if tally.refused > 0 {
        eprintln!(
            "what was refused can be sent again once its reason is gone, in this file as it is"
        );
    }
    Ok(ExitCode::from(SOME_REFUSED))
}

fn write_row(row: &SheetRow, answer: &AdoptionAnswer) -> Result<(), CommandError> {
    write_out(&[
        row.line.to_string(),
        answer.outcome.to_owned(),
        answer.grant_id.clone(),
        guarded(&answer.reason).into_owned(),
    ])
}

/// Writes one row of CSV, so that it is there whatever comes next.
fn write_out(cells: &[String; 4]) -> Result<(), CommandError> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(std::io::stdout().lock());
    let written = writer.write_record(cells).map_err(std::io::Error::other);
    written
        .and_then(|()| writer.flush())
        .map_err(|error| CommandError(format!("the outcome cannot be written: {error}; {GO_ON}")))
}

/// How many rows came to what.
#[derive(Debug, Default)]
struct Tally {
    adopted: usize,
    waits: usize,
    would: usize,
    would_wait: usize,
    over: usize,
    refused: usize,
}

impl Tally {
    fn count(&mut self, answer: &AdoptionAnswer) {
        let counted = match answer.outcome {
            "ADOPTED" => &mut self.adopted,
            "WAITS" => &mut self.waits,
            "WOULD_BE_ADOPTED" => &mut self.would,
            "WOULD_WAIT" => &mut self.would_wait,
            "OVER" => &mut self.over,
            _ => &mut self.refused,
        };
        *counted += 1;
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [
            (self.adopted, "adopted"),
            (self.waits, "wait for somebody"),
            (self.would, "would be adopted"),
            (self.would_wait, "would wait for somebody"),
            (self.over, "are over"),
            (self.refused, "refused"),
        ];
        let told: Vec<String> = (parts.iter().filter(|(count, _)| *count > 0))
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        let none = "none answered".to_owned();
        formatter.write_str(&if told.is_empty() {
            none
        } else {
            told.join(", ")
        })
    }
}
