//! Who is not Pub/Sub: 401, and nothing reaches the log.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::future::join_all;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use crate::google::{KEYS, claims, unsigned};
use crate::support::{App, NOW, call, push};

#[tokio::test]
async fn a_push_without_a_token_or_with_garbage_is_refused() {
    let app = App::new().await;
    let good = KEYS[0].token(json!({}));
    let mut request = call("", push("1", 7));
    request.headers_mut().remove("authorization");
    app.send(request).await.assert_problem(401);
    for scheme in ["Basic", "", "Token"] {
        let mut request = call("", push("1", 7));
        let value = format!("{scheme} {good}").trim().parse().unwrap();
        request.headers_mut().insert("authorization", value);
        app.send(request).await.assert_problem(401);
    }
    let mut twice = call(&good, push("1", 7));
    twice.headers_mut().append("authorization", format!("Bearer {good}").parse().unwrap());
    app.send(twice).await.assert_problem(401);
    for token in ["", "a", "a.b.c", "..", &good[1..], &"x".repeat(5000), &format!("{good}.x")] {
        app.with_token(token).await.assert_problem(401);
    }

    app.assert_nothing_published();
    app.assert_counted("fte_gmail_webhooks_refused", "missing", 4);
}

#[tokio::test]
async fn one_flipped_byte_of_a_token_is_refused_wherever_it_is() {
    let app = App::new().await;
    let good = KEYS[0].token(json!({})).into_bytes();
    // The last symbol carries bits that no byte is made of.
    for at in (0..good.len() - 1).step_by(7) {
        let mut changed = good.clone();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        app.with_token(std::str::from_utf8(&changed).unwrap()).await.assert_problem(401);
    }

    app.assert_nothing_published();
}

#[tokio::test]
async fn another_algorithm_does_not_count_whatever_it_is_signed_with() {
    let app = App::new().await;
    let key = &KEYS[0];
    let with = |algorithm: &str| json!({ "alg": algorithm, "kid": key.kid });
    let none = format!("{}.", unsigned(&with("none"), &claims(json!({}))));
    app.with_token(&none).await.assert_problem(401);
    let message = unsigned(&with("HS256"), &claims(json!({})));
    let public = key.jwk["n"].as_str().unwrap();
    for secret in [public.as_bytes(), key.jwk.to_string().as_bytes()] {
        let secret = EncodingKey::from_secret(secret);
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &secret, Algorithm::HS256);
        app.with_token(&format!("{message}.{}", signature.unwrap())).await.assert_problem(401);
    }
    for algorithm in ["RS512", "rs256", "PS256", "ES256"] {
        let token = key.sign(&with(algorithm), &claims(json!({})));
        app.with_token(&token).await.assert_problem(401);
    }

    app.assert_nothing_published();
    app.assert_counted("fte_gmail_webhooks_refused", "algorithm", 7);
}

#[tokio::test]
async fn a_token_cannot_bring_its_own_key() {
    let app = App::new().await;
    let stranger = &KEYS[1];
    let header = json!({
        "alg": "RS256",
        "kid": KEYS[0].kid,
        "jwk": stranger.jwk,
        "jku": app.certs.url(),
    });

    app.with_token(&stranger.sign(&header, &claims(json!({})))).await.assert_problem(401);

    app.assert_nothing_published();
    app.assert_counted("fte_gmail_webhooks_refused", "forged", 1);
}

#[tokio::test]
async fn a_token_for_somebody_else_or_of_somebody_else_is_refused() {
    let app = App::new().await;
    let changes = [
        json!({ "aud": "https://support.example.com/webhooks/gmail/" }),
        json!({ "aud": ["https://support.example.com/webhooks/gmail"] }),
        json!({ "email": "another@project.iam.gserviceaccount.com" }),
        json!({ "email": null }),
        json!({ "email_verified": false }),
        json!({ "email_verified": "true" }),
        json!({ "iss": "https://accounts.example.com" }),
    ];
    for change in changes {
        app.with_token(&KEYS[0].token(change)).await.assert_problem(401);
    }

    app.assert_nothing_published();
    app.assert_counted("fte_gmail_webhooks_refused", "claims", 7);
}

