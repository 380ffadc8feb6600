//! A resolver for WhatsApp, its database and what it published; messages as Twilio's
//! customers send them.

use contract::{
    ConversationId, EventId, EventMeta, WhatsappBody, WhatsappInbound, WhatsappMessage,
};
use identity_resolver::WhatsappResolver;
use sqlx::PgPool;

use crate::channel_world::ChannelWorld;
pub(crate) use crate::channel_world::at;

pub(crate) const ANA: &str = "whatsapp:ES.1A2B3C4D5E6F7A8B";

pub(crate) type WhatsappWorld = ChannelWorld<WhatsappResolver>;

impl WhatsappWorld {
    pub(crate) async fn new(pool: &PgPool) -> Self {
        Self::with(pool, WhatsappResolver::new).await
    }
}

/// A text from Ana, who shows her phone, `minutes` after the first.
pub(crate) fn text(number: u32, minutes: i64, body: &str) -> WhatsappInbound {
    message(number, minutes, |message| message.body = body.into())
}

/// As [`text`], with the changed fields of your choice.
pub(crate) fn message(
    number: u32,
    minutes: i64,
    change: impl FnOnce(&mut WhatsappMessage),
) -> WhatsappInbound {
    let message_sid = format!("SM{number:032x}");
    let mut message = WhatsappMessage {
        from: "whatsapp:+34612345678".into(),
        to: "whatsapp:+14155238886".into(),
        sender_id: ANA.into(),
        phone: Some("+34612345678".into()),
        profile_name: "Ana".into(),
        body: String::new(),
        message_type: "text".into(),
        media: Vec::new(),
        location: None,
        button: None,
        replied_to_sid: None,
        opt_out_type: None,
        message_sid,
    };
    change(&mut message);
    let event_id = EventId::named(&format!("twilio:{}", message.message_sid));
    WhatsappInbound {
        meta: EventMeta {
            event_id,
            cause_id: event_id.into(),
            event_time: at(minutes),
            schema_version: 1,
        },
        body: WhatsappBody::Message(message),
    }
}

/// The conversation that message `number` of this sender opens.
pub(crate) fn conversation(sender: &str, number: u32) -> ConversationId {
    ConversationId::named(&format!("whatsapp:{sender}:SM{number:032x}"))
}
