//! Bytes of every message as the first release wrote them. They decode to the
//! same values for ever; files here are added, never changed.

use std::fmt::Debug;
use std::path::Path;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use contract::{
    Author, Category, Channel, ConversationId, DeadLetter, DeadLetterClass, DeliveryId, Event,
    EventMeta, Fact, HandOff, HandOffId, IdentityLevel, MessageId, MetricFact, Outgoing,
    OutgoingBody, Plan, Priority, Reply, ReplyId, Submission, TicketBody, TicketEvent,
    TurnFinished, TurnOutcome, WebformBody, WebformInbound, WhatsappBody, WhatsappButton,
    WhatsappInbound, WhatsappLocation, WhatsappMedia, WhatsappMessage, WhatsappStatus,
};

pub(crate) fn meta(name: &str) -> EventMeta {
    let time: DateTime<Utc> = "2026-01-05T09:30:00.123456Z".parse().unwrap();
    EventMeta::derived(ConversationId::named(name), "golden", time)
}

fn webform(body: WebformBody) -> WebformInbound {
    WebformInbound { meta: meta("webform"), ticket_ref: "TF-20260105-7K3Q".parse().unwrap(), body }
}

fn ticket(body: TicketBody) -> TicketEvent {
    TicketEvent {
        meta: meta("ticket"),
        conversation_id: ConversationId::named("conversation"),
        channel: Channel::WebForm,
        body,
    }
}

fn outgoing(body: OutgoingBody) -> Outgoing {
    Outgoing {
        meta: meta("outgoing"),
        conversation_id: ConversationId::named("conversation"),
        channel: Channel::Whatsapp,
        ticket_ref: "TF-20260105-7K3Q".parse().unwrap(),
        body,
    }
}

fn metric(fact: Fact) -> MetricFact {
    MetricFact {
        meta: meta("metric"),
        channel: Channel::Email,
        conversation_id: Some(ConversationId::named("conversation")),
        fact,
    }
}

/// Compares with the committed bytes in both directions.
pub(crate) fn check<E: Event + PartialEq + Debug>(name: &str, event: &E) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.bin"));
    let golden = std::fs::read(&path).unwrap_or_else(|_| {
        panic!(
            "{name}.bin is missing; a new message needs its golden bytes: {:02x?}",
            event.encode()
        )
    });

    assert_eq!(&E::decode(&golden).unwrap(), event, "{name} decodes differently");
    assert_eq!(event.encode(), Bytes::from(golden), "{name} encodes differently");
}

#[test]
fn webform_events() {
    check(
        "webform_submission",
        &webform(WebformBody::Submission(Submission {
            name: "Zoë O'Neil".to_owned(),
            email: "zoe@example.org".to_owned(),
            subject: "Export".to_owned(),
            message: "How do I export a board?\n<b>thanks</b> 👋".to_owned(),
            category: Some(Category::FeatureRequest),
            priority: Some(Priority::High),
            claimed_plan: Some(Plan::Pro),
            has_idempotency_key: true,
        })),
    );
    check(
        "webform_follow_up",
        &webform(WebformBody::FollowUp { message: "And as PDF?".to_owned() }),
    );
}

fn whatsapp(body: WhatsappBody) -> WhatsappInbound {
    WhatsappInbound { meta: meta("whatsapp"), body }
}

#[test]
fn whatsapp_events() {
    check(
        "whatsapp_message",
        &whatsapp(WhatsappBody::Message(WhatsappMessage {
            message_sid: "SM00000000000000000000000000000001".to_owned(),
            from: "whatsapp:+14155550123".to_owned(),
            to: "whatsapp:+14155238886".to_owned(),
            sender_id: "whatsapp:US.1A2B3C4D5E6F7A8B".to_owned(),
            phone: Some("+14155550123".to_owned()),
            profile_name: "José \"Pepe\" Ñandú".to_owned(),
            body: "Hola, ¿dónde está? 📦".to_owned(),
            message_type: "image".to_owned(),
            media: vec![WhatsappMedia {
                url: "https://media.example/ME1".to_owned(),
                content_type: "image/jpeg".to_owned(),
            }],
            location: Some(WhatsappLocation {
                latitude: 40.4168,
                longitude: -3.7038,
                address: "Puerta del Sol".to_owned(),
                label: "Madrid".to_owned(),
            }),
            button: Some(WhatsappButton {
                text: "Confirm".to_owned(),
                payload: "confirm_42".to_owned(),
            }),
            replied_to_sid: Some("MM00000000000000000000000000000002".to_owned()),
            opt_out_type: Some("STOP".to_owned()),
        })),
    );
    check(
        "whatsapp_status",
        &whatsapp(WhatsappBody::Status(WhatsappStatus {
            message_sid: "SM00000000000000000000000000000002".to_owned(),
            delivery_id: Some(DeliveryId::named("delivery")),
            status: "undelivered".to_owned(),
            error_code: Some(63016),
        })),
    );
}

