//! The handler for the web form: stores a batch and publishes what follows from it.

use std::collections::{BTreeMap, HashMap};

use bus::{BatchHandler, Failure, Received, Record};
use contract::{Channel, Classified, ConversationId, FailureClass, TicketRef, WebformInbound};
use sqlx::PgPool;
use store::identity::{self, NewSubmission, Placement};
use store::outbox::{self, OutboxPublisher};
use store::threads::{self, Append, Thread};
use store::{Error, retry_serialization};

use crate::SERVICE;
use crate::intake::{FollowUp, Intake};
use crate::looks::Looks;

/// Resolves what comes from the web form.
pub struct Resolver {
    pool: PgPool,
    outbox: OutboxPublisher,
}

/// Why a follow-up could not be stored yet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotYet {
    /// Its submission comes before it under the same key, so it is on its way back
    /// to us, or waits as a dead letter.
    #[error("ticket {0} is not stored")]
    NoTicket(TicketRef),
    /// Each time somebody else's message went in first, or somebody holds it.
    #[error("the conversation kept moving on, or is held")]
    Moving,
}

impl Classified for NotYet {
    fn class(&self) -> FailureClass {
        FailureClass::Retry
    }
}

impl BatchHandler for Resolver {
    type Event = WebformInbound;

    async fn handle_batch(&self, batch: Vec<(WebformInbound, Received)>) -> Result<(), Failure> {
        let intake = Intake::of(batch)?;
        let mut committed = Vec::new();
        let stored = self.store(&intake, &mut committed).await;
        // Also after a failure: what is committed need not wait for its redelivery.
        self.outbox.publish(committed).await?;
        drop(intake.spans);
        stored
    }
}

impl Resolver {
    pub fn new(pool: PgPool, outbox: OutboxPublisher) -> Self {
        Self { pool, outbox }
    }

    async fn store(&self, intake: &Intake, committed: &mut Vec<Record>) -> Result<(), Failure> {
        for round in &intake.rounds {
            self.store_submissions(round, committed).await?;
        }
        if !intake.follow_ups.is_empty() {
            self.store_follow_ups(&intake.follow_ups, committed).await?;
        }
        Ok(())
    }

    async fn store_submissions(
        &self,
        round: &[NewSubmission],
        committed: &mut Vec<Record>,
    ) -> Result<(), Error> {
        let placements: HashMap<String, Placement> =
            retry_serialization(|| identity::store_submissions(&self.pool, SERVICE, round))
                .await?
                .into_iter()
                .collect();
        let mut repeated = Vec::new();
        for submission in round {
            match placements.get(submission.ticket_ref.as_str()) {
                Some(Placement::Created) => {
                    committed.extend_from_slice(&submission.message.records)
                }
                Some(Placement::Alias) => {
                    tracing::info!(ticket.ref = %submission.ticket_ref, "an equal submission is an alias");
                    committed.extend_from_slice(&submission.alias_records);
                }
                Some(Placement::Duplicate) | None => repeated.push(submission.conversation_id),
            }
        }
        publish_again(&self.pool, &repeated, committed).await
    }

    async fn store_follow_ups(
        &self,
        follow_ups: &[FollowUp],
        committed: &mut Vec<Record>,
    ) -> Result<(), Failure> {
        let mut waiting: Vec<&FollowUp> = follow_ups.iter().collect();
        let mut repeated = Vec::new();
        let mut looks = Looks::of(follow_ups.len());
        loop {
            let keys: Vec<(&TicketRef, &str)> =
                waiting.iter().map(|f| (&f.ticket_ref, f.provider_id.as_str())).collect();
            let threads = threads::find(&self.pool, &keys).await?;
            let mut groups = Groups::new();
            for (follow_up, thread) in waiting.into_iter().zip(threads) {
                let thread =
                    thread.ok_or_else(|| NotYet::NoTicket(follow_up.ticket_ref.clone()))?;
                if thread.is_stored {
                    repeated.push(thread.conversation_id);
                } else if thread.is_closed {
                    tracing::info!(ticket.ref = %follow_up.ticket_ref, "a message to a closed ticket is dropped");
                } else {
                    add(&mut groups, follow_up, &thread);
                }
            }
            waiting = self.append(groups, committed).await?;
            if waiting.is_empty() {
                return Ok(publish_again(&self.pool, &repeated, committed).await?);
            }
            looks.next(&self.outbox, committed).await?;
        }
    }

    /// Writes the messages and returns those whose conversation moved on meanwhile.
    async fn append<'a>(
        &self,
        groups: Groups<'a>,
        committed: &mut Vec<Record>,
    ) -> Result<Vec<&'a FollowUp>, Error> {
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let (appends, follow_ups): (Vec<Append>, Vec<Vec<&FollowUp>>) =
            groups.into_values().unzip();
        let appended = retry_serialization(|| {
            threads::append(&self.pool, SERVICE, Channel::WebForm, &appends)
        })
        .await?;
        committed.extend(appended.older);
        let mut moved_on = Vec::new();
        for (append, follow_ups) in appends.into_iter().zip(follow_ups) {
            if appended.conversations.contains(&append.conversation_id) {
                committed.extend(append.messages.into_iter().flat_map(|message| message.records));
            } else {
                moved_on.extend(follow_ups);
            }
        }
        Ok(moved_on)
    }
}

/// What a crash between commit and publish left of events that came again.
pub(crate) async fn publish_again(
    pool: &PgPool,
    conversations: &[ConversationId],
    committed: &mut Vec<Record>,
) -> Result<(), Error> {
    if !conversations.is_empty() {
        committed.extend(outbox::pending(pool, SERVICE, conversations).await?);
    }
    Ok(())
}

/// Follow-ups by conversation, each in the order in which they came.
type Groups<'a> = BTreeMap<ConversationId, (Append, Vec<&'a FollowUp>)>;

fn add<'a>(groups: &mut Groups<'a>, follow_up: &'a FollowUp, thread: &Thread) {
    let empty = || Append {
        conversation_id: thread.conversation_id,
        after_seq: thread.last_seq,
        messages: Vec::new(),
    };
    let (append, follow_ups) =
        groups.entry(thread.conversation_id).or_insert_with(|| (empty(), Vec::new()));
    let seq = append.after_seq + append.messages.len() as u64 + 1;
    append.messages.push(follow_up.message(thread.conversation_id, seq));
    follow_ups.push(follow_up);
}
