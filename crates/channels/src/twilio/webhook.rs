//! From what Twilio has signed to the events of WhatsApp.
//!
//! Everything a customer can choose is bounded and harmless to store here; nothing is
//! fetched. What cannot become an event says why, without quoting it.

use chrono::{DateTime, Utc};
use contract::{
    DeliveryId, EventMeta, WhatsappBody, WhatsappButton, WhatsappInbound, WhatsappLocation,
    WhatsappMedia, WhatsappMessage, WhatsappStatus,
};
use uuid::Uuid;

use super::client::ListedMessage;
use super::form::Form;
use super::signature::Verified;
use text::{BODY_BYTES, LINE_CHARS, PAYLOAD_BYTES, WORD_CHARS};

mod text;

/// WhatsApp sends one file with a message; other channels of Twilio up to ten.
const MOST_MEDIA: usize = 10;

/// Twilio's own are about 150 bytes.
const MEDIA_URL_BYTES: usize = 1024;

/// Where Twilio keeps the files of messages, below its API.
const MEDIA_PATH: &str = "/2010-04-01/Accounts/";

/// Who we are at Twilio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ours {
    pub account_sid: String,
    /// Our WhatsApp address.
    pub address: String,
    /// Twilio's API, without a trailing slash: files are fetched from there or not at all.
    pub api_base_url: String,
}

/// Why a signed request is no event of ours. It names fields, never values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("MessageSid is missing or no message's")]
    MessageSid,
    #[error("AccountSid is not our account")]
    AccountSid,
    #[error("To is not our WhatsApp address")]
    To,
    #[error("From is no WhatsApp address")]
    From,
    #[error("MessageStatus is missing")]
    MessageStatus,
}

/// The event of an incoming message. Twilio's call of the fallback URL is the same
/// message with `ErrorCode` and `ErrorUrl` beside it, so it gives the same event.
pub fn message(
    form: &Verified<Form>,
    ours: &Ours,
    received_at: DateTime<Utc>,
) -> Result<WhatsappInbound, Unreadable> {
    read(form, ours, received_at)
}

/// The event that the webhook of a message would have been, from Twilio's own list: the
/// same id, and the fields that a list has.
pub fn listed(listed: &ListedMessage, ours: &Ours) -> Result<WhatsappInbound, Unreadable> {
    let mut fields = vec![
        ("AccountSid".to_owned(), listed.account_sid.clone()),
        ("MessageSid".to_owned(), listed.sid.clone()),
        ("From".to_owned(), listed.from.clone()),
        ("To".to_owned(), listed.to.clone()),
        ("Body".to_owned(), listed.body.clone()),
    ];
    fields.extend(listed.sender_id.iter().map(|id| ("ExternalUserId".to_owned(), id.clone())));
    for (n, file) in listed.media.iter().enumerate() {
        fields.push((format!("MediaUrl{n}"), file.url.clone()));
        fields.push((format!("MediaContentType{n}"), file.content_type.clone()));
    }
    read(&Form::of(fields), ours, listed.at)
}

fn read(
    form: &Form,
    ours: &Ours,
    received_at: DateTime<Utc>,
) -> Result<WhatsappInbound, Unreadable> {
    let message_sid = checked_sid(form, ours)?;
    if form.get("To") != Some(&ours.address) {
        return Err(Unreadable::To);
    }
    let from = form.get("From").filter(|from| is_sender(from)).ok_or(Unreadable::From)?;
    let sender_id = form.get("ExternalUserId").filter(|id| is_sender(id)).unwrap_or(from);
    let message = WhatsappMessage {
        from: from.to_owned(),
        to: ours.address.clone(),
        sender_id: sender_id.to_owned(),
        phone: phone(from).map(str::to_owned),
        profile_name: text::line(form.get("ProfileName").unwrap_or_default(), LINE_CHARS),
        body: text::body(form.get("Body").unwrap_or_default(), BODY_BYTES),
        message_type: text::line(form.get("MessageType").unwrap_or_default(), WORD_CHARS),
        media: media(form, ours),
        location: location(form),
        button: button(form),
        replied_to_sid: form
            .get("OriginalRepliedMessageSid")
            .filter(|sid| is_message_sid(sid))
            .map(str::to_owned),
        opt_out_type: opt_out(form),
        message_sid: message_sid.to_owned(),
    };
    let name = format!("twilio:{message_sid}");
    Ok(WhatsappInbound {
        meta: EventMeta::named(&name, received_at),
        body: WhatsappBody::Message(message),
    })
}

