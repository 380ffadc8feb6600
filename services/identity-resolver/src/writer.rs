//! What every channel shares on which messages open conversations: ticket refs for new
//! ones, and one statement that writes a round of threads.

use std::sync::Arc;

use bus::{Failure, Record};
use chassis::clock;
use contract::{Channel, Classified, FailureClass, TicketRef};
use sqlx::PgPool;
use store::inbound::{self, Thread};
use store::outbox::OutboxPublisher;
use store::retry_serialization;
use store::ticket_refs::TicketRefs;

use crate::SERVICE;

/// Writes what comes by one channel.
pub(crate) struct Writer {
    pub(crate) pool: PgPool,
    pub(crate) outbox: OutboxPublisher,
    pub(crate) refs: Arc<TicketRefs>,
    pub(crate) channel: Channel,
}

/// New conversations need a ticket ref each, and the database gives none.
#[derive(Debug, thiserror::Error)]
#[error("there is no ticket number for a new conversation")]
struct NoRef;

impl Classified for NoRef {
    fn class(&self) -> FailureClass {
        FailureClass::Unavailable
    }
}

impl Writer {
    pub(crate) async fn new_ref(&self) -> Result<TicketRef, Failure> {
        Ok(self.refs.next(clock::now()).await.ok_or(NoRef)?)
    }

    /// Writes threads with the messages they were made of, and returns those messages
    /// whose conversation moved on meanwhile.
    pub(crate) async fn write<'a, T>(
        &self,
        threads: Vec<(Thread, Vec<&'a T>)>,
        committed: &mut Vec<Record>,
    ) -> Result<Vec<&'a T>, Failure> {
        if threads.is_empty() {
            return Ok(Vec::new());
        }
        let (threads, messages): (Vec<Thread>, Vec<Vec<&T>>) = threads.into_iter().unzip();
        let write = || inbound::store(&self.pool, SERVICE, self.channel, &threads);
        let taken = retry_serialization(write).await?;
        committed.extend(taken.older);
        let mut moved_on = Vec::new();
        for (thread, messages) in threads.into_iter().zip(messages) {
            if taken.conversations.contains(&thread.conversation_id) {
                let stored = thread.messages.into_iter();
                committed.extend(stored.flat_map(|stored| stored.message.records));
            } else {
                moved_on.extend(messages);
            }
        }
        Ok(moved_on)
    }
}
