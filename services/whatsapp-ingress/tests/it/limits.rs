//! Sizes, types, methods and times: bounded before anything is read.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Method, Request};
use futures::{StreamExt as _, stream};

use crate::support::{
    App, FORM, MESSAGES, STATUSES, call, encoded, message, signed, usual_signature,
};

const LIMIT: usize = 64 << 10;

/// A valid message whose form is exactly this long.
fn of_length(length: usize) -> Request<Body> {
    let shortest = encoded(&message(&[("Padding", "")])).len();
    let padding = "x".repeat(length - shortest);
    signed(MESSAGES, &message(&[("Padding", &padding)]))
}

#[tokio::test]
async fn a_body_over_64_kib_is_refused_before_it_is_read() {
    let app = App::new();
    app.send(of_length(LIMIT)).await.assert_taken();
    assert_eq!(app.events().len(), 1);

    app.send(of_length(LIMIT + 1)).await.assert_problem(413);
    let frames = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(&[b'a'; 1024])));
    let endless = Body::from_stream(frames.take(1024));
    app.send(call(STATUSES, &usual_signature(), endless)).await.assert_problem(413);

    assert_eq!(app.publisher.calls(), 1);
}

#[tokio::test]
async fn more_than_200_parameters_are_refused_before_they_are_read() {
    let app = App::new();
    let names: Vec<String> = (0..200).map(|n| format!("P{n}")).collect();
    let mut fields = message(&[]);
    fields.extend(names.iter().map(|name| (name.as_str(), "1")));

    fields.truncate(200);
    app.send(signed(MESSAGES, &fields)).await.assert_taken();
    fields.push(("one", "more"));
    app.send(signed(MESSAGES, &fields)).await.assert_problem(413);
    app.send(call(MESSAGES, "", "&".repeat(60_000))).await.assert_problem(413);

    assert_eq!(app.events().len(), 1);
}

#[tokio::test]
async fn a_body_that_is_no_form_is_refused() {
    let app = App::new();
    for kind in ["application/json", "text/plain", "multipart/form-data; boundary=x", "", "form"] {
        let mut request = signed(MESSAGES, &message(&[]));
        request.headers_mut().insert("content-type", kind.parse().unwrap());
        app.send(request).await.assert_problem(415);
    }
    let mut request = signed(MESSAGES, &message(&[]));
    request.headers_mut().remove("content-type");
    app.send(request).await.assert_problem(415);
    app.assert_nothing_published();

    for kind in ["application/x-www-form-urlencoded", &FORM.to_uppercase()] {
        let mut request = signed(MESSAGES, &message(&[]));
        request.headers_mut().insert("content-type", kind.parse().unwrap());
        app.send(request).await.assert_taken();
    }
}

#[tokio::test]
async fn only_post_is_taken() {
    let app = App::new();
    for path in [MESSAGES, STATUSES] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let mut request = signed(path, &message(&[]));
            *request.method_mut() = method;
            app.send(request).await.assert_problem(405);
        }
    }

    app.assert_nothing_published();
}

#[tokio::test]
async fn a_body_that_does_not_come_is_waited_for_only_so_long() {
    let app = App::with(|parts| parts.body_timeout = Duration::from_millis(20));
    let never = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());

    app.send(call(MESSAGES, &usual_signature(), never)).await.assert_problem(408);

    app.assert_nothing_published();
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_nothing_behind() {
    let app = App::new();
    let body = encoded(&message(&[]));
    let frames = [Ok(Bytes::from(body)), Err(std::io::Error::other("reset"))];
    let broken = Body::from_stream(stream::iter(frames));

    app.send(call(MESSAGES, &usual_signature(), broken)).await.assert_problem(400);

    app.assert_nothing_published();
}

#[tokio::test]
async fn calls_beyond_those_worked_on_are_told_to_come_again() {
    let app = App::new();
    let never = || Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
    let mut open: Vec<_> =
        (0..1024).map(|_| Box::pin(app.send(call(MESSAGES, "", never())))).collect();
    for waiting in &mut open {
        assert!(futures::poll!(waiting).is_pending());
    }

    app.message(&[]).await.assert_problem(503);

    drop(open);
    app.message(&[]).await.assert_taken();
}
