//! Customers who write.

use axum::http::StatusCode;
use emulators::twilio::{Inbound, InboundMedia, Settings};
use serde_json::{Value, json};

use crate::{CUSTOMER, Webhook, emulator};

fn hello() -> Inbound {
    Inbound { from: CUSTOMER.into(), body: "Hola 📦".into(), ..Inbound::default() }
}

#[tokio::test]
async fn a_message_reaches_the_webhook_signed_with_all_that_belongs_to_it() {
    let emulator = emulator().await;
    let webhook = Webhook::start().await;
    emulator.set_webhook(&webhook.url);

    let outcome = emulator.inbound(hello()).await;

    assert!(outcome.is_delivered);
    assert_eq!(webhook.values("Body"), ["Hola 📦"]);
    assert_eq!(webhook.values("MessageSid"), [outcome.message_sid.as_str()]);
    assert_eq!(webhook.values("WaId"), ["14155550123"]);
    let (headers, _) = &webhook.received()[0];
    assert_eq!(headers["i-twilio-idempotency-token"], outcome.idempotency_token.as_str());
    assert_eq!(headers["x-twilio-signature"].len(), 28);
}

#[tokio::test]
async fn a_webhook_that_fails_is_asked_again_only_when_its_url_says_so() {
    let emulator = emulator().await;
    let webhook = Webhook::start().await;
    let unavailable = StatusCode::SERVICE_UNAVAILABLE;

    emulator.set_webhook(&webhook.url);
    webhook.answer([unavailable]);
    let once = emulator.inbound(hello()).await;
    emulator.set_webhook(format!("{}#rc=3&rp=5xx", webhook.url));
    webhook.answer([unavailable, unavailable]);
    let thrice = emulator.inbound(hello()).await;

    assert!(!once.is_delivered && once.attempts.len() == 1);
    let statuses: Vec<_> = thrice.attempts.iter().map(|attempt| attempt.status).collect();
    assert_eq!(statuses, [Some(503), Some(503), Some(204)]);
    let token = |place: usize| webhook.received()[place].0["i-twilio-idempotency-token"].clone();
    assert!(token(1) == token(2) && token(2) == token(3) && token(0) != token(1));
}

#[tokio::test]
async fn a_refused_connection_is_tried_once_more_and_then_the_fallback_is_told() {
    let emulator = emulator().await;
    let webhook = Webhook::start().await;
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}/hook", closed.local_addr().unwrap());
    drop(closed);
    emulator.set_webhook(&nobody);
    emulator.set_fallback(&webhook.url);

    let outcome = emulator.inbound(hello()).await;

    assert_eq!(outcome.attempts.len(), 3);
    assert!(outcome.is_delivered);
    assert_eq!(webhook.values("ErrorCode"), ["11200"]);
    assert_eq!(webhook.values("ErrorUrl"), [nobody]);
}

#[tokio::test]
async fn a_duplicate_and_a_bad_signature_are_made_on_request() {
    let emulator = emulator().await;
    let webhook = Webhook::start().await;
    emulator.set_webhook(&webhook.url);

    emulator.inbound(Inbound { is_duplicated: true, ..hello() }).await;
    let good = webhook.received()[0].0["x-twilio-signature"].clone();
    let again = webhook.values("MessageSid")[0].clone();
    let bad = Inbound { is_badly_signed: true, message_sid: Some(again.clone()), ..hello() };
    emulator.inbound(bad).await;

    assert_eq!(webhook.values("MessageSid"), [again.clone(), again.clone(), again]);
    assert_ne!(webhook.received()[2].0["x-twilio-signature"], good);
    assert_eq!(emulator.messages().len(), 1);
}

#[tokio::test]
async fn a_file_needs_credentials_which_its_redirect_must_not_carry_on() {
    let emulator = emulator().await;
    let webhook = Webhook::start().await;
    emulator.set_webhook(&webhook.url);
    let photo =
        InboundMedia { content_type: "image/jpeg".into(), content_base64: "aGVsbG8=".into() };
    emulator.inbound(Inbound { media: vec![photo], ..hello() }).await;
    let url = webhook.values("MediaUrl0").remove(0);
    let settings = Settings::default();
    let client = reqwest::Client::new();

    let anonymous = client.get(&url).send().await.unwrap();
    let request = client.get(&url).basic_auth(&settings.account_sid, Some(&settings.auth_token));
    let bytes = request.send().await.unwrap().bytes().await.unwrap();

    assert_eq!(anonymous.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(bytes, "hello");
    assert_eq!(webhook.values("MessageType"), ["image"]);
}

#[tokio::test]
async fn a_person_can_write_and_read_by_http() {
    let emulator = emulator().await;
    let webhook = Webhook::start().await;
    emulator.set_webhook(&webhook.url);
    let client = reqwest::Client::new();
    let url = |path: &str| format!("{}/_test/{path}", emulator.base_url());

    let message = json!({ "from": "+14155550123", "body": "hi" });
    let posted = client.post(url("inbound")).json(&message).send().await.unwrap();
    let outcome: Value = posted.json().await.unwrap();
    let messages: Value = reqwest::get(url("messages")).await.unwrap().json().await.unwrap();
    let requests: Value = reqwest::get(url("requests")).await.unwrap().json().await.unwrap();

    assert_eq!(outcome["is_delivered"], true);
    assert_eq!(messages[0]["from"], CUSTOMER);
    assert_eq!(requests, json!([]));
}
