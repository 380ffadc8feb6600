//! From WhatsApp events to what the database is to hold: no I/O, and the same events
//! give the same ids and bytes.

use std::collections::HashSet;

use bus::Received;
use channels::phone::normal_phone;
use chrono::{DateTime, TimeDelta, Utc};
use contract::{
    Channel, ConversationId, CustomerId, EventId, IdentityLevel, MessageId, Plan, TicketRef,
    WhatsappBody, WhatsappInbound, WhatsappMessage, cut,
};
use serde_json::{Value, json};
use store::identity::NewMessage;
use store::inbound::{NewIdentifier, Opening, Silence, Thread, ThreadMessage};
use store::whatsapp::Known;
use tracing::Span;

use crate::intake::{received_record, records};
use crate::opt_out::{Wish, wish};
use crate::text::{BODY_BYTES, clean_name};

/// After so long without a word from either side the next message is a new matter.
const IDLE: TimeDelta = TimeDelta::hours(24);

/// Why a message gets no answer; stands in its row.
const OPTED_OUT: &str = "opted out";
const OPTED_IN: &str = "opted in again";

/// A message on its way into a conversation.
pub(crate) struct Inbound {
    pub(crate) message: WhatsappMessage,
    /// In its one spelling.
    pub(crate) phone: Option<String>,
    pub(crate) arrived_at: DateTime<Utc>,
    id: MessageId,
    wish: Option<Wish>,
    pub(crate) span: Span,
}

/// The messages of a batch, each once, in their order. Statuses are for the dispatcher.
pub(crate) fn messages(batch: Vec<(WhatsappInbound, Received)>) -> Vec<Inbound> {
    let mut seen: HashSet<EventId> = HashSet::new();
    let mut messages = Vec::new();
    for (event, received) in batch {
        let WhatsappBody::Message(message) = event.body else { continue };
        if seen.insert(event.meta.event_id) {
            messages.push(Inbound {
                span: span(&message.message_sid, &received),
                phone: message.phone.as_deref().and_then(normal_phone),
                arrived_at: event.meta.event_time,
                id: MessageId::derived(event.meta.event_id, "message"),
                wish: wish(&message.body, message.opt_out_type.as_deref()),
                message,
            });
        }
    }
    messages
}

/// Whether messages that begin with this one need a new conversation.
pub(crate) fn opens_conversation(known: &Known, first: &Inbound) -> bool {
    known.open.as_ref().is_none_or(|open| {
        let is_idle = open.active_at.is_some_and(|active| first.arrived_at - active >= IDLE);
        is_idle && open.may_close
    })
}

/// One sender's messages in the conversation that is open, or in a new one with this ref.
pub(crate) fn thread(
    known: &Known,
    first: &Inbound,
    newest: &Inbound,
    messages: &[&Inbound],
    new_ref: Option<TicketRef>,
) -> Thread {
    let sender_id = &first.message.sender_id;
    let open = known.open.as_ref();
    let goes_on = open.filter(|_| new_ref.is_none());
    let conversation_id = goes_on.map_or_else(
        || ConversationId::named(&format!("whatsapp:{sender_id}:{}", first.message.message_sid)),
        |open| open.conversation_id,
    );
    let after_seq = goes_on.map_or(0, |open| open.last_seq);
    let customer = goes_on.map(|open| open.customer_id).or(known.customer);
    let name = || clean_name(&newest.message.profile_name);
    let (reasons, opts_out) = silence(known.is_opted_out, messages);
    let silent = reasons.iter().filter(|reason| reason.is_some()).count() as u64;
    let numbered = (after_seq + 1..).zip(messages.iter().zip(reasons));
    Thread {
        conversation_id,
        thread_key: sender_id.clone(),
        after_seq,
        opening: new_ref.map(|ticket_ref| Opening {
            ticket_ref,
            subject: String::new(),
            mail_thread: None,
            respond_by: first.arrived_at + known.plan.unwrap_or(Plan::Free).first_answer(),
            closes: open.map(|open| (open.conversation_id, open.last_seq)),
        }),
        customer_id: customer.unwrap_or_else(|| new_customer(newest)),
        new_customer_name: customer.is_none().then(name),
        identifiers: identifiers(known, newest),
        identity_level: Some(IdentityLevel::Authenticated),
        address: Some(newest.message.from.clone()),
        our_address: newest.message.to.clone(),
        last_inbound_at: messages
            .iter()
            .map(|one| one.arrived_at)
            .max()
            .unwrap_or(newest.arrived_at),
        silence: (silent > 0)
            .then_some(Silence { up_to: after_seq + silent, covers_earlier: true }),
        opts_out,
        messages: numbered
            .map(|(seq, (inbound, no_answer))| inbound.stored(conversation_id, seq, no_answer))
            .collect(),
    }
}

