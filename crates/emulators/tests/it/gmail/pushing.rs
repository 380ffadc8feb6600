//! Notifications and their tokens.

use std::collections::HashSet;
use std::time::Duration;

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use emulators::gmail::{BadToken, GmailEmulator, Push, PushFault, Settings};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use testkit::wait_for;

use super::{ANA, Endpoint, MAILBOX, Owner, TOPIC, hello, settings, support};

/// An emulator whose mailbox is watched, and who is told.
async fn watched(settings: Settings) -> (GmailEmulator, Endpoint, Owner) {
    let endpoint = Endpoint::start().await;
    let quick = (Duration::from_millis(5), Duration::from_millis(20));
    let settings = Settings { push_retries: quick, ..settings };
    let emulator = GmailEmulator::start(settings).await.unwrap();
    emulator.set_push(Some(Push::to(&endpoint.url)));
    let owner = support(&emulator).await;
    owner.post("watch", json!({ "topicName": TOPIC, "labelIds": ["INBOX"] })).await;
    wait_for("the first push", async || endpoint.received().len() == 1).await;
    (emulator, endpoint, owner)
}

fn message_id(body: &Value) -> String {
    body["message"]["messageId"].as_str().unwrap().to_owned()
}

fn data(body: &Value) -> Value {
    let data = body["message"]["data"].as_str().unwrap();
    let bytes = STANDARD.decode(data).or_else(|_| URL_SAFE_NO_PAD.decode(data));
    serde_json::from_slice(&bytes.unwrap()).unwrap()
}

fn bearer(headers: &axum::http::HeaderMap) -> Option<String> {
    let value = headers.get("authorization")?.to_str().unwrap();
    Some(value.strip_prefix("Bearer ").unwrap().to_owned())
}

/// The claims, as a service reads them that knows its audience and the account.
async fn verified(emulator: &GmailEmulator, token: &str, url: &str) -> Option<Value> {
    let keys: Value = reqwest::get(emulator.certs_url()).await.unwrap().json().await.unwrap();
    let head = jsonwebtoken::decode_header(token).ok()?;
    let keys = keys["keys"].as_array().unwrap();
    let key = keys.iter().find(|key| key["kid"].as_str() == head.kid.as_deref())?;
    let text = |name: &str| key[name].as_str().unwrap();
    let key = DecodingKey::from_rsa_components(text("n"), text("e")).unwrap();
    let mut rules = Validation::new(Algorithm::RS256);
    rules.set_audience(&[url]);
    rules.set_issuer(&["https://accounts.google.com"]);
    let claims = jsonwebtoken::decode::<Value>(token, &key, &rules).ok()?.claims;
    let is_in_time = claims["iat"].as_i64()? <= jsonwebtoken::get_current_timestamp() as i64 + 60;
    let is_ours = claims["email"] == Push::to(url).service_account.as_str();
    (is_in_time && is_ours && claims["email_verified"] == true).then_some(claims)
}

#[tokio::test]
async fn a_watch_tells_at_once_and_then_of_each_change_with_a_signed_token() {
    let (emulator, endpoint, owner) = watched(settings()).await;

    let arrived = emulator.inbound(&hello("Order 42")).unwrap();
    wait_for("the push", async || endpoint.received().len() == 2).await;

    let (headers, body) = endpoint.received().remove(1);
    let expected = json!({ "emailAddress": MAILBOX, "historyId": arrived.history_id.to_string() });
    assert_eq!(data(&body), expected);
    assert_eq!(body["message"]["messageId"], body["message"]["message_id"]);
    assert_eq!(body["subscription"], "projects/fte-test/subscriptions/gmail-push");
    let claims = verified(&emulator, &bearer(&headers).unwrap(), &endpoint.url).await.unwrap();
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
    // A draft is no change of the inbox.
    let raw = super::encoded("To: a@example.org\r\nSubject: x\r\n\r\nx");
    owner.post("drafts", json!({ "message": { "raw": raw } })).await;
    owner.post("stop", json!({})).await;
    emulator.inbound(&hello("Unwatched")).unwrap();
    assert_eq!(emulator.pushes().len(), 2);
}

