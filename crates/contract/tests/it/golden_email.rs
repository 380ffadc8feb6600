//! Bytes of the mailbox's messages as the first release wrote them.

use contract::{
    Authentication, BounceAction, DeliveryId, EmailAttachment, EmailBody, EmailBounce,
    EmailInbound, EmailMessage, Event, MailKind, MailboxNotification, UnreadableEmail,
};

use crate::golden::{check, meta};

fn email(body: EmailBody) -> EmailInbound {
    EmailInbound { meta: meta("email"), body }
}

fn message() -> EmailMessage {
    EmailMessage {
        mailbox: "support@taskflow.example".to_owned(),
        gmail_id: "18c1".to_owned(),
        thread_id: "18c0".to_owned(),
        message_id: Some("orig-1@example.org".to_owned()),
        in_reply_to: vec!["CA+1@mail.gmail.com".to_owned()],
        references: vec!["first@example.org".to_owned(), "CA+1@mail.gmail.com".to_owned()],
        from: "ana@example.org".to_owned(),
        from_name: "Ana \"Ñ\" Andrade".to_owned(),
        reply_to: "ana@example.com".to_owned(),
        to: vec!["support@taskflow.example".to_owned()],
        cc: vec!["bo@example.org".to_owned()],
        subject: "Re: Order 42".to_owned(),
        text: "It's broken 📦".to_owned(),
        original_text: Some("It's broken 📦\n\n> before".to_owned()),
        attachments: vec![EmailAttachment {
            name: "a.pdf".to_owned(),
            content_type: "application/pdf".to_owned(),
            size: 48_213,
            part: 2,
        }],
        kind: MailKind::Human,
        authentication: Authentication::Pass,
    }
}

#[test]
fn email_events() {
    check("email_message", &email(EmailBody::Message(message())));
    check(
        "email_notification",
        &email(EmailBody::Notification(MailboxNotification {
            mailbox: "support@taskflow.example".to_owned(),
            history_id: u64::MAX,
            pubsub_message_id: "2070443601311540".to_owned(),
            published_at: Some("2026-01-05T09:29:59.749Z".parse().unwrap()),
        })),
    );
    check(
        "email_bounce",
        &email(EmailBody::Bounce(EmailBounce {
            mailbox: "support@taskflow.example".to_owned(),
            gmail_id: "18c2".to_owned(),
            delivery_id: Some(DeliveryId::named("delivery")),
            original_message_id: Some("CA+2@mail.gmail.com".to_owned()),
            recipient: "ana@example.org".to_owned(),
            action: BounceAction::Failed,
            status: "5.1.1".to_owned(),
            diagnostic: "550 5.1.1 no such user".to_owned(),
        })),
    );
    check(
        "email_unreadable",
        &email(EmailBody::Unreadable(UnreadableEmail {
            mailbox: "support@taskflow.example".to_owned(),
            gmail_id: "18c3".to_owned(),
            error: "404 after five tries".to_owned(),
        })),
    );
}

#[test]
fn a_mails_key_is_its_sender_and_a_bounces_the_delivery_or_the_recipient() {
    let bounce = |delivery_id| {
        email(EmailBody::Bounce(EmailBounce {
            mailbox: "support@taskflow.example".to_owned(),
            gmail_id: "18c2".to_owned(),
            delivery_id,
            original_message_id: None,
            recipient: "ana@example.org".to_owned(),
            action: BounceAction::Delayed,
            status: String::new(),
            diagnostic: String::new(),
        }))
    };
    let delivery = DeliveryId::named("delivery");

    assert_eq!(email(EmailBody::Message(message())).key(), "ana@example.org");
    assert_eq!(bounce(Some(delivery)).key(), delivery.to_string());
    assert_eq!(bounce(None).key(), "ana@example.org");
}

#[test]
fn every_kind_of_mail_has_a_word_that_reads_back() {
    for word in
        "human loop bounce receipt auto_reply notice list no_reply calendar".split_whitespace()
    {
        assert_eq!(word.parse::<MailKind>().unwrap().as_str(), word);
        let mut mail = message();
        mail.kind = word.parse().unwrap();
        let event = email(EmailBody::Message(mail));
        assert_eq!(EmailInbound::decode(&event.encode()).unwrap(), event);
    }
    assert!("spam".parse::<MailKind>().is_err());
}
