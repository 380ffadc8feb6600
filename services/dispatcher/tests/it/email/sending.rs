//! What is sent, what waits, and what never goes.

use std::time::Duration;

use contract::{Author, Channel, Fact, MetricFact};
use dispatcher::{MailTuning, MailWorker, Wakers};
use emulators::gmail::Fault;
use sqlx::PgPool;
use store::channel_configs::{ChannelConfig, ChannelConfigs, ChannelSettings};
use store::people::{self, OperatorName};
use testkit::wait_for;
use tokio_util::sync::CancellationToken;

use super::{Post, US, delivery, ourselves, person_reply, reply};
use crate::{conversation, ticket};

const OWNER: &str = "select owner || ' ' || coalesce(person, '') from conversations";
const LAST_ERROR: &str = "select last_error from deliveries order by position limit 1";

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_reply_joins_its_thread_with_the_headers_that_a_reader_of_mail_expects(pool: PgPool) {
    let post = Post::new(pool, [1]).await;

    post.world.handle([reply(1, "answer", |_| {})]).await.unwrap();
    post.send_all().await;

    let sent = post.gmail.sent().remove(0);
    let thread = post.world.text("select mail_thread from conversations").await;
    assert_eq!(sent.thread_id, thread, "the same thread at Gmail");
    assert_eq!(sent.recipients, ["sam1@example.org"]);
    assert_eq!(sent.subject, format!("Re: [{}] Board 1", ticket(1)));
    assert_eq!(sent.text.trim_end(), "answer for 1");
    for line in [
        "From: \"TaskFlow Support\" <support@example.com>",
        "In-Reply-To: <orig-1@example.org>",
        "References: <first@example.org> <orig-1@example.org>",
        "Auto-Submitted: auto-replied",
        &format!("X-Support-Delivery-Id: {}", delivery(1, "answer")),
        &format!("X-Support-Ticket: {}", ticket(1)),
    ] {
        assert!(sent.raw.contains(&format!("\r\n{line}\r\n")), "{line}\n{}", sent.raw);
    }
    assert_eq!(post.world.states().await, ["accepted"]);
    assert_eq!(post.world.text("select provider_id from deliveries").await, sent.id);
    let facts = post.world.log.events::<MetricFact>();
    assert!(matches!(facts[0].fact, Fact::FirstReplyDelivered { .. }));
    assert_eq!(facts.len(), 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_sent_mail_is_known_by_the_id_that_gmail_gave_it(pool: PgPool) {
    let post = Post::new(pool, [1]).await;
    post.world.handle([reply(1, "answer", |_| {})]).await.unwrap();
    post.send_all().await;
    post.gmail.script("messages.get", [Fault::ServerErrorJson]);

    post.recovery.step().await.unwrap();
    let (failed, accepted) =
        (post.world.count("select count(*) from mail_ids").await, post.world.states().await);
    post.recovery.step().await.unwrap();
    post.recovery.step().await.unwrap();

    let wire = post.gmail.sent().remove(0).message_id;
    let wire = wire.trim_matches(['<', '>']);
    assert_eq!((failed, accepted), (0, vec!["accepted".to_owned()]), "what was sent stays sent");
    assert_ne!(wire, format!("{}@example.com", delivery(1, "answer")), "Gmail writes its own");
    assert_eq!(post.world.text("select rfc822_id from mail_ids").await, wire);
    assert_eq!(post.world.text("select address from mail_participants").await, "sam1@example.org");
    assert_eq!(post.gmail.requests_for("messages.get").len(), 2, "it is read back once");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn parts_and_replies_of_a_conversation_go_in_their_order(pool: PgPool) {
    let post = Post::new(pool, 1..=3).await;
    let parts = |number, name: &'static str| {
        reply(number, name, |reply| {
            reply.parts = vec![format!("{number} {name} a"), format!("{number} {name} b")];
        })
    };
    post.world.handle((1..=3).map(|number| parts(number, "x"))).await.unwrap();
    post.world.handle((1..=3).map(|number| parts(number, "y"))).await.unwrap();

    post.send_all().await;

    let sent = post.gmail.sent();
    for number in 1..=3 {
        let to = format!("sam{number}@example.org");
        let texts: Vec<_> = sent
            .iter()
            .filter(|mail| mail.recipients == [to.clone()])
            .map(|mail| mail.text.trim_end().to_owned())
            .collect();
        assert_eq!(texts, ["x a", "x b", "y a", "y b"].map(|text| format!("{number} {text}")));
    }
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn identical_texts_to_two_customers_are_two_mails(pool: PgPool) {
    let post = Post::new(pool, 1..=2).await;
    let same = |number| reply(number, "same", |reply| reply.parts = vec!["The same.".into()]);
    post.gmail.script("drafts.send", [Fault::ProcessThenDrop, Fault::ProcessThenDrop]);
    post.world.handle([same(1), same(2)]).await.unwrap();

    post.send_all().await;
    post.settle().await;

    assert_eq!(post.recipients(), ["sam1@example.org", "sam2@example.org"]);
    assert_eq!(post.world.states().await, ["accepted"; 2]);
    let own = "select count(distinct provider_id) from deliveries";
    assert_eq!(post.world.count(own).await, 2, "each found its own");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn too_many_requests_stop_everything_as_long_as_google_says(pool: PgPool) {
    let post = Post::new(pool, 1..=2).await;
    let wait = Fault::TooMany { retry_after: Some(50), retry_after_in_words: None };
    post.gmail.script("drafts.send", [wait]);
    post.world.handle([reply(1, "answer", |_| {})]).await.unwrap();
    post.send_all().await;
    post.world.handle([reply(2, "answer", |_| {})]).await.unwrap();

    post.send_all().await;

    let waits = "select count(*) from deliveries where state = 'pending'
        and next_attempt_at between now() + interval '40 s' and now() + interval '51 s'";
    assert_eq!(post.world.count(waits).await, 1);
    assert_eq!(post.world.states().await, ["pending"; 2], "the other is not even begun");
    post.settle().await;
    assert_eq!(post.recipients(), ["sam1@example.org", "sam2@example.org"]);
    let drafts = post.gmail.requests_for("drafts.create").len();
    assert_eq!(drafts, 2, "the draft that waited is the one that goes");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn too_many_requests_without_a_time_come_again_by_themselves(pool: PgPool) {
    let post = Post::new(pool, [1]).await;
    let limited = Fault::TooMany { retry_after: None, retry_after_in_words: None };
    let in_words = Fault::Refuse { status: 403, reason: "userRateLimitExceeded".into() };
    post.gmail.script("drafts.create", [limited.clone(), in_words]);
    post.gmail.script("drafts.send", [limited]);
    post.world.handle([reply(1, "answer", |_| {})]).await.unwrap();

    let shutdown = CancellationToken::new();
    let running = tokio::spawn(post.another_worker().run(shutdown.clone()));
    wait_for("the mail", async || post.world.states().await == ["accepted"]).await;
    shutdown.cancel();

    running.await.unwrap().unwrap();
    assert_eq!(post.recipients(), ["sam1@example.org"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_refused_mail_fails_in_plain_words_and_a_person_goes_on(pool: PgPool) {
    let post = Post::new(pool, [1]).await;
    let refused = Fault::Refuse { status: 400, reason: "invalidArgument".into() };
    post.gmail.script("drafts.send", [refused]);
    post.world.handle([reply(1, "answer", |_| {})]).await.unwrap();

    post.send_all().await;

    post.recovery.step().await.unwrap();
    assert!(post.gmail.drafts(US).is_empty(), "nobody sends it by mistake");
    assert_eq!(post.world.states().await, ["failed"]);
    assert!(post.world.text(LAST_ERROR).await.contains("invalidArgument"));
    assert_eq!(post.world.text(OWNER).await, "person Support Queue");
    let facts = post.world.log.events::<MetricFact>();
    assert!(matches!(&facts[0].fact, Fact::SendFailed { .. }));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn without_access_every_mail_waits_and_none_fails(pool: PgPool) {
    let post = Post::new(pool, 1..=3).await;
    post.gmail.set_revoked(US, true);
    post.world.handle((1..=3).map(|number| reply(number, "answer", |_| {}))).await.unwrap();

    post.send_all().await;
    let asked = post.gmail.requests().len();
    post.world.run("update deliveries set next_attempt_at = now()").await;
    post.send_all().await;
    let states = post.world.states().await;
    let asked_later = post.gmail.requests().len();
    post.gmail.set_revoked(US, false);
    post.settle().await;

    assert_eq!(states, ["pending"; 3]);
    assert_eq!(asked, asked_later, "nobody asks again and again");
    assert_eq!(post.world.states().await, ["accepted"; 3]);
    assert_eq!(post.recipients().len(), 3);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_token_that_ends_between_draft_and_send_is_renewed_and_the_mail_goes_once(pool: PgPool) {
    let post = Post::new(pool, [1]).await;
    post.gmail.script("drafts.create", [Fault::Refuse { status: 401, reason: "authError".into() }]);
    post.gmail.expire_tokens();
    post.gmail.script("drafts.send", [Fault::Refuse { status: 401, reason: "authError".into() }]);
    post.world.handle([reply(1, "answer", |_| {})]).await.unwrap();

    post.send_all().await;

    assert_eq!(post.world.states().await, ["accepted"]);
    assert_eq!(post.recipients(), ["sam1@example.org"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_thread_that_was_deleted_holds_up_no_reply(pool: PgPool) {
    let post = Post::new(pool, [1]).await;
    post.world.run("update conversations set mail_thread = 'ffffffffffff'").await;
    post.gmail.script("drafts.send", [Fault::ProcessThenDrop]);
    post.world.handle([reply(1, "answer", |_| {})]).await.unwrap();

    post.send_all().await;
    post.settle().await;

    assert_eq!(post.recipients(), ["sam1@example.org"]);
    assert_eq!(post.world.states().await, ["accepted"], "also found without the old thread");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_person_who_writes_is_no_program(pool: PgPool) {
    let post = Post::new(pool, [1]).await;
    post.world.handle([person_reply(1)]).await.unwrap();

    post.send_all().await;

    let sent = post.gmail.sent().remove(0);
    assert!(!sent.raw.contains("Auto-Submitted"), "{}", sent.raw);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_reply_answers_the_newest_mail_that_it_covers_and_no_vacation_notice(pool: PgPool) {
    let post = Post::new(pool, [1]).await;
    post.world.run(
        "insert into messages (id, conversation_id, seq, channel, provider_id, body, sent_at, outcome)
         select gen_random_uuid(), id, seq, 'email', 'g' || seq, 'x', app_now(),
             case when seq = 3 then 'no_answer' end
         from conversations, generate_series(2, 4) seq;
         insert into mails (message_id, rfc822_id, subject)
         select id, 'mail-' || seq || '@example.org', 'Re: Board 1' from messages where seq > 1;
         update conversations set last_seq = 4",
    )
    .await;
    let covers = |name, seq| reply(1, name, |reply| reply.last_seq = seq);
    post.world.handle([covers("a", 3), covers("b", 4)]).await.unwrap();

    post.send_all().await;

    let sent = post.gmail.sent();
    assert!(sent[0].raw.contains("\r\nIn-Reply-To: <mail-2@example.org>\r\n"), "{}", sent[0].raw);
    assert!(sent[1].raw.contains("\r\nIn-Reply-To: <mail-4@example.org>\r\n"), "{}", sent[1].raw);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_reply_goes_to_whom_it_answers_whoever_has_written_since(pool: PgPool) {
    let post = Post::new(pool, [1]).await;
    post.world
        .run(
            "update mails set reply_to = 'sam1@example.org';
         update conversations set address = 'bob@example.org'",
        )
        .await;
    post.world.handle([reply(1, "answer", |_| {})]).await.unwrap();

    post.send_all().await;

    assert_eq!(post.recipients(), ["sam1@example.org"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn who_has_told_us_to_stop_is_mailed_nothing(pool: PgPool) {
    let post = Post::new(pool, [1]).await;
    post.world
        .run("insert into opt_outs (channel, address) values ('email', 'sam1@example.org')")
        .await;
    post.world.handle([reply(1, "answer", |_| {})]).await.unwrap();

    post.send_all().await;

    assert!(post.gmail.sent().is_empty());
    assert_eq!(post.world.states().await, ["cancelled"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn after_a_takeover_only_the_persons_mail_goes(pool: PgPool) {
    let post = Post::new(pool, [1]).await;
    let mut conn = post.world.pool.acquire().await.unwrap();
    people::take(&mut conn, conversation(1), OperatorName("lisa")).await.unwrap();
    post.world.handle([reply(1, "answer", |_| {}), person_reply(1)]).await.unwrap();

    post.send_all().await;

    assert_eq!(post.world.states().await, ["cancelled", "accepted"]);
    assert_eq!(post.gmail.sent().remove(0).text.trim_end(), "person's for 1");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_channel_that_is_switched_off_sends_nothing(pool: PgPool) {
    let post = Post::new(pool, [1]).await;
    post.world.handle([reply(1, "answer", |_| {})]).await.unwrap();
    let (pool, outbox) = (post.world.pool.clone(), post.world.outbox.clone());
    let client = std::sync::Arc::clone(&post.client);
    let off = ChannelConfigs::fixed([]);
    let tuning = MailTuning::default();
    let worker = MailWorker::new(pool, outbox, Wakers::default(), client, ourselves(), off, tuning);

    let met = worker.step().await.unwrap();

    assert_eq!((met, post.world.states().await), (0, vec!["pending".to_owned()]));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_rate_that_people_have_set_is_obeyed(pool: PgPool) {
    let tuning = MailTuning { lease: Duration::from_secs(1), ..MailTuning::default() };
    let post = Post::new(pool, 1..=3).await;
    post.world.handle((1..=3).map(|number| reply(number, "answer", |_| {}))).await.unwrap();
    let settings = ChannelSettings { sends_per_second: Some(1), ..ChannelSettings::default() };
    let slow = ChannelConfig { enabled: true, settings };
    let configs = ChannelConfigs::fixed([(Channel::Email, slow)]);
    let (pool, outbox) = (post.world.pool.clone(), post.world.outbox.clone());
    let client = std::sync::Arc::clone(&post.client);
    let worker =
        MailWorker::new(pool, outbox, Wakers::default(), client, ourselves(), configs, tuning);

    worker.step().await.unwrap();

    assert_eq!(post.gmail.sent().len(), 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn past_half_its_lease_no_mail_is_sent(pool: PgPool) {
    let tuning = MailTuning { lease: Duration::from_millis(600), ..MailTuning::default() };
    let post = Post::tuned(pool, [1], tuning).await;
    post.gmail.script("drafts.create", [Fault::Delay { milliseconds: 400 }]);
    post.world.handle([reply(1, "answer", |_| {})]).await.unwrap();

    post.worker.step().await.unwrap();

    assert!(post.gmail.requests_for("drafts.send").is_empty());
    assert_eq!(post.world.states().await, ["pending"]);
    post.settle().await;
    assert_eq!(post.recipients(), ["sam1@example.org"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_request_that_hangs_holds_back_no_other_mail(pool: PgPool) {
    let post = Post::new(pool, 1..=4).await;
    post.gmail.script("drafts.send", [Fault::Hang]);
    let system = |number| reply(number, "answer", |reply| reply.author = Author::System);
    post.world.handle((1..=4).map(system)).await.unwrap();
    let shutdown = CancellationToken::new();

    let running = tokio::spawn(post.another_worker().run(shutdown.clone()));
    wait_for("the other three", async || post.gmail.sent().len() == 3).await;
    wait_for("their ends, and its own later", async || {
        let mut states = post.world.states().await;
        states.sort();
        states == ["accepted", "accepted", "accepted", "outcome_unknown"]
    })
    .await;
    shutdown.cancel();

    running.await.unwrap().unwrap();
}
