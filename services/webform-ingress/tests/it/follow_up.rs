//! Follow-ups: into the same thread, once, and not into a closed one.

use contract::{EventId, Topic, WebformBody};
use serde_json::json;
use sqlx::PgPool;

use crate::support::{App, BROWSER, and, post, post_form, rows};

fn messages(url: &str) -> String {
    url.replace('?', "/messages?")
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_follow_up_goes_into_the_thread_of_its_ticket(pool: PgPool) {
    let app = App::new(&pool).await;
    let url = app.ticket().await;
    rows::store(&pool, &app.events()[0]).await;

    let answer = app.send(post(&messages(&url), &json!({"message": "And as PDF?"}))).await;

    assert_eq!(answer.status.as_u16(), 202);
    let ticket = app.events()[0].ticket_ref.clone();
    assert_eq!(
        answer.json(),
        json!({"ticket_id": ticket, "status": "received", "status_url": url})
    );
    let event = &app.events()[1];
    assert_eq!(event.ticket_ref, ticket);
    assert_eq!(event.body, WebformBody::FollowUp { message: "And as PDF?".into() });
    assert_ne!(event.meta.event_id, app.events()[0].meta.event_id);
    let record = &app.publisher.records()[1];
    assert_eq!((record.topic, record.key.as_str()), (Topic::WebformInbound, ticket.as_str()));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_ticket_that_is_not_stored_yet_takes_follow_ups(pool: PgPool) {
    let app = App::new(&pool).await;
    let url = app.ticket().await;

    let answer = app.send(post_form(&messages(&url), "message=And+as+PDF%3F")).await;

    assert_eq!(answer.status.as_u16(), 202);
    assert_eq!(app.events()[1].body, WebformBody::FollowUp { message: "And as PDF?".into() });
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_resolved_ticket_takes_follow_ups_and_a_closed_one_does_not(pool: PgPool) {
    let app = App::new(&pool).await;
    let url = app.ticket().await;
    rows::store(&pool, &app.events()[0]).await;
    let send = || app.send(post(&messages(&url), &json!({"message": "Again"})));

    rows::set(&pool, "update conversations set status = 'resolved'").await;
    assert_eq!(send().await.status.as_u16(), 202);
    rows::set(&pool, "update conversations set status = 'closed'").await;
    send().await.assert_problem(409);

    assert_eq!(app.events().len(), 2);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_follow_up_to_an_alias_speaks_in_the_thread_of_the_first(pool: PgPool) {
    let app = App::new(&pool).await;
    let (_, alias) = (app.ticket().await, app.ticket().await);
    let events = app.events();
    let conversation = rows::store(&pool, &events[0]).await;
    sqlx::query(
        "insert into tickets (ref, conversation_id, is_alias, subject, respond_by)
         values ($1, $2, true, 'How do I export a board', now())",
    )
    .bind(events[1].ticket_ref.as_str())
    .bind(conversation.as_uuid())
    .execute(&pool)
    .await
    .unwrap();

    let answer = app.send(post(&messages(&alias), &json!({"message": "Hello?"}))).await;

    assert_eq!(answer.json()["ticket_id"], events[1].ticket_ref.as_str());
    assert_eq!(app.events()[2].ticket_ref, events[0].ticket_ref);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_key_makes_repeats_one_message_and_other_words_a_conflict(pool: PgPool) {
    let app = App::new(&pool).await;
    let (one, other) = (app.ticket().await, app.ticket().await);
    let send = |url: &str, text: &str| {
        let request = post(&messages(url), &json!({"message": text}));
        app.send(and(request, "idempotency-key", "k1"))
    };
    app.publisher.leave_next_unconfirmed();
    send(&one, "And as PDF?").await.assert_problem(503);
    app.set_time("2026-01-05T12:01:00Z");
    assert_eq!(send(&one, "And as PDF?").await.status.as_u16(), 202);

    send(&one, "And as CSV?").await.assert_problem(409);
    assert_eq!(send(&other, "And as PDF?").await.status.as_u16(), 202, "another ticket's key");

    let records = &app.publisher.records()[2..];
    assert_eq!(records.len(), 3);
    assert_eq!(records[0].payload, records[1].payload);
    assert_ne!(records[0].event_id, records[2].event_id);
    let name = format!("webform:{}:k1", app.events()[0].ticket_ref);
    assert_eq!(records[0].event_id, EventId::named(&name));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn without_a_key_every_message_is_its_own(pool: PgPool) {
    let app = App::new(&pool).await;
    let url = app.ticket().await;
    for _ in 0..2 {
        let answer = app.send(post(&messages(&url), &json!({"message": "Hello?"}))).await;
        assert_eq!(answer.status.as_u16(), 202);
    }

    assert_ne!(app.events()[1].meta.event_id, app.events()[2].meta.event_id);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn wrong_follow_ups_are_refused_like_wrong_submissions(pool: PgPool) {
    let app = App::new(&pool).await;
    let url = app.ticket().await;
    let path = messages(&url);

    let too_long = "x".repeat(20_001);
    for body in
        [json!({}), json!({"message": " "}), json!({"message": 5}), json!({"message": too_long})]
    {
        assert_eq!(app.send(post(&path, &body)).await.wrong_fields(), ["message"]);
    }
    let unknown = post(&path, &json!({"message": "Hello?", "name": "Eve"}));
    assert_eq!(app.send(unknown).await.wrong_fields(), ["name"]);
    app.send(post(&path.replace("token=", "token=x"), &json!({"message": "Hello?"})))
        .await
        .assert_problem(404);
    assert_eq!(app.events().len(), 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn with_the_database_or_the_log_away_a_follow_up_is_a_503(pool: PgPool) {
    let app = App::new(&pool).await;
    let url = app.ticket().await;
    let send = || app.send(post(&messages(&url), &json!({"message": "Hello?"})));
    app.publisher.lose_next();
    send().await.assert_problem(503);

    pool.close().await;

    send().await.assert_problem(503);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_browser_goes_back_to_the_page_which_waits_for_the_message(pool: PgPool) {
    let app = App::new(&pool).await;
    let url = app.ticket().await;
    let conversation = rows::store(&pool, &app.events()[0]).await;
    rows::answer(&pool, conversation, "agent", "", "Like this.").await;
    assert!(!app.page(&url).await.body.contains("http-equiv=\"refresh\""), "nothing to wait for");

    app.set_time("2026-01-05T12:30:00Z");
    let request = post_form(&messages(&url), "message=And+as+PDF%3F&idempotency_key=f1");
    let answer = app.send(and(request, "accept", BROWSER)).await;
    assert_eq!(answer.status.as_u16(), 303);
    let location = answer.header("location");
    assert!(location.starts_with(&url), "{location}");

    let waiting = app.page(location).await.body;
    assert!(waiting.contains("http-equiv=\"refresh\" content=\"2\""), "not stored yet");
    rows::add(&pool, conversation, &app.events()[1], "And as PDF?").await;
    let stored = app.page(location).await.body;
    assert!(stored.contains("http-equiv=\"refresh\"") && stored.contains("And as PDF?"));
    rows::answer(&pool, conversation, "agent", "", "Yes.").await;
    assert!(!app.page(location).await.body.contains("http-equiv=\"refresh\""), "answered");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_browser_keeps_the_words_that_were_not_accepted(pool: PgPool) {
    let app = App::new(&pool).await;
    let url = app.ticket().await;
    rows::store(&pool, &app.events()[0]).await;
    app.publisher.lose_next();

    let request = post_form(&messages(&url), "message=And+%3Cb%3EPDF%3C%2Fb%3E&idempotency_key=f1");
    let answer = app.send(and(request, "accept", BROWSER)).await;

    assert_eq!(answer.status.as_u16(), 503);
    assert!(answer.body.contains("And &#60;b&#62;PDF&#60;/b&#62;</textarea>"), "{}", answer.body);
    assert!(answer.body.contains("value=\"f1\""));
    assert!(!answer.body.contains("http-equiv=\"refresh\""), "what is written stays");
}
