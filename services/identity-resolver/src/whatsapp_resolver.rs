//! The handler for WhatsApp: stores a batch and publishes what follows from it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bus::{BatchHandler, Failure, Received, Record};
use contract::{Channel, ConversationId, WhatsappInbound};
use sqlx::PgPool;
use store::outbox::OutboxPublisher;
use store::ticket_refs::TicketRefs;
use store::whatsapp::{self, Ask, Known};

use crate::looks::Looks;
use crate::resolver::publish_again;
use crate::whatsapp_intake::{Inbound, messages, opens_conversation, thread};
use crate::writer::Writer;

/// Resolves what comes from WhatsApp.
pub struct WhatsappResolver {
    writer: Writer,
}

impl BatchHandler for WhatsappResolver {
    type Event = WhatsappInbound;

    async fn handle_batch(&self, batch: Vec<(WhatsappInbound, Received)>) -> Result<(), Failure> {
        let messages = messages(batch);
        if messages.is_empty() {
            return Ok(());
        }
        let mut committed = Vec::new();
        let stored = self.store(&messages, &mut committed).await;
        // Also after a failure: what is committed need not wait for its redelivery.
        self.writer.outbox.publish(committed).await?;
        stored
    }
}

/// One sender's messages that are not stored yet, with what is known of the sender.
struct Group<'a> {
    known: Known,
    messages: Vec<&'a Inbound>,
}

impl WhatsappResolver {
    pub fn new(pool: PgPool, outbox: OutboxPublisher, refs: Arc<TicketRefs>) -> Self {
        Self { writer: Writer { pool, outbox, refs, channel: Channel::Whatsapp } }
    }

    async fn store(
        &self,
        messages: &[Inbound],
        committed: &mut Vec<Record>,
    ) -> Result<(), Failure> {
        let mut waiting: Vec<&Inbound> = messages.iter().collect();
        let mut repeated = Vec::new();
        let mut looks = Looks::of(messages.len());
        loop {
            let groups = self.look_up(&waiting, &mut repeated).await?;
            waiting = self.write(groups, committed).await?;
            if waiting.is_empty() {
                return Ok(publish_again(&self.writer.pool, &repeated, committed).await?);
            }
            looks.next(&self.writer.outbox, committed).await?;
        }
    }

    /// The messages by sender, without those that are stored already.
    async fn look_up<'a>(
        &self,
        waiting: &[&'a Inbound],
        repeated: &mut Vec<ConversationId>,
    ) -> Result<Vec<Group<'a>>, Failure> {
        let mut senders: BTreeMap<&str, Vec<&'a Inbound>> = BTreeMap::new();
        for inbound in waiting {
            senders.entry(&inbound.message.sender_id).or_default().push(inbound);
        }
        let asks: Vec<Ask<'_>> = senders.values().flat_map(|messages| asks(messages)).collect();
        let mut known = whatsapp::find(&self.writer.pool, &asks).await?.into_iter();
        let mut groups = Vec::new();
        for messages in senders.into_values() {
            let mut group: Option<Group<'a>> = None;
            for (inbound, known) in messages.into_iter().zip(known.by_ref()) {
                let stored_in = known.stored_in;
                let group = group.get_or_insert(Group { known, messages: Vec::new() });
                match stored_in {
                    Some(conversation) => repeated.push(conversation),
                    None => group.messages.push(inbound),
                }
            }
            groups.extend(group.filter(|group| !group.messages.is_empty()));
        }
        Ok(groups)
    }

    /// Writes the messages and returns those whose conversation moved on meanwhile.
    async fn write<'a>(
        &self,
        groups: Vec<Group<'a>>,
        committed: &mut Vec<Record>,
    ) -> Result<Vec<&'a Inbound>, Failure> {
        let mut threads = Vec::with_capacity(groups.len());
        for Group { known, messages } in groups {
            if let (Some(first), Some(newest)) = (messages.first(), messages.last()) {
                let new_ref = match opens_conversation(&known, first) {
                    true => Some(self.writer.new_ref().await?),
                    false => None,
                };
                threads.push((thread(&known, first, newest, &messages, new_ref), messages));
            }
        }
        self.writer.write(threads, committed).await
    }
}

/// One sender's questions. The newest message says where the sender is now.
fn asks<'a>(messages: &[&'a Inbound]) -> Vec<Ask<'a>> {
    let Some(newest) = messages.last() else { return Vec::new() };
    let ask = |(at, inbound): (usize, &&'a Inbound)| Ask {
        sender_id: &inbound.message.sender_id,
        address: &newest.message.from,
        phone: newest.phone.as_deref(),
        message_sid: &inbound.message.message_sid,
        is_first: at == 0,
    };
    messages.iter().enumerate().map(ask).collect()
}
