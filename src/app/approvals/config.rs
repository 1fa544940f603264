//! The numbers of approvals, each with its reason.

/// What makes two users of identity stores one person, beside the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SamePersonBy {
    /// The same primary email address.
    Email,
    /// The same id in the same external system.
    ExternalId,
}

/// How people are waited for.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApprovalsConfig {
    /// How long somebody may take to agree: over a weekend and a holiday.
    pub pending_hours_max: i64,
    /// How far ahead a start may be asked for: facts of today say little of a later one.
    pub start_ahead_days_max: i64,
    /// How long a start waits for an AWS that does not answer before it is given up.
    pub start_grace_seconds: i64,
    /// How often it is looked whether what waits can still be agreed to at all.
    pub look_again_seconds: i64,
    /// How often Usher looks for starts that have come and wishes that lapse.
    pub poll_seconds: f64,
    /// Grants of one instance that one such look takes: the rest follow at once.
    pub looks_at_once_max: usize,
    /// People who can agree that an answer names at most.
    pub listed_approvers_max: usize,
    /// Members of a group that are looked at one by one, for second accounts and who is disabled: each
    /// costs an operation. Of larger groups only the ids are compared.
    pub compared_members_max: usize,
    /// What makes two users one person: nobody agrees for themselves with a second account.
    pub same_person_by: SamePersonBy,
}

impl Default for ApprovalsConfig {
    fn default() -> Self {
        Self {
            pending_hours_max: 168,
            start_ahead_days_max: 90,
            start_grace_seconds: 3600,
            look_again_seconds: 3600,
            poll_seconds: 1.0,
            looks_at_once_max: 50,
            listed_approvers_max: 20,
            compared_members_max: 50,
            same_person_by: SamePersonBy::Email,
        }
    }
}

impl ApprovalsConfig {
    /// Checks that the numbers make sense.
    ///
    /// # Errors
    /// A sentence that names the field and what it must be.
    pub fn check(&self) -> Result<(), String> {
        let ranges = [
            ("pending_hours_max", self.pending_hours_max, 1..=8760),
            ("start_ahead_days_max", self.start_ahead_days_max, 0..=3650),
            (
                "start_grace_seconds",
                self.start_grace_seconds,
                60..=604_800,
            ),
            ("look_again_seconds", self.look_again_seconds, 1..=86_400),
        ];
        for (name, value, range) in ranges {
            if !range.contains(&value) {
                let (least, most) = (range.start(), range.end());
                return Err(format!("approvals.{name} must be {least} to {most}"));
            }
        }
        if !(0.01..=60.0).contains(&self.poll_seconds) {
            return Err("approvals.poll_seconds must be 0.01 to 60".to_owned());
        }
        if !(1..=1000).contains(&self.looks_at_once_max) {
            return Err("approvals.looks_at_once_max must be 1 to 1000".to_owned());
        }
        if self.compared_members_max > 1000 {
            return Err("approvals.compared_members_max must be 0 to 1000".to_owned());
        }
        if self.listed_approvers_max > 100 {
            return Err("approvals.listed_approvers_max must be 0 to 100".to_owned());
        }
        Ok(())
    }
}
