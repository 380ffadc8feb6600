//! Who is not Twilio: 403, and nothing reaches the log.

use axum::body::Body;
use axum::http::{HeaderValue, Request};
use chassis::settings::TwilioAccount;

use crate::support::{
    App, FORM, MESSAGES, ORIGIN, SAM, STATUSES, TOKEN, account, call, encoded, message, signature,
    signed, signed_by, status, usual_signature,
};

fn with_account(change: impl FnOnce(&mut TwilioAccount)) -> App {
    App::with(|parts| change(&mut parts.account))
}

#[tokio::test]
async fn an_unsigned_call_is_refused_and_nothing_is_published() {
    let app = App::new();
    let body = encoded(&message(&[]));
    for path in [MESSAGES, STATUSES] {
        let request = Request::post(path).header("content-type", FORM);
        app.send(request.body(Body::from(body.clone())).unwrap()).await.assert_problem(403);
    }

    app.assert_nothing_published();
}

#[tokio::test]
async fn a_wrong_signature_is_refused_whatever_it_looks_like() {
    let app = App::new();
    let usual = usual_signature();
    let of_another_length = [&usual[..usual.len() - 4], &format!("AAAA{usual}")].map(str::to_owned);
    let wrong = ["", "=", "%%%%", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", &usual.to_lowercase()];
    for signature in wrong.map(str::to_owned).iter().chain(&of_another_length) {
        let body = encoded(&message(&[]));
        app.send(call(MESSAGES, signature, body)).await.assert_problem(403);
    }
    let mut request = signed(MESSAGES, &message(&[]));
    let garbage = HeaderValue::from_bytes(b"\xff\xfe").unwrap();
    request.headers_mut().insert("x-twilio-signature", garbage);
    app.send(request).await.assert_problem(403);

    app.assert_nothing_published();
}

#[tokio::test]
async fn a_call_signed_with_another_token_is_refused() {
    let app = App::new();
    for token in ["", "another", &TOKEN.to_uppercase()] {
        let request = signed_by(token, ORIGIN, MESSAGES, &message(&[]));
        app.send(request).await.assert_problem(403);
    }

    app.assert_nothing_published();
}

#[tokio::test]
async fn one_flipped_byte_is_refused_wherever_it_is() {
    let app = App::new();
    let body = encoded(&message(&[])).into_bytes();
    for at in 0..body.len() {
        let mut changed = body.clone();
        // Never a letter of the same meaning, as `%2b` is for `%2B`.
        changed[at] ^= 1;
        let answer = app.send(call(MESSAGES, &usual_signature(), changed)).await;
        assert_eq!(answer.status.as_u16(), 403, "byte {at}");
    }
    let signature = usual_signature().into_bytes();
    for at in 0..signature.len() {
        let mut changed = signature.clone();
        changed[at] ^= 1;
        let changed = String::from_utf8(changed).unwrap();
        let answer = app.send(call(MESSAGES, &changed, body.clone())).await;
        assert_eq!(answer.status.as_u16(), 403, "byte {at} of the signature");
    }

    app.assert_nothing_published();
}

#[tokio::test]
async fn a_truncated_body_is_refused() {
    let app = App::new();
    let body = encoded(&message(&[]));
    for end in 0..body.len() {
        let answer = app.send(call(MESSAGES, &usual_signature(), body[..end].to_owned())).await;
        assert_eq!(answer.status.as_u16(), 403, "{end} bytes");
    }

    app.assert_nothing_published();
}

#[tokio::test]
async fn a_signature_for_another_url_is_refused() {
    let app = App::new();
    let fields = message(&[]);
    for (origin, path) in [
        ("http://support.example.com", MESSAGES),
        ("https://other.example.com", MESSAGES),
        (ORIGIN, STATUSES),
        (ORIGIN, "/webhooks/whatsapp/"),
        (ORIGIN, "/webhooks/whatsapp?a=1"),
        ("https://support.example.com:8443", MESSAGES),
    ] {
        let mut request = signed_by(TOKEN, origin, path, &fields);
        *request.uri_mut() = MESSAGES.parse().unwrap();
        let answer = app.send(request).await;
        assert_eq!(answer.status.as_u16(), 403, "{origin}{path}");
    }

    app.assert_nothing_published();
}

#[tokio::test]
async fn headers_that_a_client_writes_do_not_make_the_url() {
    let app = App::new();
    let mut request = signed_by(TOKEN, "https://evil.example", MESSAGES, &message(&[]));
    let headers = request.headers_mut();
    headers.insert("host", "evil.example".parse().unwrap());
    headers.insert("x-forwarded-host", "evil.example".parse().unwrap());
    headers.insert("x-forwarded-proto", "https".parse().unwrap());

    app.send(request).await.assert_problem(403);

    app.assert_nothing_published();
}

#[tokio::test]
async fn another_algorithm_and_two_signatures_are_refused() {
    let app = App::new();
    let mut request = signed(MESSAGES, &message(&[]));
    let settings = "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256".parse().unwrap();
    request.headers_mut().insert("x-twilio-webhooks-signature-settings", settings);
    app.send(request).await.assert_problem(403);

    let mut request = signed(MESSAGES, &message(&[]));
    let again = usual_signature().parse().unwrap();
    request.headers_mut().append("x-twilio-signature", again);
    app.send(request).await.assert_problem(403);

    app.assert_nothing_published();
}

#[tokio::test]
async fn twilio_may_sign_the_url_with_its_port_or_without() {
    for configured in ["https://support.example.com", "https://support.example.com:443/"] {
        let app = with_account(|account| account.public_base_urls = vec![configured.to_owned()]);
        for origin in ["https://support.example.com", "https://support.example.com:443"] {
            app.send(signed_by(TOKEN, origin, MESSAGES, &message(&[]))).await.assert_taken();
        }
        assert_eq!(app.events().len(), 2, "{configured}");
    }
}

#[tokio::test]
async fn during_a_move_every_public_url_and_both_tokens_count() {
    let app = with_account(|account| {
        account.public_base_urls =
            vec![ORIGIN.to_owned(), "https://old.example.com/prefix".to_owned()];
        account.auth_token_secondary = Some("the second token".into());
    });

    for token in [TOKEN, "the second token"] {
        for origin in [ORIGIN, "https://old.example.com/prefix"] {
            app.send(signed_by(token, origin, MESSAGES, &message(&[]))).await.assert_taken();
        }
    }
    assert!(account().auth_token_secondary.is_none());
    assert_eq!(app.events().len(), 4);
}

#[tokio::test]
async fn parameters_that_nobody_knows_yet_are_signed_and_ignored() {
    let app = App::new();
    let future = [("FutureParam", "1"), ("Ünïcode", "☃"), ("Empty", ""), ("", "no name")];
    app.message(&future).await.assert_taken();
    assert_eq!(app.only_message().from, SAM);

    let mut unsigned = encoded(&message(&[]));
    unsigned.push_str("&FutureParam=1");
    app.send(call(MESSAGES, &usual_signature(), unsigned)).await.assert_problem(403);
    assert_eq!(app.events().len(), 1);
}

#[tokio::test]
async fn duplicates_count_once_in_the_signature() {
    let app = App::new();
    let mut fields = message(&[]);
    fields.extend([("Tag", "b"), ("Tag", "a"), ("Tag", "b"), ("tag", "c"), ("Body", "again")]);

    app.send(signed(MESSAGES, &fields)).await.assert_taken();

    assert_eq!(app.only_message().body, "¿Dónde está mi pedido? 📦 A&B=100%");
}

#[tokio::test]
async fn bytes_that_are_no_text_are_marked_when_signed_and_refused_when_not() {
    let app = App::new();
    let mut body = encoded(&message(&[("Body", "")]));
    body.push_str("&Note=%FF%C3&Half=%F");
    app.send(call(MESSAGES, &usual_signature(), body.clone())).await.assert_problem(403);
    app.assert_nothing_published();

    let fields = message(&[("Body", "")]);
    let mut bytes: Vec<(&[u8], &[u8])> =
        fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    bytes.extend([(b"Note".as_slice(), b"\xff\xc3".as_slice()), (b"Half", b"%F")]);
    let signature = signature(TOKEN, &format!("{ORIGIN}{MESSAGES}"), &bytes);
    app.send(call(MESSAGES, &signature, body)).await.assert_taken();
    assert_eq!(app.only_message().body, "");
}

#[tokio::test]
async fn a_status_with_a_wrong_signature_is_refused() {
    let app = App::new();
    let request = signed_by("another", ORIGIN, STATUSES, &status(&[]));

    app.send(request).await.assert_problem(403);

    app.assert_nothing_published();
}
