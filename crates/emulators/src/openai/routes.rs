//! Chats and embeddings and, below `/_test`, the hand of a test or of a person.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State as Extract};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::answer::{self, Said};
use super::state::State;
use super::{Play, Recorded, Refusal, Shape, check, script, vectors};
use crate::server::Dropped;

/// What a gateway answers in place of the server.
const PAGE: &str = "<html><head><title>502</title></head><body>bad gateway</body></html>";

/// 2,048 long texts.
const LONGEST_REQUEST: usize = 64 * 1024 * 1024;

/// Limits of one request for embeddings.
const MOST_TEXTS: usize = 2_048;
const MOST_CHARACTERS: usize = 1_200_000;

pub(super) fn router(state: Arc<State>, shutdown: CancellationToken) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/embeddings", post(embeddings))
        .route("/v1/models", get(models))
        .route("/_test/requests", get(requests))
        .route("/_test/plays", post(plays))
        .fallback(async || invalid(StatusCode::NOT_FOUND, None, "unknown URL"))
        .layer(DefaultBodyLimit::max(LONGEST_REQUEST))
        .layer(Extension(shutdown))
        .with_state(state)
}

async fn chat(
    Extract(state): Extract<Arc<State>>,
    Extension(shutdown): Extension<CancellationToken>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    let counted = state.begin_chat();
    let body = serde_json::from_slice(&bytes).unwrap_or_default();
    let number = record(&state, "/v1/chat/completions", &body, &headers);
    let (play, latency) = {
        let mut held = state.lock();
        (held.chats.pop_front(), held.latency)
    };
    let words = || script::newest(messages(&body));
    let play = play.or_else(|| rule(&state, &[&words()])).unwrap_or(Play::Agent);
    tokio::time::sleep(latency).await;
    let answered = match admit(&state, &headers, &body) {
        Err(refused) => Some(refused),
        Ok(()) => match check::chat(&body) {
            Err(words) => Some(invalid(StatusCode::BAD_REQUEST, None, &words)),
            Ok(()) => completion(&play, &body, &shutdown).await,
        },
    };
    drop(counted);
    finish(&state, number, answered)
}

fn messages(body: &Value) -> &[Value] {
    let messages = body.get("messages").and_then(Value::as_array);
    messages.map(Vec::as_slice).unwrap_or_default()
}

/// The play of the first rule whose words one of the texts holds.
fn rule(state: &State, texts: &[&str]) -> Option<Play> {
    let held = state.lock();
    let is_met = |(words, _): &&(String, Play)| texts.iter().any(|text| text.contains(words));
    held.rules.iter().find(is_met).map(|(_, play)| play.clone())
}

/// The answer; `None` where the connection is dropped instead.
async fn completion(play: &Play, body: &Value, shutdown: &CancellationToken) -> Option<Response> {
    let mut shape = None;
    let said = match play {
        Play::Agent | Play::Vectors { .. } => script::agent(body),
        Play::Say { text } => Said::text(text.as_str()),
        Play::Call { calls } => Said { calls: calls.clone(), ..Said::default() },
        Play::SearchAgain => script::search(messages(body)),
        Play::UnknownTool => Said::call("delete_customer", json!({"customer": "Sam Doe"})),
        Play::Long { characters } => {
            Said::text("A long word. ".repeat(characters / 13 + 1).get(..*characters)?)
        }
        Play::Nothing => Said::default(),
        Play::Parts { text } => Said::text(json!([{"type": "text", "text": text}])),
        Play::Cut => cut(script::agent(body)),
        Play::Filtered => Said { finish: Some("content_filter"), ..Said::default() },
        Play::Declined { text } => Said { refusal: Some(text.clone()), ..Said::default() },
        Play::Strange { how } => {
            shape = Some(*how);
            script::agent(body)
        }
        fault => return fail(fault, body, shutdown).await,
    };
    Some(Json(answer::completion(body, said, shape)).into_response())
}

/// Half of the first call's arguments, or of the text.
fn cut(said: Said) -> Said {
    let half = |text: &str| text.chars().take(text.chars().count() / 2).collect::<String>();
    let calls = said.calls.into_iter().map(|(name, it)| (name, half(&it.to_string()).into()));
    let content = said.content.as_str().map_or(Value::Null, |text| half(text).into());
    Said { calls: calls.collect(), content, finish: Some("length"), refusal: None }
}

/// What goes wrong with either kind of request; the rest is an agent's answer.
async fn fail(play: &Play, body: &Value, shutdown: &CancellationToken) -> Option<Response> {
    match play {
        Play::Refuse { refusal } => Some(refuse(refusal)),
        Play::Html { status } => Some((status_of(*status), Html(PAGE)).into_response()),
        Play::Hang => {
            shutdown.cancelled().await;
            None
        }
        Play::Drop => None,
        Play::BrokenJson => {
            let kind = [(header::CONTENT_TYPE, "application/json")];
            let whole = answer::completion(body, Said::text("broken"), None).to_string();
            let half: String = whole.chars().take(whole.len() / 2).collect();
            Some((StatusCode::OK, kind, Body::from(half)).into_response())
        }
        Play::Delay { milliseconds } => {
            tokio::time::sleep(Duration::from_millis(*milliseconds)).await;
            let said = script::agent(body);
            Some(Json(answer::completion(body, said, None::<Shape>)).into_response())
        }
        _ => Some(invalid(StatusCode::NOT_IMPLEMENTED, None, "not a play for this request")),
    }
}

