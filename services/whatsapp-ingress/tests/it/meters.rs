//! The counters: refusals by reason, calls by what they became.

use axum::http::Request;

use crate::support::{App, MESSAGES, call, message, signed, usual_signature};

#[tokio::test]
async fn every_refusal_is_counted_by_its_reason() {
    let app = App::new();
    app.message(&[]).await.assert_taken();
    app.status("", &[]).await.assert_taken();
    app.message(&[("From", "+1")]).await.assert_taken();
    app.publisher.lose_next();
    app.message(&[]).await.assert_problem(503);
    for _ in 0..2 {
        app.send(call(MESSAGES, &usual_signature(), "Body=forged")).await.assert_problem(403);
    }
    let mut unsigned = signed(MESSAGES, &message(&[]));
    unsigned.headers_mut().remove("x-twilio-signature");
    app.send(unsigned).await.assert_problem(403);
    app.send(call(MESSAGES, "", "x".repeat(70_000))).await.assert_problem(413);
    app.send(Request::post(MESSAGES).body("".into()).unwrap()).await.assert_problem(415);

    let metrics = app.metrics();
    let counted = |name: &str, label: &str, value: u32| {
        let found = metrics.lines().any(|line| {
            line.starts_with(&format!("fte_whatsapp_webhooks_{name}_total{{"))
                && line.contains(label)
                && line.ends_with(&format!(" {value}"))
        });
        assert!(found, "{name} {label} {value} is not in\n{metrics}");
    };
    counted("received", "became=\"event\"", 2);
    counted("received", "became=\"dead_letter\"", 1);
    counted("refused", "reason=\"forged\"", 2);
    counted("refused", "reason=\"unsigned\"", 1);
    counted("refused", "reason=\"too_large\"", 1);
    counted("refused", "reason=\"media_type\"", 1);
    counted("refused", "reason=\"unconfirmed\"", 1);
}
