//! The numbers of the use cases, each with its reason.

use std::collections::BTreeMap;

/// How calls are served.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AppConfig {
    /// How long Assign and Revoke wait for the outcome at most (DESIGN.md §2).
    pub wait_max_seconds: f64,
    /// How long before the caller's deadline they answer with the state reached, so that the
    /// answer still arrives.
    pub wait_margin_seconds: f64,
    /// The longest wait for the budget of AWS operations that an Assign is accepted with.
    pub queue_wait_max_seconds: f64,
    /// How long a session that was open in an application may outlive a revocation: AWS managed
    /// applications keep one up to two hours (aws-api.md §5.7).
    pub session_outlives_revocation_seconds: i64,
    /// The same of a session in an account: up to the 12 hours that a permission set may allow,
    /// and the hour in which a new one can still be opened (aws-api.md §5.7).
    pub account_session_outlives_revocation_seconds: i64,
    /// How many changes of account assignments AWS completes a second, by which an Assign tells
    /// how long those ahead of it take: 10 at once, some 5 seconds each (aws-api.md §4).
    pub account_changes_per_second: f64,
    /// How long a request id is remembered: longer than the week that AIP-155 users expect.
    pub request_id_kept_days: i64,
    /// Events in a grant's timeline: the newest are kept. A grant that works has about five.
    pub timeline_events_max: usize,
    /// What is to be done inside an application when access ends, by application ARN: Revoke
    /// answers it.
    pub application_notes: BTreeMap<String, String>,
}

impl Default for AppConfig {
    fn default() -> Self {
        Self {
            wait_max_seconds: 10.0,
            wait_margin_seconds: 0.25,
            queue_wait_max_seconds: 60.0,
            session_outlives_revocation_seconds: 7200,
            account_session_outlives_revocation_seconds: 46_800,
            account_changes_per_second: 2.0,
            request_id_kept_days: 8,
            timeline_events_max: 100,
            application_notes: BTreeMap::new(),
        }
    }
}

impl AppConfig {
    /// How long a request id is remembered.
    #[must_use]
    pub fn request_id_kept(&self) -> jiff::SignedDuration {
        jiff::SignedDuration::from_hours(self.request_id_kept_days.saturating_mul(24))
    }

    /// Checks that the numbers make sense.
    ///
    /// # Errors
    /// A sentence that names the field and what it must be.
    pub fn check(&self) -> Result<(), String> {
        let waits = [
            ("wait_max_seconds", self.wait_max_seconds),
            ("wait_margin_seconds", self.wait_margin_seconds),
            ("queue_wait_max_seconds", self.queue_wait_max_seconds),
        ];
        for (name, seconds) in waits {
            if !(0.0..=3600.0).contains(&seconds) {
                return Err(format!("service.{name} must be 0 to 3600"));
            }
        }
        if self.request_id_kept_days < 1 || self.request_id_kept_days > 3650 {
            return Err("service.request_id_kept_days must be 1 to 3650".to_owned());
        }
        if self.timeline_events_max == 0 || self.timeline_events_max > 1000 {
            return Err("service.timeline_events_max must be 1 to 1000".to_owned());
        }
        let sessions = [
            (
                "session_outlives_revocation_seconds",
                self.session_outlives_revocation_seconds,
            ),
            (
                "account_session_outlives_revocation_seconds",
                self.account_session_outlives_revocation_seconds,
            ),
        ];
        for (name, seconds) in sessions {
            if !(0..=604_800).contains(&seconds) {
                return Err(format!("service.{name} must be 0 to 604800"));
            }
        }
        if !(0.01..=1000.0).contains(&self.account_changes_per_second) {
            return Err("service.account_changes_per_second must be 0.01 to 1000".to_owned());
        }
        for (arn, note) in &self.application_notes {
            crate::domain::ApplicationArn::parse(arn)
                .map_err(|error| format!("service.application_notes: `{arn}` {error}"))?;
            if note.chars().count() > 2000 {
                return Err(format!(
                    "service.application_notes: the note of `{arn}` is longer than 2000 characters"
                ));
            }
        }
        Ok(())
    }
}
