//! Who may pass, and what a request without a right token learns: nothing.

use axum::body::Body;
use axum::http::{Request, header};
use contract::ConversationId;
use sqlx::PgPool;

use crate::rows;
use crate::support::{Service, TOKENS, TestLog};

/// Every route of operators, with a path that exists.
fn routes(id: ConversationId) -> Vec<(&'static str, String)> {
    let mut routes = vec![
        ("GET", "/conversations?owner=person".to_owned()),
        ("GET", format!("/conversations/{id}")),
        ("GET", "/customers/lookup?email=a@example.org".to_owned()),
        ("POST", "/test/queue".to_owned()),
    ];
    for action in ["take", "reply", "return", "close"] {
        routes.push(("POST", format!("/conversations/{id}/{action}")));
    }
    routes
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn without_a_right_token_every_operators_route_answers_401(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 1).await;
    let service = Service::new(&pool);
    let wrong = [
        None,
        Some(""),
        Some("Bearer"),
        Some("Bearer "),
        Some("Bearer 0123456789-lisa-toke"),
        Some("Bearer 0123456789-lisa-token-and-more"),
        Some("Bearer lisa:0123456789-lisa-token"),
        Some("Basic 0123456789-lisa-token"),
        Some("0123456789-lisa-token"),
    ];

    for (method, path) in routes(id) {
        for authorization in wrong {
            let mut request = Request::builder().method(method).uri(&path);
            if let Some(value) = authorization {
                request = request.header(header::AUTHORIZATION, value);
            }
            // A body that is wrong too: who has no token is not told.
            let answer = service.send(request.body(Body::from("{")).unwrap()).await;

            assert_eq!(answer.header("www-authenticate"), "Bearer", "{path} {authorization:?}");
            answer.problem(401);
        }
    }
    assert_eq!(
        rows::number(&pool, "select owner_epoch from conversations where id = $1", id).await,
        0
    );
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn without_any_tokens_nobody_passes(pool: PgPool) {
    let service = Service::with(&pool, TestLog::default(), "");

    for (method, path) in routes(ConversationId::named("a")) {
        for value in ["Bearer ", "Bearer", "Bearer 0123456789-lisa-token"] {
            let request =
                Request::builder().method(method).uri(&path).header(header::AUTHORIZATION, value);
            service.send(request.body(Body::empty()).unwrap()).await.problem(401);
        }
    }
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn each_token_acts_in_its_own_name(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 1).await;
    let service = Service::new(&pool);
    assert_eq!(TOKENS.split(',').count(), 2);

    let body = service.act(crate::support::JAMES, id, "take", "").await.ok(200);

    assert_eq!(body["person"], "james");
    let names: Vec<String> =
        sqlx::query_scalar("select operator from audit_log").fetch_all(&pool).await.unwrap();
    assert_eq!(names, ["james"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn health_and_the_document_are_open_to_all(pool: PgPool) {
    let service = Service::with(&pool, TestLog::default(), "");

    for path in ["/health", "/health/detailed", "/openapi.json"] {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        service.send(request).await.ok(200);
    }
}
