//! `fte.channels.whatsapp.inbound`: what a customer wrote on WhatsApp, and what became
//! of what was sent there.

use std::borrow::Cow;

use bytes::Bytes;
use prost::Message as _;
use serde::Serialize;
use uuid::Uuid;

use crate::event::{DecodeError, Event};
use crate::id::DeliveryId;
use crate::meta::{EventMeta, optional, parse, required};
use crate::topic::Topic;
use crate::wire;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WhatsappInbound {
    pub meta: EventMeta,
    pub body: WhatsappBody,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "a box would cost more than it saves: few at a time")]
pub enum WhatsappBody {
    Message(WhatsappMessage),
    Status(WhatsappStatus),
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WhatsappMessage {
    /// Twilio's MessageSid.
    pub message_sid: String,
    /// The sender's address exactly as it came, to which replies go.
    pub from: String,
    /// Our own address that it was sent to.
    pub to: String,
    /// Who writes, across numbers: the ExternalUserId where there is one, else `from`.
    pub sender_id: String,
    /// E.164; a sender may have none.
    pub phone: Option<String>,
    pub profile_name: String,
    /// May be empty: media, a location, a reaction.
    pub body: String,
    /// Twilio's MessageType; an open set.
    pub message_type: String,
    pub media: Vec<WhatsappMedia>,
    pub location: Option<WhatsappLocation>,
    pub button: Option<WhatsappButton>,
    /// The MessageSid of the message that this one quotes.
    pub replied_to_sid: Option<String>,
    /// `STOP`, `START` or `HELP` where Twilio has recognised one.
    pub opt_out_type: Option<String>,
}

/// A file by reference: it stays at Twilio.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WhatsappMedia {
    /// Empty where the file does not lie at Twilio: it is known of and never fetched.
    pub url: String,
    pub content_type: String,
}

/// A place, in degrees.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WhatsappLocation {
    pub latitude: f64,
    pub longitude: f64,
    pub address: String,
    pub label: String,
}

/// A button that was pressed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WhatsappButton {
    pub text: String,
    pub payload: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WhatsappStatus {
    /// Twilio's MessageSid of what we sent.
    pub message_sid: String,
    /// From the callback's URL; `None` where it had none.
    pub delivery_id: Option<DeliveryId>,
    /// Twilio's MessageStatus; an open set.
    pub status: String,
    pub error_code: Option<u32>,
}

impl Event for WhatsappInbound {
    fn meta(&self) -> &EventMeta {
        &self.meta
    }

    fn topic(&self) -> Topic {
        Topic::WhatsappInbound
    }

    fn key(&self) -> Cow<'_, str> {
        match &self.body {
            WhatsappBody::Message(message) => Cow::Borrowed(&message.sender_id),
            WhatsappBody::Status(status) => match status.delivery_id {
                Some(delivery) => Cow::Owned(delivery.to_string()),
                None => Cow::Borrowed(&status.message_sid),
            },
        }
    }

    fn encode(&self) -> Bytes {
        use wire::whatsapp_inbound::Body;
        let body = match &self.body {
            WhatsappBody::Message(message) => Body::Message(message.to_wire()),
            WhatsappBody::Status(status) => Body::Status(wire::WhatsappStatus {
                message_sid: status.message_sid.clone(),
                delivery_id: status.delivery_id.map(|id| id.to_string()).unwrap_or_default(),
                status: status.status.clone(),
                error_code: status.error_code,
            }),
        };
        let message = wire::WhatsappInbound { meta: Some(self.meta.to_wire()), body: Some(body) };
        message.encode_to_vec().into()
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        use wire::whatsapp_inbound::Body;
        let message = wire::WhatsappInbound::decode(payload)?;
        let body = match message.body.ok_or(DecodeError::Field("body"))? {
            Body::Message(message) => WhatsappBody::Message(WhatsappMessage::from_wire(message)?),
            Body::Status(status) => WhatsappBody::Status(WhatsappStatus {
                message_sid: required(status.message_sid, "message_sid")?,
                delivery_id: match status.delivery_id.as_str() {
                    "" => None,
                    id => Some(parse::<Uuid>(id, "delivery_id")?.into()),
                },
                status: required(status.status, "status")?,
                error_code: status.error_code,
            }),
        };
        Ok(Self { meta: EventMeta::from_wire(message.meta)?, body })
    }
}

impl WhatsappMessage {
    fn to_wire(&self) -> wire::WhatsappMessage {
        let media = self.media.iter().map(|media| wire::WhatsappMedia {
            url: media.url.clone(),
            content_type: media.content_type.clone(),
        });
        wire::WhatsappMessage {
            message_sid: self.message_sid.clone(),
            from: self.from.clone(),
            to: self.to.clone(),
            sender_id: self.sender_id.clone(),
            phone: self.phone.clone().unwrap_or_default(),
            profile_name: self.profile_name.clone(),
            body: self.body.clone(),
            message_type: self.message_type.clone(),
            media: media.collect(),
            location: self.location.as_ref().map(|place| wire::WhatsappLocation {
                latitude: place.latitude,
                longitude: place.longitude,
                address: place.address.clone(),
                label: place.label.clone(),
            }),
            button: self.button.as_ref().map(|button| wire::WhatsappButton {
                text: button.text.clone(),
                payload: button.payload.clone(),
            }),
            replied_to_sid: self.replied_to_sid.clone().unwrap_or_default(),
            opt_out_type: self.opt_out_type.clone().unwrap_or_default(),
        }
    }

    fn from_wire(message: wire::WhatsappMessage) -> Result<Self, DecodeError> {
        let media = message.media.into_iter();
        Ok(Self {
            message_sid: required(message.message_sid, "message_sid")?,
            from: required(message.from, "from")?,
            to: required(message.to, "to")?,
            sender_id: required(message.sender_id, "sender_id")?,
            phone: optional(message.phone),
            profile_name: message.profile_name,
            body: message.body,
            message_type: message.message_type,
            media: media
                .map(|media| WhatsappMedia { url: media.url, content_type: media.content_type })
                .collect(),
            location: message.location.map(|place| WhatsappLocation {
                latitude: place.latitude,
                longitude: place.longitude,
                address: place.address,
                label: place.label,
            }),
            button: message
                .button
                .map(|button| WhatsappButton { text: button.text, payload: button.payload }),
            replied_to_sid: optional(message.replied_to_sid),
            opt_out_type: optional(message.opt_out_type),
        })
    }
}
