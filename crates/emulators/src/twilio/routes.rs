//! The REST interface and, below `/_test`, the hand of a test or of a person.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Form as FormBody, Path, Query as QueryString, State as Extract};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::create::{self, Form};
use super::inbound::{self, Inbound, InboundOutcome};
use super::list::Query;
use super::media;
use super::state::State;
use super::{Callbacks, Fault, Message, Recorded};
use crate::server::Dropped;

type Pairs = Vec<(String, String)>;

/// What the edge answers in place of an interface.
const PAGE: &str = "<html><head><title>503</title></head><body>upstream failed</body></html>";

pub(super) fn router(state: Arc<State>, shutdown: CancellationToken) -> Router {
    let account = "/2010-04-01/Accounts/{account}";
    Router::new()
        .route(&format!("{account}/Messages.json"), get(list).post(send))
        .route(&format!("{account}/Messages/{{file}}"), get(show))
        .route(&format!("{account}/Messages/{{sid}}/Media/{{media}}"), get(media::redirect))
        .route(&format!("{account}/Messages/{{sid}}/Media.json"), get(media::list))
        .route("/cdn/{media}", get(media::bytes))
        .route("/_test/inbound", post(write))
        .route("/_test/requests", get(requests))
        .route("/_test/messages", get(messages))
        .route("/_test/faults", post(faults))
        .route("/_test/callbacks", post(callbacks))
        .fallback(async || problem(StatusCode::NOT_FOUND, 20_404, "no such resource"))
        .layer(Extension(shutdown))
        .with_state(state)
}

async fn send(
    Extract(state): Extract<Arc<State>>,
    Extension(shutdown): Extension<CancellationToken>,
    Path(account): Path<String>,
    headers: HeaderMap,
    FormBody(pairs): FormBody<Pairs>,
) -> Response {
    let path = format!("/2010-04-01/Accounts/{account}/Messages.json");
    let is_authorized = is_authorized(&state, &account, &headers);
    let place = record(&state, "POST", &path, pairs.clone(), is_authorized, None);
    if !is_authorized {
        return noted(&state, place, problem(StatusCode::UNAUTHORIZED, 20_003, "Authenticate"));
    }
    let form = Form(&pairs);
    let checked = {
        let mut held = state.lock();
        let fault = held.faults.pop_front().unwrap_or(Fault::Pass);
        if fault.accepts() { form.check(&state, &held).map(|()| fault) } else { Ok(fault) }
    };
    let fault = match checked {
        Ok(fault) => fault,
        Err((status, code, words)) => return noted(&state, place, problem(status, code, words)),
    };
    let undeliverable = match fault {
        Fault::Undeliverable { code } => Some(code),
        _ => None,
    };
    let failed = match fault {
        Fault::FailedAtOnce { code } | Fault::FailedThenDrop { code } => Some(code),
        _ => None,
    };
    let message = match fault.accepts() {
        true => Some(create::accept(&state, &form, undeliverable, failed).await),
        false => None,
    };
    let delay = state.lock().answer_delay;
    tokio::time::sleep(delay).await;
    match answer(fault, message, &shutdown).await {
        Some(response) => noted(&state, place, response),
        None => (Extension(Dropped), StatusCode::OK).into_response(),
    }
}

/// The answer; `None` where the connection is dropped instead.
async fn answer(
    fault: Fault,
    message: Option<Message>,
    shutdown: &CancellationToken,
) -> Option<Response> {
    let shown = message.map(|message| message.to_json()).unwrap_or_default();
    Some(match fault {
        Fault::Pass | Fault::Undeliverable { .. } | Fault::FailedAtOnce { .. } => {
            (StatusCode::CREATED, Json(shown)).into_response()
        }
        Fault::TooMany { retry_after } => {
            let mut response = problem(StatusCode::TOO_MANY_REQUESTS, 20_429, "Too many requests");
            if let Some(seconds) = retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            }
            response
        }
        Fault::ServerErrorJson | Fault::ServerErrorAfterAccepting => {
            problem(StatusCode::INTERNAL_SERVER_ERROR, 20_500, "An internal server error occurred")
        }
        Fault::ServerErrorHtml => (StatusCode::SERVICE_UNAVAILABLE, Html(PAGE)).into_response(),
        Fault::BadRequestHtml => (StatusCode::BAD_REQUEST, Html(PAGE)).into_response(),
        Fault::Hang | Fault::HangAfterAccepting => {
            shutdown.cancelled().await;
            return None;
        }
        Fault::Drop | Fault::AcceptThenDrop | Fault::FailedThenDrop { .. } => return None,
        Fault::BrokenReply => {
            let text = shown.to_string();
            let half: String = text.chars().take(text.len() / 2).collect();
            let kind = [(header::CONTENT_TYPE, "application/json")];
            (StatusCode::CREATED, kind, Body::from(half)).into_response()
        }
        Fault::Refuse { status, code } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            problem(status, code, "refused by the script")
        }
    })
}

