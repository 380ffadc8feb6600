//! Idempotency keys: one ticket and one answer, however often and wherever sent.

use axum::body::Body;
use axum::http::Request;
use contract::WebformBody;
use sqlx::PgPool;
use tokio::task::JoinSet;

use crate::support::{App, BROWSER, FORM, and, post, post_form, question, question_with};

fn keyed(key: &str) -> Request<Body> {
    and(post("/support/submit", &question()), "idempotency-key", key)
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn twenty_requests_at_once_over_two_replicas_are_one_ticket_with_one_answer(pool: PgPool) {
    let replicas = [App::new(&pool).await, App::new(&pool).await];
    let mut requests = JoinSet::new();
    for n in 0..20 {
        let router = replicas[n % 2].router.clone();
        requests.spawn(async move {
            let response = tower::ServiceExt::oneshot(router, keyed("k1")).await.unwrap();
            let status = response.status().as_u16();
            (status, axum::body::to_bytes(response.into_body(), 4096).await.unwrap())
        });
    }

    let answers = requests.join_all().await;

    assert_eq!(answers.len(), 20);
    assert_eq!(answers[0].0, 202);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let payloads: Vec<_> = replicas
        .iter()
        .flat_map(|replica| replica.publisher.records())
        .map(|record| (record.event_id, record.key, record.payload))
        .collect();
    assert!(payloads.iter().all(|payload| *payload == payloads[0]), "the same bytes");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn after_a_503_the_same_key_publishes_the_same_event(pool: PgPool) {
    let app = App::new(&pool).await;
    app.publisher.leave_next_unconfirmed();
    let first = app.send(keyed("k1")).await;
    app.set_time("2026-01-05T12:00:07Z");

    let second = app.send(keyed("k1")).await;

    first.assert_problem(503);
    assert_eq!(second.status.as_u16(), 202);
    assert_eq!(second.json()["respond_by"], "2026-01-05T16:00:00Z", "the first request's time");
    let records = app.publisher.records();
    assert_eq!(records.len(), 2);
    assert_eq!(records[0].event_id, records[1].event_id);
    assert_eq!(records[0].payload, records[1].payload);
    let WebformBody::Submission(submission) = &app.events()[0].body else { panic!() };
    assert!(submission.has_idempotency_key);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn another_body_under_the_same_key_is_a_conflict(pool: PgPool) {
    let app = App::new(&pool).await;
    assert_eq!(app.send(keyed("k1")).await.status.as_u16(), 202);

    for (field, value) in [("message", "Something else"), ("plan", "free"), ("name", "Eve")] {
        let other =
            and(post("/support/submit", &question_with(field, value)), "idempotency-key", "k1");
        app.send(other).await.assert_problem(409);
    }

    assert_eq!(app.events().len(), 1);
    assert_eq!(app.send(keyed("k2")).await.status.as_u16(), 202);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn the_hidden_field_of_the_form_is_a_key_too(pool: PgPool) {
    let app = App::new(&pool).await;
    let form = format!("{FORM}&idempotency_key=f1");

    let first = app.submit_form(&form).await;
    let second = app.submit_form(&form).await;
    let header = and(post_form("/support/submit", FORM), "idempotency-key", "f1");
    let third = app.send(header).await;

    assert_eq!(first.status.as_u16(), 202);
    assert_eq!(first.body, second.body);
    assert_eq!(first.body, third.body);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_browser_that_sends_other_words_again_gets_its_form_with_a_new_key(pool: PgPool) {
    let app = App::new(&pool).await;
    let form = format!("{FORM}&idempotency_key=f1");
    assert_eq!(app.submit_form(&form).await.status.as_u16(), 202);

    let changed = form.replace("Sam+Doe", "Sam+Smith");
    let answer = app.send(and(post_form("/support/submit", &changed), "accept", BROWSER)).await;

    assert_eq!(answer.status.as_u16(), 409);
    assert!(answer.body.contains("value=\"Sam Smith\""));
    assert!(answer.body.contains("name=\"idempotency_key\" value=\""));
    assert!(!answer.body.contains("value=\"f1\""), "a new key");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_browser_that_got_a_503_keeps_its_key_and_its_values(pool: PgPool) {
    let app = App::new(&pool).await;
    app.publisher.lose_next();
    let form = format!("{FORM}&idempotency_key=f1");

    let answer = app.send(and(post_form("/support/submit", &form), "accept", BROWSER)).await;

    assert_eq!(answer.status.as_u16(), 503);
    assert_eq!(answer.header("retry-after"), "5");
    assert!(answer.body.contains("value=\"f1\"") && answer.body.contains("value=\"Sam Doe\""));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_key_that_is_none_is_named(pool: PgPool) {
    let app = App::new(&pool).await;
    let long = "a".repeat(256);

    for key in ["", "a b", "\u{e9}", &long] {
        let mut request = post("/support/submit", &question());
        let value = axum::http::HeaderValue::from_bytes(key.as_bytes()).unwrap();
        request.headers_mut().insert("idempotency-key", value);
        assert_eq!(app.send(request).await.wrong_fields(), ["Idempotency-Key"], "{key:?}");
    }
    let twice = and(keyed("k1"), "idempotency-key", "k2");
    assert_eq!(app.send(twice).await.wrong_fields(), ["Idempotency-Key"]);
    assert!(app.events().is_empty());
}
