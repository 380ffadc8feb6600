//! `fte.channels.email.inbound`: what came to the mailbox.

mod words;

use std::borrow::Cow;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use prost::Message as _;
use serde::Serialize;
use uuid::Uuid;

use crate::event::{DecodeError, Event};
use crate::id::DeliveryId;
use crate::meta::{EventMeta, from_timestamp, optional, parse, required, to_timestamp};
use crate::topic::Topic;
use crate::wire;

pub use words::{Authentication, BounceAction, MailKind};

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EmailInbound {
    pub meta: EventMeta,
    pub body: EmailBody,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EmailBody {
    Message(EmailMessage),
    Notification(MailboxNotification),
    Bounce(EmailBounce),
    Unreadable(UnreadableEmail),
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EmailMessage {
    /// Our address whose mailbox holds it.
    pub mailbox: String,
    /// Gmail's id of the message.
    pub gmail_id: String,
    /// Gmail's id of its thread.
    pub thread_id: String,
    /// The Message-ID without angle brackets; a mail may have none.
    pub message_id: Option<String>,
    /// Without angle brackets, in the order in which they stand.
    pub in_reply_to: Vec<String>,
    pub references: Vec<String>,
    /// Whose mail it is, in lower case: the addr-spec of From.
    pub from: String,
    pub from_name: String,
    /// Where the answer goes: Reply-To where that is sane, else `from`.
    pub reply_to: String,
    /// Everybody whom it was addressed to, in lower case.
    pub to: Vec<String>,
    pub cc: Vec<String>,
    pub subject: String,
    /// What the sender wrote anew: no quoted history, no signature.
    pub text: String,
    /// The whole text, where it says more than `text`.
    pub original_text: Option<String>,
    pub attachments: Vec<EmailAttachment>,
    pub kind: MailKind,
    pub authentication: Authentication,
}

/// A file by reference: it stays in the mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EmailAttachment {
    pub name: String,
    pub content_type: String,
    /// Bytes after transfer decoding.
    pub size: u64,
    /// Which part of the message, counted depth first from 0.
    pub part: u32,
}

/// The mailbox has changed: time to read its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MailboxNotification {
    pub mailbox: String,
    pub history_id: u64,
    /// The same at every redelivery.
    pub pubsub_message_id: String,
    pub published_at: Option<DateTime<Utc>>,
}

/// What a mail server says became of a mail of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EmailBounce {
    pub mailbox: String,
    /// Gmail's id of the report.
    pub gmail_id: String,
    /// From the headers that the report returns.
    pub delivery_id: Option<DeliveryId>,
    /// The Message-ID of our mail, without angle brackets.
    pub original_message_id: Option<String>,
    /// Whom it did not reach, in lower case; empty where the report does not say.
    pub recipient: String,
    pub action: BounceAction,
    /// An enhanced status code of RFC 3463 such as `5.1.1`; else empty.
    pub status: String,
    /// What the other server said, at most 500 characters.
    pub diagnostic: String,
}

/// A mail that could not be fetched or understood, five times over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnreadableEmail {
    pub mailbox: String,
    pub gmail_id: String,
    /// What failed, without anything of the mail.
    pub error: String,
}

impl Event for EmailInbound {
    fn meta(&self) -> &EventMeta {
        &self.meta
    }

    fn topic(&self) -> Topic {
        Topic::EmailInbound
    }

    fn key(&self) -> Cow<'_, str> {
        match &self.body {
            EmailBody::Message(message) => Cow::Borrowed(&message.from),
            EmailBody::Notification(notification) => Cow::Borrowed(&notification.mailbox),
            EmailBody::Unreadable(unreadable) => Cow::Borrowed(&unreadable.mailbox),
            EmailBody::Bounce(bounce) => match bounce.delivery_id {
                Some(delivery) => Cow::Owned(delivery.to_string()),
                None => Cow::Borrowed(&bounce.recipient),
            },
        }
    }

    fn encode(&self) -> Bytes {
        use wire::email_inbound::Body;
        let body = match &self.body {
            EmailBody::Message(message) => Body::Message(message.to_wire()),
            EmailBody::Notification(notification) => Body::Notification(notification.to_wire()),
            EmailBody::Bounce(bounce) => Body::Bounce(bounce.to_wire()),
            EmailBody::Unreadable(unreadable) => Body::Unreadable(wire::UnreadableEmail {
                mailbox: unreadable.mailbox.clone(),
                gmail_id: unreadable.gmail_id.clone(),
                error: unreadable.error.clone(),
            }),
        };
        let message = wire::EmailInbound { meta: Some(self.meta.to_wire()), body: Some(body) };
        message.encode_to_vec().into()
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        use wire::email_inbound::Body;
        let message = wire::EmailInbound::decode(payload)?;
        let body = match message.body.ok_or(DecodeError::Field("body"))? {
            Body::Message(message) => EmailBody::Message(EmailMessage::from_wire(message)?),
            Body::Notification(notification) => {
                EmailBody::Notification(MailboxNotification::from_wire(notification)?)
            }
            Body::Bounce(bounce) => EmailBody::Bounce(EmailBounce::from_wire(bounce)?),
            Body::Unreadable(unreadable) => EmailBody::Unreadable(UnreadableEmail {
                mailbox: required(unreadable.mailbox, "unreadable.mailbox")?,
                gmail_id: required(unreadable.gmail_id, "unreadable.gmail_id")?,
                error: unreadable.error,
            }),
        };
        Ok(Self { meta: EventMeta::from_wire(message.meta)?, body })
    }
}

