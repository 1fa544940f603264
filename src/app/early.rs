//! Hearing at once that the budget cannot serve a request in time. To look up who and what a request is about
//! takes operations too, and a caller who is refused should not wait for them. Refused here is only what
//! would be refused after the look-ups as well, if they find what is asked for.

use super::{App, AppError, Assign, CallContext, TargetKind};

impl App {
    /// Refuses an Assign before anything is looked up, where it surely wants operations at once and these
    /// come too late. Where policy asks people for anything, it has to be known first who asks for what: what
    /// waits for people is recorded.
    ///
    /// # Errors
    /// What `instance_for` and `refuse_if_late` refuse with.
    pub(super) async fn refuse_early(
        &self,
        context: &CallContext,
        request: &Assign,
    ) -> Result<(), AppError> {
        let wants_aws_at_once = !request.break_glass
            && request.start_at.is_none()
            && self.policy_of(context).asks_nobody();
        if !wants_aws_at_once {
            return Ok(());
        }
        let instance = self.instance_for(&request.instance, Some(&request.target))?;
        let kind = TargetKind::of_query(&request.target);
        let Err(late) = self.refuse_if_late(context, &instance, kind).await else {
            return Ok(());
        };
        // To come again does not help against a freeze, which is for those to hear who may ask.
        self.check_not_frozen(&instance).await.map_or(Ok(()), |()| Err(late))
    }
}
