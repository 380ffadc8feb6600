//! One valid event of every kind. The same arguments give the same event; a test
//! changes the fields that it is about.

use chrono::{DateTime, NaiveDate, Utc};
use contract::{
    Author, Category, Channel, ConversationId, EventId, EventMeta, Fact, HandOff, HandOffId,
    IdentityLevel, MessageId, MetricFact, Outgoing, OutgoingBody, Priority, Reply, ReplyId,
    Submission, TicketBody, TicketEvent, TicketRef, TurnFinished, TurnId, TurnOutcome, WebformBody,
    WebformInbound,
};

/// When everything here happened: Monday 5 January 2026, 09:30 UTC.
pub fn time() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_605_400, 0).expect("a valid time")
}

/// The `number`th ticket of that day.
pub fn ticket_ref(number: u32) -> TicketRef {
    let day = NaiveDate::from_ymd_opt(2026, 1, 5).expect("a valid day");
    TicketRef::numbered(day, number).expect("fewer tickets than a day can have")
}

/// The conversation of a web ticket.
pub fn conversation(ticket_ref: TicketRef) -> ConversationId {
    ConversationId::named(&format!("webform:{ticket_ref}"))
}

/// The message that an inbound event becomes.
pub fn message_id(event: &WebformInbound) -> MessageId {
    MessageId::derived(event.meta.event_id, "message")
}

/// Sam Doe asks how to export a board.
pub fn submission(ticket_ref: TicketRef) -> WebformInbound {
    let event_id = EventId::named(&format!("webform:{ticket_ref}"));
    WebformInbound {
        meta: meta(event_id),
        ticket_ref,
        body: WebformBody::Submission(Submission {
            name: "Sam Doe".into(),
            email: "sam@example.org".into(),
            subject: "How do I export a board".into(),
            message: "I want my board as a file, how do I do that?".into(),
            category: None,
            priority: None,
            claimed_plan: None,
            has_idempotency_key: true,
        }),
    }
}

/// As [`submission`], with the changed fields of your choice.
pub fn submission_with(
    ticket_ref: TicketRef,
    change: impl FnOnce(&mut Submission),
) -> WebformInbound {
    let mut event = submission(ticket_ref);
    if let WebformBody::Submission(submission) = &mut event.body {
        change(submission);
    }
    event
}

/// The customer writes once more.
pub fn follow_up(ticket_ref: TicketRef, message: &str) -> WebformInbound {
    let event_id = EventId::named(&format!("webform:{ticket_ref}:{message}"));
    let body = WebformBody::FollowUp { message: message.into() };
    WebformInbound { meta: meta(event_id), ticket_ref, body }
}

/// Message `seq` of the conversation is stored.
pub fn message_stored(conversation_id: ConversationId, seq: u64) -> TicketEvent {
    let message_id = MessageId::derived(conversation_id, &format!("message-{seq}"));
    TicketEvent {
        meta: EventMeta::derived(message_id, "message-stored", time()),
        conversation_id,
        channel: Channel::WebForm,
        body: TicketBody::MessageStored { message_id, seq },
    }
}

/// Messages up to `seq` still wait.
pub fn turn_due(conversation_id: ConversationId, seq: u64) -> TicketEvent {
    TicketEvent {
        meta: EventMeta::derived(conversation_id, &format!("turn-due-{seq}"), time()),
        conversation_id,
        channel: Channel::WebForm,
        body: TicketBody::TurnDue { seq },
    }
}

/// The agent answers the first message.
pub fn reply(ticket_ref: TicketRef, text: &str) -> Outgoing {
    let conversation_id = conversation(ticket_ref.clone());
    let turn = TurnId::derived(conversation_id, "turn-0-1");
    let reply = Reply {
        reply_id: ReplyId::of(turn),
        author: Author::Agent,
        author_name: String::new(),
        owner_epoch: 0,
        first_seq: 1,
        last_seq: 1,
        parts: vec![text.into()],
    };
    outgoing(ticket_ref, turn, "reply", OutgoingBody::Reply(reply))
}

