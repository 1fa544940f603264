//! The part of the demonstration's story in which policy and people decide: what policy refuses, and
//! what two others must agree to.

use jiff::SignedDuration;

use super::demo_story::{ENGINEER, Teller, Who, expect, expect_equal, heading};

/// What the engineer asks for.
const WISH: &str = r#"{"principal":{"user":"bilal.khan"},"target":{"application":"Amazon QuickSight"},"duration":"3600s","justification":"the board's dashboard","ticket":"INC-45"}"#;
const ASSIGN: &str = "AccessService/Assign";
const APPROVE: &str = "GrantService/ApproveGrant";
const GET: &str = "GrantService/GetGrant";

impl Teller<'_> {
    pub(super) async fn refuse(&self) -> Result<(), String> {
        heading(&format!(
            "10. Policy decides. {ENGINEER}, an engineer, asks for two days and names no ticket: refused, with the path that was near, and for each of its limits what was asked and what is allowed."
        ));
        let (status, reason) = self
            .refused(
                Who::Engineer,
                "AccessService/Assign",
                r#"{"principal":{"user":"bilal.khan"},"target":{"application":"Amazon Redshift"},"duration":"172800s","justification":"quarterly figures"}"#,
            )
            .await?;
        let told = status.join(" ");
        let limits = [
            "engineers-redshift: limit max_duration: asked 2d, allowed 8h",
            "limit requires",
        ];
        if reason != "PATH_LIMITS_EXCEEDED" || !limits.iter().all(|limit| told.contains(limit)) {
            return Err(format!("the refusal was {reason}: {told}"));
        }
        heading("11. Within the limits the same path opens at once, and the grant names it.");
        let line = r#"{"principal":{"user":"bilal.khan"},"target":{"application":"Amazon Redshift"},"duration":"28800s","justification":"quarterly figures","ticket":"INC-44"}"#;
        let assigned = self
            .call_as(Who::Engineer, "AccessService/Assign", line)
            .await?;
        expect_equal(&assigned, "/grant/state", "GRANT_STATE_ACTIVE")
    }

    pub(super) async fn slip(&self) -> Result<(), String> {
        heading("12. A slip of the finger is refused with the field and the remedy.");
        let line =
            r#"{"principal":{"group":"enginering"},"target":{"application":"Amazon Redshift"}}"#;
        let method = "AccessService/Assign";
        self.refused(Who::Teller, method, line).await.map(drop)
    }

    /// Somebody asks, it waits, two others say yes, it opens and ends; answers the grant's id.
    pub(super) async fn agree(&self) -> Result<String, String> {
        heading(&format!(
            "13. Some access costs more than a wish. {ENGINEER} asks for QuickSight, to which two analysts must agree: it is recorded and waits, and nothing of it is in AWS."
        ));
        let asked = self.call_as(Who::Engineer, ASSIGN, WISH).await?;
        expect_equal(&asked, "/grant/state", "GRANT_STATE_PENDING_APPROVAL")?;
        let (id, digest) = (
            expect(&asked, "/grant/id")?,
            expect(&asked, "/grant/digest")?,
        );
        let of = format!(r#"{{"grant_id":"{id}"}}"#);
        let word =
            format!(r#"{{"grant_id":"{id}","digest":"{digest}","reason":"fits the ticket"}}"#);

        heading(
            "14. For whom does it wait? By name, with the price. The digest names exactly what will be done.",
        );
        let waiting = self.call_as(Who::Engineer, GET, &of).await?;
        expect_equal(&waiting, "/grant/waitingFor/kind", "WAITING_KIND_APPROVAL")?;
        expect(&waiting, "/grant/waitingFor/approvers/1/principal/name")?;

        heading("15. Nobody agrees for themselves.");
        let (_, reason) = self.refused(Who::Engineer, APPROVE, &word).await?;
        if reason != "SELF_APPROVAL" {
            return Err(format!("the refusal was {reason}"));
        }

        heading("16. Two others agree, each with an own token. With the second one it opens.");
        let first = self.call_as(Who::FirstReviewer, APPROVE, &word).await?;
        expect_equal(&first, "/grant/state", "GRANT_STATE_PENDING_APPROVAL")?;
        self.call_as(Who::SecondReviewer, APPROVE, &word).await?;
        self.until(&id, "GRANT_STATE_ACTIVE").await?;
        let opened = self.call_as(Who::Engineer, GET, &of).await?;
        expect_equal(&opened, "/grant/state", "GRANT_STATE_ACTIVE")?;

        heading("17. Its hour passes, and it ends like any other.");
        self.clock.advance(SignedDuration::from_secs(3600));
        self.service.wake();
        self.until(&id, "GRANT_STATE_EXPIRED").await?;
        Ok(id)
    }
}
