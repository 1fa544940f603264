//! The end of the demonstration's story: the decision log is verified, then a byte of it is changed
//! and verification names it. What is changed is an export, never the log itself.

use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use super::demo_story::{PATIENCE, heading};
use super::log::told;
use super::serve::print_line;
use crate::decision_log::{Known, Place, export, verify};

/// Verifies the log as it is when that grant is over, and a copy of it in which a byte is another.
pub(super) async fn verify_and_change(data: &Path, grant_id: &str) -> Result<(), String> {
    heading(
        "18. What was decided can be proved afterwards: every event is chained to the one before it. Exported, the log is verified offline.",
    );
    let lines = until_over(data, grant_id).await?;
    let file = data.join("log.jsonl");
    print_line(&format!(
        "$ usher log export --data-dir {} > log.jsonl",
        data.display()
    ));
    if !verified(&file, &lines).await? {
        return Err("the log does not verify".to_owned());
    }
    heading("19. Somebody changes a byte of one decision. Verification names the record.");
    let is_decision = |line: &String| line.contains("grant_opened");
    let decision = lines.iter().position(is_decision);
    let decision = decision.ok_or("the log has no decision")?;
    let mut changed = lines;
    let line = changed.get_mut(decision).ok_or("the log has no decision")?;
    *line = line.replacen("grant_opened", "grant_openeD", 1);
    if verified(&file, &changed).await? {
        return Err("a changed byte was not found".to_owned());
    }
    Ok(())
}

/// The log, once it tells that the grant is over: events are chained within a second.
async fn until_over(data: &Path, grant_id: &str) -> Result<Vec<String>, String> {
    let until = Instant::now() + PATIENCE;
    loop {
        let mut lines = Vec::new();
        let exported = export(data, 0, |line| {
            lines.push(line.to_owned());
            Ok(())
        });
        exported.await.map_err(|error| error.to_string())?;
        let is_end = |line: &String| line.contains(grant_id) && line.contains("assignment_");
        if lines.iter().any(is_end) {
            return Ok(lines);
        }
        if Instant::now() >= until {
            return Err("the log does not tell of the grant's end".to_owned());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Whether these lines verify; what was found is printed.
async fn verified(file: &Path, lines: &[String]) -> Result<bool, String> {
    print_line("$ usher log verify log.jsonl");
    let text = lines.join("\n") + "\n";
    std::fs::write(file, text).map_err(|error| error.to_string())?;
    let place = Place::File {
        path: file.to_owned(),
        after: 0,
    };
    let looked = verify(&place, &Known::default()).await;
    let looked = looked.map_err(|error| error.to_string())?;
    for line in told(&looked) {
        print_line(&format!("  {line}"));
    }
    Ok(looked.chain.is_ok())
}
