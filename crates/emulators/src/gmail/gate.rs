//! What every request passes: it is recorded, has its fault, and its answer is noted.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State as Extract};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse as _, Response};
use axum::{Extension, Json};
use chrono::{SecondsFormat, TimeDelta};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::problem::Problem;
use super::route::Route;
use super::state::State;
use super::{Fault, Recorded};
use crate::server::Dropped;

/// The longest body, as base64 in JSON, of the largest mail that Gmail takes.
const LONGEST_BODY_BYTES: usize = 52 * 1024 * 1024;

/// What the edge answers in place of an interface.
const PAGE: &str = "<html><head><title>502</title></head><body>That's an error.</body></html>";

pub(super) async fn pass(
    Extract(state): Extract<Arc<State>>,
    Extension(shutdown): Extension<CancellationToken>,
    request: Request,
    next: Next,
) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LONGEST_BODY_BYTES).await else {
        return Problem::new(413, "uploadTooLarge", "Request is too large.").into_response();
    };
    let route = name(head.method.as_str(), head.uri.path());
    let place = record(&state, route, &head, &body);
    let fault = {
        let mut held = state.lock();
        let mail = head.uri.path().rsplit('/').next().unwrap_or_default();
        let trouble = held.troubles.get(mail).cloned();
        let script = held.faults.get_mut(route);
        let scripted = script.and_then(std::collections::VecDeque::pop_front);
        trouble.or(scripted).unwrap_or(Fault::Pass)
    };
    let processed = match fault.processes() {
        true => Some(next.run(Request::from_parts(head, Body::from(body))).await),
        false => None,
    };
    let Some(response) = answer(&state, &fault, processed, &shutdown).await else {
        return (Extension(Dropped), StatusCode::OK).into_response();
    };
    if let Some(recorded) = state.lock().requests.get_mut(place) {
        recorded.status = Some(response.status().as_u16());
    }
    response
}

/// The method's name, for the script and the record.
fn name(method: &str, path: &str) -> &'static str {
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match segments.as_slice() {
        ["token"] => "token",
        ["oauth2", "v3", "certs"] => "certs",
        ["gmail", "v1", "users", _, below @ ..] => {
            Route::find(method, below).map_or("", |(route, _)| route.id)
        }
        _ => "",
    }
}

fn record(state: &State, route: &str, head: &axum::http::request::Parts, body: &Bytes) -> usize {
    let pairs = |text: &[u8]| -> Vec<(String, String)> {
        let text = String::from_utf8_lossy(text);
        let url = reqwest::Url::parse(&format!("http://gmail.invalid/?{text}"));
        url.map(|url| url.query_pairs().into_owned().collect()).unwrap_or_default()
    };
    let parameters = match route {
        "token" => pairs(body),
        _ => pairs(head.uri.query().unwrap_or_default().as_bytes()),
    };
    let mut held = state.lock();
    held.requests.push(Recorded {
        route: route.to_owned(),
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        parameters,
        body: serde_json::from_slice(body).unwrap_or(Value::Null),
        status: None,
    });
    held.requests.len() - 1
}

/// The answer; `None` where the connection is dropped instead.
async fn answer(
    state: &State,
    fault: &Fault,
    processed: Option<Response>,
    shutdown: &CancellationToken,
) -> Option<Response> {
    let processed = processed.unwrap_or_else(|| StatusCode::NO_CONTENT.into_response());
    Some(match fault {
        Fault::Pass => processed,
        Fault::Delay { milliseconds } => {
            tokio::time::sleep(Duration::from_millis(*milliseconds)).await;
            processed
        }
        Fault::TooMany { retry_after, retry_after_in_words } => {
            too_many(state, *retry_after, *retry_after_in_words)
        }
        Fault::Refuse { status, reason } => {
            Problem::new(*status, reason, "Refused by the script.").into_response()
        }
        Fault::ServerErrorJson | Fault::ServerErrorAfterProcessing => {
            Problem::new(500, "backendError", "Backend Error").into_response()
        }
        Fault::ServerErrorHtml => (StatusCode::BAD_GATEWAY, Html(PAGE)).into_response(),
        Fault::Hang | Fault::HangAfterProcessing => {
            shutdown.cancelled().await;
            return None;
        }
        Fault::Drop | Fault::ProcessThenDrop => return None,
        Fault::BrokenReply => {
            let (head, body) = processed.into_parts();
            let body = to_bytes(body, LONGEST_BODY_BYTES).await.unwrap_or_default();
            let half = body.slice(..body.len() / 2);
            let kind = [(header::CONTENT_TYPE, "application/json")];
            (head.status, kind, half).into_response()
        }
    })
}

fn too_many(state: &State, seconds: Option<u64>, in_words: Option<u64>) -> Response {
    let until = in_words.map(|seconds| {
        let wait = TimeDelta::from_std(Duration::from_secs(seconds)).unwrap_or_default();
        let until = state.lock().now() + wait;
        format!("  Retry after {}", until.to_rfc3339_opts(SecondsFormat::Millis, true))
    });
    let message = format!("User-rate limit exceeded.{}", until.unwrap_or_default());
    let mut response = Problem::new(429, "rateLimitExceeded", message).into_response();
    if let Some(seconds) = seconds {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// Uses up a call's units, or refuses it.
pub(super) fn charge(state: &State, address: &str, units: u32) -> Result<(), Problem> {
    let Some(limit) = state.units_per_minute else { return Ok(()) };
    let mut held = state.lock();
    let now = held.now();
    let (mailbox, _) = held.mailbox(address)?;
    mailbox.usage.retain(|(at, _)| now - *at < TimeDelta::minutes(1));
    let used: u32 = mailbox.usage.iter().map(|(_, units)| units).sum();
    if used + units > limit {
        let message = "Quota exceeded for quota metric 'Queries' per minute per user.";
        return Err(Problem::new(403, "rateLimitExceeded", message));
    }
    mailbox.usage.push((now, units));
    Ok(())
}

/// What a handler answers; nothing is 204.
pub(super) fn reply(result: Result<Value, Problem>) -> Response {
    match result {
        Ok(Value::Null) => StatusCode::NO_CONTENT.into_response(),
        Ok(value) => Json(value).into_response(),
        Err(problem) => problem.into_response(),
    }
}