impl EmailMessage {
    fn to_wire(&self) -> wire::EmailMessage {
        let attachments = self.attachments.iter().map(|file| wire::EmailAttachment {
            name: file.name.clone(),
            content_type: file.content_type.clone(),
            size: file.size,
            part: file.part,
        });
        wire::EmailMessage {
            mailbox: self.mailbox.clone(),
            gmail_id: self.gmail_id.clone(),
            thread_id: self.thread_id.clone(),
            message_id: self.message_id.clone().unwrap_or_default(),
            in_reply_to: self.in_reply_to.clone(),
            references: self.references.clone(),
            from: self.from.clone(),
            from_name: self.from_name.clone(),
            reply_to: self.reply_to.clone(),
            to: self.to.clone(),
            cc: self.cc.clone(),
            subject: self.subject.clone(),
            text: self.text.clone(),
            original_text: self.original_text.clone().unwrap_or_default(),
            attachments: attachments.collect(),
            kind: self.kind.to_wire(),
            authentication: self.authentication.to_wire(),
        }
    }

    fn from_wire(message: wire::EmailMessage) -> Result<Self, DecodeError> {
        let attachments = message.attachments.into_iter().map(|file| EmailAttachment {
            name: file.name,
            content_type: file.content_type,
            size: file.size,
            part: file.part,
        });
        Ok(Self {
            mailbox: required(message.mailbox, "message.mailbox")?,
            gmail_id: required(message.gmail_id, "message.gmail_id")?,
            thread_id: required(message.thread_id, "message.thread_id")?,
            message_id: optional(message.message_id),
            in_reply_to: message.in_reply_to,
            references: message.references,
            from: required(message.from, "message.from")?,
            from_name: message.from_name,
            reply_to: required(message.reply_to, "message.reply_to")?,
            to: message.to,
            cc: message.cc,
            subject: message.subject,
            text: message.text,
            original_text: optional(message.original_text),
            attachments: attachments.collect(),
            kind: MailKind::from_wire(message.kind)?,
            authentication: Authentication::from_wire(message.authentication)?,
        })
    }
}

impl MailboxNotification {
    fn to_wire(&self) -> wire::MailboxNotification {
        wire::MailboxNotification {
            mailbox: self.mailbox.clone(),
            history_id: self.history_id,
            pubsub_message_id: self.pubsub_message_id.clone(),
            published_at: self.published_at.map(to_timestamp),
        }
    }

    fn from_wire(notification: wire::MailboxNotification) -> Result<Self, DecodeError> {
        let published_at = notification.published_at;
        Ok(Self {
            mailbox: required(notification.mailbox, "notification.mailbox")?,
            history_id: notification.history_id,
            pubsub_message_id: notification.pubsub_message_id,
            published_at: published_at
                .map(|time| from_timestamp(time, "notification.published_at"))
                .transpose()?,
        })
    }
}

impl EmailBounce {
    fn to_wire(&self) -> wire::EmailBounce {
        wire::EmailBounce {
            mailbox: self.mailbox.clone(),
            gmail_id: self.gmail_id.clone(),
            delivery_id: self.delivery_id.map(|id| id.to_string()).unwrap_or_default(),
            original_message_id: self.original_message_id.clone().unwrap_or_default(),
            recipient: self.recipient.clone(),
            action: self.action.to_wire(),
            status: self.status.clone(),
            diagnostic: self.diagnostic.clone(),
        }
    }

    fn from_wire(bounce: wire::EmailBounce) -> Result<Self, DecodeError> {
        Ok(Self {
            mailbox: required(bounce.mailbox, "bounce.mailbox")?,
            gmail_id: required(bounce.gmail_id, "bounce.gmail_id")?,
            delivery_id: match bounce.delivery_id.as_str() {
                "" => None,
                id => Some(parse::<Uuid>(id, "bounce.delivery_id")?.into()),
            },
            original_message_id: optional(bounce.original_message_id),
            recipient: bounce.recipient,
            action: BounceAction::from_wire(bounce.action)?,
            status: bounce.status,
            diagnostic: bounce.diagnostic,
        })
    }
}
