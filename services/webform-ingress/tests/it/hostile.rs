//! Bad input: a 4xx that names the field, never a 5xx, never an event.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Method, Request};
use contract::WebformBody;
use futures::stream;
use serde_json::json;
use sqlx::PgPool;

use crate::support::{App, and, post, post_form, post_raw, question, question_with};

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn every_wrong_field_is_named(pool: PgPool) {
    let app = App::new(&pool).await;
    let long = |n: usize| json!("x".repeat(n));

    for (field, value) in [
        ("name", json!("")),
        ("name", json!(null)),
        ("name", json!(["Sam"])),
        ("name", long(201)),
        ("email", json!("not an address")),
        ("email", json!({"at": "example.org"})),
        ("email", json!(format!("{}@example.org", "x".repeat(300)))),
        ("subject", json!(" \t\n")),
        ("subject", json!(3.5)),
        ("subject", long(201)),
        ("message", json!(false)),
        ("message", long(20_001)),
        ("category", json!("refunds")),
        ("category", json!("")),
        ("priority", json!(1)),
        ("plan", json!("gold")),
        ("colour", json!("red")),
        ("idempotency_key", json!("k1")),
    ] {
        let answer = app.submit(&question_with(field, value.clone())).await;
        assert_eq!(answer.wrong_fields(), [field], "{value}");
        answer.assert_problem(422);
    }
    assert_eq!(
        app.submit(&json!({})).await.wrong_fields(),
        ["name", "email", "subject", "message"]
    );
    assert!(app.events().is_empty());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn bodies_that_are_none_are_client_errors(pool: PgPool) {
    let app = App::new(&pool).await;
    let nested = format!("{{\"name\":{}", "[".repeat(100_000));
    let fields = vec!["a=1"; 5_000].join("&");

    for (status, kind, body) in [
        (400, "application/json", "".as_bytes()),
        (400, "application/json", b"{"),
        (400, "application/json", b"{\"name\": \"\\ud800\"}"),
        (400, "application/json", b"\xFF"),
        (400, "application/json", b"{\"na\xFFme\": \"Sam\"}"),
        (400, "application/json", nested.as_bytes()),
        (422, "application/json", b"[]"),
        (422, "application/json", b"null"),
        (422, "application/json", b"\"text\""),
        (422, "application/x-www-form-urlencoded", b""),
        (422, "application/x-www-form-urlencoded", fields.as_bytes()),
        (400, "application/x-www-form-urlencoded", b"na%FFme=Sam"),
        (422, "application/x-www-form-urlencoded", b"&&&=&=%&%zz=%"),
        (415, "text/plain", b"name=Sam"),
        (415, "multipart/form-data; boundary=x", b"--x--"),
        (415, "application/json; charset=utf-16", b"{}"),
    ] {
        let answer = app.send(post_raw("/support/submit", kind, body.to_vec())).await;
        answer.assert_problem(status);
    }
    let untyped = Request::post("/support/submit").body(Body::from("{}")).unwrap();
    app.send(untyped).await.assert_problem(415);
    assert!(app.events().is_empty());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn text_that_is_not_utf8_names_its_field(pool: PgPool) {
    let app = App::new(&pool).await;
    let mut json = question().to_string().into_bytes();
    let at = json.windows(4).position(|w| w == b"file").unwrap();
    json[at] = 0xC3;

    let json = app.send(post_raw("/support/submit", "application/json", json)).await;
    let form = app.submit_form("name=%C3%28&email=sam@example.org&subject=s&message=m").await;

    assert_eq!(json.wrong_fields(), ["message"]);
    assert_eq!(form.wrong_fields(), ["name"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_field_given_twice_is_refused_by_name(pool: PgPool) {
    let app = App::new(&pool).await;

    let form = app.submit_form(&format!("{}&email=eve@example.org", crate::support::FORM)).await;
    let body = question().to_string().replacen('{', "{\"subject\":\"one\",", 1);
    let json = app.send(post_raw("/support/submit", "application/json", body)).await;

    assert_eq!(form.wrong_fields(), ["email"]);
    assert_eq!(json.wrong_fields(), ["subject"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn html_and_control_characters_of_a_message_are_kept(pool: PgPool) {
    let app = App::new(&pool).await;
    let text = "<script>alert('x')</script>\r\n\u{7}\u{1b}[31m\u{202e}\u{0}👩‍👩‍👧‍👦 &amp;";

    let answer = app.submit(&question_with("message", text)).await;

    assert_eq!(answer.status.as_u16(), 202);
    let WebformBody::Submission(submission) = &app.events()[0].body else { panic!() };
    assert_eq!(submission.message, text.replace('\0', "\u{FFFD}"));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn the_longest_message_is_accepted_in_every_spelling(pool: PgPool) {
    let app = App::new(&pool).await;
    let message = "😀".repeat(20_000);
    let escaped =
        question_with("message", "X").to_string().replace("X", &"\\ud83d\\ude00".repeat(20_000));
    let encoded = format!(
        "name=Sam&email=sam@example.org&subject=s&message={}",
        "%F0%9F%98%80".repeat(20_000)
    );

    for answer in [
        app.submit(&question_with("message", message.as_str())).await,
        app.send(post_raw("/support/submit", "application/json", escaped)).await,
        app.submit_form(&encoded).await,
    ] {
        assert_eq!(answer.status.as_u16(), 202, "{}", answer.body);
    }
    for record in app.publisher.records() {
        assert!(record.payload.len() <= 256 << 10, "an event is at most 256 KiB");
    }
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn ten_megabytes_are_read_and_refused(pool: PgPool) {
    let app = App::new(&pool).await;
    let message = "x".repeat(10 << 20);

    let known = app.submit(&question_with("message", message.as_str())).await;
    let chunks = (0..160).map(|_| Ok::<_, Infallible>(Bytes::from(vec![b'x'; 64 << 10])));
    let streamed = Body::from_stream(stream::iter(chunks));
    let streamed = app.send(post_raw("/support/submit", "application/json", streamed)).await;

    known.assert_problem(413);
    streamed.assert_problem(413);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_body_without_end_is_refused_without_reading_it_all(pool: PgPool) {
    let app = App::new(&pool).await;
    let endless = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from(vec![b'x'; 64 << 10])));

    let request = post_raw("/support/submit", "application/json", Body::from_stream(endless));

    app.send(request).await.assert_problem(413);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_body_that_does_not_come_is_given_up(pool: PgPool) {
    let app = App::with(&pool, "off", |parts| parts.body_timeout = Duration::from_millis(50)).await;
    let first = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"{\"name\":"))]);
    let body = Body::from_stream(futures::StreamExt::chain(first, stream::pending()));

    let answer = app.send(post_raw("/support/submit", "application/json", body)).await;

    answer.assert_problem(408);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn more_requests_than_are_worked_on_are_refused_at_once(pool: PgPool) {
    let app = App::new(&pool).await;
    let held: Vec<_> = (0..1024)
        .map(|_| {
            let body = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
            tokio::spawn({
                let router = app.router.clone();
                async move {
                    let request = post_raw("/support/submit", "application/json", body);
                    tower::ServiceExt::oneshot(router, request).await
                }
            })
        })
        .collect();
    testkit::wait_for("a refusal", async || app.submit(&question()).await.status.as_u16() == 503)
        .await;

    for request in &held {
        request.abort();
    }
    testkit::wait_for("a free place", async || {
        app.submit(&question()).await.status.as_u16() == 202
    })
    .await;
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn wrong_methods_say_which_are_right(pool: PgPool) {
    let app = App::new(&pool).await;

    for (path, method, allowed) in [
        ("/support", Method::POST, "GET,HEAD"),
        ("/support/submit", Method::GET, "POST"),
        ("/support/submit", Method::DELETE, "POST"),
        ("/support/submit", Method::OPTIONS, "POST"),
        ("/support/submit", Method::TRACE, "POST"),
        ("/support/ticket/TF-20260105-0000", Method::PUT, "GET,HEAD"),
        ("/support/ticket/TF-20260105-0000/messages", Method::PATCH, "POST"),
        ("/support/submit", Method::from_bytes(b"BREW").unwrap(), "POST"),
    ] {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let answer = app.send(request).await;
        answer.assert_problem(405);
        assert_eq!(answer.header("allow"), allowed, "{path}");
    }
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn odd_paths_are_404(pool: PgPool) {
    let app = App::new(&pool).await;

    for path in [
        "/support/",
        "/support/submit/",
        "/support/nothing",
        "/support/ticket",
        "/support/ticket/",
        "/support/ticket/%FF%00",
        "/support/ticket/..%2f..%2fetc%2fpasswd",
        "/support/ticket/TF-20260105-0000/",
        "/support/ticket/TF-20260105-0000/messages/x",
    ] {
        app.get(path).await.assert_problem(404);
    }
    let nowhere = post("/support/ticket/%FF/messages?token=x", &json!({"message": "m"}));
    app.send(nowhere).await.assert_problem(404);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn headers_of_rubbish_change_nothing(pool: PgPool) {
    let app = App::new(&pool).await;
    let request = post_form("/support/submit", crate::support::FORM);
    let request = and(request, "accept", ";;q=,,text/html;q=x");
    let request = and(request, "x-forwarded-for", ",,,");

    assert_eq!(app.send(request).await.status.as_u16(), 202);
}