#[test]
fn a_senders_messages_share_a_key_whatever_address_they_come_from() {
    let message = |from: &str| {
        let golden = std::fs::read(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/whatsapp_message.bin"),
        );
        let mut event = WhatsappInbound::decode(&golden.unwrap()).unwrap();
        if let WhatsappBody::Message(message) = &mut event.body {
            message.from = from.to_owned();
        }
        event
    };

    assert_eq!(message("whatsapp:+1").key(), message("whatsapp:+2").key());
}

#[test]
fn ticket_events() {
    let message_id = MessageId::named("message");
    check("message_stored", &ticket(TicketBody::MessageStored { message_id, seq: 7 }));
    check("turn_due", &ticket(TicketBody::TurnDue { seq: 9 }));
}

#[test]
fn outgoing_events() {
    check(
        "reply",
        &outgoing(OutgoingBody::Reply(Reply {
            reply_id: ReplyId::named("reply"),
            author: Author::Person,
            author_name: "Lisa Tanaka".to_owned(),
            owner_epoch: 3,
            first_seq: 1,
            last_seq: 2,
            parts: vec!["First.".to_owned(), "Second.".to_owned()],
        })),
    );
    let hand_off = HandOff {
        hand_off_id: HandOffId::named("hand-off"),
        person: "Rachel Foster".to_owned(),
        person_email: None,
        category: Category::Legal,
        priority: Priority::Urgent,
        reason: "asks for erasure".to_owned(),
        summary: "The customer asks to erase personal data.".to_owned(),
        tried: "nothing yet".to_owned(),
        suggested_next_step: "verify identity".to_owned(),
        customer_name: "Zoë O'Neil".to_owned(),
        plan: Some(Plan::Enterprise),
        identity_level: IdentityLevel::Authenticated,
        sentiment: Some(-0.5),
        owner_epoch: 4,
    };
    check("hand_off", &outgoing(OutgoingBody::HandOff(hand_off.clone())));
    let with_address = HandOff { person_email: Some("rachel@example.com".to_owned()), ..hand_off };
    check("hand_off_with_address", &outgoing(OutgoingBody::HandOff(with_address)));
}

#[test]
fn metric_facts() {
    check("message_received", &metric(Fact::MessageReceived));
    let turn = TurnFinished {
        outcome: TurnOutcome::HandedOver,
        category: Some(Category::Billing),
        messages: 2,
        first_outcome: true,
        first_hand_over: true,
        duration_us: 12_345,
        prompt_tokens: 100,
        completion_tokens: 20,
        sentiment: None,
    };
    check("turn_finished", &metric(Fact::TurnFinished(turn.clone())));
    let with_mood = TurnFinished { sentiment: Some(-0.5), ..turn };
    check("turn_finished_with_mood", &metric(Fact::TurnFinished(with_mood)));
    check("first_reply_delivered", &metric(Fact::FirstReplyDelivered { latency_us: 1_500_000 }));
    check("send_failed", &metric(Fact::SendFailed { reason: "63016".to_owned() }));
    check("duplicate_ignored", &metric(Fact::DuplicateIgnored));
}

#[test]
fn dead_letters() {
    check(
        "dead_letter",
        &DeadLetter {
            meta: meta("dead-letter"),
            topic: "fte.channels.webform.inbound".to_owned(),
            partition: 5,
            offset: 42,
            group: "identity-resolver".to_owned(),
            key: "TF-20260105-7K3Q".to_owned(),
            headers: vec![("traceparent".to_owned(), Bytes::from_static(b"00-ab-cd-01"))],
            payload: Bytes::from_static(&[0xff, 0x00, 0x01]),
            class: DeadLetterClass::Rejected,
            error: "the bytes are not this protobuf message".to_owned(),
            attempts: 1,
        },
    );
}

#[test]
fn rubbish_and_missing_fields_are_refused() {
    assert!(TicketEvent::decode(&[0xff, 0x01]).is_err());
    assert!(TicketEvent::decode(&[]).is_err());
    assert!(WebformInbound::decode(b"\x12\x03abc").is_err());
}
