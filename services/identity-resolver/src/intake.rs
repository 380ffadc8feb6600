//! From events to what the database is to hold: no I/O, and the same events give
//! the same ids and bytes.

use std::collections::{HashMap, HashSet};

use bus::{Received, Record};
use chrono::{DateTime, Utc};
use contract::{
    Channel, Classified, ConversationId, CustomerId, EventId, EventMeta, Fact, FailureClass,
    MessageId, MetricFact, Submission, TicketBody, TicketEvent, TicketRef, WebformBody,
    WebformInbound, cut,
};
use store::identity::{NewMessage, NewSubmission};
use tracing::Span;

use crate::text::{BODY_BYTES, LINE_BYTES, content_hash, normal_email};

/// An event that no version of this program can store.
#[derive(Debug, thiserror::Error)]
#[error("the {0} is empty")]
pub(crate) struct Unusable(&'static str);

impl Classified for Unusable {
    fn class(&self) -> FailureClass {
        FailureClass::Reject
    }
}

/// A batch, ready to be stored.
#[derive(Default)]
pub(crate) struct Intake {
    /// One statement each: within a round no two submissions share a ref or a
    /// content, so that each decision sees the one before. One round, nearly always.
    pub(crate) rounds: Vec<Vec<NewSubmission>>,
    pub(crate) follow_ups: Vec<FollowUp>,
    /// One per event, open until the batch is published.
    pub(crate) spans: Vec<Span>,
}

/// A later message of a ticket; which conversation and number, the database knows.
pub(crate) struct FollowUp {
    pub(crate) ticket_ref: TicketRef,
    pub(crate) provider_id: String,
    message_id: MessageId,
    body: String,
    sent_at: DateTime<Utc>,
    span: Span,
}

impl Intake {
    pub(crate) fn of(batch: Vec<(WebformInbound, Received)>) -> Result<Self, Unusable> {
        let mut intake = Self::default();
        let mut seen: HashSet<EventId> = HashSet::new();
        let mut rounds_of: HashMap<[u8; 32], usize> = HashMap::new();
        for (event, received) in batch {
            if !seen.insert(event.meta.event_id) {
                continue;
            }
            let span = span(&event, &received);
            match event.body {
                WebformBody::Submission(submission) => {
                    let new = span
                        .in_scope(|| new_submission(&event.meta, event.ticket_ref, submission))?;
                    let round = new.content_hash.map_or(0, |hash| {
                        let next = rounds_of.entry(hash).or_default();
                        *next += 1;
                        *next - 1
                    });
                    intake.push(round, new);
                }
                WebformBody::FollowUp { message } => {
                    let span = span.clone();
                    intake.follow_ups.push(FollowUp {
                        message_id: MessageId::derived(event.meta.event_id, "message"),
                        provider_id: event.meta.event_id.to_string(),
                        body: required(message, "message", BODY_BYTES)?,
                        sent_at: event.meta.event_time,
                        ticket_ref: event.ticket_ref,
                        span,
                    });
                }
            }
            intake.spans.push(span);
        }
        Ok(intake)
    }

    fn push(&mut self, round: usize, new: NewSubmission) {
        while self.rounds.len() <= round {
            self.rounds.push(Vec::new());
        }
        if let Some(round) = self.rounds.get_mut(round) {
            round.push(new);
        }
    }
}

impl FollowUp {
    /// The message as number `seq` of its conversation.
    pub(crate) fn message(&self, conversation_id: ConversationId, seq: u64) -> NewMessage {
        let records = self.span.in_scope(|| {
            records(Channel::WebForm, self.message_id, conversation_id, seq, self.sent_at)
        });
        NewMessage {
            id: self.message_id,
            provider_id: self.provider_id.clone(),
            body: self.body.clone(),
            sent_at: self.sent_at,
            records,
        }
    }
}

fn new_submission(
    meta: &EventMeta,
    ticket_ref: TicketRef,
    submission: Submission,
) -> Result<NewSubmission, Unusable> {
    let conversation_id = ConversationId::named(&format!("webform:{ticket_ref}"));
    let message_id = MessageId::derived(meta.event_id, "message");
    let email = required(normal_email(&submission.email), "address", LINE_BYTES)?;
    let subject = cut(submission.subject, LINE_BYTES);
    let body = required(submission.message, "message", BODY_BYTES)?;
    let keyless = !submission.has_idempotency_key;
    Ok(NewSubmission {
        conversation_id,
        customer_id: CustomerId::named(&format!("email:{email}")),
        name: cut(submission.name, LINE_BYTES),
        category: submission.category,
        priority: submission.priority,
        claimed_plan: submission.claimed_plan,
        content_hash: keyless.then(|| content_hash(&email, &subject, &body)),
        alias_records: if keyless { vec![alias_record(meta)] } else { Vec::new() },
        message: NewMessage {
            id: message_id,
            provider_id: meta.event_id.to_string(),
            // A new conversation's first message is number 1.
            records: records(Channel::WebForm, message_id, conversation_id, 1, meta.event_time),
            body,
            sent_at: meta.event_time,
        },
        ticket_ref,
        email,
        subject,
    })
}

fn required(text: String, field: &'static str, bytes: usize) -> Result<String, Unusable> {
    if text.trim().is_empty() {
        return Err(Unusable(field));
    }
    Ok(cut(text, bytes))
}

/// The wake-up for the agent and the fact for the metrics. Their time is the
/// customer's, so that a replay makes the same bytes.
pub(crate) fn records(
    channel: Channel,
    message_id: MessageId,
    conversation_id: ConversationId,
    seq: u64,
    sent_at: DateTime<Utc>,
) -> Vec<Record> {
    let stored = TicketEvent {
        meta: EventMeta::derived(message_id, "message-stored", sent_at),
        conversation_id,
        channel,
        body: TicketBody::MessageStored { message_id, seq },
    };
    vec![Record::of(&stored), received_record(channel, message_id, conversation_id, sent_at)]
}

/// The fact alone, for a message that nobody is to answer.
pub(crate) fn received_record(
    channel: Channel,
    message_id: MessageId,
    conversation_id: ConversationId,
    sent_at: DateTime<Utc>,
) -> Record {
    Record::of(&MetricFact {
        meta: EventMeta::derived(message_id, "message-received", sent_at),
        channel,
        conversation_id: Some(conversation_id),
        fact: Fact::MessageReceived,
    })
}

/// Counts an equal submission that has no effect of its own.
fn alias_record(meta: &EventMeta) -> Record {
    Record::of(&MetricFact {
        meta: EventMeta::derived(meta.event_id, "alias", meta.event_time),
        channel: Channel::WebForm,
        conversation_id: None,
        fact: Fact::DuplicateIgnored,
    })
}

/// Continues the event's trace: one batch holds many traces.
fn span(event: &WebformInbound, received: &Received) -> Span {
    let span = tracing::info_span!("resolve", ticket.ref = %event.ticket_ref);
    bus::trace::continue_in(&span, &received.headers);
    span
}
