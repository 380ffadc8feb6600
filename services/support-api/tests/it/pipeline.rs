//! The test of the pipeline, against a pipeline that a test plays.

use axum::body::Body;
use contract::{ConversationId, WebformBody, WebformInbound};
use sqlx::PgPool;
use testkit::{RecordingPublisher, wait_for_some};

use crate::rows;
use crate::support::{Answer, LISA, Service, request};

async fn test(service: &Service) -> Answer {
    service.send(request("POST", "/test/queue", LISA, None, Body::empty())).await
}

async fn submitted(publisher: &RecordingPublisher) -> WebformInbound {
    wait_for_some("a submission", async || publisher.events::<WebformInbound>().pop()).await
}

/// What the services behind the log would write, once the message is in it.
async fn answer(pool: &PgPool, publisher: &RecordingPublisher) -> ConversationId {
    let event = submitted(publisher).await;
    let id = rows::conversation(pool, &format!("webform:{}", event.ticket_ref), 1).await;
    let reply = rows::turn(pool, id, 1, 1).await;
    rows::part(pool, id, reply, (1, 1), 0, "accepted").await;
    sqlx::query("update deliveries set accepted_at = clock_timestamp() where reply_id = $1")
        .bind(reply.as_uuid())
        .execute(pool)
        .await
        .unwrap();
    id
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_test_shows_each_stage_and_closes_its_ticket(pool: PgPool) {
    let service = Service::new(&pool);

    let (tested, id) = tokio::join!(test(&service), answer(&pool, &service.publisher));

    let body = tested.ok(200);
    assert_eq!((&body["complete"], &body["outcome"]), (&true.into(), &"answered".into()));
    assert_eq!(body["conversation_id"], id.to_string());
    let stages = ["accepted_ms", "stored_ms", "turn_ms", "dispatched_ms"]
        .map(|name| body["stages"][name].as_f64().unwrap());
    assert!(stages.is_sorted() && stages[0] >= 0.0, "{stages:?}");
    let closed = "select count(*) from conversations where id = $1 and status = 'closed'";
    assert_eq!(rows::number(&pool, closed, id).await, 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_test_can_be_told_from_a_customers_message(pool: PgPool) {
    let service = Service::new(&pool);

    let body = test(&service).await.ok(202);

    let event = submitted(&service.publisher).await;
    let WebformBody::Submission(submission) = event.body else { panic!("not a submission") };
    assert_eq!(submission.name, "Pipeline test");
    assert!(submission.email.ends_with(".invalid"), "no such domain can exist");
    assert_eq!(body["ticket_ref"], event.ticket_ref.as_str());
    assert_eq!((&body["complete"], &body["stages"]["stored_ms"]), (&false.into(), &().into()));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn only_a_few_tests_run_at_once(pool: PgPool) {
    let service = Service::new(&pool);

    let answers = futures::future::join_all((0..6).map(|_| test(&service))).await;

    let refused: Vec<_> = answers.into_iter().filter(|a| a.status.as_u16() == 429).collect();
    assert_eq!(refused.len(), 2);
    assert!(refused.iter().all(|answer| answer.header("retry-after") == "1"));
    let refs: std::collections::HashSet<_> =
        service.publisher.events::<WebformInbound>().into_iter().map(|e| e.ticket_ref).collect();
    assert_eq!(refs.len(), 4, "each has a ticket of its own");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_log_that_does_not_confirm_is_a_503(pool: PgPool) {
    let service = Service::new(&pool);
    service.publisher.set_down(true);

    test(&service).await.problem(503);
}
