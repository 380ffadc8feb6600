//! From a decided draft to the events that leave: reply, hand-off, fact. The same
//! turn gives the same ids.

use bus::Record;
use chrono::{DateTime, Utc};
use contract::{
    Author, EventMeta, Fact, HandOff, HandOffId, MetricFact, Outgoing, OutgoingBody, Reply,
    ReplyId, TurnFinished, TurnId, TurnOutcome,
};
use store::turns::Snapshot;
use uuid::Uuid;

use crate::log::{HandOver, TurnLog};

/// Which messages a turn covers, and what it is called for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Covered {
    pub(crate) turn: TurnId,
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
}

impl Covered {
    pub(crate) fn of(now: &Snapshot) -> Option<Self> {
        let first_seq = now.messages.first()?.seq;
        let role = format!("{}:{first_seq}", now.owner_epoch);
        let turn = TurnId::derived(now.conversation_id, &role);
        let last_seq = match now.is_whole {
            // What stands beyond the last message that waits has its outcome.
            true => now.last_seq,
            false => now.messages.last()?.seq,
        };
        Some(Self { turn, first_seq, last_seq })
    }
}

/// Everything that a turn publishes, in order.
pub(crate) fn records(
    now: &Snapshot,
    covered: Covered,
    log: &TurnLog,
    at: DateTime<Utc>,
    duration_us: u64,
) -> Vec<Record> {
    let draft = &log.draft;
    let mut records = Vec::new();
    if !draft.reply.is_empty() {
        let reply = Reply {
            reply_id: ReplyId::of(covered.turn),
            author: Author::Agent,
            author_name: String::new(),
            owner_epoch: now.owner_epoch,
            first_seq: covered.first_seq,
            last_seq: covered.last_seq,
            parts: draft.reply.clone(),
        };
        let meta = EventMeta::derived(covered.turn, "reply", at);
        records.push(Record::of(&outgoing(now, meta, OutgoingBody::Reply(reply))));
    }
    if let Some(hand_over) = &draft.hand_over {
        let meta = EventMeta::derived(covered.turn, "hand-off", at);
        let body = OutgoingBody::HandOff(hand_off(now, covered, log, hand_over));
        records.push(Record::of(&outgoing(now, meta, body)));
    }
    records.push(Record::of(&fact(now, covered, log, at, duration_us)));
    records
}

fn outgoing(now: &Snapshot, meta: EventMeta, body: OutgoingBody) -> Outgoing {
    Outgoing {
        meta,
        conversation_id: now.conversation_id,
        channel: now.channel,
        ticket_ref: now.ticket_ref.clone(),
        body,
    }
}

fn hand_off(now: &Snapshot, covered: Covered, log: &TurnLog, hand_over: &HandOver) -> HandOff {
    HandOff {
        hand_off_id: HandOffId::derived(covered.turn, "hand-off"),
        person: hand_over.person.clone(),
        person_email: hand_over.person_email.clone(),
        category: log.draft.category,
        priority: log.draft.priority,
        reason: hand_over.reason.clone(),
        summary: hand_over.summary.clone(),
        tried: hand_over.tried.clone(),
        suggested_next_step: hand_over.next_step.clone(),
        customer_name: now.customer_name.clone(),
        plan: now.plan.or(now.claimed_plan),
        identity_level: now.identity_level,
        sentiment: Some(log.reading.sentiment.score),
        owner_epoch: now.owner_epoch,
    }
}

fn fact(
    now: &Snapshot,
    covered: Covered,
    log: &TurnLog,
    at: DateTime<Utc>,
    duration_us: u64,
) -> MetricFact {
    let draft = &log.draft;
    let hands_over = draft.outcome == TurnOutcome::HandedOver;
    MetricFact {
        meta: EventMeta::derived(covered.turn, "turn-finished", at),
        channel: now.channel,
        conversation_id: Some(now.conversation_id),
        fact: Fact::TurnFinished(TurnFinished {
            outcome: draft.outcome,
            category: Some(draft.category),
            messages: u32::try_from(now.messages.len()).unwrap_or(u32::MAX),
            first_outcome: !now.has_turns,
            first_hand_over: hands_over && now.escalated_at.is_none(),
            duration_us,
            prompt_tokens: log.usage.prompt_tokens,
            completion_tokens: log.usage.completion_tokens,
            sentiment: Some(log.reading.sentiment.score),
        }),
    }
}

/// The line for a customer who writes while a person has the conversation: one per
/// ownership, because its id comes from the owner's epoch and the escalation.
pub(crate) fn person_notice(
    now: &Snapshot,
    parts: Vec<String>,
    at: DateTime<Utc>,
) -> (ReplyId, Record) {
    let escalation = now.escalated_at.map_or(0, |at| at.timestamp_micros());
    let role = format!("person-notice:{}:{escalation}", now.owner_epoch);
    fixed_text(now, ReplyId::derived(now.conversation_id, &role), parts, at)
}

/// The line for a customer for whom no answer can be prepared yet: one per turn, however
/// often that is tried.
pub(crate) fn holding_note(
    now: &Snapshot,
    covered: Covered,
    parts: Vec<String>,
    at: DateTime<Utc>,
) -> (ReplyId, Record) {
    fixed_text(now, ReplyId::derived(covered.turn, "holding"), parts, at)
}

fn fixed_text(
    now: &Snapshot,
    reply_id: ReplyId,
    parts: Vec<String>,
    at: DateTime<Utc>,
) -> (ReplyId, Record) {
    let reply = Reply {
        reply_id,
        author: Author::System,
        author_name: String::new(),
        owner_epoch: now.owner_epoch,
        first_seq: 0,
        last_seq: 0,
        parts,
    };
    let meta = EventMeta::derived(Uuid::from(reply_id), "outgoing", at);
    (reply_id, Record::of(&outgoing(now, meta, OutgoingBody::Reply(reply))))
}