#[tokio::test]
async fn a_push_that_is_not_taken_comes_again_with_its_id() {
    let (emulator, endpoint, _) = watched(settings()).await;
    // 203 is no acknowledgement.
    endpoint.answer([
        StatusCode::NON_AUTHORITATIVE_INFORMATION,
        StatusCode::FOUND,
        StatusCode::SERVICE_UNAVAILABLE,
    ]);

    emulator.inbound(&hello("Order 42")).unwrap();
    wait_for("the push to be taken", async || {
        emulator.pushes().get(1).is_some_and(emulators::gmail::Pushed::is_taken)
    })
    .await;

    assert_eq!(emulator.pushes()[1].statuses, [Some(503), Some(302), Some(203), Some(204)]);
    let ids: HashSet<_> =
        endpoint.received().iter().skip(1).map(|(_, body)| message_id(body)).collect();
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn pushes_come_twice_overtaken_in_other_words_or_not_at_all() {
    let (emulator, endpoint, _) = watched(settings()).await;
    emulator.script_pushes([
        PushFault::Twice,
        PushFault::Lost,
        PushFault::Overtaken,
        PushFault::NumericHistoryId,
        PushFault::UrlSafeData,
    ]);

    let arrived: Vec<_> =
        (0..5).map(|_| emulator.inbound(&hello("x")).unwrap().history_id).collect();
    wait_for("all pushes", async || endpoint.received().len() == 6).await;

    let told: Vec<Value> = endpoint
        .received()
        .iter()
        .skip(1)
        .map(|(_, body)| data(body)["historyId"].clone())
        .collect();
    let text = |place: usize| json!(arrived[place].to_string());
    let place = |wanted: &Value| told.iter().position(|one| one == wanted);
    assert_eq!(told.iter().filter(|one| **one == text(0)).count(), 2);
    assert_eq!(place(&text(1)), None);
    assert!(place(&text(2)) > place(&json!(arrived[3])), "{told:?}");
    assert!(place(&text(4)).is_some());
    assert_eq!(emulator.pushes().len(), 6, "the lost one is remembered");
}

#[tokio::test]
async fn no_bad_token_is_accepted_and_the_next_attempt_has_a_good_one() {
    let (emulator, endpoint, _) = watched(settings()).await;
    let bad = [
        BadToken::Missing,
        BadToken::Garbled,
        BadToken::WrongSignature,
        BadToken::UnknownKey,
        BadToken::Unsigned,
        BadToken::SymmetricAlgorithm,
        BadToken::WrongIssuer,
        BadToken::WrongAudience,
        BadToken::AnotherAccount,
        BadToken::UnverifiedEmail,
        BadToken::Expired,
        BadToken::FromTheFuture,
    ];

    for (number, token) in bad.into_iter().enumerate() {
        emulator.script_pushes([PushFault::Token { token }]);
        endpoint.answer([StatusCode::UNAUTHORIZED]);
        emulator.inbound(&hello("x")).unwrap();
        wait_for("both attempts", async || endpoint.received().len() == 3 + 2 * number).await;

        let received = endpoint.received();
        let tokens: Vec<_> =
            received.iter().rev().take(2).map(|(headers, _)| bearer(headers)).collect();
        let [Some(good), bad] = &tokens[..] else { panic!("{tokens:?}") };
        assert!(verified(&emulator, good, &endpoint.url).await.is_some(), "{token:?}");
        if let Some(bad) = bad {
            assert!(verified(&emulator, bad, &endpoint.url).await.is_none(), "{token:?}");
        }
    }
}

#[tokio::test]
async fn keys_rotate_and_old_tokens_stay_good() {
    let (emulator, endpoint, _) = watched(settings()).await;
    emulator.rotate_keys();

    emulator.inbound(&hello("x")).unwrap();
    wait_for("the push", async || endpoint.received().len() == 2).await;

    let tokens: Vec<_> =
        endpoint.received().iter().map(|(headers, _)| bearer(headers).unwrap()).collect();
    let kid = |token: &String| jsonwebtoken::decode_header(token).unwrap().kid;
    assert_ne!(kid(&tokens[0]), kid(&tokens[1]));
    for token in &tokens {
        assert!(verified(&emulator, token, &endpoint.url).await.is_some());
    }
}

#[tokio::test]
async fn a_watch_ends_after_a_week_and_another_mailbox_has_its_own() {
    let (emulator, endpoint, _) = watched(settings()).await;
    let ana = Owner::of(&emulator, "1//refresh-ana").await;
    ana.post("watch", json!({ "topicName": "projects/fte-test/topics/other" })).await;

    emulator.advance(Duration::from_secs(7 * 24 * 3600 - 60));
    emulator.inbound(&hello("In time")).unwrap();
    emulator.advance(Duration::from_secs(120));
    emulator.inbound(&hello("Too late")).unwrap();
    let to_ana = emulators::gmail::Inbound { to: Some(ANA.to_owned()), ..hello("To Ana") };
    emulator.inbound(&to_ana).unwrap();
    wait_for("the push", async || endpoint.received().len() == 2).await;

    assert_eq!(emulator.pushes().len(), 2, "another topic is nobody's here");
}

#[tokio::test]
async fn changes_within_a_second_are_told_once_where_there_is_a_limit() {
    let limited = Settings { has_notification_limit: true, ..settings() };
    let (emulator, endpoint, _) = watched(limited).await;

    emulator.advance(Duration::from_secs(2));
    for _ in 0..5 {
        emulator.inbound(&hello("At once")).unwrap();
    }
    wait_for("the push", async || endpoint.received().len() == 2).await;
    emulator.advance(Duration::from_secs(2));
    emulator.inbound(&hello("Later")).unwrap();
    wait_for("the next push", async || endpoint.received().len() == 3).await;

    assert_eq!(emulator.pushes().len(), 3);
}
