//! Reading a mail: what its sender wrote anew, who or what wrote it, and what it is about.
//!
//! Pure code over the raw bytes as the mailbox holds them; nothing is ever fetched.

mod authentication;
mod body;
mod bounce;
mod clean;
mod decode;
mod encoded;
mod headers;
mod html;
mod kind;
mod lines;
mod lists;
mod new_text;
mod parts;
mod sender;
mod speech;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use contract::{Authentication, BounceAction, DeliveryId, EmailAttachment, EmailMessage, MailKind};

use headers::{Headers, Mailbox};
use parts::Parts;
use speech::Speech;

/// The largest mail that a mailbox holds (Gmail's own limit, with its encoding).
pub const MAX_BYTES: usize = 35 << 20;

/// The largest header block; five thousand recipients fit.
pub const MAX_HEADER_BYTES: usize = 256 << 10;

/// Decoded text that is looked at; the rest stays in the mailbox.
const MAX_TEXT_BYTES: usize = 1 << 20;

/// What an event carries, so that it stays under 256 KiB.
const TEXT_BYTES: usize = 80 << 10;
const ORIGINAL_BYTES: usize = 64 << 10;
const RECIPIENT_BYTES: usize = 20 << 10;
const ID_BYTES: usize = 16 << 10;
const ATTACHMENTS: usize = 100;
const LINE_CHARS: usize = 998;

/// Whose mail comes back to whom: the addresses and domains that are ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ourselves {
    /// The mailbox and its aliases in lower case; each counts with a `+tag` as well.
    pub addresses: BTreeSet<String>,
    /// Right of the `@` in the Message-IDs that we write, in lower case.
    pub message_id_domains: BTreeSet<String>,
}

/// A mail as the pipeline knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Mail {
    /// Without angle brackets, as every id here.
    pub message_id: Option<String>,
    pub in_reply_to: Vec<String>,
    pub references: Vec<String>,
    /// Whose mail it is, in lower case; empty only in a bounce.
    pub from: String,
    pub from_name: String,
    /// Where an answer goes. On another domain than `from` it is only that: the identity
    /// stays `from`.
    pub reply_to: String,
    pub to: Vec<String>,
    pub cc: Vec<String>,
    pub subject: String,
    /// What was written anew.
    pub text: String,
    /// All of it, where that says more than `text`.
    pub original_text: Option<String>,
    pub attachments: Vec<EmailAttachment>,
    pub kind: MailKind,
    /// Which rule made the kind, for logs.
    pub why: &'static str,
    pub authentication: Authentication,
    /// Where `kind` is a bounce.
    pub bounce: Option<BounceReport>,
}

impl Mail {
    /// The mail as the log gets it, with Gmail's ids of where it lies.
    pub fn message_in(self, mailbox: &str, gmail_id: &str, thread_id: &str) -> EmailMessage {
        EmailMessage {
            mailbox: mailbox.to_owned(),
            gmail_id: gmail_id.to_owned(),
            thread_id: thread_id.to_owned(),
            message_id: self.message_id,
            in_reply_to: self.in_reply_to,
            references: self.references,
            from: self.from,
            from_name: self.from_name,
            reply_to: self.reply_to,
            to: self.to,
            cc: self.cc,
            subject: self.subject,
            text: self.text,
            original_text: self.original_text,
            attachments: self.attachments,
            kind: self.kind,
            authentication: self.authentication,
        }
    }
}

/// What a mail server says became of a mail of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BounceReport {
    /// From the headers of our mail that the report returns.
    pub delivery_id: Option<DeliveryId>,
    pub original_message_id: Option<String>,
    /// In lower case; empty where the report does not say.
    pub recipient: String,
    pub action: BounceAction,
    /// As in RFC 3463, such as `5.1.1`; else empty.
    pub status: String,
    /// At most 500 characters.
    pub diagnostic: String,
}

/// A file of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Never a path.
    pub name: String,
    pub content_type: String,
    pub bytes: Vec<u8>,
}

/// Why a mail cannot be read; the same whenever it is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("the mail is larger than 35 MiB")]
    TooLarge,
    #[error("the headers are larger than 256 KiB")]
    HeadersTooLarge,
    #[error("the mail has no headers")]
    NoHeaders,
    #[error("the mail says nowhere who sent it")]
    NoSender,
    /// A fault of the library that reads values.
    #[error("the mail broke its reader")]
    Broken,
}

/// Reads a raw mail.
pub fn read(raw: &[u8], ourselves: &Ourselves) -> Result<Mail, Unreadable> {
    guarded(|| {
        let parts = open(raw)?;
        mail(&parts, ourselves)
    })
}

