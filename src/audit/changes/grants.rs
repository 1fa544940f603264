//! The grants that stood at some time of a period, with how late their access went.

use jiff::Timestamp;

use super::super::findings::OVERDUE_AFTER;
use super::cells::{row_of, write_principal, write_target};
use super::{Compared, Comparison, Stopped};
use crate::domain::Grant;
use crate::domain::report::ChangeRow;

/// Grants that are read at once: a megabyte or two.
const GRANTS_PER_PAGE: usize = 500;

impl Comparison<'_> {
    pub(super) async fn write_grants(&mut self, compared: &Compared<'_>) -> Result<(), Stopped> {
        let (instance, period) = (compared.instance, self.period);
        let store = self.store;
        let ids = store.grant_ids_standing(&instance.arn, period.from, period.until);
        for ids in ids.await?.chunks(GRANTS_PER_PAGE) {
            for grant in store.grants_of_ids(ids).await? {
                self.write_grant(compared, &grant).await?;
            }
        }
        Ok(())
    }

    async fn write_grant(&mut self, compared: &Compared<'_>, grant: &Grant) -> Result<(), Stopped> {
        let mut row = ChangeRow {
            at: written(grant.started_at),
            until: written(grant.ended_at.or(grant.end_at)),
            by: grant.requester.caller.to_string(),
            grant_id: grant.id.to_string(),
            justification: grant.justification.to_string(),
            ticket: grant.ticket.to_string(),
            late_seconds: late_seconds(grant, self.period.until),
            ..row_of(compared.instance, "GRANT", grant.state.as_str())
        };
        write_principal(&mut row, &grant.principal, &compared.names);
        write_target(&mut row, &grant.target, &compared.names);
        self.push(row).await?;
        Ok(())
    }
}

fn written(at: Option<Timestamp>) -> String {
    at.map(|at| at.to_string()).unwrap_or_default()
}

/// How long after its time the access of a grant went, or at the end of the period had not gone.
fn late_seconds(grant: &Grant, now: Timestamp) -> String {
    let asked = grant.ending.as_ref().map(|ending| ending.at);
    let Some(due) = asked.into_iter().chain(grant.end_at).min() else {
        return String::new();
    };
    let late = grant.ended_at.unwrap_or(now).duration_since(due);
    if late > OVERDUE_AFTER {
        late.as_secs().to_string()
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::GrantState;
    use crate::domain::grant::tests::{at, grant};

    #[test]
    fn an_end_is_late_after_a_minute_and_while_it_has_not_come() {
        let mut held = grant(1, GrantState::Active);
        (held.end_at, held.ended_at) = (Some(at(100)), Some(at(160)));
        assert_eq!(late_seconds(&held, at(1_000)), "");
        held.ended_at = Some(at(161));
        assert_eq!(late_seconds(&held, at(1_000)), "61");
        held.ended_at = None;
        assert_eq!(late_seconds(&held, at(1_000)), "900");
        assert_eq!(late_seconds(&held, at(50)), "");
        held.end_at = None;
        assert_eq!(late_seconds(&held, at(1_000)), "");
    }
}
