//! What is logged: reasons and ids, never who wrote, what, or signed with which token.

use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::Once;

use tracing_subscriber::fmt::format::FmtSpan;

use crate::support::{App, MESSAGES, TOKEN, message, signed_by, usual_signature};

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
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_span_events(FmtSpan::FULL)
            .with_writer(|| OfThisThread)
            .finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
}

#[tokio::test]
async fn no_log_of_any_level_holds_a_number_a_name_a_text_or_a_token() {
    let app = App::new();
    LINES.set(Some(Vec::new()));

    app.message(&[]).await.assert_taken();
    app.status("?d=0191d7a4-7c7b-7f3e-8b2e-4a3f1c2d5e6f", &[]).await.assert_taken();
    app.publisher.lose_next();
    app.message(&[]).await.assert_problem(503);
    app.message(&[("From", "sms:+14155550123")]).await.assert_taken();
    let forged = signed_by("forged", "https://x.example", MESSAGES, &message(&[]));
    app.send(forged).await.assert_problem(403);

    let log = String::from_utf8(LINES.take().unwrap()).unwrap();
    for told in ["webhook not confirmed", "webhook moved to the dead letters", "From is no"] {
        assert!(log.contains(told), "{told} is not logged: {log}");
    }
    let signature = usual_signature();
    for secret in ["4155550123", "4155238886", "Sam", "pedido", TOKEN, &signature, "0191d7a4"] {
        assert!(!log.contains(secret), "{secret} is logged");
    }
}
