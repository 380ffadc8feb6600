//! Writing a mail: the headers by which it threads, says that a program wrote it, and is
//! recognised again, around a plain text.

mod subject;

use chrono::{DateTime, Utc};
use contract::{DeliveryId, TicketRef};
use mail_builder::MessageBuilder;
use mail_builder::headers::raw::Raw;
use mail_builder::headers::text::Text;

pub use subject::base_subject;

/// The header by which a mail of ours is found again; a report returns it.
pub const DELIVERY_HEADER: &str = "X-Support-Delivery-Id";

/// The header with the ticket that a mail of ours belongs to.
pub const TICKET_HEADER: &str = "X-Support-Ticket";

/// Most ids in References: the first says where the thread began, the last ones what is
/// answered. Long enough for any thread, short enough for any server's header limit.
const MOST_REFERENCES: usize = 20;

/// Longest Message-ID that is repeated; a line holds 998 characters (RFC 5322, 2.1.1).
const LONGEST_ID: usize = 250;

/// Longest address (RFC 5321, 4.5.3.1.3).
const LONGEST_ADDRESS: usize = 254;

/// Longest display name; what is longer is no name.
const LONGEST_NAME: usize = 100;

/// A mail to be written.
#[derive(Debug, Clone, Copy)]
pub struct Mail<'a> {
    pub delivery_id: DeliveryId,
    /// Our name as the mail shows it, and our address.
    pub from_name: &'a str,
    pub from: &'a str,
    pub to: &'a str,
    /// Where answers go, when not to `from`.
    pub reply_to: Option<&'a str>,
    pub ticket_ref: Option<&'a TicketRef>,
    /// Whether the subject carries the ticket, by which a person finds it.
    pub shows_ref: bool,
    pub subject: Subject<'a>,
    /// The Message-ID of the mail that this one answers, without angle brackets.
    pub in_reply_to: Option<&'a str>,
    /// The References of the mail that this one answers, oldest first.
    pub references: &'a [String],
    /// Whether a program has written the text.
    pub auto_submitted: AutoSubmitted,
    /// Further headers by name.
    pub headers: &'a [(&'static str, &'a str)],
    pub date: DateTime<Utc>,
    pub text: &'a str,
}

/// What a mail is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// The same as the mail with this subject.
    ReplyTo(&'a str),
    /// A mail that answers none.
    New(&'a str),
}

/// What the header of RFC 3834 says, so that no other program answers us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutoSubmitted {
    /// A person has written it.
    No,
    Replied,
    Generated,
}

/// Why a mail cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    #[error("the address is not one that a mail can go to")]
    Address,
    #[error("the text is empty")]
    NoText,
}

/// Writes the mail as its bytes on the wire. Nothing in it can become a header of its
/// own or another recipient.
pub fn compose(mail: &Mail<'_>) -> Result<Vec<u8>, Unwritable> {
    let from = address(mail.from)?;
    let to = address(mail.to)?;
    let text = mail.text.replace("\r\n", "\n").replace(['\r', '\0'], "\n");
    if text.trim().is_empty() {
        return Err(Unwritable::NoText);
    }
    let (_, domain) = from.rsplit_once('@').ok_or(Unwritable::Address)?;
    let from_name: String = one_line(mail.from_name).chars().take(LONGEST_NAME).collect();
    let mut message = MessageBuilder::new()
        .from((from_name.as_str(), from))
        .to(to)
        .subject(subject::written(mail.subject, mail.ticket_ref.filter(|_| mail.shows_ref)))
        .message_id(format!("{}@{domain}", mail.delivery_id))
        .date(mail.date.timestamp())
        .header(DELIVERY_HEADER, Raw::new(mail.delivery_id.to_string()));
    if let Some(parent) = mail.in_reply_to.filter(|id| is_message_id(id)) {
        message = message.in_reply_to(parent).references(references(mail.references, parent));
    }
    if let Some(ticket_ref) = mail.ticket_ref {
        message = message.header(TICKET_HEADER, Raw::new(ticket_ref.as_str()));
    }
    if let Some(word) = mail.auto_submitted.word() {
        message = message
            .header("Auto-Submitted", Raw::new(word))
            .header("X-Auto-Response-Suppress", Raw::new("All"));
    }
    if let Some(reply_to) = mail.reply_to {
        message = message.reply_to(address(reply_to)?);
    }
    for (name, value) in mail.headers {
        message = message.header(*name, Text::new(one_line(value)));
    }
    let mut written = Vec::new();
    message.text_body(text).serialize(&mut written);
    Ok(written)
}

impl AutoSubmitted {
    fn word(self) -> Option<&'static str> {
        match self {
            AutoSubmitted::No => None,
            AutoSubmitted::Replied => Some("auto-replied"),
            AutoSubmitted::Generated => Some("auto-generated"),
        }
    }
}

/// The ids before the parent and the parent itself, each once, the middle left out when
/// they are too many.
fn references<'a>(before: &'a [String], parent: &'a str) -> Vec<&'a str> {
    let mut ids: Vec<&str> = Vec::new();
    for id in before.iter().map(String::as_str).filter(|id| is_message_id(id) && *id != parent) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids.push(parent);
    let surplus = ids.len().saturating_sub(MOST_REFERENCES);
    ids.drain(1..1 + surplus);
    ids
}

/// What can stand between angle brackets without becoming anything else.
fn is_message_id(id: &str) -> bool {
    (1..=LONGEST_ID).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>'))
}

/// One address that is nothing but an address.
fn address(text: &str) -> Result<&str, Unwritable> {
    let is_plain = |c: char| {
        !c.is_control()
            && !c.is_whitespace()
            && !matches!(c, '<' | '>' | '(' | ')' | '[' | ']' | ',' | ';' | ':' | '\\' | '"')
    };
    let has_parts = matches!(text.rsplit_once('@'), Some((local, domain))
        if !local.is_empty() && !domain.is_empty() && !local.contains('@'));
    let fits = text.len() <= LONGEST_ADDRESS && text.chars().all(is_plain);
    (has_parts && fits).then_some(text).ok_or(Unwritable::Address)
}

/// The text with its white space made single spaces and without control characters.
fn one_line(text: &str) -> String {
    let shown = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    shown.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
