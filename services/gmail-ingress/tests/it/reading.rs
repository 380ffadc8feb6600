//! Reading the mailbox when all goes well: what is new, once, and nothing else.

use contract::{Authentication, EmailBody, MailKind};
use emulators::gmail::Inbound;
use gmail_ingress::Ended;
use sqlx::PgPool;

use crate::support::OURS;
use crate::world::{World, quick};

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_new_mailbox_is_read_from_now_on(pool: PgPool) {
    let world = World::unread(&pool, |_| (), quick()).await;
    world.mail("Written before we were there.");

    let first = world.read().await;

    assert_eq!(first, Ended::At(world.emulator.history_id(OURS).unwrap()));
    world.assert_published_once(&[]);
    let mail = world.mail("Written to us.");
    world.read().await;
    world.assert_published_once(&[mail.id]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_mail_is_in_the_log_with_its_time_at_gmail_and_the_cursor_behind_it(pool: PgPool) {
    let world = World::new(&pool).await;
    let mail = world.mail("How do I export my board?");

    let ended = world.read().await;

    assert_eq!(ended, Ended::At(world.emulator.history_id(OURS).unwrap()));
    let [event] = world.events().try_into().unwrap();
    let EmailBody::Message(message) = event.body else { panic!("{event:?}") };
    assert_eq!((message.gmail_id, message.thread_id), (mail.id, mail.thread_id));
    assert_eq!((message.mailbox.as_str(), message.from.as_str()), (OURS, "sam@example.org"));
    assert_eq!(message.text.trim(), "How do I export my board?");
    assert_eq!(message.subject, "Export");
    assert_eq!((message.kind, message.authentication), (MailKind::Human, Authentication::Pass));
    assert_eq!(world.publisher.records()[0].key, "sam@example.org");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn reading_again_without_news_asks_for_the_history_and_nothing_more(pool: PgPool) {
    let world = World::new(&pool).await;
    world.mail("One");
    world.read().await;
    let (history, mails) = (world.asked("history.list"), world.asked("messages.get"));

    world.read().await;

    assert_eq!(world.asked("history.list"), history + 1);
    assert_eq!(world.asked("messages.get"), mails);
    assert_eq!(world.events().len(), 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn an_old_notification_asks_gmail_nothing(pool: PgPool) {
    let world = World::new(&pool).await;
    world.mail("One");
    world.read().await;
    let (cursor, asked) = (world.cursor().await, world.emulator.requests().len());

    for old in [0, 1, cursor - 1, cursor] {
        assert_eq!(world.sync.run(Some(old)).await.unwrap(), Ended::At(cursor));
    }

    assert_eq!(world.emulator.requests().len(), asked);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn our_own_mail_and_a_deleted_one_are_passed_over(pool: PgPool) {
    let world = World::new(&pool).await;
    let gone = world.mail("Deleted by a colleague before we looked.");
    let kept = world.mail("Kept");
    assert!(world.emulator.delete(OURS, &gone.id));

    world.read().await;

    world.assert_published_once(&[kept.id]);
    assert_eq!(world.cursor().await, world.emulator.history_id(OURS).unwrap());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_mail_that_gmail_does_not_show_yet_is_looked_for_again(pool: PgPool) {
    use emulators::gmail::Fault::Refuse;
    let world = World::new(&pool).await;
    let mail = world.mail("Just arrived");
    let missing = || Refuse { status: 404, reason: "notFound".to_owned() };
    world.emulator.script("messages.get", [missing(), missing()]);

    world.read().await;

    world.assert_published_once(&[mail.id]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_long_mail_is_one_event_below_the_bound_of_the_log(pool: PgPool) {
    let world = World::new(&pool).await;
    let recipients: Vec<String> = (0..4000).map(|n| format!("person{n}@example.org")).collect();
    let references: Vec<String> = (0..1500).map(|n| format!("<mail-{n}@example.org>")).collect();
    let inbound = Inbound {
        from: "sam@example.org".to_owned(),
        subject: "é".repeat(5_000),
        text: "A long story, and a quoted one.\n> quoted\n".repeat(50_000),
        references,
        headers: vec![("Cc".to_owned(), recipients.join(",\r\n "))],
        ..Inbound::default()
    };
    let mail = world.emulator.inbound(&inbound).unwrap();

    world.read().await;

    world.assert_published_once(&[mail.id]);
    let bytes = world.publisher.records()[0].payload.len();
    assert!(bytes < 256 << 10, "{bytes}");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn seven_hundred_mails_are_read_over_pages(pool: PgPool) {
    let world = World::new(&pool).await;
    let ids = world.mails(700);
    let asked = world.asked("history.list");

    world.read().await;

    world.assert_published_once(&ids);
    assert!(world.asked("history.list") > asked + 1, "more than one page");
    assert_eq!(world.cursor().await, world.emulator.history_id(OURS).unwrap());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_bounce_goes_to_the_delivery_that_it_is_about(pool: PgPool) {
    let world = World::new(&pool).await;
    let report = "From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>\r\n\
        To: support@example.com\r\nSubject: Delivery Status Notification (Failure)\r\n\
        Message-ID: <bounce-1@mx.google.com>\r\nMIME-Version: 1.0\r\nReturn-Path: <>\r\n\
        Content-Type: multipart/report; boundary=\"b\"; report-type=delivery-status\r\n\r\n\
        --b\r\nContent-Type: text/plain\r\n\r\nAddress not found\r\n\
        --b\r\nContent-Type: message/delivery-status\r\n\r\n\
        Reporting-MTA: dns; googlemail.com\r\n\r\n\
        Final-Recipient: rfc822; Sam@Example.org\r\nAction: failed\r\nStatus: 5.1.1\r\n\
        Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n\
        --b\r\nContent-Type: message/rfc822\r\n\r\n\
        From: support@example.com\r\nMessage-ID: <reply-1@example.com>\r\n\
        X-Support-Delivery-Id: 0191d7a4-7c7b-7f3e-8b2e-4a3f1c2d5e6f\r\n\r\nHello\r\n--b--\r\n";
    let inbound = Inbound { raw: Some(report.to_owned()), ..Inbound::default() };
    let arrived = world.emulator.inbound(&inbound).unwrap();

    world.read().await;

    let [event] = world.events().try_into().unwrap();
    let EmailBody::Bounce(bounce) = event.body else { panic!("{event:?}") };
    assert_eq!((bounce.gmail_id, bounce.recipient), (arrived.id, "sam@example.org".to_owned()));
    assert_eq!(bounce.status, "5.1.1");
    let delivery = "0191d7a4-7c7b-7f3e-8b2e-4a3f1c2d5e6f";
    assert_eq!(bounce.delivery_id.unwrap().to_string(), delivery);
    assert_eq!(world.publisher.records()[0].key, delivery);
}
