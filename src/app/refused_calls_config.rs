//! The bounds of what refused calls write into the log of events, each with its reason.

/// How many refused calls the log holds. What is left out is counted in the next event of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RefusedCallsConfig {
    /// Denials of one caller that are written a minute: a person who tries things out is whole in
    /// the log, and a program that repeats itself does not fill it.
    pub denials_per_caller_per_minute_max: u32,
    /// Denials of all callers that are written a minute: some 150 MB a day in the log at worst.
    pub denials_per_minute_max: u32,
    /// Calls without a good credential that are written a minute, of one reason and issuer: anybody
    /// on the network can make them, so the log holds samples of them.
    pub unauthenticated_per_reason_per_minute_max: u32,
    /// The same of all reasons together.
    pub unauthenticated_per_minute_max: u32,
    /// Events that wait to be written: a second of all that may be written in a minute, should it
    /// come at once.
    pub queued_max: usize,
    /// Events that one transaction writes: each is some 500 bytes, and the writes of grants wait
    /// behind it for a millisecond.
    pub written_at_once_max: usize,
}

impl Default for RefusedCallsConfig {
    fn default() -> Self {
        Self {
            denials_per_caller_per_minute_max: 30,
            denials_per_minute_max: 200,
            unauthenticated_per_reason_per_minute_max: 20,
            unauthenticated_per_minute_max: 60,
            queued_max: 256,
            written_at_once_max: 64,
        }
    }
}

impl RefusedCallsConfig {
    /// Checks that the numbers make sense.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn check(&self) -> Result<(), String> {
        let numbers = [
            (
                "denials_per_caller_per_minute_max",
                u64::from(self.denials_per_caller_per_minute_max),
            ),
            ("denials_per_minute_max", self.denials_per_minute_max.into()),
            (
                "unauthenticated_per_reason_per_minute_max",
                self.unauthenticated_per_reason_per_minute_max.into(),
            ),
            (
                "unauthenticated_per_minute_max",
                self.unauthenticated_per_minute_max.into(),
            ),
            ("queued_max", self.queued_max as u64),
            ("written_at_once_max", self.written_at_once_max as u64),
        ];
        for (name, number) in numbers {
            if !(1..=10_000).contains(&number) {
                return Err(format!(
                    "refused_calls.{name} is {number}; it must be 1 to 10000"
                ));
            }
        }
        Ok(())
    }
}
