//! Requests to send, their callbacks, and what goes wrong.

use std::time::Duration;

use axum::http::StatusCode;
use emulators::twilio::{Callbacks, Fault, Inbound, Settings, TwilioEmulator};
use serde_json::Value;
use testkit::wait_for;

use crate::{CUSTOMER, Webhook, emulator, messages_url, send};

#[tokio::test]
async fn a_message_is_taken_and_its_callbacks_are_signed_and_carry_its_sid() {
    let emulator = emulator().await;
    let webhook = Webhook::start().await;
    let url = format!("{}?d=7", webhook.url);

    let answer = send(&emulator, &[("StatusCallback", &url)]).await.unwrap();

    assert_eq!(answer.status(), StatusCode::CREATED);
    let body: Value = answer.json().await.unwrap();
    assert_eq!((body["status"].as_str(), body["body"].as_str()), (Some("queued"), Some("Hello")));
    assert_eq!(body["num_media"], "0");
    wait_for("both callbacks", async || webhook.received().len() == 2).await;
    assert_eq!(webhook.values("MessageStatus"), ["sent", "delivered"]);
    assert_eq!(webhook.values("MessageSid")[0], body["sid"].as_str().unwrap());
    let (headers, _) = &webhook.received()[0];
    assert_eq!(headers["x-twilio-signature"].len(), 28);
    assert_eq!(emulator.sent()[0].status, "delivered");
}

#[tokio::test]
async fn what_breaks_the_contract_is_refused_with_twilios_code() {
    let emulator = emulator().await;
    emulator.set_opted_out("whatsapp:+14155550199", true);
    let at_limit = "📦".repeat(800);
    let long = "x".repeat(1601);
    let cases: [(&[(&str, &str)], u32); 13] = [
        (&[("To", "")], 21_604),
        (&[("To", "whatsapp:5550123")], 21_211),
        (&[("To", "+14155550123")], 21_910),
        (&[("To", "whatsapp:+14155238886")], 63_031),
        (&[("To", "whatsapp:+14155550199")], 21_610),
        (&[("From", "")], 21_603),
        (&[("From", "whatsapp:+15005550006")], 63_007),
        (&[("Body", "")], 21_602),
        (&[("Body", &long)], 21_617),
        (&[("StatusCallback", "http://my_host/x")], 21_609),
        (&[("ValidityPeriod", "0")], 20_422),
        (&[("ContentSid", "HX1")], 21_655),
        (&[("ContentVariables", "{\"1\":2}")], 21_656),
    ];

    for (fields, code) in cases {
        let answer = send(&emulator, fields).await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{code}");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["code"], code);
    }
    let longest = send(&emulator, &[("Body", &at_limit)]).await.unwrap();
    assert_eq!(longest.status(), StatusCode::CREATED);
    let by_id = send(&emulator, &[("To", "whatsapp:ES.1A2B3C4D5E6F7A8B")]).await.unwrap();
    assert_eq!(by_id.status(), StatusCode::CREATED);
    assert_eq!(emulator.sent().len(), 2);
    assert_eq!(emulator.send_requests().len(), 15);
}

#[tokio::test]
async fn without_the_right_credentials_nothing_happens() {
    let emulator = emulator().await;
    emulator.set_auth_token("another");

    let wrong = send(&emulator, &[]).await.unwrap();
    let missing = reqwest::get(messages_url(&emulator)).await.unwrap();

    assert_eq!(
        (wrong.status(), missing.status()),
        (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED)
    );
    assert_eq!(wrong.json::<Value>().await.unwrap()["code"], 20_003);
    assert!(emulator.sent().is_empty());
}

