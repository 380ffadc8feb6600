//! Sends in doubt over HTTP: shown, and decided once.

use axum::body::Body;
use contract::{Fact, MetricFact};
use serde_json::Value;
use sqlx::PgPool;

use crate::rows;
use crate::support::{Answer, LISA, Service, request};

async fn in_doubt(pool: &PgPool) -> String {
    let id = rows::conversation(pool, "a", 1).await;
    let reply = rows::turn(pool, id, 1, 1).await;
    rows::part(pool, id, reply, (1, 1), 0, "outcome_unknown").await;
    sqlx::query_scalar(
        "update deliveries set attempt = 1, last_error = 'no answer in time',
             doubtful_since = now() - interval '11 minutes'
         returning id::text",
    )
    .fetch_one(pool)
    .await
    .unwrap()
}

async fn decide(service: &Service, id: &str, action: &str) -> Answer {
    let path = format!("/deliveries/{id}/{action}");
    service.send(request("POST", &path, LISA, None, Body::empty())).await
}

async fn listed(service: &Service) -> Vec<Value> {
    let answer = service.get("/deliveries?state=outcome_unknown").await.ok(200);
    answer["deliveries"].as_array().unwrap().clone()
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_doubt_is_shown_and_settled_by_a_persons_word_once(pool: PgPool) {
    let id = in_doubt(&pool).await;
    let service = Service::new(&pool);

    let before = listed(&service).await;
    let sent = decide(&service, &id, "sent").await.ok(200);
    let again = decide(&service, &id, "resend").await.problem(409);

    assert_eq!(before.len(), 1);
    assert_eq!((&before[0]["id"], &before[0]["is_asked"]), (&id.into(), &true.into()));
    assert_eq!(
        (&before[0]["excerpt"], &before[0]["outlet"]),
        (&"part 0".into(), &"web_form".into())
    );
    assert_eq!(sent["state"], "accepted");
    assert!(again["detail"].as_str().unwrap().contains("accepted"));
    assert_eq!(listed(&service).await, Vec::<Value>::new());
    let facts = service.publisher.events::<MetricFact>();
    assert!(matches!(facts[..], [MetricFact { fact: Fact::FirstReplyDelivered { .. }, .. }]));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_doubt_that_goes_again_is_none_any_more(pool: PgPool) {
    let id = in_doubt(&pool).await;
    let service = Service::new(&pool);

    let resent = decide(&service, &id, "resend").await.ok(200);

    assert_eq!(resent["state"], "pending");
    decide(&service, &id, "resend").await.problem(409);
    assert_eq!(listed(&service).await, Vec::<Value>::new());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_delivery_that_nobody_knows_and_another_state_are_refused(pool: PgPool) {
    let service = Service::new(&pool);
    let nobody = "3adea7e9-c53b-50eb-bd75-3c5eea33867c";

    decide(&service, nobody, "sent").await.problem(404);
    decide(&service, "x", "sent").await.problem(404);
    service.get("/deliveries?state=accepted").await.problem(422);
    service.get("/deliveries").await.problem(422);
}
