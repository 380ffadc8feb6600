//! The pages, which work without JavaScript and allow none, and what every answer
//! carries.

use askama::Template;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, RETRY_AFTER,
    VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use chassis::problem::{FieldError, Problem};

use crate::refusal::Refusal;

pub(crate) mod form;
pub(crate) mod ticket;

/// Nothing is loaded but our own style, no script runs, nobody frames the page.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("../assets/style.css");

/// What every answer carries. The token stands in the address: no address leaves
/// by the Referer header, and no cache keeps an answer.
pub(crate) const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (VARY, HeaderValue::from_static("accept")),
];

#[derive(Template)]
#[template(path = "refused.html")]
struct RefusedPage {
    title: &'static str,
    sentence: &'static str,
}

fn error_of<'a>(errors: &'a [FieldError], field: &str) -> Option<&'a str> {
    errors.iter().find(|error| error.field == field).map(|error| error.message.as_str())
}

/// A page that only says why there is no other.
pub(crate) fn refused(refusal: &Refusal) -> Response {
    let title = match refusal {
        Refusal::NotFound => "No such ticket",
        _ => "Not now",
    };
    html(&RefusedPage { title, sentence: refusal.words() }, Some(refusal))
}

fn html(page: &impl Template, refusal: Option<&Refusal>) -> Response {
    let text = match page.render() {
        Ok(text) => text,
        Err(error) => return Problem::internal(error.into()).into_response(),
    };
    let status = refusal.map_or(StatusCode::OK, Refusal::status);
    let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, POLICY)];
    let mut response = (status, headers, text).into_response();
    if let Some(seconds) = refusal.and_then(Refusal::retry_after_s) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The style sheet; the only thing here that a cache may keep.
pub(crate) async fn style() -> Response {
    let headers =
        [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "public, max-age=300")];
    (headers, STYLE).into_response()
}

/// Adds what every answer carries, where the answer has not said otherwise.
pub(crate) async fn guard(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(value);
    }
    response
}
