//! Accepting a submission: the answer, the event, and what an outage does.

use contract::{Category, EventId, Plan, Priority, Topic, WebformBody};
use serde_json::json;
use sqlx::PgPool;

use crate::support::{App, BROWSER, FORM, and, post, post_form, question, question_with};

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_submission_is_answered_with_its_ref_its_page_and_its_promise(pool: PgPool) {
    let app = App::new(&pool).await;

    let answer = app.submit(&question()).await;

    assert_eq!(answer.status.as_u16(), 202);
    let body = answer.json();
    let ticket = body["ticket_id"].as_str().unwrap();
    assert!(ticket.starts_with("TF-20260105-"), "{ticket}");
    let url = body["status_url"].as_str().unwrap();
    assert!(url.starts_with(&format!("/support/ticket/{ticket}?token=")), "{url}");
    assert_eq!(body["status"], "received");
    assert_eq!(body["estimated_response_time"], "within 4 hours");
    assert_eq!(body["respond_by"], "2026-01-05T16:00:00Z");
    assert_eq!(body.as_object().unwrap().len(), 5);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn the_event_holds_everything_that_was_sent(pool: PgPool) {
    let app = App::new(&pool).await;
    let mut body = question_with("category", "bug-report");
    body["priority"] = json!("urgent");

    let answer = app.submit(&body).await;

    let [event] = &app.events()[..] else { panic!("one event") };
    assert_eq!(answer.json()["ticket_id"], event.ticket_ref.as_str());
    assert_eq!(event.meta.event_id, EventId::named(&format!("webform:{}", event.ticket_ref)));
    assert_eq!(event.meta.event_time, app.now());
    let WebformBody::Submission(submission) = &event.body else { panic!("a submission") };
    assert_eq!(submission.name, "Sam Doe");
    assert_eq!(submission.email, "sam@example.org");
    assert_eq!(submission.subject, "How do I export a board");
    assert_eq!(submission.message, "I want my board as a file, how do I do that?");
    assert_eq!(submission.category, Some(Category::BugReport));
    assert_eq!(submission.priority, Some(Priority::Urgent));
    assert_eq!(submission.claimed_plan, Some(Plan::Pro));
    assert!(!submission.has_idempotency_key);
    let record = &app.publisher.records()[0];
    assert_eq!(record.topic, Topic::WebformInbound);
    assert_eq!(record.key, event.ticket_ref.as_str());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_form_says_the_same_as_json(pool: PgPool) {
    let app = App::new(&pool).await;

    assert_eq!(app.submit_form(FORM).await.status.as_u16(), 202);
    assert_eq!(app.submit(&question()).await.status.as_u16(), 202);

    let events = app.events();
    assert_eq!(events[0].body, events[1].body);
    assert_ne!(events[0].ticket_ref, events[1].ticket_ref);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn without_a_plan_the_promise_is_that_of_free(pool: PgPool) {
    let app = App::new(&pool).await;
    let mut body = question();
    body.as_object_mut().unwrap().remove("plan");

    let answer = app.submit(&body).await.json();

    assert_eq!(answer["estimated_response_time"], "within 24 hours");
    assert_eq!(answer["respond_by"], "2026-01-06T12:00:00Z");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_browser_is_sent_to_its_ticket(pool: PgPool) {
    let app = App::new(&pool).await;

    let answer = app.send(and(post_form("/support/submit", FORM), "accept", BROWSER)).await;

    assert_eq!(answer.status.as_u16(), 303);
    let location = answer.header("location");
    assert!(location.starts_with("/support/ticket/TF-20260105-"), "{location}");
    assert_eq!(app.page(location).await.status.as_u16(), 200);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_log_that_does_not_confirm_is_a_503_that_says_when_to_come_back(pool: PgPool) {
    let app = App::new(&pool).await;
    app.publisher.lose_next();

    let answer = app.submit(&question()).await;

    answer.assert_problem(503);
    assert_eq!(answer.header("retry-after"), "5");
    assert_eq!(app.submit(&question()).await.status.as_u16(), 202);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_submission_without_a_key_asks_no_database(pool: PgPool) {
    let app = App::new(&pool).await;
    pool.close().await;

    for _ in 0..20 {
        assert_eq!(app.submit(&question()).await.status.as_u16(), 202);
    }

    let with_key = and(post("/support/submit", &question()), "idempotency-key", "k1");
    app.send(with_key).await.assert_problem(503);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn every_answer_carries_its_guards(pool: PgPool) {
    let app = App::new(&pool).await;
    let url = app.ticket().await;

    let answers = [
        app.submit(&question()).await,
        app.submit(&json!({})).await,
        app.get(&url).await,
        app.page(&url).await,
        app.page("/support").await,
        app.get("/support/ticket/TF-20260105-0000?token=no").await,
    ];

    for answer in answers {
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("x-frame-options"), "DENY");
        if answer.header("content-type").starts_with("text/html") {
            let policy = answer.header("content-security-policy");
            assert!(policy.contains("default-src 'none'"), "{policy}");
            assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        }
    }
}
