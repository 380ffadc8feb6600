//! The mail that tells a person of a hand-off. Plain text: what a customer wrote as HTML
//! goes to nobody.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use contract::{DeliveryId, TicketRef};

pub use crate::compose::Unwritable;
use crate::compose::{self, AutoSubmitted, Mail, Subject};
use crate::handoff::escalation::{Escalation, desk};

/// The header that tells such mails from others.
pub const ESCALATION_HEADER: &str = "X-Support-Escalation-Id";

/// A hand-off on its way to the person's mailbox.
#[derive(Debug, Clone, Copy)]
pub struct StaffMail<'a> {
    /// Of the hand-off: by it the mail is found again.
    pub delivery_id: DeliveryId,
    /// Our name, and the mailbox that the answer goes to.
    pub from_name: &'a str,
    pub from: &'a str,
    /// Where people find conversations, without a trailing slash.
    pub origin: &'a str,
    pub date: DateTime<Utc>,
    pub escalation: &'a Escalation,
}

/// Writes the mail as its bytes on the wire.
pub fn compose(mail: &StaffMail<'_>) -> Result<Vec<u8>, Unwritable> {
    let hand_off = &mail.escalation.hand_off;
    let to = hand_off.person_email.as_deref().ok_or(Unwritable::Address)?;
    let ticket_ref: Option<TicketRef> = mail.escalation.ticket_ref.parse().ok();
    let subject = format!("[{}] {}", desk(hand_off.category), hand_off.reason);
    let id = hand_off.hand_off_id.to_string();
    compose::compose(&Mail {
        delivery_id: mail.delivery_id,
        from_name: mail.from_name,
        from: mail.from,
        to,
        reply_to: Some(mail.from),
        ticket_ref: ticket_ref.as_ref(),
        shows_ref: true,
        subject: Subject::New(&subject),
        in_reply_to: None,
        references: &[],
        auto_submitted: AutoSubmitted::Generated,
        headers: &[(ESCALATION_HEADER, &id)],
        date: mail.date,
        text: &text(mail),
    })
}

/// The line with which every notice opens.
const OPENING: &str = "a conversation waits for you.";

/// Whether a text repeats a notice: it is for staff only, and quotes of it are not always
/// told from new words.
pub fn is_quoted_in(text: &str) -> bool {
    let words = text.split(|sign: char| sign.is_whitespace() || sign == '>');
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ").to_lowercase().contains(OPENING)
}

fn text(mail: &StaffMail<'_>) -> String {
    let Escalation { hand_off, ticket_ref, conversation_id, channel, .. } = mail.escalation;
    let excerpt = mail.escalation.excerpt().unwrap_or_default();
    let quoted: Vec<String> = excerpt.lines().map(|line| format!("> {line}")).collect();
    let due = mail.escalation.respond_by.format("%Y-%m-%d %H:%M UTC");
    let mut text = format!("{},\n\n{OPENING}\n\n", hand_off.person);
    for (name, value) in [
        ("Ticket", ticket_ref.as_str()),
        ("Customer", &hand_off.customer_name),
        ("Channel", channel.as_str()),
        ("Priority", hand_off.priority.as_str()),
        ("Answer due", &due.to_string()),
        ("Reason", &hand_off.reason),
        ("Summary", &hand_off.summary),
        ("Tried", &hand_off.tried),
        ("Next step", &hand_off.suggested_next_step),
    ] {
        if !value.trim().is_empty() {
            // Writing to a string does not fail.
            writeln!(text, "{name}: {value}").unwrap_or_default();
        }
    }
    let origin = mail.origin;
    write!(
        text,
        "\nThe newest message:\n{}\n\n\
         Take it with `fte inbox take {ticket_ref}`, or at\n{origin}/conversations/{conversation_id}\n\n\
         An answer to this mail goes to the customer when it comes from one of the team's \
         listed addresses.\n",
        quoted.join("\n")
    )
    .unwrap_or_default();
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handoff::escalation::tests::escalation;

    #[test]
    fn a_notice_is_known_again_however_it_is_quoted() {
        assert!(is_quoted_in("👍\n> Lisa Tanaka,\n>\n> A conversation waits\n>> for you.\n"));
        assert!(!is_quoted_in("The conversation waits for you to answer."));
    }

    fn written(escalation: &Escalation) -> Result<String, Unwritable> {
        let raw = compose(&StaffMail {
            delivery_id: DeliveryId::named("delivery"),
            from_name: "Support",
            from: "support@example.com",
            origin: "https://support.example.com",
            date: escalation.at,
            escalation,
        });
        raw.map(|raw| String::from_utf8(raw).unwrap())
    }

    #[test]
    fn a_person_is_told_by_a_mail_that_no_program_answers() {
        let escalation = escalation("asks for a refund");
        let mail = written(&escalation).unwrap();

        assert!(mail.contains("Subject: [TF-20260105-7K3Q] [general] asks for a refund\r\n"));
        assert!(mail.contains("Auto-Submitted: auto-generated\r\n"));
        let id = escalation.hand_off.hand_off_id;
        assert!(mail.contains(&format!("X-Support-Escalation-Id: {id}\r\n")));
        assert!(mail.contains("Reply-To: <support@example.com>\r\n"), "{mail}");
        assert!(mail.contains("To: <lisa@example.com>\r\n"));
        assert!(mail.contains("> asks for a refund"));
        assert!(!mail.contains("text/html"));
    }

    #[test]
    fn a_queue_without_an_address_gets_no_mail() {
        let mut escalation = escalation("x");
        escalation.hand_off.person_email = None;

        assert_eq!(written(&escalation), Err(Unwritable::Address));
    }

    #[test]
    fn nothing_that_a_customer_wrote_becomes_a_header() {
        let mail = written(&escalation("x\r\nBcc: all@example.org\r\n\r\nHello")).unwrap();
        let (head, _) = mail.split_once("\r\n\r\n").unwrap();

        assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
    }
}
