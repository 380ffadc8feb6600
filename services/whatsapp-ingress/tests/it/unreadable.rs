//! What Twilio has signed and we cannot use: kept as a dead letter, never lost.

use contract::DeadLetterClass;

use crate::support::{App, MESSAGES, SAM, encoded, message, signed, status};

async fn letter_of(app: &App) -> contract::DeadLetter {
    assert!(app.events().is_empty());
    let [letter] = app.letters().try_into().unwrap();
    letter
}

#[tokio::test]
async fn a_signed_message_for_another_sender_or_account_is_a_dead_letter() {
    for (changed, value, error) in [
        ("To", "whatsapp:+14155238887", "To is not our WhatsApp address"),
        ("AccountSid", "AC00000000000000000000000000000002", "AccountSid is not our account"),
        ("MessageSid", "SM1", "MessageSid is missing or no message's"),
    ] {
        let app = App::new();

        app.message(&[(changed, value)]).await.assert_taken();

        let letter = letter_of(&app).await;
        assert_eq!(letter.error, error);
        assert_eq!(letter.class, DeadLetterClass::Rejected);
        assert_eq!(letter.group, whatsapp_ingress::NAME);
        assert_eq!(letter.topic, "POST /webhooks/whatsapp");
        assert_eq!(letter.payload, encoded(&message(&[(changed, value)])));
    }
}

#[tokio::test]
async fn a_signed_message_of_another_channel_is_a_dead_letter() {
    for from in ["+14155550123", "messenger:12345", "whatsapp:+0", ""] {
        let app = App::new();
        app.message(&[("From", from)]).await.assert_taken();
        let letter = letter_of(&app).await;
        assert_eq!(letter.error, "From is no WhatsApp address");
        assert!(!letter.error.contains("12345"));
    }
}

#[tokio::test]
async fn a_signed_status_without_a_status_is_a_dead_letter() {
    let app = App::new();

    app.status("", &[("MessageStatus", "")]).await.assert_taken();

    assert_eq!(letter_of(&app).await.error, "MessageStatus is missing");
}

#[tokio::test]
async fn a_repeat_is_the_same_dead_letter_and_another_form_is_another() {
    let app = App::new();
    app.message(&[("From", "+1")]).await.assert_taken();
    app.set_time("2026-01-05T12:00:16Z");
    app.message(&[("From", "+1")]).await.assert_taken();
    app.message(&[("From", "+2")]).await.assert_taken();

    let ids: Vec<_> = app.letters().iter().map(|letter| letter.meta.event_id).collect();
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[2]);
}

#[tokio::test]
async fn a_dead_letter_that_the_log_does_not_confirm_is_answered_503() {
    let app = App::new();
    app.publisher.lose_next();

    app.message(&[("From", "+1")]).await.assert_problem(503);

    assert!(app.letters().is_empty());
}

#[tokio::test]
async fn a_dead_letter_has_a_key_that_every_log_takes() {
    let app = App::new();
    let sid = format!("SM\u{0}é{}", "1".repeat(100));

    app.message(&[("MessageSid", &sid)]).await.assert_taken();

    assert_eq!(letter_of(&app).await.key, format!("SM{}", "1".repeat(32)));
}

#[tokio::test]
async fn a_callback_on_the_path_of_messages_is_no_message() {
    let app = App::new();

    app.send(signed(MESSAGES, &status(&[]))).await.assert_taken();

    let letter = letter_of(&app).await;
    assert_eq!(letter.error, "To is not our WhatsApp address");
    assert!(!letter.error.contains(SAM));
}
