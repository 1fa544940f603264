//! The digest of a grant: what an agreement names, and nothing that is only said beside it.

use aws_lc_rs::digest;
use jiff::Timestamp;

use super::{Grant, GrantState};

impl Grant {
    /// What an agreement names: everything that will be executed, and nothing else. Another wish
    /// has another digest, so that no agreement covers more than was looked at.
    #[must_use]
    pub fn digest(&self) -> String {
        self.digest_with(None)
    }

    /// The digest of more time.
    #[must_use]
    pub fn extension_digest(&self, round: u32, end_at: Timestamp) -> String {
        self.digest_with(Some((round, end_at)))
    }

    /// What is open to agreement now, if anything: its round and its digest.
    #[must_use]
    pub fn open_wish(&self) -> Option<(u32, String)> {
        match (&self.extension, self.state) {
            (_, GrantState::PendingApproval) => Some((0, self.digest())),
            (Some(extension), GrantState::Active) => {
                Some((extension.round, extension.digest.clone()))
            }
            _ => None,
        }
    }

    fn digest_with(&self, extension: Option<(u32, Timestamp)>) -> String {
        let microseconds = |at: Timestamp| at.as_microsecond().to_string();
        // Numbers as text, as in events: one form, whatever a reader's numbers hold.
        let mut executed = serde_json::json!({
            "grant_id": self.id.as_str(),
            "instance_arn": self.instance_arn.as_str(),
            "principal_type": self.principal.kind.as_str(),
            "principal_id": self.principal.id.as_str(),
            "target_kind": self.target.kind(),
            "target": self.target.key(),
            "break_glass": if self.break_glass { "yes" } else { "no" },
        });
        if let Some(object) = executed.as_object_mut() {
            let duration = self.duration.map(|it| it.as_micros().to_string());
            let round = extension.map(|(round, _)| round.to_string());
            let adopts = self.adoption.as_ref().map(|_| "yes".to_owned());
            let optional = [
                ("adoption", adopts),
                (
                    "start_at_microseconds",
                    self.start_asked_at.map(microseconds),
                ),
                (
                    "duration_microseconds",
                    duration.filter(|_| extension.is_none()),
                ),
                ("extension", round),
                (
                    "end_at_microseconds",
                    extension.map(|(_, at)| microseconds(at)),
                ),
            ];
            for (name, value) in optional {
                if let Some(value) = value {
                    object.insert(name.to_owned(), value.into());
                }
            }
        }
        // INVARIANT: a map of texts always has a canonical form.
        let text = serde_json_canonicalizer::to_string(&executed).unwrap_or_default();
        let hash = digest::digest(&digest::SHA256, text.as_bytes());
        hash.as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}
