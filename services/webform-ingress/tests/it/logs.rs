//! What is logged: refs and causes, never who wrote, what, or with which token.

use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::Once;

use serde_json::json;
use sqlx::PgPool;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::support::{App, and, from, post, question, question_with, rows};

thread_local! {
    /// What was logged on this thread, which is one test's, since it asked for it.
    static LINES: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

struct OfThisThread;

impl Write for OfThisThread {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.as_mut().map(|lines| lines.extend_from_slice(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Logs everything of every test from the first one on. With a subscriber of one test
/// alone, a line that another test reaches at that moment may stay switched off.
pub(crate) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // All levels, span ends included; sqlx tells its statements, which hold no values.
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_span_events(FmtSpan::FULL)
            .with_writer(|| OfThisThread)
            .finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn no_log_of_any_level_holds_an_address_a_text_or_a_token(pool: PgPool) {
    LINES.set(Some(Vec::new()));

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

    let log = String::from_utf8(LINES.take().unwrap()).unwrap();
    let ticket = app.events()[0].ticket_ref.to_string();
    assert!(log.contains("request not confirmed") && log.contains(&ticket), "{log}");
    let token = url.split_once("token=").unwrap().1;
    for secret in
        ["example.org", "Sam", "export a board", "as a file", "PDF", "menu", "key-of-sam", token]
    {
        assert!(!log.contains(secret), "{secret} is logged");
    }
}
