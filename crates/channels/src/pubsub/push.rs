//! The body of a push, from its bytes to the notification that Gmail put into it.

use chrono::{DateTime, Utc};
use contract::{EmailBody, EmailInbound, EventMeta, MailboxNotification};
use serde_json::Value;

use crate::gmail::base64url;
use crate::verified::Verified;

/// Google's are sixteen digits.
const MOST_ID_CHARS: usize = 128;

/// Why an authenticated push is no notification of our mailbox. No variant holds
/// anything of the push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    #[error("the body is not JSON")]
    Body,
    #[error("{0} is missing or not of its type")]
    Field(&'static str),
    #[error("the data is not Base64")]
    Encoding,
    #[error("the data is not JSON")]
    Data,
    #[error("the notification is about another mailbox")]
    Mailbox,
    #[error("the push is another subscription's")]
    Subscription,
}

/// What a push must be about.
#[derive(Debug, Clone, Copy)]
pub struct Ours<'a> {
    /// Our address, in lower case.
    pub mailbox: &'a str,
    /// The subscription's full name, where only one may push.
    pub subscription: Option<&'a str>,
}

/// The event of a push about this mailbox.
pub fn notification(
    body: &Verified<impl AsRef<[u8]>>,
    ours: Ours<'_>,
    now: DateTime<Utc>,
) -> Result<EmailInbound, Undecodable> {
    let Ours { mailbox, subscription } = ours;
    let body: Value = serde_json::from_slice(body.as_ref()).map_err(|_| Undecodable::Body)?;
    let message = body.get("message").ok_or(Undecodable::Field("message"))?;
    let id = pubsub_id(message).ok_or(Undecodable::Field("message.messageId"))?;
    let from = body.get("subscription").and_then(Value::as_str);
    if subscription.is_some_and(|ours| from != Some(ours)) {
        return Err(Undecodable::Subscription);
    }
    let data = message.get("data").and_then(Value::as_str);
    let data = data.ok_or(Undecodable::Field("message.data"))?;
    let data = base64url::decode(data).ok_or(Undecodable::Encoding)?;
    let data: Value = serde_json::from_slice(&data).map_err(|_| Undecodable::Data)?;
    let address = data.get("emailAddress").and_then(Value::as_str);
    let address = address.ok_or(Undecodable::Field("emailAddress"))?;
    if !address.trim().eq_ignore_ascii_case(mailbox) {
        return Err(Undecodable::Mailbox);
    }
    let history_id = data.get("historyId").and_then(u64_of);
    Ok(EmailInbound {
        meta: EventMeta::named(&format!("gmail:{mailbox}:push:{id}"), now),
        body: EmailBody::Notification(MailboxNotification {
            mailbox: mailbox.to_owned(),
            history_id: history_id.ok_or(Undecodable::Field("historyId"))?,
            pubsub_message_id: id.to_owned(),
            published_at: published_at(message),
        }),
    })
}

/// The id of the push in a body that may be anything; what a dead letter is named by.
pub fn id_of(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body.get("message").and_then(pubsub_id).map(str::to_owned)
}

fn pubsub_id(message: &Value) -> Option<&str> {
    let id = text(message, ["messageId", "message_id"])?;
    let is_plain = id.bytes().all(|byte| byte.is_ascii_graphic());
    (is_plain && !id.is_empty() && id.len() <= MOST_ID_CHARS).then_some(id)
}

fn published_at(message: &Value) -> Option<DateTime<Utc>> {
    let text = text(message, ["publishTime", "publish_time"])?;
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
}

/// Pub/Sub writes both spellings, and may drop one.
fn text<'a>(message: &'a Value, spellings: [&str; 2]) -> Option<&'a str> {
    spellings.into_iter().find_map(|name| message.get(name)?.as_str())
}

/// Gmail writes uint64 now as a string, now as a number.
fn u64_of(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests;
