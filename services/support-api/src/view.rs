//! A conversation as JSON.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::conversations::{self, View};
use store::customers;
use utoipa::ToSchema;
use uuid::Uuid;

/// A conversation with all that a person needs to go on with it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConversationView {
    id: Uuid,
    #[schema(example = "TF-20260105-7K3Q")]
    ticket_ref: Option<String>,
    channel: String,
    /// open, resolved or closed.
    status: String,
    /// agent or person.
    owner: String,
    /// Who has it, or for whom it waits.
    person: Option<String>,
    taken_at: Option<DateTime<Utc>>,
    escalated_at: Option<DateTime<Utc>>,
    subject: Option<String>,
    category: Option<String>,
    priority: Option<String>,
    /// The plan that the customer typed.
    claimed_plan: Option<String>,
    respond_by: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    owner_epoch: i64,
    /// The newest message's number.
    last_seq: i64,
    /// Every message up to here has its outcome.
    handled_seq: i64,
    customer: CustomerOfView,
    messages: Vec<MessageView>,
    replies: Vec<ReplyView>,
    hand_offs: Vec<HandOffView>,
    turns: Vec<TurnView>,
    /// What operators did.
    actions: Vec<ActionView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct CustomerOfView {
    id: Uuid,
    name: String,
    /// The plan of the company's records.
    plan: Option<String>,
    /// How well the writer of this conversation is proven.
    identity_level: String,
    identifiers: Vec<IdentifierView>,
}

/// An address under which a customer is known.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IdentifierView {
    kind: String,
    value: String,
    /// self_asserted or authenticated.
    level: String,
}

impl From<customers::Identifier> for IdentifierView {
    fn from(row: customers::Identifier) -> Self {
        Self { kind: row.kind, value: row.value, level: row.level }
    }
}

/// What the customer wrote, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
struct MessageView {
    id: Uuid,
    seq: i64,
    text: String,
    sent_at: DateTime<Utc>,
    /// answered, handed_over or no_answer; null while it waits.
    outcome: Option<String>,
    outcome_reason: Option<String>,
    /// What came beside the words; each is fetched by its place here.
    attachments: Vec<AttachmentView>,
}

/// Something that came beside the words. What it does not have is null.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
struct AttachmentView {
    /// image, audio, video, document, sticker, file, location, contacts, reaction or other.
    kind: String,
    name: Option<String>,
    content_type: Option<String>,
    /// Bytes.
    size: Option<u64>,
    latitude: Option<f64>,
    longitude: Option<f64>,
    address: Option<String>,
    label: Option<String>,
}

impl From<conversations::Message> for MessageView {
    fn from(row: conversations::Message) -> Self {
        Self {
            id: row.id,
            seq: row.seq,
            text: row.text,
            sent_at: row.sent_at,
            outcome: row.outcome,
            outcome_reason: row.outcome_reason,
            attachments: attachments(row.attachments),
        }
    }
}

/// One entry each, whatever is in it: places are counted.
fn attachments(list: Value) -> Vec<AttachmentView> {
    let Value::Array(list) = list else { return Vec::new() };
    list.into_iter().map(|entry| serde_json::from_value(entry).unwrap_or_default()).collect()
}

