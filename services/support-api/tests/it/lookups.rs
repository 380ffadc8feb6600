//! The list, the view and the lookup over HTTP.

use contract::ConversationId;
use serde_json::json;
use sqlx::PgPool;

use crate::rows;
use crate::support::{LISA, Service};

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn the_list_comes_in_pages_until_next_is_null(pool: PgPool) {
    for name in ["a", "b", "c"] {
        let id = rows::conversation(&pool, name, 1).await;
        rows::hand_over(&pool, id, "Lisa Tanaka").await;
    }
    let service = Service::new(&pool);

    let first = service.get("/conversations?owner=person&limit=2").await.ok(200);
    let next = first["next"].as_str().unwrap();
    let second = service.get(&format!("/conversations?limit=2&after={next}")).await.ok(200);

    assert_eq!(first["conversations"].as_array().unwrap().len(), 2);
    assert_eq!(first["conversations"][0]["person"], "Lisa Tanaka");
    assert_eq!(first["conversations"][0]["reason"], "a refund is asked for");
    assert_eq!(second["conversations"].as_array().unwrap().len(), 1);
    assert_eq!(second["next"], json!(null));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_wrong_question_is_refused_by_name(pool: PgPool) {
    let service = Service::new(&pool);
    let cases = [
        ("/conversations?owner=agent", "owner"),
        ("/conversations?limit=0", "limit"),
        ("/conversations?limit=201", "limit"),
        ("/conversations?limit=many", "limit"),
        ("/conversations?after=x", "after"),
        ("/conversations?after=-99999999999999.3adea7e9-c53b-50eb-bd75-3c5eea33867c", "after"),
        ("/conversations?after=9223372036854775807.3adea7e9-c53b-50eb-bd75-3c5eea33867c", "after"),
        ("/conversations?colour=red", "colour"),
        ("/customers/lookup", "email"),
        ("/customers/lookup?email=a@example.org&phone=%2B4930901820", "email"),
        ("/customers/lookup?email=nobody", "email"),
        ("/customers/lookup?email=a%00@example.org", "email"),
        ("/customers/lookup?phone=12", "phone"),
        ("/customers/lookup?name=Sam", "name"),
    ];

    for (path, field) in cases {
        let problem = service.get(path).await.problem(422);
        let message = problem["errors"][0]["message"].as_str().unwrap();
        let named = problem["errors"][0]["field"] == field || message.contains(field);
        assert!(named, "{path}: {problem}");
    }
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn the_view_groups_the_parts_of_a_reply_and_shows_hand_offs(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 1).await;
    let reply = rows::turn(&pool, id, 1, 1).await;
    rows::part(&pool, id, reply, (1, 1), 0, "accepted").await;
    rows::part(&pool, id, reply, (1, 1), 1, "pending").await;
    rows::hand_over(&pool, id, "Lisa Tanaka").await;
    let service = Service::new(&pool);
    service.act(LISA, id, "take", "").await.ok(200);

    let view = service.get(&format!("/conversations/{id}")).await.ok(200);

    assert_eq!(view["replies"].as_array().unwrap().len(), 1);
    let states: Vec<_> = view["replies"][0]["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["state"].clone())
        .collect();
    assert_eq!(states, ["accepted", "cancelled"]);
    assert_eq!(view["hand_offs"][0]["fields"]["reason"], "a refund is asked for");
    assert_eq!(view["customer"]["identifiers"][0]["value"], "a@example.org");
    assert_eq!(view["messages"][0]["text"], "message 1");
    assert_eq!(view["turns"][0]["outcome"], "answered");
    assert_eq!((&view["actions"][0]["action"], &view["person"]), (&json!("take"), &json!("lisa")));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_customer_is_found_in_any_case_and_a_stranger_is_not(pool: PgPool) {
    let id = rows::conversation(&pool, "sam", 1).await;
    let service = Service::new(&pool);

    let found = service.get("/customers/lookup?email=SAM@Example.org").await.ok(200);

    assert_eq!(found["conversations"][0]["id"], json!(id));
    assert_eq!(found["name"], "Sam Doe");
    service.get("/customers/lookup?email=else@example.org").await.problem(404);
    service.get("/customers/lookup?phone=+4930901820").await.problem(404);
    let nobody = ConversationId::named("nobody");
    service.get(&format!("/conversations/{nobody}")).await.problem(404);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_number_is_found_in_each_spelling_that_its_country_has_had(pool: PgPool) {
    rows::conversation(&pool, "sam", 1).await;
    rows::run(
        &pool,
        "insert into customer_identifiers (kind, value, customer_id, level)
         select 'phone', '+525512345678', customer_id, 'authenticated' from customer_identifiers",
    )
    .await;
    let service = Service::new(&pool);

    for spelling in ["%2B525512345678", "%2B5215512345678", "+52%201%2055%201234%205678"] {
        let found = service.get(&format!("/customers/lookup?phone={spelling}")).await.ok(200);
        assert_eq!(found["name"], "Sam Doe", "{spelling}");
    }
}
