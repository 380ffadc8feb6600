//! Telling people by mail, through the mailbox that customers' replies go through.

use std::sync::Arc;

use contract::OutgoingBody;
use dispatcher::{HandoffMail, Ways};
use emulators::gmail::{self as emulator, Fault, GmailEmulator};
use sqlx::PgPool;
use testkit::events;

use super::{Desk, NOW_DUE, run};
use crate::email::{gmail_client, ourselves};
use crate::ticket;

const BY_MAIL: Ways = Ways { webhook: false, mail: true };

/// A desk whose people are told by mail alone.
async fn post(pool: PgPool, numbers: std::ops::RangeInclusive<u32>) -> (Desk, GmailEmulator) {
    let mut desk = Desk::new(pool, numbers).await;
    desk.intake = desk.intake.telling(BY_MAIL);
    let settings = emulator::Settings { units_per_minute: None, ..Default::default() };
    (desk, GmailEmulator::start(settings).await.unwrap())
}

fn mails(desk: &Desk, gmail: &GmailEmulator) -> HandoffMail {
    let client = Arc::new(gmail_client(gmail));
    let origin = "https://support.example.com".to_owned();
    HandoffMail::new(desk.pool.clone(), client, ourselves(), origin)
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_person_is_told_by_mail_and_their_answer_will_be_known(pool: PgPool) {
    let (desk, gmail) = post(pool, 1..=1).await;

    desk.hand_over([events::hand_off(ticket(1))]).await;
    let mails = mails(&desk, &gmail);
    let met = (mails.step().await.unwrap(), mails.step().await.unwrap());

    assert_eq!(met, (1, 0));
    let sent = gmail.sent();
    assert_eq!((sent.len(), sent[0].recipients.clone()), (1, vec!["lisa@example.com".to_owned()]));
    assert_eq!(desk.notices().await, [("delivered".to_owned(), 1, "mail".to_owned())]);
    let known: String = sqlx::query_scalar(
        "select i.rfc822_id from mail_ids i join hand_off_notices n on n.rfc822_id = i.rfc822_id
             join deliveries d on d.id = n.delivery_id and d.conversation_id = i.conversation_id",
    )
    .fetch_one(&desk.pool)
    .await
    .unwrap();
    assert_eq!(known, sent[0].message_id.trim_matches(['<', '>']));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn whatever_goes_wrong_at_the_mailbox_each_person_is_told_once(pool: PgPool) {
    let faults = [
        Fault::TooMany { retry_after: None, retry_after_in_words: None },
        Fault::ServerErrorJson,
        Fault::ServerErrorAfterProcessing,
        Fault::Drop,
        Fault::ProcessThenDrop,
        Fault::BrokenReply,
    ];
    let (desk, gmail) = post(pool, 1..=6).await;
    gmail.script("drafts.send", faults.clone());
    gmail.script("drafts.create", [Fault::Drop, Fault::ProcessThenDrop]);
    desk.hand_over((1..=6).map(|number| events::hand_off(ticket(number)))).await;

    let mails = mails(&desk, &gmail);
    for _ in 0..12 {
        mails.step().await.unwrap();
        run(&desk.pool, NOW_DUE).await;
    }

    assert_eq!(gmail.sent().len(), 6);
    assert!(desk.notices().await.iter().all(|(state, ..)| state == "delivered"));
    let known = "select count(*) from mail_ids";
    let known: i64 = sqlx::query_scalar(known).fetch_one(&desk.pool).await.unwrap();
    assert_eq!(known, 6);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_queue_without_an_address_is_told_nothing(pool: PgPool) {
    let (desk, gmail) = post(pool, 1..=1).await;
    let mut event = events::hand_off(ticket(1));
    if let OutgoingBody::HandOff(hand_off) = &mut event.body {
        hand_off.person_email = None;
    }

    desk.hand_over([event]).await;
    let met = mails(&desk, &gmail).step().await.unwrap();

    assert_eq!((met, desk.notices().await), (0, vec![]));
}