/// A text to the customer, with the state of each part.
#[derive(Debug, Serialize, ToSchema)]
struct ReplyView {
    reply_id: Uuid,
    /// agent, system or person.
    author: String,
    /// Shown to the customer when a person wrote.
    author_name: String,
    /// First and last message it covers; 0 when none.
    first_seq: i64,
    last_seq: i64,
    created_at: DateTime<Utc>,
    parts: Vec<PartView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct PartView {
    part: i32,
    text: String,
    /// pending, sending, outcome_unknown, accepted, sent, failed, delivered, read or cancelled.
    state: String,
    attempt: i32,
    accepted_at: Option<DateTime<Utc>>,
    error: Option<String>,
}

/// A hand-off to a person, with its fields as they were sent.
#[derive(Debug, Serialize, ToSchema)]
struct HandOffView {
    hand_off_id: Uuid,
    #[schema(value_type = Object)]
    fields: Value,
    state: String,
    created_at: DateTime<Utc>,
    accepted_at: Option<DateTime<Utc>>,
}

/// A decision of the agent, in short.
#[derive(Debug, Serialize, ToSchema)]
struct TurnView {
    id: Uuid,
    first_seq: i64,
    last_seq: i64,
    model: String,
    /// answered, handed_over or no_answer.
    outcome: String,
    category: Option<String>,
    duration_ms: f64,
    created_at: DateTime<Utc>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ActionView {
    at: DateTime<Utc>,
    operator: String,
    /// take, reply, return or close.
    action: String,
}

impl From<View> for ConversationView {
    fn from(view: View) -> Self {
        let View { conversation, identifiers, messages, deliveries, turns, actions } = view;
        let (hand_offs, parts): (Vec<_>, Vec<_>) =
            deliveries.into_iter().partition(|delivery| delivery.outlet == "hand_off");
        Self {
            id: conversation.id,
            ticket_ref: conversation.ticket_ref,
            channel: conversation.channel,
            status: conversation.status,
            owner: conversation.owner,
            person: conversation.person,
            taken_at: conversation.taken_at,
            escalated_at: conversation.escalated_at,
            subject: conversation.subject,
            category: conversation.category,
            priority: conversation.priority,
            claimed_plan: conversation.claimed_plan,
            respond_by: conversation.respond_by,
            created_at: conversation.created_at,
            updated_at: conversation.updated_at,
            owner_epoch: conversation.owner_epoch,
            last_seq: conversation.last_seq,
            handled_seq: conversation.handled_seq,
            customer: CustomerOfView {
                id: conversation.customer_id,
                name: conversation.customer_name,
                plan: conversation.plan,
                identity_level: conversation.identity_level,
                identifiers: identifiers.into_iter().map(Into::into).collect(),
            },
            messages: messages.into_iter().map(Into::into).collect(),
            replies: replies(parts),
            hand_offs: hand_offs.into_iter().map(Into::into).collect(),
            turns: turns.into_iter().map(Into::into).collect(),
            actions: actions.into_iter().map(Into::into).collect(),
        }
    }
}

/// Parts of one reply stand together, in the order of sending.
fn replies(parts: Vec<conversations::Delivery>) -> Vec<ReplyView> {
    let mut replies: Vec<ReplyView> = Vec::new();
    for row in parts {
        let part = PartView {
            part: row.part,
            text: row.text,
            state: row.state,
            attempt: row.attempt,
            accepted_at: row.accepted_at,
            error: row.last_error,
        };
        match replies.iter_mut().find(|reply| reply.reply_id == row.reply_id) {
            Some(reply) => reply.parts.push(part),
            None => replies.push(ReplyView {
                reply_id: row.reply_id,
                author: row.author,
                author_name: row.author_name,
                first_seq: row.first_seq,
                last_seq: row.last_seq,
                created_at: row.created_at,
                parts: vec![part],
            }),
        }
    }
    replies
}

impl From<conversations::Delivery> for HandOffView {
    fn from(row: conversations::Delivery) -> Self {
        Self {
            hand_off_id: row.reply_id,
            fields: row.hand_off.unwrap_or_else(|| serde_json::json!({})),
            state: row.state,
            created_at: row.created_at,
            accepted_at: row.accepted_at,
        }
    }
}

impl From<conversations::Turn> for TurnView {
    fn from(row: conversations::Turn) -> Self {
        Self {
            id: row.id,
            first_seq: row.first_seq,
            last_seq: row.last_seq,
            model: row.model,
            outcome: row.outcome,
            category: row.category,
            duration_ms: row.duration_us as f64 / 1_000.0,
            created_at: row.created_at,
        }
    }
}

impl From<conversations::Action> for ActionView {
    fn from(row: conversations::Action) -> Self {
        Self { at: row.at, operator: row.operator, action: row.action }
    }
}