/// Why each message gets no answer, and whether the address is opted out from now on,
/// where that changes. What came before a stop is not answered either.
fn silence(
    was_opted_out: bool,
    messages: &[&Inbound],
) -> (Vec<Option<&'static str>>, Option<bool>) {
    let mut is_opted_out = was_opted_out;
    let mut reasons: Vec<Option<&'static str>> = Vec::with_capacity(messages.len());
    for inbound in messages {
        let reason = match (inbound.wish, is_opted_out) {
            (Some(Wish::Start), true) => Some(OPTED_IN),
            (Some(Wish::Stop), _) | (_, true) => Some(OPTED_OUT),
            (_, false) => None,
        };
        is_opted_out = reason == Some(OPTED_OUT);
        if reason.is_some() {
            for earlier in reasons.iter_mut().filter(|earlier| earlier.is_none()) {
                *earlier = Some(OPTED_OUT);
            }
        }
        reasons.push(reason);
    }
    (reasons, (is_opted_out != was_opted_out).then_some(is_opted_out))
}

/// Named by the number where there is one, so that two spellings of it that come at
/// the same time make one customer.
fn new_customer(inbound: &Inbound) -> CustomerId {
    match &inbound.phone {
        Some(phone) => CustomerId::named(&format!("phone:{phone}")),
        None => CustomerId::named(&format!("whatsapp:{}", inbound.message.sender_id)),
    }
}

fn identifiers(known: &Known, inbound: &Inbound) -> Vec<NewIdentifier> {
    let proven = |kind, value| NewIdentifier { kind, value, level: IdentityLevel::Authenticated };
    let whatsapp = (!known.has_whatsapp).then(|| inbound.message.sender_id.clone());
    let phone = inbound.phone.clone().filter(|_| !known.has_phone);
    let whatsapp = whatsapp.map(|id| proven("whatsapp", id));
    whatsapp.into_iter().chain(phone.map(|phone| proven("phone", phone))).collect()
}

impl Inbound {
    fn stored(
        &self,
        conversation_id: ConversationId,
        seq: u64,
        no_answer: Option<&'static str>,
    ) -> ThreadMessage {
        let message = &self.message;
        let records = self.span.in_scope(|| match no_answer {
            None => records(Channel::Whatsapp, self.id, conversation_id, seq, self.arrived_at),
            Some(_) => {
                vec![received_record(Channel::Whatsapp, self.id, conversation_id, self.arrived_at)]
            }
        });
        let button = message.button.as_ref().map(|button| button.text.clone());
        let body = Some(message.body.clone()).filter(|body| !body.trim().is_empty());
        ThreadMessage {
            message: NewMessage {
                id: self.id,
                provider_id: message.message_sid.clone(),
                body: cut(body.or(button).unwrap_or_default(), BODY_BYTES),
                sent_at: self.arrived_at,
                records,
            },
            attachments: attachments(message),
            no_answer,
            mail: None,
        }
    }
}

/// What came beside the words, by reference.
fn attachments(message: &WhatsappMessage) -> Value {
    let is_sticker = message.message_type == "sticker";
    let mut all: Vec<Value> = Vec::new();
    for media in &message.media {
        let kind = match media.content_type.split('/').next() {
            _ if is_sticker => "sticker",
            Some("image") => "image",
            Some("audio") => "audio",
            Some("video") => "video",
            _ => "document",
        };
        all.push(json!({"kind": kind, "url": media.url, "content_type": media.content_type}));
    }
    if let Some(place) = &message.location {
        all.push(json!({
            "kind": "location", "latitude": place.latitude, "longitude": place.longitude,
            "address": place.address, "label": place.label,
        }));
    }
    // A reaction, a contact card, whatever comes to be: it has a name at least.
    if all.is_empty() && message.body.trim().is_empty() && message.button.is_none() {
        let kind = match message.message_type.as_str() {
            known @ ("reaction" | "contacts" | "sticker") => known,
            _ => "other",
        };
        all.push(json!({"kind": kind}));
    }
    Value::Array(all)
}

/// Continues the event's trace: one batch holds many traces.
fn span(message_sid: &str, received: &Received) -> Span {
    let span = tracing::info_span!("resolve", message.sid = message_sid);
    bus::trace::continue_in(&span, &received.headers);
    span
}
