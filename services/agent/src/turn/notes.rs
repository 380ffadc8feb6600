//! What a turn says that is no answer, and how it waits for its model.

use bus::{Failure, Outcome, Record};
use chassis::clock;
use contract::ReplyId;
use store::due_turns::{self, Wait};
use store::turns::{self, Snapshot};

use crate::effects::{self, Covered};
use crate::log::Inputs;
use crate::model::{Model, ModelError};
use crate::outage::Patience;
use crate::reply::format_reply;
use crate::turn::Agent;

impl<M: Model> Agent<M> {
    /// The line for a customer whose conversation a person has.
    pub(super) async fn note_for_person(&self, now: &Snapshot) -> Result<(), Failure> {
        let policy = &self.judge.decider.policy;
        let person = now.person.as_deref().unwrap_or("A person from our team");
        let text = policy.replies.texts(now.channel).person_notice.replace("{person}", person);
        let parts = format_reply(policy, &Inputs::of(now), "", &text, "", "");
        self.note(now, effects::person_notice(now, parts, clock::now())).await
    }

    /// Says a fixed text, once for its id.
    async fn note(&self, now: &Snapshot, note: (ReplyId, Record)) -> Result<(), Failure> {
        let (reply, record) = note;
        let id = now.conversation_id;
        let owner = if now.is_with_person { "person" } else { "agent" };
        if turns::note(&self.judge.pool, id, owner, now.owner_epoch, reply, &record).await? {
            self.outbox.publish(vec![record]).await?;
        }
        Ok(())
    }

    /// Leaves the turn to a later time, since the model gives no answer now.
    pub(super) async fn wait(
        &self,
        now: &Snapshot,
        patience: Patience,
        error: &ModelError,
    ) -> Result<Outcome, Failure> {
        let (Some(covered), Some(newest)) = (Covered::of(now), now.messages.last()) else {
            return Ok(Outcome::Done);
        };
        if matches!(patience, Patience::Strained { .. }) && !now.replies_are_used_up {
            let policy = &self.judge.decider.policy;
            let text = &policy.replies.texts(now.channel).holding;
            let parts = format_reply(policy, &Inputs::of(now), "", text, "", "");
            self.note(now, effects::holding_note(now, covered, parts, clock::now())).await?;
        }
        let wait = Wait {
            conversation_id: now.conversation_id,
            seq: newest.seq,
            at_least: error.after.unwrap_or_default(),
            at_most: patience.left(),
        };
        let Some(until) = due_turns::wait(&self.judge.pool, wait).await? else {
            return Ok(Outcome::Done);
        };
        tracing::warn!(
            conversation.id = %now.conversation_id,
            model.fault = ?error.fault,
            wait.attempt = until.attempts,
            wait.ms = until.wait.as_millis(),
            "the model gave no answer and the turn waits"
        );
        match until.is_kept_by_row {
            true => Ok(Outcome::Done),
            false => Ok(Outcome::DeferUntil(clock::now() + until.wait)),
        }
    }
}