#[tokio::test]
async fn a_token_counts_in_its_time_only() {
    let app = App::new().await;
    let refused = [
        json!({ "exp": NOW - 61 }),
        json!({ "iat": NOW + 120 }),
        json!({ "exp": NOW + 30 * 24 * 3600 }),
    ];
    for change in refused {
        app.with_token(&KEYS[0].token(change)).await.assert_problem(401);
    }
    app.assert_nothing_published();
    app.assert_counted("fte_gmail_webhooks_refused", "expired", 3);

    for change in [json!({ "exp": NOW - 30 }), json!({ "iat": NOW + 30 })] {
        app.with_token(&KEYS[0].token(change)).await.assert_taken();
    }
}

#[tokio::test]
async fn the_same_token_serves_many_pushes() {
    let app = App::new().await;
    let token = KEYS[0].token(json!({}));

    for id in ["1", "2", "3"] {
        app.send(call(&token, push(id, 7))).await.assert_taken();
    }

    assert_eq!((app.notifications().len(), app.certs.asked()), (3, 1));
}

#[tokio::test]
async fn a_storm_of_unknown_keys_asks_google_once_a_minute() {
    let app = App::new().await;
    app.with_token(&KEYS[0].token(json!({}))).await.assert_taken();
    let invented = |n: usize| {
        let header = json!({ "alg": "RS256", "kid": format!("invented-{n}") });
        KEYS[1].sign(&header, &claims(json!({})))
    };
    app.advance(61);

    let tokens: Vec<_> = (0..50).map(invented).collect();
    let answers = join_all(tokens.iter().map(|token| app.with_token(token))).await;

    assert!(answers.iter().all(|answer| answer.status == 401));
    assert_eq!(app.certs.asked(), 2);
    assert_eq!(app.notifications().len(), 1);
    // Nobody else suffers from it.
    app.with_token(&KEYS[0].token(json!({}))).await.assert_taken();
}

#[tokio::test]
async fn a_rotated_key_is_fetched_when_it_is_first_used() {
    let app = App::new().await;
    app.with_token(&KEYS[0].token(json!({}))).await.assert_taken();
    app.certs.set(Some(vec![&KEYS[0], &KEYS[1]]));
    app.advance(61);

    app.with_token(&KEYS[1].token(json!({}))).await.assert_taken();

    assert_eq!(app.certs.asked(), 2);
}

#[tokio::test]
async fn without_googles_keys_a_push_is_told_to_come_again() {
    let app = App::new().await;
    app.certs.set(None);

    for _ in 0..3 {
        app.with_token(&KEYS[0].token(json!({}))).await.assert_problem(503);
    }

    app.assert_nothing_published();
    assert_eq!(app.certs.asked(), 1);
    app.certs.set(Some(vec![&KEYS[0]]));
    app.advance(60);
    app.with_token(&KEYS[0].token(json!({}))).await.assert_taken();
}

#[tokio::test]
async fn an_old_set_of_keys_counts_for_a_day_while_no_other_can_be_had() {
    let app = App::new().await;
    app.with_token(&KEYS[0].token(json!({}))).await.assert_taken();
    app.certs.set(None);
    let later = |hours: i64| {
        let exp = NOW + hours * 3600 + 600;
        KEYS[0].token(json!({ "iat": exp - 3600, "exp": exp }))
    };

    app.advance(24 * 3600);
    app.with_token(&later(24)).await.assert_taken();
    app.advance(2 * 3600);
    app.with_token(&later(26)).await.assert_problem(503);

    assert_eq!(app.notifications().len(), 2);
}

#[tokio::test]
async fn claims_that_are_no_claims_are_refused_though_signed() {
    let app = App::new().await;
    let message = |claims: &str| {
        let header = URL_SAFE_NO_PAD.encode(KEYS[0].header().to_string());
        format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims))
    };
    for text in ["", "{}", "[]", "\u{1F4E6}"] {
        let token = KEYS[0].sign(&KEYS[0].header(), &Value::String(text.to_owned()));
        app.with_token(&token).await.assert_problem(401);
        app.with_token(&format!("{}.AAAA", message(text))).await.assert_problem(401);
    }

    app.assert_nothing_published();
}