/// The event of a status callback. `d` in the callback's URL is our delivery.
pub fn status(
    form: &Verified<Form>,
    ours: &Ours,
    received_at: DateTime<Utc>,
) -> Result<WhatsappInbound, Unreadable> {
    let message_sid = checked_sid(form, ours)?;
    let status = text::line(form.get("MessageStatus").unwrap_or_default(), WORD_CHARS);
    if status.is_empty() {
        return Err(Unreadable::MessageStatus);
    }
    let status = status.to_ascii_lowercase();
    let code = form.get("ErrorCode").and_then(|code| code.parse().ok()).unwrap_or(0_u32);
    let delivery = form.url_parameter("d").and_then(|id| id.parse::<Uuid>().ok());
    let name = format!("twilio:{message_sid}:{status}:{code}");
    Ok(WhatsappInbound {
        meta: EventMeta::named(&name, received_at),
        body: WhatsappBody::Status(WhatsappStatus {
            message_sid: message_sid.to_owned(),
            delivery_id: delivery.map(DeliveryId::from),
            status,
            error_code: Some(code).filter(|code| *code != 0),
        }),
    })
}

/// The MessageSid of a form that speaks of our account. Parameters are signed without
/// separators, so formats are checked: a text cut elsewhere could be signed as well.
fn checked_sid<'a>(form: &'a Form, ours: &Ours) -> Result<&'a str, Unreadable> {
    if form.get("AccountSid") != Some(&ours.account_sid) {
        return Err(Unreadable::AccountSid);
    }
    form.get("MessageSid").filter(|sid| is_message_sid(sid)).ok_or(Unreadable::MessageSid)
}

fn is_message_sid(text: &str) -> bool {
    let digits = text.strip_prefix("SM").or_else(|| text.strip_prefix("MM")).unwrap_or_default();
    digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `whatsapp:+14155550123`, or the business-scoped id of somebody who shows no number:
/// `whatsapp:US.1A2B`, `whatsapp:US.ENT.1A2B`.
fn is_sender(address: &str) -> bool {
    phone(address).is_some() || is_user_id(address)
}

fn phone(address: &str) -> Option<&str> {
    let number = address.strip_prefix("whatsapp:")?;
    let digits = number.strip_prefix('+')?;
    let is_number = (7..=15).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0');
    is_number.then_some(number)
}

fn is_user_id(address: &str) -> bool {
    let parts = address.strip_prefix("whatsapp:").and_then(|id| id.split_once('.'));
    let Some((country, id)) = parts else { return false };
    let id = id.strip_prefix("ENT.").unwrap_or(id);
    country.len() == 2
        && country.bytes().all(|byte| byte.is_ascii_uppercase())
        && (1..=128).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The files that are there, whatever `NumMedia` says. One that does not lie at Twilio
/// keeps its kind and loses its URL: whoever fetches it would send our token there.
fn media(form: &Form, ours: &Ours) -> Vec<WhatsappMedia> {
    let files = (0..MOST_MEDIA).filter_map(|n| {
        let url = form.get(&format!("MediaUrl{n}"))?;
        let kind = form.get(&format!("MediaContentType{n}")).unwrap_or_default();
        let url = if is_fetchable(url, ours) { url.to_owned() } else { String::new() };
        Some(WhatsappMedia { url, content_type: text::line(kind, WORD_CHARS) })
    });
    files.collect()
}

/// Whether a URL is that of a file of Twilio's.
pub(super) fn is_fetchable(url: &str, ours: &Ours) -> bool {
    let path = url.strip_prefix(&ours.api_base_url);
    let path = path.and_then(|path| path.strip_prefix(MEDIA_PATH));
    // Letters, digits and slashes: no way up, no query, nothing that a client may
    // read as another host.
    let is_plain =
        |path: &str| path.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'/');
    url.len() <= MEDIA_URL_BYTES && path.is_some_and(|path| !path.is_empty() && is_plain(path))
}

fn location(form: &Form) -> Option<WhatsappLocation> {
    let degrees = |name: &str, most: f64| {
        let value: f64 = form.get(name)?.trim().parse().ok()?;
        (value.abs() <= most).then_some(value)
    };
    let words = |name: &str| text::line(form.get(name).unwrap_or_default(), LINE_CHARS);
    Some(WhatsappLocation {
        latitude: degrees("Latitude", 90.0)?,
        longitude: degrees("Longitude", 180.0)?,
        address: words("Address"),
        label: words("Label"),
    })
}

/// What was tapped: a button, or an entry of a list.
fn button(form: &Form) -> Option<WhatsappButton> {
    let first = |names: [&str; 2]| names.into_iter().find_map(|name| form.get(name));
    let shown = first(["ButtonText", "ListTitle"]);
    let payload = first(["ButtonPayload", "ListId"]);
    (shown.is_some() || payload.is_some()).then(|| WhatsappButton {
        text: text::line(shown.unwrap_or_default(), LINE_CHARS),
        payload: text::body(payload.unwrap_or_default(), PAYLOAD_BYTES),
    })
}

fn opt_out(form: &Form) -> Option<String> {
    let word = form.get("OptOutType")?.trim().to_ascii_uppercase();
    ["STOP", "START", "HELP"].contains(&word.as_str()).then_some(word)
}

#[cfg(test)]
mod tests;