/// The file that is this part of the mail, by [`EmailAttachment::part`]; `None` where
/// that is no file.
pub fn attachment(raw: &[u8], part: u32) -> Option<Attachment> {
    guarded(|| {
        let parts = open(raw)?;
        let index = usize::try_from(part).unwrap_or(usize::MAX);
        let found = parts.get(index).filter(|part| body::is_listed(part));
        Ok(found.map(|part| Attachment {
            name: part.file_name(index),
            content_type: part.mime.clone(),
            bytes: part.bytes(MAX_BYTES),
        }))
    })
    .ok()
    .flatten()
}

/// A library that panics at a strange mail must not stop the others' mail.
fn guarded<T>(work: impl FnOnce() -> Result<T, Unreadable>) -> Result<T, Unreadable> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Unreadable::Broken))
}

fn open(raw: &[u8]) -> Result<Parts<'_>, Unreadable> {
    if raw.len() > MAX_BYTES {
        return Err(Unreadable::TooLarge);
    }
    let block = raw.get(..=MAX_HEADER_BYTES).unwrap_or(raw);
    let (headers, start) = Headers::read(block);
    if start > MAX_HEADER_BYTES {
        return Err(Unreadable::HeadersTooLarge);
    }
    if headers.is_empty() {
        return Err(Unreadable::NoHeaders);
    }
    Ok(Parts::read(headers, raw.get(start..).unwrap_or_default()))
}

fn mail(parts: &Parts<'_>, ourselves: &Ourselves) -> Result<Mail, Unreadable> {
    let Some(root) = parts.get(0) else { return Err(Unreadable::NoHeaders) };
    let headers = &root.headers;
    let sender = sender::of(headers, ourselves);
    let subject: String =
        headers.text("subject").unwrap_or_default().chars().take(LINE_CHARS).collect();
    let whole = body::lines(parts);
    let (text, whole) = (lines::shown(&new_text::new_text(&whole)), lines::shown(&whole));
    let (kind, why) = kind::of(&kind::Case {
        parts,
        headers,
        sender: sender.as_ref(),
        ourselves,
        subject: &subject,
        text: &text,
        new: Speech::of(&text),
        whole: Speech::of(&whole),
    });
    let is_bounce = kind == MailKind::Bounce;
    let bounce = is_bounce.then(|| bounce::read(parts, &whole, &subject, ourselves));
    let from = match sender {
        Some(sender) => sender.mailbox,
        None if kind == MailKind::Bounce => Mailbox::default(),
        None => return Err(Unreadable::NoSender),
    };
    Ok(Mail {
        message_id: headers.ids("message-id").into_iter().next(),
        in_reply_to: within(headers.ids("in-reply-to"), ID_BYTES),
        references: latest(headers.ids("references")),
        reply_to: sender::reply_to(headers, &from.address, ourselves),
        to: recipients(headers, "to"),
        cc: recipients(headers, "cc"),
        subject,
        original_text: (whole != text).then(|| contract::cut(whole, ORIGINAL_BYTES)),
        text: contract::cut(text, TEXT_BYTES),
        attachments: body::attachments(parts),
        kind,
        why,
        authentication: authentication::verdict(headers, Some(&from.address)),
        bounce,
        from_name: from.name.chars().take(200).collect(),
        from: from.address,
    })
}

fn recipients(headers: &Headers, name: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let all = headers.mailboxes(name).into_iter().map(|mailbox| mailbox.address);
    within(all.filter(|address| seen.insert(address.clone())).collect(), RECIPIENT_BYTES)
}

/// The newest ids stand last; they are what a conversation is found by.
fn latest(mut ids: Vec<String>) -> Vec<String> {
    ids.reverse();
    let mut kept = within(ids, ID_BYTES);
    kept.reverse();
    kept
}

fn within(list: Vec<String>, bytes: usize) -> Vec<String> {
    let mut left = bytes;
    let fits = |item: &String| {
        left = left.saturating_sub(item.len() + 4);
        left > 0
    };
    list.into_iter().take_while(fits).collect()
}

impl Ourselves {
    /// Whether this address is one of ours, with or without a tag.
    pub fn is(&self, address: &str) -> bool {
        let address = address.to_lowercase();
        let Some((local, domain)) = address.rsplit_once('@') else { return false };
        let base = local.split_once('+').map_or(local, |(base, _)| base);
        self.addresses.contains(&address) || self.addresses.contains(&format!("{base}@{domain}"))
    }

    /// Whether we wrote the mail with this Message-ID.
    pub fn wrote(&self, message_id: &str) -> bool {
        let domain = message_id.rsplit_once('@').map(|(_, domain)| domain.to_lowercase());
        domain.is_some_and(|domain| self.message_id_domains.contains(&domain))
    }
}
