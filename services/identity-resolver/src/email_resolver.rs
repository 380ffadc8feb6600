//! The handler for mail: stores a batch and publishes what follows from it.

use std::collections::HashSet;
use std::sync::Arc;

use bus::{BatchHandler, Failure, Received, Record};
use contract::{Channel, ConversationId, EmailInbound};
use sqlx::PgPool;
use store::inbound::Thread;
use store::mail::{self, Known};
use store::outbox::OutboxPublisher;
use store::people::OperatorName;
use store::ticket_refs::TicketRefs;

use crate::email_intake::{Inbound, messages, round};
use crate::email_place::{Fate, fate};
use crate::email_thread::Placed;
use crate::looks::Looks;
use crate::resolver::publish_again;
use crate::staff;
use crate::writer::Writer;

/// Resolves what comes by mail.
pub struct EmailResolver {
    writer: Writer,
}

impl BatchHandler for EmailResolver {
    type Event = EmailInbound;

    async fn handle_batch(&self, batch: Vec<(EmailInbound, Received)>) -> Result<(), Failure> {
        let messages = messages(batch);
        let mut committed = Vec::new();
        let stored = self.store(&messages, &mut committed).await;
        // Also after a failure: what is committed need not wait for its redelivery.
        self.writer.outbox.publish(committed).await?;
        stored
    }
}

impl EmailResolver {
    pub fn new(pool: PgPool, outbox: OutboxPublisher, refs: Arc<TicketRefs>) -> Self {
        Self { writer: Writer { pool, outbox, refs, channel: Channel::Email } }
    }

    async fn store(
        &self,
        messages: &[Inbound],
        committed: &mut Vec<Record>,
    ) -> Result<(), Failure> {
        let mut waiting: Vec<&Inbound> = messages.iter().collect();
        let mut repeated = Vec::new();
        let mut looks = Looks::of(messages.len());
        while !waiting.is_empty() {
            let (now, later) = round(waiting);
            let asked = now.len();
            waiting = self.store_round(now, &mut repeated, committed).await?;
            match waiting.len() {
                left if left < asked => looks = Looks::of(messages.len()),
                _ => looks.next(&self.writer.outbox, committed).await?,
            }
            waiting.extend(later);
        }
        Ok(publish_again(&self.writer.pool, &repeated, committed).await?)
    }

    /// Stores mails that nothing ties together, and returns those whose conversation
    /// moved on meanwhile, or takes another of them first.
    async fn store_round<'a>(
        &self,
        round: Vec<&'a Inbound>,
        repeated: &mut Vec<ConversationId>,
        committed: &mut Vec<Record>,
    ) -> Result<Vec<&'a Inbound>, Failure> {
        let asks: Vec<_> = round.iter().map(|inbound| inbound.ask()).collect();
        let known = mail::find(&self.writer.pool, &asks).await?;
        let mut threads: Vec<(Thread, Vec<&Inbound>)> = Vec::with_capacity(round.len());
        let mut taken: HashSet<ConversationId> = HashSet::new();
        let mut later = Vec::new();
        for (inbound, known) in round.into_iter().zip(&known) {
            if let Some(conversation) = known.stored_in {
                repeated.push(conversation);
                continue;
            }
            let Some(thread) = self.thread(inbound, known, committed).await? else { continue };
            match taken.insert(thread.conversation_id) {
                true => threads.push((thread, vec![inbound])),
                false => later.push(inbound),
            }
        }
        later.extend(self.writer.write(threads, committed).await?);
        Ok(later)
    }

    /// What the mail adds to its conversation; `None` for what staff say, which is said.
    async fn thread(
        &self,
        inbound: &Inbound,
        known: &Known,
        committed: &mut Vec<Record>,
    ) -> Result<Option<Thread>, Failure> {
        let (joins, no_answer) = match fate(&inbound.message, known) {
            Fate::Stored { joins, no_answer } => (joins, no_answer),
            Fate::Says { to, name } => {
                let name = OperatorName(name);
                let said = staff::say(&self.writer.pool, inbound, to, name, committed).await?;
                let Err(refused) = said else { return Ok(None) };
                (None, Some(refused))
            }
        };
        let new_ref = match joins {
            Some(_) => None,
            None => Some(self.writer.new_ref().await?),
        };
        Ok(Some(Placed { inbound, known, joins, no_answer }.thread(new_ref)))
    }
}
