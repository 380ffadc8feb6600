//! The language of the pipeline: events behind conversions, topics, ids, words
//! and the trait by which errors classify themselves. No I/O.
//!
//! Generated protobuf types stay private. An event type here is decoded and
//! checked in one step, and whoever holds one may trust it.

mod cut;
mod dead_letter;
mod email;
mod event;
mod failure;
mod id;
mod meta;
mod metric;
mod outgoing;
mod ticket;
mod ticket_ref;
mod topic;
mod webform;
mod whatsapp;
mod words;

pub use cut::{CUT_MARK, cut};
pub use dead_letter::{DeadLetter, DeadLetterClass};
pub use email::{
    Authentication, BounceAction, EmailAttachment, EmailBody, EmailBounce, EmailInbound,
    EmailMessage, MailKind, MailboxNotification, UnreadableEmail,
};
pub use event::{DecodeError, Event};
pub use failure::{Classified, FailureClass};
pub use id::{
    ConversationId, CustomerId, DeliveryId, EventId, HandOffId, Id, MergeId, MessageId, ReplyId,
    TurnId,
};
pub use meta::{EventMeta, SCHEMA_VERSION};
pub use metric::{Fact, MetricFact, TurnFinished, TurnOutcome};
pub use outgoing::{HandOff, Outgoing, OutgoingBody, Reply};
pub use ticket::{TicketBody, TicketEvent};
pub use ticket_ref::{InvalidTicketRef, TicketRef};
pub use topic::Topic;
pub use webform::{Submission, WebformBody, WebformInbound};
pub use whatsapp::{
    WhatsappBody, WhatsappButton, WhatsappInbound, WhatsappLocation, WhatsappMedia,
    WhatsappMessage, WhatsappStatus,
};
pub use words::{Author, Category, Channel, IdentityLevel, Plan, Priority, UnknownWord};

/// Types generated from `proto/`.
mod wire {
    #![allow(clippy::all, clippy::large_futures, unreachable_pub, reason = "generated")]
    include!(concat!(env!("OUT_DIR"), "/fte.support.v1.rs"));
}