async fn embeddings(
    Extract(state): Extract<Arc<State>>,
    Extension(shutdown): Extension<CancellationToken>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let number = record(&state, "/v1/embeddings", &body, &headers);
    let (play, dimension) = {
        let mut held = state.lock();
        held.embedding_count += 1;
        (held.embeddings.pop_front(), held.dimension)
    };
    let texts = match body.get("input") {
        Some(Value::String(text)) => vec![text.as_str()],
        Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let play = play.or_else(|| rule(&state, &texts)).unwrap_or(Play::Agent);
    let characters: usize = texts.iter().map(|text| text.chars().count()).sum();
    let is_wrong = texts.is_empty()
        || texts.len() > MOST_TEXTS
        || characters > MOST_CHARACTERS
        || texts.iter().any(|text| text.is_empty());
    let answered = match admit(&state, &headers, &body) {
        Err(refused) => Some(refused),
        Ok(()) if is_wrong => Some(invalid(StatusCode::BAD_REQUEST, None, "'input' is invalid")),
        Ok(()) => {
            let model = body.get("model").and_then(Value::as_str).unwrap_or_default();
            let as_base64 = body.get("encoding_format").is_some_and(|format| format == "base64");
            let wrong = match &play {
                Play::Agent => Ok(None),
                Play::Vectors { wrong } => Ok(Some(*wrong)),
                fault => Err(fault),
            };
            match wrong {
                Ok(wrong) => {
                    state.lock().text_count += texts.len() as u64;
                    let by_hash =
                        || texts.iter().map(|text| vectors::vector(text, dimension)).collect();
                    let vectors = match &state.vectors {
                        Some(vectors) => vectors.of(&texts).await,
                        None => Some(by_hash()),
                    };
                    vectors.map(|vectors| {
                        let answer = vectors::answer(model, &texts, vectors, as_base64, wrong);
                        Json(answer).into_response()
                    })
                }
                Err(fault) => fail(fault, &body, &shutdown).await,
            }
        }
    };
    finish(&state, number, answered)
}

async fn models(Extract(state): Extract<Arc<State>>, headers: HeaderMap) -> Response {
    if let Err(refused) = authorize(&state, &headers) {
        return refused;
    }
    let model = |id: &String| json!({"id": id, "object": "model", "owned_by": "emulator"});
    let data: Vec<_> = state.models.iter().map(model).collect();
    Json(json!({"object": "list", "data": data})).into_response()
}

async fn requests(Extract(state): Extract<Arc<State>>) -> Json<Vec<Recorded>> {
    Json(state.lock().requests.iter().cloned().collect())
}

async fn plays(Extract(state): Extract<Arc<State>>, Json(plays): Json<Vec<Play>>) -> StatusCode {
    state.lock().chats.extend(plays);
    StatusCode::NO_CONTENT
}

/// Whether key and model are known.
#[expect(clippy::result_large_err, reason = "the error is the answer")]
fn admit(state: &State, headers: &HeaderMap, body: &Value) -> Result<(), Response> {
    authorize(state, headers)?;
    let model = body.get("model").and_then(Value::as_str).unwrap_or_default();
    if state.models.is_empty() || state.models.iter().any(|known| known == model) {
        return Ok(());
    }
    let words = format!("The model '{model}' does not exist or you do not have access to it.");
    Err(invalid(StatusCode::NOT_FOUND, Some("model_not_found"), &words))
}

#[expect(clippy::result_large_err, reason = "the error is the answer")]
fn authorize(state: &State, headers: &HeaderMap) -> Result<(), Response> {
    if is_authorized(state, headers) {
        return Ok(());
    }
    Err(invalid(StatusCode::UNAUTHORIZED, Some("invalid_api_key"), "Incorrect API key provided"))
}

fn is_authorized(state: &State, headers: &HeaderMap) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    given == Some(format!("Bearer {}", state.api_key).as_str())
}

fn record(state: &State, path: &str, body: &Value, headers: &HeaderMap) -> u64 {
    state.record(Recorded {
        path: path.to_owned(),
        body: body.clone(),
        is_authorized: is_authorized(state, headers),
        status: None,
    })
}

fn finish(state: &State, number: u64, answered: Option<Response>) -> Response {
    match answered {
        Some(response) => {
            state.answered(number, response.status().as_u16());
            response
        }
        None => (Extension(Dropped), StatusCode::OK).into_response(),
    }
}

fn invalid(status: StatusCode, code: Option<&str>, words: &str) -> Response {
    let error =
        json!({"message": words, "type": "invalid_request_error", "param": null, "code": code});
    (status, Json(json!({"error": error}))).into_response()
}

fn refuse(refusal: &Refusal) -> Response {
    let Refusal { status, code, kind, message, form, headers } = refusal;
    let error = json!({"message": message, "type": kind, "param": null, "code": code});
    let body = match form.as_str() {
        "flat" => json!({"object": "error", "message": message, "type": kind, "code": code}),
        "text" => json!({"error": message}),
        _ => json!({"error": error}),
    };
    let mut response = (status_of(*status), Json(body)).into_response();
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