/// As [`reply`], with the changed fields of your choice. Other replies of one ticket
/// need another `reply_id`.
pub fn reply_with(ticket_ref: TicketRef, change: impl FnOnce(&mut Reply)) -> Outgoing {
    let mut event = reply(ticket_ref, "Open the board's menu and choose Export.");
    if let OutgoingBody::Reply(reply) = &mut event.body {
        change(reply);
        event.meta = EventMeta::derived(reply.reply_id, "outgoing", time());
    }
    event
}

/// A refund goes to Lisa Tanaka.
pub fn hand_off(ticket_ref: TicketRef) -> Outgoing {
    let conversation_id = conversation(ticket_ref.clone());
    let turn = TurnId::derived(conversation_id, "turn-0-1");
    let hand_off = HandOff {
        hand_off_id: HandOffId::derived(turn, "hand-off"),
        person: "Lisa Tanaka".into(),
        person_email: Some("lisa@example.com".into()),
        category: Category::Billing,
        priority: Priority::High,
        reason: "the customer asks for a refund".into(),
        summary: "Sam Doe wants the last invoice back".into(),
        tried: "nothing".into(),
        suggested_next_step: "look at the invoice".into(),
        customer_name: "Sam Doe".into(),
        plan: None,
        identity_level: IdentityLevel::SelfAsserted,
        sentiment: None,
        owner_epoch: 0,
    };
    outgoing(ticket_ref, turn, "hand-off", OutgoingBody::HandOff(hand_off))
}

/// A fact for the metrics: a message came in.
pub fn message_received(conversation_id: ConversationId) -> MetricFact {
    fact(conversation_id, "message-received", Fact::MessageReceived)
}

/// A fact for the metrics: a turn ended, the conversation's first.
pub fn turn_finished(conversation_id: ConversationId, outcome: TurnOutcome) -> MetricFact {
    let turn = TurnFinished {
        outcome,
        category: Some(Category::General),
        messages: 1,
        first_outcome: true,
        first_hand_over: outcome == TurnOutcome::HandedOver,
        duration_us: 1_500,
        prompt_tokens: 0,
        completion_tokens: 0,
        sentiment: None,
    };
    fact(conversation_id, "turn-finished", Fact::TurnFinished(turn))
}

/// Any fact; `role` tells two facts of one conversation apart.
pub fn fact(conversation_id: ConversationId, role: &str, fact: Fact) -> MetricFact {
    MetricFact {
        meta: EventMeta::derived(conversation_id, role, time()),
        channel: Channel::WebForm,
        conversation_id: Some(conversation_id),
        fact,
    }
}

fn outgoing(ticket_ref: TicketRef, turn: TurnId, role: &str, body: OutgoingBody) -> Outgoing {
    Outgoing {
        meta: EventMeta::derived(turn, role, time()),
        conversation_id: conversation(ticket_ref.clone()),
        channel: Channel::WebForm,
        ticket_ref,
        body,
    }
}

fn meta(event_id: EventId) -> EventMeta {
    EventMeta { event_id, cause_id: event_id.into(), event_time: time(), schema_version: 1 }
}

#[cfg(test)]
mod tests {
    use contract::Event;

    use super::*;

    fn survives<E: Event + PartialEq + std::fmt::Debug>(event: E) {
        assert_eq!(E::decode(&event.encode()).as_ref(), Ok(&event));
    }

    #[test]
    fn every_builder_makes_an_event_that_survives_the_wire() {
        let ticket = ticket_ref(1);
        let conversation = conversation(ticket.clone());

        survives(submission(ticket.clone()));
        survives(follow_up(ticket.clone(), "and as CSV?"));
        survives(message_stored(conversation, 1));
        survives(turn_due(conversation, 2));
        survives(reply(ticket.clone(), "Export is in the menu."));
        survives(hand_off(ticket));
        survives(message_received(conversation));
        survives(turn_finished(conversation, TurnOutcome::HandedOver));
    }
}