#[tokio::test]
async fn the_script_gives_each_request_its_fault_and_says_what_went() {
    let emulator = emulator().await;
    emulator.script([
        Fault::TooMany { retry_after: Some(2) },
        Fault::TooMany { retry_after: None },
        Fault::ServerErrorJson,
        Fault::ServerErrorHtml,
        Fault::ServerErrorAfterAccepting,
        Fault::BadRequestHtml,
        Fault::Refuse { status: 400, code: 21_408 },
        Fault::FailedAtOnce { code: 30_001 },
    ]);

    let mut statuses = Vec::new();
    for _ in 0..9 {
        statuses.push(send(&emulator, &[]).await.unwrap().status().as_u16());
    }

    assert_eq!(statuses, [429, 429, 500, 503, 500, 400, 400, 201, 201]);
    assert_eq!(emulator.sent().len(), 3);
    assert_eq!(emulator.sent()[1].status, "failed");
}

#[tokio::test]
async fn a_connection_is_dropped_before_or_after_the_message_went() {
    let emulator = emulator().await;
    emulator.script([Fault::Drop, Fault::AcceptThenDrop, Fault::BrokenReply, Fault::Pass]);

    let before = send(&emulator, &[]).await;
    let after_dropping = emulator.sent().len();
    let after = send(&emulator, &[("Body", "It went")]).await;
    let broken = send(&emulator, &[]).await.unwrap().json::<Value>().await;

    assert!(before.is_err() && after.is_err() && broken.is_err());
    assert_eq!(after_dropping, 0);
    assert_eq!(emulator.sent()[0].body, "It went");
    assert_eq!(emulator.sent().len(), 2);
    assert!(send(&emulator, &[]).await.unwrap().status().is_success());
}

#[tokio::test]
async fn a_hanging_request_ends_with_the_client_and_a_stopped_emulator_refuses() {
    let mut emulator = emulator().await;
    emulator.script([Fault::HangAfterAccepting]);

    let hanging = tokio::time::timeout(Duration::from_millis(300), send(&emulator, &[])).await;
    emulator.stop().await;
    let refused = send(&emulator, &[]).await.unwrap_err();
    emulator.restart().await.unwrap();
    let again = send(&emulator, &[]).await.unwrap();

    assert!(hanging.is_err());
    assert!(refused.is_connect());
    assert!(again.status().is_success());
    assert_eq!(emulator.sent().len(), 2);
}

#[tokio::test]
async fn callbacks_come_twice_reversed_early_or_not_at_all() {
    let emulator = emulator().await;
    let webhook = Webhook::start().await;
    let callbacks = Callbacks {
        statuses: ["sent", "read"].map(str::to_owned).into(),
        is_duplicated: true,
        is_reversed: true,
        is_early: true,
        ..Callbacks::default()
    };
    emulator.set_callbacks(callbacks);
    send(&emulator, &[("StatusCallback", &webhook.url)]).await.unwrap();
    let early = webhook.values("MessageStatus");
    emulator.set_callbacks(Callbacks { is_lost: true, ..Callbacks::default() });
    send(&emulator, &[("StatusCallback", &webhook.url)]).await.unwrap();
    wait_for("the second to be delivered", async || emulator.sent()[1].status == "delivered").await;

    assert_eq!(early, ["read", "read", "sent", "sent"]);
    assert_eq!(webhook.received().len(), 4);
}

#[tokio::test]
async fn free_text_needs_a_message_of_the_last_day() {
    let settings = Settings { has_window: true, ..Settings::default() };
    let emulator = TwilioEmulator::start(settings).await.unwrap();
    let webhook = Webhook::start().await;
    let fields = [("StatusCallback", webhook.url.as_str())];

    send(&emulator, &fields).await.unwrap();
    wait_for("the failure", async || webhook.values("ErrorCode") == ["63016"]).await;
    emulator.inbound(Inbound { from: CUSTOMER.to_owned(), ..Inbound::default() }).await;
    send(&emulator, &fields).await.unwrap();
    wait_for("the delivery", async || emulator.sent()[1].status == "delivered").await;
    emulator.age_window(CUSTOMER, Duration::from_secs(24 * 3600));
    send(&emulator, &fields).await.unwrap();

    wait_for("the second failure", async || webhook.values("ErrorCode").len() == 2).await;
    assert_eq!(webhook.values("MessageStatus")[0], "undelivered");
}
