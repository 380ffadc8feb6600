//! Two of us, wired to each other by mail.

use channels::compose::{self, AutoSubmitted, Mail, Subject};
use contract::{DeliveryId, EmailBody, EmailMessage, MailKind};
use emulators::gmail::{Account, Inbound, Settings};
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::OURS;
use crate::world::{World, client, quick};

const THEIRS: &str = "help@other.example";

/// What came in last.
fn newest(world: &World) -> EmailMessage {
    match world.events().pop().unwrap().body {
        EmailBody::Message(message) => message,
        other => panic!("{other:?}"),
    }
}

/// A reply as the dispatcher writes them.
fn reply(mail: &EmailMessage, from: &str) -> Vec<u8> {
    let written = compose::compose(&Mail {
        delivery_id: DeliveryId::from(Uuid::new_v4()),
        from_name: "Support",
        from,
        to: &mail.reply_to,
        reply_to: None,
        ticket_ref: None,
        shows_ref: true,
        subject: Subject::ReplyTo(&mail.subject),
        in_reply_to: mail.message_id.as_deref(),
        references: &mail.references,
        auto_submitted: AutoSubmitted::Replied,
        headers: &[],
        date: chassis::clock::now(),
        text: "Thank you for your question.",
    });
    written.unwrap()
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn two_of_us_wired_to_each_other_stop_at_the_first_reply(pool: PgPool) {
    let both = |settings: &mut Settings| {
        settings.mailboxes.push(Account::new(THEIRS, "1//refresh-theirs"));
    };
    let ours = World::unread(&pool, both, quick()).await;
    ours.read().await;
    let theirs = Settings {
        mailboxes: vec![Account::new(THEIRS, "1//refresh-theirs")],
        ..Settings::default()
    };
    let theirs = client(&ours.emulator, &theirs);
    // Somebody writes to them in our name: their reply comes to us.
    let inbound = Inbound {
        from: OURS.to_owned(),
        to: Some(THEIRS.to_owned()),
        subject: "Hello".to_owned(),
        text: "Hello?".to_owned(),
        ..Inbound::default()
    };
    let arrived = ours.emulator.inbound(&inbound).unwrap();
    let question = EmailMessage { reply_to: OURS.to_owned(), ..question(&arrived.message_id) };
    let draft = theirs.create_draft(&reply(&question, THEIRS), None).await.unwrap();
    theirs.send_draft(&draft.id).await.unwrap();

    ours.read().await;

    let answer = newest(&ours);
    assert_eq!(answer.from, THEIRS);
    assert_ne!(answer.kind, MailKind::Human, "only a human's mail is answered");
}

/// Their view of the mail that they answer.
fn question(message_id: &Option<String>) -> EmailMessage {
    EmailMessage {
        mailbox: THEIRS.to_owned(),
        gmail_id: "1".to_owned(),
        thread_id: "1".to_owned(),
        message_id: message_id.as_ref().map(|id| id.trim_matches(['<', '>']).to_owned()),
        in_reply_to: Vec::new(),
        references: Vec::new(),
        from: OURS.to_owned(),
        from_name: String::new(),
        reply_to: OURS.to_owned(),
        to: vec![THEIRS.to_owned()],
        cc: Vec::new(),
        subject: "Hello".to_owned(),
        text: "Hello?".to_owned(),
        original_text: None,
        attachments: Vec::new(),
        kind: MailKind::Human,
        authentication: contract::Authentication::Pass,
    }
}
