//! What is pushed, from its bytes to the log.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Method;
use contract::{DeadLetterClass, EventId};
use futures::{StreamExt as _, stream};
use serde_json::json;

use crate::google::KEYS;
use crate::support::{App, OURS, call, push, push_of};

const LIMIT: usize = 64 << 10;

fn token() -> String {
    KEYS[0].token(json!({}))
}

#[tokio::test]
async fn a_push_is_in_the_log_when_the_answer_is_204() {
    let app = App::new().await;

    app.push(push("2070443601311540", 9_876_543_210)).await.assert_taken();

    let notification = &app.notifications()[0];
    assert_eq!((notification.mailbox.as_str(), notification.history_id), (OURS, 9_876_543_210));
    let record = &app.publisher.records()[0];
    let name = format!("gmail:{OURS}:push:2070443601311540");
    assert_eq!((record.event_id, record.key.as_str()), (EventId::named(&name), OURS));
}

#[tokio::test]
async fn a_redelivered_push_has_the_event_id_of_the_first() {
    let app = App::new().await;
    app.push(push("1", 7)).await.assert_taken();
    app.advance(7200);
    app.send(call(&KEYS[0].token(json!({ "exp": crate::support::NOW + 9000 })), push("1", 7)))
        .await
        .assert_taken();
    app.advance(-7200);
    app.push(push("2", 7)).await.assert_taken();

    let ids: Vec<_> = app.publisher.records().iter().map(|record| record.event_id).collect();
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[2]);
}

#[tokio::test]
async fn a_push_that_the_log_does_not_confirm_is_answered_503_and_told_when_to_come_again() {
    let app = App::new().await;
    app.publisher.lose_next();

    let refused = app.push(push("1", 7)).await;

    refused.assert_problem(503);
    assert_eq!(refused.headers["retry-after"], "5");
    app.push(push("1", 7)).await.assert_taken();
    assert_eq!(app.notifications().len(), 1);
    app.assert_counted("fte_gmail_webhooks_refused", "unconfirmed", 1);
}

#[tokio::test]
async fn a_push_of_another_subscription_is_a_dead_letter_where_one_is_set() {
    let with = async |name: &str| {
        App::with(|parts| parts.subscription = Some(format!("projects/p/subscriptions/{name}")))
            .await
    };
    let (ours, another) = (with("s").await, with("t").await);

    ours.push(push("1", 7)).await.assert_taken();
    another.push(push("1", 7)).await.assert_taken();

    assert_eq!(ours.notifications().len(), 1);
    assert_eq!(another.publisher.records().len(), 1);
    assert_eq!(another.letters()[0].error, "the push is another subscription's");
}

#[tokio::test]
async fn what_google_vouches_for_and_nobody_can_read_is_a_dead_letter() {
    let app = App::new().await;
    let other = json!({ "emailAddress": "sam@example.org", "historyId": "7" }).to_string();
    let cases = [
        ("<html>".to_owned(), "the body is not JSON"),
        ("{}".to_owned(), "message is missing or not of its type"),
        (push_of("1", "hello"), "the data is not JSON"),
        (push_of("2", &other), "the notification is about another mailbox"),
        (other, "message is missing or not of its type"),
    ];

    for (body, error) in cases {
        app.push(body.clone()).await.assert_taken();
        let letter = app.letters().pop().unwrap();
        assert_eq!((letter.error.as_str(), letter.payload), (error, Bytes::from(body)));
        assert_eq!(letter.class, DeadLetterClass::Rejected);
        assert_eq!((letter.topic.as_str(), letter.key.as_str()), ("POST /webhooks/gmail", OURS));
    }
    app.assert_counted("fte_gmail_webhooks_received", "dead_letter", 5);
}

#[tokio::test]
async fn a_repeat_is_the_same_dead_letter_whatever_changed_around_it() {
    let app = App::new().await;
    let body = push_of("1", "hello");
    app.push(body.clone()).await.assert_taken();
    let repeated = body.replacen('{', "{\"deliveryAttempt\":2,", 1);
    app.push(repeated).await.assert_taken();
    app.push("one").await.assert_taken();
    app.push("one").await.assert_taken();
    app.push("two").await.assert_taken();

    let ids: Vec<_> = app.letters().iter().map(|letter| letter.meta.event_id).collect();
    assert_eq!((ids[0], ids[2]), (ids[1], ids[3]));
    assert!(ids[2] != ids[0] && ids[2] != ids[4]);
}

#[tokio::test]
async fn a_dead_push_that_the_log_does_not_confirm_is_answered_503() {
    let app = App::new().await;
    app.publisher.lose_next();

    app.push("{}").await.assert_problem(503);

    assert!(app.letters().is_empty());
}

#[tokio::test]
async fn a_body_over_its_bound_is_refused_before_its_token_is_looked_at() {
    let app = App::new().await;
    let padded = |length: usize| {
        let body = push("1", 7);
        format!("{body}{}", " ".repeat(length - body.len()))
    };
    app.push(padded(LIMIT)).await.assert_taken();

    app.push(padded(LIMIT + 1)).await.assert_problem(413);
    let frames = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(&[b' '; 1024])));
    app.send(call("no.to.ken", Body::from_stream(frames.take(1024)))).await.assert_problem(413);

    assert_eq!((app.publisher.calls(), app.certs.asked()), (1, 1));
}

#[tokio::test]
async fn a_body_of_another_type_and_another_method_are_refused() {
    let app = App::new().await;
    for kind in ["application/x-www-form-urlencoded", "text/plain", ""] {
        let mut request = call(&token(), push("1", 7));
        request.headers_mut().insert("content-type", kind.parse().unwrap());
        app.send(request).await.assert_problem(415);
    }
    for method in [Method::GET, Method::PUT] {
        let mut request = call(&token(), push("1", 7));
        *request.method_mut() = method;
        app.send(request).await.assert_problem(405);
    }

    app.assert_nothing_published();
    let mut request = call(&token(), push("1", 7));
    request
        .headers_mut()
        .insert("content-type", "Application/JSON; charset=utf-8".parse().unwrap());
    app.send(request).await.assert_taken();
}

#[tokio::test]
async fn a_push_that_does_not_come_to_its_end_leaves_nothing_behind() {
    let app = App::with(|parts| parts.body_timeout = Duration::from_millis(20)).await;
    let never = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
    let frames = [Ok(Bytes::from(push("1", 7))), Err(std::io::Error::other("reset"))];

    app.send(call(&token(), never)).await.assert_problem(408);
    app.send(call(&token(), Body::from_stream(stream::iter(frames)))).await.assert_problem(400);

    app.assert_nothing_published();
}
