//! What is logged: refs and causes, never who wrote, what, or with which token.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use serde_json::json;
use sqlx::PgPool;

use crate::support::{App, and, from, post, question, question_with, rows};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn no_log_of_any_level_holds_an_address_a_text_or_a_token(pool: PgPool) {
    let lines = Lines::default();
    let writer = lines.clone();
    // All levels, span ends included; sqlx tells its statements, which hold no values.
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let app = App::with(&pool, "address=6/h", |_| ()).await;
    let url = app.ticket().await;
    let conversation = rows::store(&pool, &app.events()[0]).await;
    rows::answer(&pool, conversation, "agent", "", "Open the menu.").await;
    let messages = url.replace('?', "/messages?");
    app.publisher.lose_next();
    let keyed = and(post("/support/submit", &question()), "idempotency-key", "key-of-sam");
    app.send(from(keyed, "192.0.2.77")).await.assert_problem(503);
    app.submit(&question_with("email", "sam@example.org.")).await.assert_problem(422);
    app.get(&url).await;
    app.page(&url).await;
    app.send(post(&messages, &json!({"message": "And as PDF?"}))).await;
    for _ in 0..6 {
        app.submit(&question()).await;
    }
    pool.close().await;
    app.get(&url).await.assert_problem(503);
    app.send(post(&messages, &json!({"message": "And as PDF?"}))).await.assert_problem(503);

    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let ticket = app.events()[0].ticket_ref.to_string();
    assert!(log.contains("request not confirmed") && log.contains(&ticket), "{log}");
    let token = url.split_once("token=").unwrap().1;
    for secret in
        ["example.org", "Sam", "export a board", "as a file", "PDF", "menu", "key-of-sam", token]
    {
        assert!(!log.contains(secret), "{secret} is logged");
    }
}
