//! The OpenAPI document, and problems for what has no route.

use axum::body::Body;
use serde_json::Value;
use sqlx::PgPool;

use crate::support::{LISA, Service, request};

fn part() -> Value {
    serde_json::to_value(support_api::openapi()).unwrap()
}

#[test]
fn the_document_names_every_route_and_who_may_use_it() {
    let document = part();
    let paths = document["paths"].as_object().unwrap();

    let mut routes = Vec::new();
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().unwrap() {
            let is_operators = operation["security"][0]["operator"].is_array();
            assert_eq!(is_operators, operation["responses"]["401"].is_object(), "{path}");
            routes.push(format!("{method} {path}{}", if is_operators { " *" } else { "" }));
        }
    }
    routes.sort_unstable();
    assert_eq!(
        routes,
        [
            "get /conversations *",
            "get /conversations/{id} *",
            "get /conversations/{id}/messages/{message_id}/attachments/{n} *",
            "get /customers/lookup *",
            "get /deliveries *",
            "get /health",
            "get /health/detailed",
            "get /openapi.json",
            "post /conversations/{id}/close *",
            "post /conversations/{id}/reply *",
            "post /conversations/{id}/return *",
            "post /conversations/{id}/take *",
            "post /deliveries/{id}/resend *",
            "post /deliveries/{id}/sent *",
            "post /test/queue *",
        ]
    );
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["components"]["securitySchemes"]["operator"]["scheme"], "bearer");
}

#[test]
fn every_reference_in_the_document_leads_somewhere() {
    let document = part();
    let mut waiting = vec![&document];
    let mut references = 0;
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{reference}");
                    references += 1;
                }
                waiting.extend(members.values());
            }
            Value::Array(items) => waiting.extend(items),
            _ => {}
        }
    }
    assert!(references > 20);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn the_served_document_has_every_route_of_this_service(pool: PgPool) {
    let service = Service::new(&pool);

    let served = service.get("/openapi.json").await.ok(200);

    for path in part()["paths"].as_object().unwrap().keys() {
        assert!(served["paths"][path].is_object(), "{path} is missing in docs/openapi.json");
    }
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn an_unknown_path_or_method_is_a_problem(pool: PgPool) {
    let service = Service::new(&pool);

    service.get("/nothing").await.problem(404);
    let answer = service.send(request("DELETE", "/health", LISA, None, Body::empty())).await;
    assert!(answer.header("allow").contains("GET"));
    answer.problem(405);
}
