//! What is logged: reasons and ids, never who wrote, what, or signed with which token.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use crate::support::{App, MESSAGES, TOKEN, message, signed_by, usual_signature};

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

#[tokio::test]
async fn no_log_of_any_level_holds_a_number_a_name_a_text_or_a_token() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let app = App::new();

    app.message(&[]).await.assert_taken();
    app.status("?d=0191d7a4-7c7b-7f3e-8b2e-4a3f1c2d5e6f", &[]).await.assert_taken();
    app.publisher.lose_next();
    app.message(&[]).await.assert_problem(503);
    app.message(&[("From", "sms:+14155550123")]).await.assert_taken();
    let forged = signed_by("forged", "https://x.example", MESSAGES, &message(&[]));
    app.send(forged).await.assert_problem(403);

    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    for told in ["webhook not confirmed", "webhook moved to the dead letters", "From is no"] {
        assert!(log.contains(told), "{told} is not logged: {log}");
    }
    let signature = usual_signature();
    for secret in ["4155550123", "4155238886", "Sam", "pedido", TOKEN, &signature, "0191d7a4"] {
        assert!(!log.contains(secret), "{secret} is logged");
    }
}
