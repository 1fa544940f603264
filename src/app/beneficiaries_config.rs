//! The numbers of the watch over those who have access, each with its reason.

use std::time::Duration;

use crate::domain::MassChangeLimit;

/// How those who have active grants are watched.
#[derive(Debug, Clone, Copy, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BeneficiariesConfig {
    /// The pause between two looks at everybody. A disabled user cannot sign in already; what this
    /// ends is access that would be there again when the user is enabled, and open sessions.
    pub look_seconds: f64,
    /// Describes a second at most: a quarter of AWS's rate, so that callers keep theirs. 3,000
    /// beneficiaries are looked at in ten minutes.
    pub describes_per_second_max: f64,
    /// More than this share of the beneficiaries of an instance, disabled or deleted at once, is a
    /// mass change, which somebody must confirm: a directory that synchronizes wrongly takes away
    /// everybody, and people leave one by one.
    pub mass_change_share_max: f64,
    /// Fewer than so many are never a mass change: of three people one is a third.
    pub mass_change_principals_min: u64,
}

impl Default for BeneficiariesConfig {
    fn default() -> Self {
        Self {
            look_seconds: 600.0,
            describes_per_second_max: 5.0,
            mass_change_share_max: 0.2,
            mass_change_principals_min: 5,
        }
    }
}

impl BeneficiariesConfig {
    /// Checks that the numbers make sense.
    ///
    /// # Errors
    /// A sentence that names the field and what it must be.
    pub fn check(&self) -> Result<(), String> {
        if !(0.05..=86_400.0).contains(&self.look_seconds) {
            return Err("beneficiaries.look_seconds must be 0.05 to 86400".to_owned());
        }
        if !(0.1..=1000.0).contains(&self.describes_per_second_max) {
            return Err("beneficiaries.describes_per_second_max must be 0.1 to 1000".to_owned());
        }
        if !(0.0..=1.0).contains(&self.mass_change_share_max) {
            return Err("beneficiaries.mass_change_share_max must be 0 to 1".to_owned());
        }
        if !(1..=1_000_000).contains(&self.mass_change_principals_min) {
            return Err("beneficiaries.mass_change_principals_min must be 1 to 1000000".to_owned());
        }
        Ok(())
    }

    pub(super) fn limit(&self) -> MassChangeLimit {
        MassChangeLimit {
            share_max: self.mass_change_share_max,
            principals_min: self.mass_change_principals_min,
        }
    }

    pub(super) fn look_every(&self) -> Duration {
        Duration::try_from_secs_f64(self.look_seconds).unwrap_or(Duration::from_secs(600))
    }

    pub(super) fn describe_every(&self) -> Duration {
        let pause = 1.0 / self.describes_per_second_max;
        Duration::try_from_secs_f64(pause).unwrap_or(Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_fit_and_nonsense_does_not() {
        let fit = BeneficiariesConfig::default();
        assert_eq!(fit.check(), Ok(()));
        let wrong = [
            BeneficiariesConfig {
                look_seconds: f64::NAN,
                ..fit
            },
            BeneficiariesConfig {
                describes_per_second_max: 0.0,
                ..fit
            },
            BeneficiariesConfig {
                mass_change_share_max: 20.0,
                ..fit
            },
            BeneficiariesConfig {
                mass_change_principals_min: 0,
                ..fit
            },
        ];
        for config in wrong {
            assert!(config.check().is_err(), "{config:?}");
        }
    }
}
