//! A mail as the mailbox holds it, as the event that the log gets.

use std::collections::BTreeSet;

use channels::email::{self, BounceReport, Ourselves};
use channels::gmail::RawMessage;
use contract::{EmailBody, EmailBounce, EmailInbound, EventMeta, MailKind};
use store::channel_configs::ChannelConfig;

/// What everything that is read from a mail is named by: a repeat has the same id.
pub(crate) fn name(mailbox: &str, gmail_id: &str) -> String {
    format!("gmail:{mailbox}:{gmail_id}")
}

/// Reads a mail; an error says what failed, and nothing of the mail.
pub(crate) fn of(
    raw: &RawMessage,
    mailbox: &str,
    config: &ChannelConfig,
) -> Result<EmailInbound, String> {
    let mail = email::read(&raw.raw, &ourselves(mailbox, config));
    let mail = mail.map_err(|error| error.to_string())?;
    let body = match mail.bounce {
        Some(report) if mail.kind == MailKind::Bounce => {
            EmailBody::Bounce(bounce(report, raw, mailbox))
        }
        _ => EmailBody::Message(mail.message_in(mailbox, &raw.id, &raw.thread_id)),
    };
    // Gmail's own time; the Date of a mail is what its sender says.
    Ok(EmailInbound { meta: EventMeta::named(&name(mailbox, &raw.id), raw.internal_date), body })
}

/// Our own mail is known by its header and its sender. Not by the domain of its
/// Message-ID: our colleagues' programs write that one too.
fn ourselves(mailbox: &str, config: &ChannelConfig) -> Ourselves {
    let aliases = config.settings.aliases.iter().cloned();
    Ourselves {
        addresses: aliases.chain([mailbox.to_owned()]).collect(),
        message_id_domains: BTreeSet::new(),
    }
}

fn bounce(report: BounceReport, raw: &RawMessage, mailbox: &str) -> EmailBounce {
    EmailBounce {
        mailbox: mailbox.to_owned(),
        gmail_id: raw.id.clone(),
        delivery_id: report.delivery_id,
        original_message_id: report.original_message_id,
        recipient: report.recipient,
        action: report.action,
        status: report.status,
        diagnostic: report.diagnostic,
    }
}
