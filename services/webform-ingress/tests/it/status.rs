//! The status as JSON: what the holder of a token sees, and nobody else.

use chassis::status_token::StatusTokens;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{Answer, App, rows};

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_ticket_that_is_not_stored_yet_is_received(pool: PgPool) {
    let app = App::new(&pool).await;
    let url = app.ticket().await;

    let answer = app.get(&url).await;

    assert_eq!(answer.status.as_u16(), 200);
    assert_eq!(answer.header("content-type"), "application/json");
    let ticket = app.events()[0].ticket_ref.to_string();
    assert_eq!(
        answer.json(),
        json!({
            "ticket_id": ticket, "status": "received", "channel": "web_form",
            "created_at": null, "updated_at": null, "messages": [], "escalated_to": null,
        })
    );
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_stored_and_answered_ticket_shows_its_conversation(pool: PgPool) {
    let app = App::new(&pool).await;
    let url = app.ticket().await;
    let conversation = rows::store(&pool, &app.events()[0]).await;
    assert_eq!(app.get(&url).await.json()["status"], "in_progress");

    rows::answer(&pool, conversation, "agent", "", "Hi Sam,\n\nOpen the menu.").await;
    let ticket = app.get(&url).await.json();

    assert_eq!(ticket["status"], "answered");
    assert_eq!(
        ticket["messages"],
        json!([
            {"from": "customer", "text": "I want my board as a file, how do I do that?",
             "at": "2026-01-05T12:00:00.250Z"},
            {"from": "agent", "text": "Hi Sam,\n\nOpen the menu.", "at": "2026-01-05T12:00:01.250Z"},
        ])
    );
    assert_eq!(ticket["updated_at"], "2026-01-05T12:00:01.250Z");
    assert!(ticket["created_at"].is_string());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn fixed_texts_come_from_the_agent_and_people_are_people(pool: PgPool) {
    let app = App::new(&pool).await;
    let url = app.ticket().await;
    let conversation = rows::store(&pool, &app.events()[0]).await;
    rows::answer(&pool, conversation, "system", "", "A person takes over.").await;
    rows::set(&pool, "update conversations set owner = 'person', person = 'Lisa Tanaka'").await;
    let waiting = app.get(&url).await.json();
    rows::answer(&pool, conversation, "person", "Lisa Tanaka", "Lisa here.").await;

    let written = app.get(&url).await.json();

    assert_eq!(waiting["status"], "escalated");
    assert_eq!(waiting["escalated_to"], "Lisa Tanaka");
    assert_eq!(waiting["messages"][1]["from"], "agent");
    assert_eq!(written["messages"][2]["from"], "person");
    assert_eq!(written["messages"][2]["text"], "Lisa here.");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn resolved_and_closed_are_said(pool: PgPool) {
    let app = App::new(&pool).await;
    let url = app.ticket().await;
    rows::store(&pool, &app.events()[0]).await;
    for status in ["resolved", "closed"] {
        sqlx::query("update conversations set status = $1")
            .bind(status)
            .execute(&pool)
            .await
            .unwrap();

        assert_eq!(app.get(&url).await.json()["status"], status);
    }
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn an_alias_shows_the_conversation_of_the_first(pool: PgPool) {
    let app = App::new(&pool).await;
    let (_, alias) = (app.ticket().await, app.ticket().await);
    let events = app.events();
    let conversation = rows::store(&pool, &events[0]).await;
    rows::answer(&pool, conversation, "agent", "", "Like this.").await;
    sqlx::query(
        "insert into tickets (ref, conversation_id, is_alias, subject, respond_by)
         values ($1, $2, true, 'How do I export a board', now())",
    )
    .bind(events[1].ticket_ref.as_str())
    .bind(conversation.as_uuid())
    .execute(&pool)
    .await
    .unwrap();

    let shown = app.get(&alias).await.json();

    assert_eq!(shown["ticket_id"], events[1].ticket_ref.as_str());
    assert_eq!(shown["status"], "answered");
    assert_eq!(shown["messages"].as_array().unwrap().len(), 2);
}

fn without_instance(answer: &Answer) -> (u16, Vec<(String, String)>, Value) {
    let headers = answer.headers.iter();
    let headers = headers.map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned())).collect();
    (answer.status.as_u16(), headers, answer.json())
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_wrong_token_a_missing_one_and_an_unknown_ref_are_the_same_404(pool: PgPool) {
    let app = App::new(&pool).await;
    let url = app.ticket().await;
    rows::store(&pool, &app.events()[0]).await;
    let (path, token) = url.split_once("?token=").unwrap();
    let other = url.replace("TF-20260105-", "TF-20260106-");
    let foreign = StatusTokens::new(b"another secret of 32 characters!", None).unwrap();
    let forged = foreign.token(&app.events()[0].ticket_ref);

    let paths = [
        path.to_owned(),
        format!("{path}?token="),
        format!("{path}?token=%FF"),
        format!("{path}?token={}", &token[1..]),
        format!("{path}?token={token}A"),
        format!("{path}?token={forged}"),
        format!("{path}?Token={token}"),
        other,
        format!("/support/ticket/nonsense?token={token}"),
        format!("/support/ticket/%00%FF?token={token}"),
        format!("/support/ticket/TF-20260105-0000%2Fx?token={token}"),
    ];
    let expected = without_instance(&app.get(&paths[0]).await);
    assert_eq!(expected.0, 404);
    for path in &paths {
        assert_eq!(without_instance(&app.get(path).await), expected, "{path}");
        let page = app.page(path).await;
        assert_eq!(page.status.as_u16(), 404, "{path}");
    }
    assert_eq!(app.get(&url).await.status.as_u16(), 200);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_token_of_the_previous_secret_opens_the_ticket(pool: PgPool) {
    let before = App::new(&pool).await;
    let url = before.ticket().await;
    let rotated = App::with(&pool, "off", |parts| {
        let previous = b"a secret of at least 32 characters";
        parts.tokens =
            StatusTokens::new(b"the next secret of 32 characters", Some(previous)).unwrap();
    })
    .await;

    assert_eq!(rotated.get(&url).await.status.as_u16(), 200);
    assert_eq!(before.get(&rotated.ticket().await).await.status.as_u16(), 404);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_database_that_is_away_is_a_503_for_holders_and_a_404_for_others(pool: PgPool) {
    let app = App::new(&pool).await;
    let url = app.ticket().await;
    pool.close().await;

    let answer = app.get(&url).await;

    answer.assert_problem(503);
    assert_eq!(answer.header("retry-after"), "5");
    assert_eq!(app.page(&url).await.status.as_u16(), 503);
    app.get(&format!("{url}x")).await.assert_problem(404);
}
