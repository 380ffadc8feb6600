//! Whatever goes wrong between the first request and the last, no mail goes twice.

use std::time::Duration;

use contract::{Fact, MetricFact};
use emulators::gmail::Fault;
use sqlx::PgPool;
use store::delivery_sends::{self, BegunSend};
use store::mail_sends::{self, Draft};
use store::people::{self, OperatorName};

use super::{Post, US, reply};
use crate::conversation;

/// All that can go wrong with one request.
fn faults() -> Vec<Fault> {
    vec![
        Fault::TooMany { retry_after: Some(1), retry_after_in_words: None },
        Fault::TooMany { retry_after: None, retry_after_in_words: None },
        Fault::Refuse { status: 403, reason: "rateLimitExceeded".into() },
        Fault::ServerErrorJson,
        Fault::ServerErrorHtml,
        Fault::ServerErrorAfterProcessing,
        Fault::Hang,
        Fault::HangAfterProcessing,
        Fault::Drop,
        Fault::ProcessThenDrop,
        Fault::BrokenReply,
    ]
}

/// Every fault meets one of these replies; in the end each has gone once.
async fn each_goes_once(pool: PgPool, route: &str) {
    let faults = faults();
    let numbers: Vec<u32> = (1..).take(faults.len()).collect();
    let post = Post::new(pool, numbers.clone()).await;
    post.gmail.script(route, faults);
    post.world.handle(numbers.iter().map(|number| reply(*number, "answer", |_| {}))).await.unwrap();

    for _ in 0..4 {
        post.settle().await;
    }

    let mut expected: Vec<_> = numbers.iter().map(|n| format!("sam{n}@example.org")).collect();
    expected.sort();
    assert_eq!(post.recipients(), expected, "{route}");
    assert!(post.world.states().await.iter().all(|state| state == "accepted"), "{route}");
    let linked = "select count(distinct provider_id) from deliveries";
    assert_eq!(post.world.count(linked).await, i64::try_from(numbers.len()).unwrap());
    let facts = post.world.log.events::<MetricFact>();
    assert!(facts.iter().all(|fact| matches!(fact.fact, Fact::FirstReplyDelivered { .. })));
    assert_eq!(facts.len(), numbers.len());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn whatever_goes_wrong_while_drafting_each_mail_goes_once(pool: PgPool) {
    each_goes_once(pool, "drafts.create").await;
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn whatever_goes_wrong_while_sending_each_mail_goes_once(pool: PgPool) {
    each_goes_once(pool, "drafts.send").await;
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn whatever_goes_wrong_while_asking_about_a_doubt_no_mail_goes_twice(pool: PgPool) {
    let post = Post::new(pool, 1..=4).await;
    let lost =
        [Fault::ProcessThenDrop, Fault::Drop, Fault::HangAfterProcessing, Fault::ServerErrorJson];
    post.gmail.script("drafts.send", lost);
    post.gmail.script("drafts.delete", [Fault::ServerErrorJson, Fault::Hang]);
    post.gmail.script("threads.get", [Fault::Drop, Fault::ServerErrorHtml]);
    post.world.handle((1..=4).map(|number| reply(number, "answer", |_| {}))).await.unwrap();

    for _ in 0..3 {
        post.settle().await;
    }

    let expected: Vec<_> = (1..=4).map(|number| format!("sam{number}@example.org")).collect();
    assert_eq!(post.recipients(), expected);
    assert_eq!(post.world.states().await, ["accepted"; 4]);
}

/// A draft whose deletion is done but never confirmed looks like one that was sent; only
/// a person can tell.
#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_deletion_without_an_answer_leaves_a_doubt_and_sends_nothing(pool: PgPool) {
    let post = Post::new(pool, [1]).await;
    post.gmail.script("drafts.send", [Fault::Drop]);
    post.gmail.script("drafts.delete", [Fault::ProcessThenDrop]);
    post.world.handle([reply(1, "answer", |_| {})]).await.unwrap();

    post.send_all().await;
    post.settle().await;

    assert_eq!(post.world.states().await, ["outcome_unknown"]);
    assert!(post.gmail.sent().is_empty());
    // A person says: send it again.
    post.world.run("update deliveries set state = 'pending', doubtful_since = null").await;
    post.settle().await;
    assert_eq!(post.world.states().await, ["accepted"]);
    assert_eq!(post.recipients(), ["sam1@example.org"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_draft_that_somebody_deleted_by_hand_is_a_doubt_and_not_sent_again(pool: PgPool) {
    let post = Post::new(pool, [1]).await;
    let begun = begin(&post, Duration::from_secs(60)).await;
    let draft = held_draft(&post, &begun).await;
    post.client.delete_draft(&draft.id).await.unwrap();

    post.settle().await;

    assert_eq!(post.world.states().await, ["outcome_unknown"]);
    assert!(post.gmail.sent().is_empty());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_worker_that_stops_at_any_step_makes_nobody_send_twice(pool: PgPool) {
    // It stops: before its draft, after a draft that it did not note, after noting it,
    // and after sending it.
    for steps in 0..4 {
        let post = Post::new(pool.clone(), [steps]).await;
        let begun = begin_one(&post, steps).await;
        if steps == 1 {
            post.client.create_draft(b"From: x@example.com\r\n\r\nx", None).await.unwrap();
        }
        if steps >= 2 {
            let draft = held_draft(&post, &begun).await;
            if steps == 3 {
                post.client.send_draft(&draft.id).await.unwrap();
            }
        }

        post.settle().await;

        assert_eq!(post.recipients(), [format!("sam{steps}@example.org")], "{steps}");
        assert!(post.world.states().await.iter().all(|state| state == "accepted"), "{steps}");
    }
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_worker_that_stalled_past_its_lease_sends_nothing_twice(pool: PgPool) {
    // It comes to life: with a draft that was taken back meanwhile, and in the moment
    // before another worker's recovery.
    let post = Post::new(pool, [1]).await;
    let begun = begin(&post, Duration::ZERO).await;
    let draft = post
        .client
        .create_draft(&mail_of(&begun), Some(&thread(&post).await))
        .await
        .map(|draft| Draft { id: draft.id, thread: draft.thread_id })
        .unwrap();
    post.settle().await;

    let (id, attempt) = (begun.delivery.id, begun.delivery.attempt);
    let held = mail_sends::hold_draft(&post.world.pool, id, attempt, &draft, "x@example.org").await;

    assert!(!held.unwrap(), "what it drafted is not sent");
    assert_eq!(post.recipients(), ["sam1@example.org"]);
    assert_eq!(post.world.states().await, ["accepted"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_stalled_worker_that_sends_its_draft_at_last_has_sent_the_one_mail(pool: PgPool) {
    let post = Post::new(pool, [1]).await;
    let begun = begin(&post, Duration::from_secs(60)).await;
    let draft = held_draft(&post, &begun).await;
    post.world.run("update deliveries set lease_until = now()").await;
    post.send_all().await;
    let in_doubt = post.world.states().await;

    post.client.send_draft(&draft.id).await.unwrap();
    post.settle().await;

    assert_eq!(in_doubt, ["outcome_unknown"]);
    assert_eq!(post.recipients(), ["sam1@example.org"]);
    assert_eq!(post.world.states().await, ["accepted"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_takeover_between_draft_and_send_stops_what_was_not_sent(pool: PgPool) {
    let post = Post::new(pool, [1]).await;
    let begun = begin(&post, Duration::from_secs(60)).await;
    let draft = held_draft(&post, &begun).await;

    let mut conn = post.world.pool.acquire().await.unwrap();
    let standing = people::take(&mut conn, conversation(1), OperatorName("lisa")).await.unwrap();
    post.settle().await;

    assert_eq!(standing.in_flight.len(), 1, "the takeover says what was on its way");
    assert_eq!(post.world.states().await, ["cancelled"]);
    assert!(post.client.send_draft(&draft.id).await.is_err(), "nor can it go later");
    assert!(post.gmail.drafts(US).is_empty());
    assert!(post.gmail.sent().is_empty());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn only_a_mail_that_was_sent_settles_a_doubt(pool: PgPool) {
    let post = Post::new(pool, [1]).await;
    let begun = begin(&post, Duration::from_secs(60)).await;
    held_draft(&post, &begun).await;
    post.gmail.script("drafts.delete", [Fault::Refuse { status: 404, reason: "notFound".into() }]);

    post.world.run("update deliveries set lease_until = now()").await;
    post.send_all().await;
    post.world.run("update deliveries set next_attempt_at = now()").await;
    let settled = post.recovery.step().await.unwrap();

    assert_eq!(settled, 0, "the draft in the thread is no proof");
    assert_eq!(post.world.states().await, ["outcome_unknown"]);
}

/// Begins the reply as a worker does, and goes no further.
async fn begin(post: &Post, lease: Duration) -> BegunSend {
    post.world.handle([reply(1, "answer", |_| {})]).await.unwrap();
    let hold = Duration::from_secs(60);
    let look = delivery_sends::begin(&post.world.pool, "email", 1, lease, hold).await.unwrap();
    look.begun.into_iter().next().unwrap()
}

async fn begin_one(post: &Post, number: u32) -> BegunSend {
    post.world.handle([reply(number, "answer", |_| {})]).await.unwrap();
    let lease = Duration::from_secs(60);
    let look = delivery_sends::begin(&post.world.pool, "email", 1, lease, lease).await.unwrap();
    look.begun.into_iter().next().unwrap()
}

async fn thread(post: &Post) -> String {
    post.world.text("select mail_thread from conversations order by created_at desc limit 1").await
}

fn mail_of(begun: &BegunSend) -> Vec<u8> {
    let (id, to) = (begun.delivery.id, begun.address.as_deref().unwrap());
    format!(
        "From: {US}\r\nTo: {to}\r\nSubject: Re: Board\r\nX-Support-Delivery-Id: {id}\r\n\r\nx\r\n"
    )
    .into_bytes()
}

/// As far as a worker comes that stops before it sends.
async fn held_draft(post: &Post, begun: &BegunSend) -> Draft {
    let draft = post.client.create_draft(&mail_of(begun), None).await.unwrap();
    let draft = Draft { id: draft.id, thread: draft.thread_id };
    let to = begun.address.as_deref().unwrap();
    let (id, attempt) = (begun.delivery.id, begun.delivery.attempt);
    let held = mail_sends::hold_draft(&post.world.pool, id, attempt, &draft, to).await;
    assert!(held.unwrap());
    draft
}