async fn list(
    Extract(state): Extract<Arc<State>>,
    Path(account): Path<String>,
    headers: HeaderMap,
    QueryString(pairs): QueryString<Pairs>,
) -> Response {
    let path = format!("/2010-04-01/Accounts/{account}/Messages.json");
    let is_authorized = is_authorized(&state, &account, &headers);
    let response = if is_authorized {
        let held = state.lock();
        let page = Query(&pairs).page(&path, &held.messages, held.largest_page);
        match page {
            Ok(page) => Json(page).into_response(),
            Err((status, code, words)) => problem(status, code, words),
        }
    } else {
        problem(StatusCode::UNAUTHORIZED, 20_003, "Authenticate")
    };
    record(&state, "GET", &path, pairs, is_authorized, Some(response.status()));
    response
}

async fn show(
    Extract(state): Extract<Arc<State>>,
    Path((account, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let path = format!("/2010-04-01/Accounts/{account}/Messages/{file}");
    let is_authorized = is_authorized(&state, &account, &headers);
    let sid = file.strip_suffix(".json");
    let found = state.lock().messages.iter().find(|m| Some(m.sid.as_str()) == sid).cloned();
    let response = match found {
        _ if !is_authorized => problem(StatusCode::UNAUTHORIZED, 20_003, "Authenticate"),
        Some(message) => Json(message.to_json()).into_response(),
        None => problem(StatusCode::NOT_FOUND, 20_404, "The requested resource was not found"),
    };
    record(&state, "GET", &path, Vec::new(), is_authorized, Some(response.status()));
    response
}

async fn write(
    Extract(state): Extract<Arc<State>>,
    Json(inbound): Json<Inbound>,
) -> Json<InboundOutcome> {
    Json(inbound::deliver(&state, inbound).await)
}

async fn requests(Extract(state): Extract<Arc<State>>) -> Json<Vec<Recorded>> {
    Json(state.lock().requests.clone())
}

async fn messages(Extract(state): Extract<Arc<State>>) -> Json<Vec<Message>> {
    Json(state.lock().messages.clone())
}

async fn faults(Extract(state): Extract<Arc<State>>, Json(faults): Json<Vec<Fault>>) -> StatusCode {
    state.lock().faults.extend(faults);
    StatusCode::NO_CONTENT
}

async fn callbacks(
    Extract(state): Extract<Arc<State>>,
    Json(callbacks): Json<Callbacks>,
) -> StatusCode {
    state.lock().callbacks = callbacks;
    StatusCode::NO_CONTENT
}

/// Whether the request carries this account's SID and token.
pub(super) fn is_authorized(state: &State, account: &str, headers: &HeaderMap) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let expected = format!("{}:{}", state.account_sid, state.lock().auth_token);
    let expected = format!("Basic {}", STANDARD.encode(expected));
    account == state.account_sid && given == Some(expected.as_str())
}

/// Remembers a request; returns its place.
pub(super) fn record(
    state: &State,
    method: &str,
    path: &str,
    parameters: Pairs,
    is_authorized: bool,
    status: Option<StatusCode>,
) -> usize {
    let mut held = state.lock();
    held.requests.push(Recorded {
        method: method.to_owned(),
        path: path.to_owned(),
        parameters,
        is_authorized,
        status: status.map(|status| status.as_u16()),
    });
    held.requests.len() - 1
}

fn noted(state: &State, place: usize, response: Response) -> Response {
    if let Some(recorded) = state.lock().requests.get_mut(place) {
        recorded.status = Some(response.status().as_u16());
    }
    response
}

/// Twilio's error body.
pub(super) fn problem(status: StatusCode, code: u32, words: &str) -> Response {
    let body = json!({
        "code": code,
        "message": words,
        "more_info": format!("https://www.twilio.com/docs/errors/{code}"),
        "status": status.as_u16(),
    });
    (status, Json(body)).into_response()
}
